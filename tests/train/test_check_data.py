"""`vigos-train check-data`: what a training set holds, and what it shares with a benchmark."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vigos_eval.errors import DataError
from vigos_train.check_data import data_facts, rendered_contexts
from vigos_train.cli import main
from vigos_train.config import DataConfig
from vigos_train.data import open_rows
from vigos_train.overlap import benchmark_images
from vigos_train.rollout import ask_all, training_protocol
from vigos_train.shapes import shape_rows


def png(colour: str, side: int = 56) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture
def training_set(tmp_path: Path) -> Path:
    """Five rows: one with two images, one without answer, one whose image is no image."""
    for colour in ("red", "green", "blue"):
        (tmp_path / f"{colour}.png").write_bytes(png(colour))
    (tmp_path / "broken.png").write_bytes(b"no image")
    rows = [
        {"problem_id": "a", "problem": "<image>Why?", "images": "red.png", "answer": "1"},
        {"problem_id": "b", "problem": "Two?", "images": ["red.png", "green.png"], "answer": "2"},
        {"problem_id": "c", "problem": "None?", "images": "blue.png", "answer": ""},
        {"problem_id": "d", "problem": "Broken?", "images": "broken.png", "answer": "4"},
        {"problem_id": "e", "problem": "Box?", "images": "blue.png", "answer": "\\boxed{5}"},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_counts_are_what_is_in_the_file(training_set: Path) -> None:
    facts = data_facts(open_rows(DataConfig(source=str(training_set))))
    assert (facts.rows, facts.images, facts.distinct_images) == (4, 5, 3)
    assert (facts.without_answer, facts.several_images) == (1, 1)
    assert len(facts.unreadable) == 1 and "cannot be decoded" in facts.unreadable[0]
    assert facts.sizes == {0.05: 5}


@pytest.mark.parametrize("kind", ["images", "parquet", "save_to_disk"])
def test_a_row_with_a_benchmarks_image_is_named(
    training_set: Path, tmp_path: Path, kind: str
) -> None:
    place = tmp_path / "benchmark"
    place.mkdir()
    if kind == "images":
        (place / "question_7.png").write_bytes(png("green"))
    else:
        import datasets

        column = [{"bytes": png("green"), "path": None}, {"bytes": png("white"), "path": None}]
        features = datasets.Features({"decoded_image": datasets.Image()})
        table = datasets.Dataset.from_dict({"decoded_image": column}, features=features)
        if kind == "parquet":
            table.to_parquet(str(place / "test-0.parquet"))
        else:
            table.save_to_disk(str(place))
    rows = open_rows(DataConfig(source=str(training_set)))
    assert data_facts(rows, benchmark_images(place)).overlapping == ["b"]


def test_a_run_folder_names_its_images_too(training_set: Path, tmp_path: Path) -> None:
    from hashlib import sha256

    from vigos_eval.records import CompletionRecord, ImageRef, completion_line
    from vigos_eval.types import AnswerKind, Sample

    sample = Sample("vilp_f", "paper", "1", "?", "red", AnswerKind.WORD, "1")
    image = ImageRef(sha256(png("blue")).hexdigest(), ".png")
    record = CompletionRecord("vilp_f:1", "h", sample, (image,), 3, ())
    (tmp_path / "completions.jsonl").write_text(completion_line(record))
    rows = open_rows(DataConfig(source=str(training_set)))
    assert data_facts(rows, benchmark_images(tmp_path)).overlapping == ["c", "e"]


@pytest.mark.parametrize("is_run", [False, True], ids=["data", "run folder"])
def test_a_benchmarks_image_is_found_encoded_anew(tmp_path: Path, is_run: bool) -> None:
    """A set decoded by Pillow and saved again holds a JPEG's pixels as PNG: other bytes."""
    place = tmp_path / "benchmark"
    (place / "images").mkdir(parents=True)
    drawn = Image.linear_gradient("L").convert("RGB")
    drawn.save(place / "images" / "7.jpg")
    if is_run:
        (place / "completions.jsonl").touch()
    Image.open(place / "images" / "7.jpg").save(tmp_path / "copy.png")
    drawn.resize((64, 64)).save(tmp_path / "other.png")
    rows = [{"id": n, "problem": "?", "images": f"{n}.png", "answer": "1"} for n in NAMES]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    facts = data_facts(
        open_rows(DataConfig(source=str(tmp_path / "rows.jsonl"))), benchmark_images(place)
    )
    assert facts.overlapping == ["copy"]


NAMES = ("copy", "other")


def test_a_damaged_table_of_a_benchmark_is_named(tmp_path: Path) -> None:
    (tmp_path / "test.parquet").write_bytes(b"torn")
    with pytest.raises(DataError, match=r"test\.parquet cannot be read"):
        benchmark_images(tmp_path)


def test_nothing_to_compare_with_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no images"):
        benchmark_images(tmp_path)


def test_token_lengths_are_those_the_trainer_asks(tiny_folder: Path, processor: Any) -> None:
    from tests.train.runs import small_config, student_of

    student = student_of(small_config(tiny_folder.parent, tiny_folder))
    protocol = training_protocol("paper")
    rows = shape_rows(3)
    asked, _ = ask_all(rows, [(i, str(i)) for i in range(3)], student, protocol, 10**6)
    facts = data_facts(rows, processor=processor, protocol=protocol)
    assert facts.tokens == [len(each.ids) for each in asked]


def test_an_image_that_the_processor_refuses_is_counted_unreadable(
    tmp_path: Path, processor: Any
) -> None:
    Image.new("RGB", (5000, 12)).save(tmp_path / "long.png")
    row = {"problem_id": "thin", "problem": "?", "images": "long.png", "answer": "1"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    rows = open_rows(DataConfig(source=str(tmp_path / "rows.jsonl")))
    facts = data_facts(rows, processor=processor, protocol=training_protocol("paper"))
    assert (facts.rows, facts.tokens) == (0, [])
    assert facts.unreadable[0].startswith("thin: the image processor refuses an image")


def test_each_context_is_rendered_once_and_only_privileged_ones_show_the_answer() -> None:
    shown = dict(rendered_contexts(shape_rows(1)[0], training_protocol("paper")))
    assert list(shown) == ["student", "perception", "reasoning", "reference"]
    assert [name for name, text in shown.items() if "\nred\n" in text] == ["reasoning", "reference"]
    assert shown["perception"] == "user: <image>\nassistant: "


def test_the_command_prints_it_all_and_warns(
    training_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-data", str(training_set), "--against", str(training_set.parent)]) == 1
    said = capsys.readouterr().out
    assert "4 readable, 1 unreadable" in said
    assert "WARNING 1 rows have no answer" in said
    assert "WARNING 4 rows show an image of the benchmark (a, b, c, e)" in said
    assert "--- reference ---" in said


def test_the_command_names_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-data", "nowhere/rows.jsonl"]) == 2
    assert "nowhere/rows.jsonl" in capsys.readouterr().err
