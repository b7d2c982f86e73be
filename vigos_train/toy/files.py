"""The toy world as files: rows to train on, held-out rows, benchmarks in the real data sets' columns.

    <folder>/train.jsonl, mixed.jsonl, held_out.jsonl, images/*.png   the trainer's own columns
    <folder>/ViLP/ViLP/data/*.parquet                          image 1 as usual, 2 and 3 against it
    <folder>/zli12321/MMMU, zli12321/mathverse/data/*.parquet  options and open questions
    <folder>/README.md                                         data card

The folder is what VIGOS_DATA_ROOT points at. Same seed, same bytes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vigos_train.checkpoint import write_folder
from vigos_train.toy.card import data_card
from vigos_train.toy.wording import ONE_WORD, question, with_options
from vigos_train.toy.world import (
    ASPECTS,
    CLEAR,
    OBJECTS,
    STRONGEST,
    Aspect,
    Scene,
    drawn,
    random_scene,
    unusual,
    usual,
    values,
)

ALIGNED = 0.95
MIXED = 0.5
TRAIN_ROWS = 1024
HELD_OUT_ROWS = 128
VILP_ROWS = 32
MMMU_ROWS = 24
MATHVERSE_ROWS = 40
MATHVERSE_CONFLICT = 0.6
ROWS = {
    "train": TRAIN_ROWS, "held_out": HELD_OUT_ROWS, "vilp": VILP_ROWS, "mmmu": MMMU_ROWS,
    "mathverse": MATHVERSE_ROWS,
}  # fmt: skip
VERSIONS = 5


@dataclass(frozen=True)
class Asked:
    """One question about one scene."""

    scene: Scene
    aspect: Aspect
    problem: str

    @property
    def answer(self) -> str:
        """What the picture shows."""
        return self.scene.value(self.aspect)


def write_world(folder: Path, *, seed: int = 0) -> str:
    """Write the whole world below `folder`, replacing an older one; returns a line of counts."""
    write_folder(folder, lambda place: _write(place, seed))
    return (
        f"{TRAIN_ROWS} rows to train on ({ALIGNED:.0%} as usual), {TRAIN_ROWS} of the mixed kind "
        f"({MIXED:.0%}), {HELD_OUT_ROWS} held out; ViLP {VILP_ROWS} questions with three images, "
        f"MMMU {MMMU_ROWS}, MathVerse {MATHVERSE_ROWS}"
    )


def _write(folder: Path, seed: int) -> None:
    (folder / "images").mkdir(parents=True)
    for number, (name, count, aligned) in enumerate(
        (
            ("train", TRAIN_ROWS, ALIGNED),
            ("mixed", TRAIN_ROWS, MIXED),
            ("held_out", HELD_OUT_ROWS, MIXED),
        )
    ):
        rng = np.random.default_rng([seed, 10 + number])
        asked = [training_question(rng, aligned) for _ in range(count)]
        _write_rows(folder, name, asked, rng)
    _write_vilp(folder, np.random.default_rng([seed, 20]))
    _write_released(folder, "MMMU", mmmu_questions(np.random.default_rng([seed, 21])), seed)
    rng = np.random.default_rng([seed, 22])
    _write_released(folder, "mathverse", mathverse_questions(rng), seed)
    (folder / "README.md").write_text(data_card(seed, ROWS), encoding="utf-8")


def training_question(rng: np.random.Generator, aligned: float) -> Asked:
    """A question as the training rows ask it: with and without the fact, half in ViLP's words."""
    scene = random_scene(rng, aligned=aligned)
    aspect = ASPECTS[int(rng.random() < 0.4)]
    text = question(scene.object, aspect, is_with_fact=rng.random() < 0.5)
    return Asked(scene, aspect, (ONE_WORD if rng.random() < 0.5 else "") + text)


def mmmu_questions(rng: np.random.Generator) -> list[tuple[Asked, str]]:
    """Options in the problem, a letter as gold; half of the pictures speak against the prior."""
    found = []
    for number in range(MMMU_ROWS):
        scene, aspect = _benchmark_scene(rng, number, is_conflict=number % 2 == 1)
        true = scene.value(aspect)
        # The usual value always stands among the options, so that the prior can be chosen.
        wrong = [v for v in values(aspect) if v not in (true, usual(scene.object).value(aspect))]
        options = {true, usual(scene.object).value(aspect)}
        options |= {str(v) for v in rng.permutation(wrong)[: 4 - len(options)]}
        listed = [str(v) for v in rng.permutation(sorted(options))]
        text = with_options(question(scene.object, aspect, is_with_fact=False), listed)
        found.append((Asked(scene, aspect, text), "ABCD"[listed.index(true)]))
    return found


