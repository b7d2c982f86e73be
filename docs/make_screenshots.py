"""Makes the README's picture of the viewer from a real run.

usage: python docs/make_screenshots.py RUN [--against BASE] [--key mmmu:12] [--dark] [--out FILE]
Needs the dev extra and Chromium; with the Inter font installed the picture looks as on most desktops.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browser import CHROMIUM, FLAGS, ready_ms  # noqa: E402

from vigos_eval.viewer.page import write_page  # noqa: E402

LARGEST_BYTES = 300_000
WINDOW = {"width": 1280, "height": 800}


def picture(page: Path, key: str, is_dark: bool) -> Image.Image:
    """What a reader sees on a sharp screen: the page opened at one question."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        tab = browser.new_page(
            viewport=WINDOW,  # type: ignore[arg-type]
            device_scale_factor=2,
            color_scheme="dark" if is_dark else "light",
        )
        tab.goto(f"{page.as_uri()}#{quote(key, safe='')}")
        ready_ms(tab)
        for image in tab.locator("img").all():
            image.evaluate("image => image.decode()")
        shot = tab.screenshot()
        browser.close()
    return Image.open(io.BytesIO(shot)).convert("RGB")


def small_png(shot: Image.Image) -> bytes:
    """The picture as a PNG below the limit: fewer colours first, then fewer pixels.

    Raises:
        ValueError: Not even half the pixels fit.
    """
    for scale in (1.0, 0.75, 0.5):
        size = (round(shot.width * scale), round(shot.height * scale))
        stored = io.BytesIO()
        scaled = shot.resize(size, Image.Resampling.LANCZOS) if scale < 1 else shot
        # The default drops rare colours, such as the small marks that tell the segments apart.
        method = Image.Quantize.MAXCOVERAGE
        colors = scaled.quantize(256, method, kmeans=2, dither=Image.Dither.NONE)
        colors.save(stored, "PNG", optimize=True)
        if stored.tell() < LARGEST_BYTES:
            return stored.getvalue()
    raise ValueError(f"the picture does not fit into {LARGEST_BYTES:,} bytes; choose another --key")


def main() -> None:
    """Write the page into a scratch folder, open it, store what it shows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--key", default="", help="question to open; default: the first")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "viewer.png")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        page = Path(scratch) / "view.html"
        write_page(args.run, args.against, page)
        content = small_png(picture(page, args.key, args.dark))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_bytes(content)
    print(f"{args.out}: {len(content) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
