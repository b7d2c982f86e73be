"""Rows of the nine benchmarks, in both schemas, become the right questions; bad rows are named."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from vigos_eval.benchmarks import labels, question_from_row, sample_from_row
from vigos_eval.benchmarks.mathverse import problems
from vigos_eval.benchmarks.options import options_in
from vigos_eval.errors import DataError
from vigos_eval.types import AnswerKind

PHOTO = Image.new("RGB", (4, 4), "red")
OTHER = Image.new("RGB", (4, 4), "blue")
RELEASED = {
    "problem": "Which?\nA. a cat\nB. a dog",
    "images": [PHOTO],
    "answer": "B",
    "problem_id": "7",
}
MMMU = {
    "id": "validation_Clinical_Medicine_23", "question": "In <image 1>, which?", "options": "['a', 'b']",
    "image_1": PHOTO, "image_2": None, "answer": "B", "question_type": "multiple-choice",
}  # fmt: skip
PRO_VISION = {"id": "test_Art_3", "image": PHOTO, "options": "['a', 'b', 'c']", "answer": "C"}
MATHVISTA = {
    "pid": "5", "question": "How long?", "choices": None, "precision": 1.0, "unit": "m", "answer": "4.5",
    "answer_type": "float", "decoded_image": PHOTO, "image": "images/5.jpg", "metadata": {"task": "chart"},
}  # fmt: skip
MATHVERSE = {
    "sample_index": "3", "problem_index": "1", "problem_version": "Vision Only", "question": "",
    "question_for_eval": "Find x.\nChoices:\nA:9\nB:12", "answer": "B", "question_type": "multi-choice",
    "image": PHOTO, "metadata": {"subject": "Plane Geometry"},
}  # fmt: skip
CV_BENCH = {
    "idx": 4, "type": "3D", "task": "Depth", "image": PHOTO, "question": "Which?", "choices": ["cat", "dog"],
    "answer": "(B)", "prompt": "Which? (A) cat (B) dog", "source": "Omni3D",
}  # fmt: skip
VILP = {
    "question": "Tigers are about 2.5 m long. They hunt. Which animal is it?",
    "image1": PHOTO, "answer1": "tiger", "image2": OTHER, "answer2": "cat", "image3": PHOTO, "answer3": "dog",
}  # fmt: skip


def test_a_numeric_gold_0_is_an_answer() -> None:
    for gold in (0, 0.0, "0"):
        assert sample_from_row("realworldqa", {**RELEASED, "answer": gold}, 0).gold == str(gold)


@pytest.mark.parametrize("gold", ["5'", '12"', "5' 12\"", r"230 ^\circ T", "three<AND>four"])
def test_a_gold_keeps_its_marks(gold: str) -> None:
    assert sample_from_row("mathverse", {**RELEASED, "answer": gold}, 0).gold == gold


@pytest.mark.parametrize("gold", [None, "", "  "])
def test_nothing_is_graded_against_an_empty_gold(gold: str | None) -> None:
    with pytest.raises(DataError, match=r"mmmu row 12: its gold answer \(answer\) is empty"):
        sample_from_row("mmmu", {**RELEASED, "answer": gold}, 12)


@pytest.mark.parametrize("images", [[], None, [None]])
def test_no_question_is_asked_without_its_image(images: object) -> None:
    with pytest.raises(DataError, match="mathvista row 3: it has no image"):
        sample_from_row("mathvista", {**RELEASED, "images": images}, 3)


def test_an_unreadable_image_names_its_row() -> None:
    with pytest.raises(DataError, match=r"mmsi row 9: its image \(4 bytes\) cannot be read"):
        sample_from_row("mmsi", {**RELEASED, "images": [PHOTO, b"torn"]}, 9)


def test_raw_bytes_are_an_image(tmp_path: Any) -> None:
    PHOTO.save(tmp_path / "photo.jpg")
    raw = (tmp_path / "photo.jpg").read_bytes()
    row = {"id": 1, "images": [raw, raw], "question_type": "x", "question": "Which?", "answer": "A"}
    sample = sample_from_row("mmsi_official", row, 0)
    assert [image.data for image in sample.images] == [raw, raw]


def test_image_10_comes_after_image_2() -> None:
    colors = {n: Image.new("RGB", (n, 1)) for n in range(1, 11)}
    marks = " ".join(f"<image {n}>" for n in colors)
    row = {
        **MMMU,
        "question": marks,
        **{f"image_{n}": colors[n] for n in (10, 2, 1, 9, 8, 7, 6, 5, 4, 3)},
    }
    sample = sample_from_row("mmmu_official", row, 0)
    in_order = [
        sample_from_row("mmmu_official", {**MMMU, "image_1": c}, 0).images[0]
        for c in colors.values()
    ]
    assert list(sample.images) == in_order


def test_a_gap_in_the_numbered_images_is_an_error() -> None:
    with pytest.raises(DataError, match=r"numbered \[1, 3\], with a gap"):
        sample_from_row("mmmu_official", {**MMMU, "image_3": OTHER}, 0)


def test_released_rows_keep_their_text_as_published() -> None:
    row = {**RELEASED, "problem": "See <image> here.\nA. x\nB. y"}
    sample = sample_from_row("mmmu", row, 0)
    assert sample.question == row["problem"]
    assert sample.options == ("x", "y")
    one = sample_from_row("mmmu", {**row, "images": PHOTO}, 0)
    assert one.images == sample.images  # a list, or one image


def test_official_options_stand_one_per_line() -> None:
    sample = sample_from_row("mmmu_official", MMMU, 0)
    assert sample.question == "In <image 1>, which?\nA. a\nB. b"
    assert (sample.kind, sample.subgroups) == (AnswerKind.CHOICE, {"subject": "Clinical_Medicine"})


def test_an_open_mmmu_list_is_a_list_of_alternatives() -> None:
    row = {**MMMU, "options": "[]", "answer": "['1.06', '1.0575']"}
    sample = sample_from_row("mmmu_official", row, 0)
    assert sample.grading == {"rule": "alternatives"}
    assert sample_from_row("mathvista", {**RELEASED, "answer": "[1, 2]"}, 0).grading == {}


def test_mmmu_pro_parts_share_their_cluster() -> None:
    standard = {**MMMU, "id": "test_Art_3", "vigos_part": 0}
    first = sample_from_row("mmmu_pro_official", standard, 0)
    second = sample_from_row("mmmu_pro_official", {**PRO_VISION, "vigos_part": 1}, 1)
    assert first.cluster == second.cluster == "test_Art_3"
    assert (first.id, second.id) == ("standard/test_Art_3", "vision/test_Art_3")
    assert second.question == "Please answer the question shown in the image."
    assert second.options == ("a", "b", "c")
    assert second.task == first.task == "mmmu_pro"


def test_mathverse_rows_cluster_by_problem() -> None:
    assert sample_from_row("mathverse_official", MATHVERSE, 0).cluster == "1"
    clusters = [sample_from_row("mathverse", RELEASED, n).cluster for n in range(10)]
    assert clusters == ["0"] * 5 + ["1"] * 5
    assert problems(["a", "b", "a"]) == ["a", "b", "a"]


def test_a_mathverse_question_that_is_all_in_its_figure_is_asked_and_keeps_its_options() -> None:
    sample = sample_from_row("mathverse_official", MATHVERSE, 0)
    assert sample.question == "Please answer the question shown in the image."
    assert sample.options == ("9", "12")


def test_two_gold_letters_are_a_choice() -> None:
    row = {**MATHVERSE, "answer": "C\nD", "question_type": "multi-choice"}
    assert sample_from_row("mathverse_official", row, 0).kind is AnswerKind.CHOICE
    assert sample_from_row("mathverse", {**RELEASED, "answer": "C\nD"}, 0).kind is AnswerKind.CHOICE


def test_mathvista_keeps_what_its_rule_needs() -> None:
    sample = sample_from_row("mathvista_official", MATHVISTA, 0)
    assert sample.grading == {"precision": "1", "unit": "m"}
    assert sample.kind is AnswerKind.NUMBER
    choice = {
        **MATHVISTA,
        "choices": ["1/2", "1/3"],
        "answer": "1/3",
        "answer_type": "text",
        "precision": None,
    }
    asked = sample_from_row("mathvista_official", choice, 0)
    assert asked.question == "How long?\nA. 1/2\nB. 1/3"
    assert (asked.kind, asked.grading) == (AnswerKind.CHOICE, {"unit": "m", "gold": "text"})


def test_cv_bench_asks_its_own_prompt_and_the_paper_writes_the_choice_into_the_gold() -> None:
    paper = sample_from_row("cv_bench", CV_BENCH, 0)
    official = sample_from_row("cv_bench_official", CV_BENCH, 0)
    assert paper.question == official.question == CV_BENCH["prompt"]
    assert (paper.gold, official.gold) == ("(B) dog", "(B)")
    with pytest.raises(DataError, match=r"'\(E\)' names none of its 2 choices"):
        sample_from_row("cv_bench", {**CV_BENCH, "answer": "(E)"}, 0)


@pytest.mark.parametrize(
    ("label", "asked"),
    [
        ("vilp_f", "Tigers are about 2.5 m long. They hunt. Which animal is it?"),
        ("vilp_f_official", "Tigers are about 2.5 m long. They hunt. Which animal is it?"),
        ("vilp_p", "5 m long. They hunt. Which animal is it?"),
        ("vilp_p_official", "5 m long"),
    ],
)
def test_vilp_p_drops_the_fact_by_the_release_or_the_official_rule(label: str, asked: str) -> None:
    sample = sample_from_row(label, VILP, 0)
    assert sample.question == f"Please answer with one word: {asked}"


def test_a_vilp_row_holds_three_questions() -> None:
    samples = [sample_from_row("vilp_f", VILP, 6 + place) for place in range(3)]
    assert [sample.gold for sample in samples] == ["tiger", "cat", "dog"]
    assert [sample.subgroups["position"] for sample in samples] == ["image1", "image2", "image3"]
    assert {sample.cluster for sample in samples} == {"2"}
    assert samples[0].images != samples[1].images


def test_the_cluster_of_other_benchmarks_is_the_image() -> None:
    same = [sample_from_row("realworldqa", {**RELEASED, "problem_id": str(n)}, n) for n in range(2)]
    other = sample_from_row("realworldqa", {**RELEASED, "images": [OTHER]}, 2)
    assert same[0].cluster == same[1].cluster == same[0].images[0].sha256
    assert other.cluster != same[0].cluster


def test_grading_needs_no_image_column() -> None:
    bare = {key: value for key, value in RELEASED.items() if key != "images"}
    whole = sample_from_row("mathvista", RELEASED, 4)
    asked = question_from_row("mathvista", bare, 4)
    assert (asked.id, asked.gold, asked.options) == (whole.id, whole.gold, whole.options)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        pytest.param("Q\nOptions: A: Left, B: Right, C: Up, D: Down", ("Left", "Right", "Up", "Down"), id="mmsi"),
        pytest.param("Q\n\nA. Yes\nB. No\nPlease answer directly with only the letter", ("Yes", "No"), id="hint-behind"),
        pytest.param("Q (A) left (B) right", ("left", "right"), id="in-brackets"),
        pytest.param("Choices:\nA:9\nB:12\nC:13", ("9", "12", "13"), id="mathverse"),
        pytest.param("Points A. and C. lie on a line. How far is B?", (), id="no-options-but-letters"),
        pytest.param("Is it A. or not?\nA. x\nB. y", ("x", "y"), id="last-run-counts"),
        pytest.param("What does U.S.A. stand for?", (), id="abbreviation"),
    ],
)  # fmt: skip
def test_options_are_found_in_a_text(text: str, options: tuple[str, ...]) -> None:
    assert options_in(text) == options


def test_every_label_is_a_benchmark_in_both_sources() -> None:
    assert len(labels()) == 20
    assert {label.removesuffix("_official") for label in labels()} == set(labels()[:10])