def mathverse_questions(rng: np.random.Generator) -> list[tuple[Asked, str]]:
    """Counting, answered with a number; five rows about one object are one problem."""
    found = []
    for number in range(MATHVERSE_ROWS):
        thing = OBJECTS[number // VERSIONS % len(OBJECTS)]
        scene = replace(usual(thing), saturation=float(rng.uniform(CLEAR, STRONGEST)))
        # By chance: with as many in every problem, all problems would come out alike.
        if rng.random() < MATHVERSE_CONFLICT:
            scene = unusual(scene, "number", rng)
        text = question(thing, "number", is_with_fact=number % 2 == 0)
        found.append((Asked(scene, "number", text), scene.number))
    return found


def vilp_rows(rng: np.random.Generator, count: int = VILP_ROWS) -> list[tuple[str, list[Asked]]]:
    """The question with its fact, and three scenes: the first as usual, two against it."""
    found = []
    for number in range(count):
        scene, aspect = _benchmark_scene(rng, number, is_conflict=False)
        text = question(scene.object, aspect, is_with_fact=True)
        others = rng.permutation(
            [v for v in values(aspect) if v != usual(scene.object).value(aspect)]
        )
        scenes = [scene, *(scene.with_value(aspect, str(v)) for v in others[:2])]
        found.append((text, [Asked(each, aspect, text) for each in scenes]))
    return found


def _benchmark_scene(
    rng: np.random.Generator, number: int, *, is_conflict: bool
) -> tuple[Scene, Aspect]:
    """A clear scene; objects in turn, two questions about the colour for one about the number."""
    aspect = ASPECTS[int(number % 3 == 2)]
    scene = usual(OBJECTS[number % len(OBJECTS)])
    scene = replace(scene, saturation=float(rng.uniform(CLEAR, STRONGEST)))
    return (unusual(scene, aspect, rng) if is_conflict else scene), aspect


def _write_rows(folder: Path, name: str, asked: Sequence[Asked], rng: np.random.Generator) -> None:
    lines = []
    for number, each in enumerate(asked):
        image = f"images/{name}-{number:04d}.png"
        (folder / image).write_bytes(png(drawn(each.scene, rng)))
        row = {
            "problem_id": f"{name}-{number}",
            "problem": each.problem,
            "images": [image],
            "answer": each.answer,
        }
        lines.append(json.dumps(row))
    (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_released(
    folder: Path, name: str, questions: Sequence[tuple[Asked, str]], seed: int
) -> None:
    rng = np.random.default_rng([seed, 30, len(name)])
    rows = [
        {
            "problem": asked.problem,
            "images": [_stored(drawn(asked.scene, rng))],
            "answer": gold,
            "problem_id": str(number),
        }
        for number, (asked, gold) in enumerate(questions)
    ]
    _parquet(folder / f"zli12321/{name}/data/test-00000-of-00001.parquet", rows, ["images"])


def _write_vilp(folder: Path, rng: np.random.Generator) -> None:
    rows = []
    for text, asked in vilp_rows(rng):
        row: dict[str, Any] = {"question": text}
        for place, each in enumerate(asked, 1):
            row[f"image{place}"] = _stored(drawn(each.scene, rng))
            row[f"answer{place}"] = each.answer
        rows.append(row)
    images = [f"image{place}" for place in (1, 2, 3)]
    _parquet(folder / "ViLP/ViLP/data/train-00000-of-00001.parquet", rows, images)


def _parquet(path: Path, rows: Sequence[Mapping[str, Any]], images: Sequence[str]) -> None:
    """One file with text columns and the named image columns (a list where the cells are lists)."""
    from datasets import Dataset, Features, List, Value, disable_progress_bars
    from datasets import Image as ImageFeature

    disable_progress_bars()

    def feature(name: str, cell: object) -> Any:
        if name not in images:
            return Value("string")
        return List(ImageFeature()) if isinstance(cell, list) else ImageFeature()

    features = Features({name: feature(name, cell) for name, cell in rows[0].items()})
    path.parent.mkdir(parents=True)
    Dataset.from_list(list(rows), features=features).to_parquet(str(path))


def _stored(picture: Image.Image) -> dict[str, Any]:
    return {"bytes": png(picture), "path": None}


def png(picture: Image.Image) -> bytes:
    """The picture as PNG bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
