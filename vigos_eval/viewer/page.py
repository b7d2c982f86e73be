"""Writes the page: template, style, scripts and packed records in one file under a strict policy.

Nothing a model or a data set wrote becomes markup. Records stand in ``application/json`` elements
with every ``<`` escaped, the scripts set text and never HTML, and the page's content policy runs
only the one script whose hash it names and loads nothing but images from beside the page.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TypeVar

from vigos_eval.errors import RunFolderError
from vigos_eval.records import ImageRef
from vigos_eval.viewer.pictures import INLINE_LIMIT_BYTES, Picture, pictures
from vigos_eval.viewer.runs import ViewedRun, pairing_notices, read_viewed_run
from vigos_eval.viewer.samples import Asked, Json, details, index_row

T = TypeVar("T")

ASSETS = Path(__file__).parent / "assets"
STYLES = ("base.css", "list.css", "sample.css")
SCRIPTS = (
    "store.js",
    "selection.js",
    "rows.js",
    "sample.js",
    "controls.js",
    "dialogs.js",
    "main.js",
)
SAMPLES_PER_BLOCK = 32
IMAGES_PER_BLOCK = 32
POLICY = (
    "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; "
    "img-src data: 'self' file:; base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True)
class WrittenPage:
    """What was written.

    Attributes:
        path: The page.
        size: Its bytes.
        questions: Questions in it.
        images: Distinct images of the questions.
        missing_images: Images that were not kept or cannot be read.
        side_folder: True when images are files beside the page.
        notices: What the page says is missing or differs.
    """

    path: Path
    size: int
    questions: int
    images: int
    missing_images: int
    side_folder: bool
    notices: tuple[str, ...]


def write_page(
    run_folder: Path,
    base_folder: Path | None,
    page: Path,
    inline_limit: int = INLINE_LIMIT_BYTES,
    seen: Callable[[int], None] = lambda count: None,
) -> WrittenPage:
    """Write the page of a run, beside a base run when one is given.

    Args:
        run_folder: The run.
        base_folder: The run to compare with, or None.
        page: Where to write; images above the limit are laid beside it.
        inline_limit: Bytes of images that may be inside the page.
        seen: Told how many images were read, for a progress bar.

    Raises:
        RunFolderError: A folder holds nothing to show, or the page cannot be written there.
    """
    run = read_viewed_run(run_folder)
    base = read_viewed_run(base_folder) if base_folder else None
    notices = run.notices + (pairing_notices(run, base) if base else ())
    refs = list(dict.fromkeys(ref for r in run.completions.values() for ref in r.images))
    folders = [run_folder, *([base_folder] if base_folder else [])]
    try:
        shown = pictures(refs, folders, page, inline_limit, seen)
        text = page_html(run, base, notices, dict(zip(refs, shown, strict=True)))
        page.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise RunFolderError(f"{page} cannot be written ({error}); choose another --out") from error
    return WrittenPage(
        path=page,
        size=page.stat().st_size,
        questions=len(run.completions),
        images=len(shown),
        missing_images=sum(bool(picture.fault) for picture in shown),
        side_folder=any(not _is_inline(u) for p in shown for u in (p.thumbnail, p.full) if u),
        notices=notices,
    )


def page_html(
    run: ViewedRun,
    base: ViewedRun | None,
    notices: Sequence[str],
    shown: dict[ImageRef, Picture],
) -> str:
    """The page as text; the same run gives the same bytes."""
    numbers = {ref: number for number, ref in enumerate(shown)}
    pairs = [
        (asked, _asked(base, key) if base else None)
        for key in sorted(run.completions, key=natural_order)
        if (asked := _asked(run, key)) is not None
    ]
    index: Json = {
        "run": _head(run),
        "base": _head(base) if base else None,
        "notices": list(notices),
        "samplesPerBlock": SAMPLES_PER_BLOCK,
        "imagesPerBlock": IMAGES_PER_BLOCK,
        "images": [_image_row(picture) for picture in shown.values()],
        "samples": [index_row(asked, other, numbers) for asked, other in pairs],
    }
    elements = [_json_element("index", index)]
    for number, block in enumerate(_blocks(pairs, SAMPLES_PER_BLOCK)):
        packed = _packed([details(asked, other) for asked, other in block])
        elements.append(_json_element(f"samples-{number}", packed))
    for number, images in enumerate(_blocks(list(shown.values()), IMAGES_PER_BLOCK)):
        elements.append(_json_element(f"thumbnails-{number}", [p.thumbnail for p in images]))
        elements.append(_json_element(f"images-{number}", [p.full for p in images]))
    style = "".join((ASSETS / name).read_text(encoding="utf-8") for name in STYLES)
    bodies = "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS)
    script = f'"use strict";\n(() => {{\n{bodies}}})();\n'
    return Template((ASSETS / "page.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(f"{run.facts.name} · ViGOS"),
        policy=POLICY.format(script=_hash(script), style=_hash(style)),
        style=style,
        records="\n".join(elements),
        script=script,
    )


def natural_order(key: str) -> list[tuple[int, str]]:
    """A sort key under which numbers inside a name count as numbers.

    >>> sorted(["mmmu:10", "mmmu:9", "mmmu:x"], key=natural_order)
    ['mmmu:9', 'mmmu:10', 'mmmu:x']
    """
    pieces = re.split(r"([0-9]+)", key)
    # Odd places are numbers; a longer number without leading zeros is larger.
    return [
        (len(digits), digits) if (digits := piece.lstrip("0")) and place % 2 else (0, piece)
        for place, piece in enumerate(pieces)
    ]


def _asked(run: ViewedRun, key: str) -> Asked | None:
    record = run.completions.get(key)
    return Asked(record, run.verdicts.get(key)) if record else None


def _head(run: ViewedRun) -> Json:
    facts = run.facts
    return {
        "name": facts.name,
        "model": facts.model,
        "protocol": facts.protocol,
        "engine": facts.engine,
        "fingerprint": facts.fingerprint,
        "control": facts.control,
        "partial": facts.limited,
        "graded": bool(run.verdicts),
    }


def _image_row(picture: Picture) -> Json:
    if picture.fault:
        return {"fault": picture.fault}
    return {"width": picture.width, "height": picture.height}


def _is_inline(url: str) -> bool:
    return url.startswith("data:")


def _blocks(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _packed(value: object) -> str:
    """JSON, gzipped, in base64: responses shrink to a quarter and are unpacked when looked at."""
    # A fixed time stamp, so that the same run gives the same bytes; ASCII, so that a lone
    # surrogate out of a tokenizer survives.
    return base64.b64encode(gzip.compress(json.dumps(value).encode("ascii"), 6, mtime=0)).decode()


def _json_element(name: str, value: object) -> str:
    text = json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>'


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
