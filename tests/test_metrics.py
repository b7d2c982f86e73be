"""metrics.py against brute force, hand-made cases and identities."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest

from vigos_eval.errors import RunFolderError
from vigos_eval.marks import Mark, reported_label
from vigos_eval.metrics import EIGHT, pass_at_k, scores_of
from vigos_eval.scores import TaskScore, parse_scores, scores_text


def mark(label: str, i: int, correct: int, k: int = 5, **fields: object) -> Mark:
    """A mark with nothing special about it."""
    plain = Mark(
        key=f"{label}:{i:03d}",
        label=label,
        cluster=f"c{i}",
        subgroups={},
        prompt_hash="p",
        gold="A",
        attempts=k,
        correct=correct,
        ungraded=0,
        official_correct=correct,
        official_ungraded=0,
        unparsed=0,
        truncated=0,
        format_valid=k,
        lengths=(10,) * k,
    )
    return replace(plain, **fields)  # type: ignore[arg-type]


def task(*marks: Mark) -> TaskScore:
    """The only task of a run made of these marks."""
    (found,) = scores_of(marks).tasks.values()
    return found


@pytest.mark.parametrize(("n", "c", "k"), [(5, 2, 3), (6, 1, 2), (4, 4, 4), (5, 0, 2), (5, 3, 1)])
def test_pass_at_k_equals_counting_every_draw(n: int, c: int, k: int) -> None:
    draws = list(itertools.combinations([True] * c + [False] * (n - c), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, draws)) / len(draws))


@pytest.mark.parametrize("k", [0, 6])
def test_pass_at_more_than_was_sampled_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match="1 <= k <= attempts"):
        pass_at_k(5, 1, k)


def test_two_questions_by_hand() -> None:
    """0 of 5 and 2 of 5: Avg@5 = 20 %, Pass@1 the same, Pass@2 = (0 + 7/10)/2, Pass@5 = 50 %."""
    found = task(mark("mmmu", 0, 0), mark("mmmu", 1, 2))
    assert found.avg.value == pytest.approx(0.2)
    assert [s.value for s in found.passes] == pytest.approx([0.2, 0.35, 0.45, 0.5, 0.5])
    # s^2/n with s^2 = 2 * 0.2^2: each question is 0.2 off the mean.
    assert found.avg.stderr == pytest.approx(math.sqrt(2 * 0.2**2 / 1 / 2))


def test_a_question_with_one_ungraded_attempt_leaves_every_mean_and_is_counted() -> None:
    graded = [mark("mmmu", i, i) for i in range(4)]
    odd = mark("mmmu", 9, 5, ungraded=1, subgroups={"subject": "Art"})
    found = task(*graded, odd)
    alone = task(*graded)
    assert (found.n, found.graded, found.ungraded) == (5, 4, 1)
    assert found.avg.value == alone.avg.value
    assert [s.value for s in found.passes] == [s.value for s in alone.passes]
    assert found.avg.ungraded == 1
    assert found.subgroups["subject"]["Art"].best.ungraded == 1
    assert math.isnan(found.subgroups["subject"]["Art"].avg.value)


def test_more_than_one_percent_ungraded_withholds_the_score() -> None:
    graded = [mark("mmmu", i, 1) for i in range(99)]
    assert not task(*graded, mark("mmmu", 99, 0, ungraded=5)).is_withheld  # 1 of 100
    assert task(*graded[:98], mark("mmmu", 99, 0, ungraded=5)).is_withheld  # 1 of 99


def test_a_skipped_row_is_counted_but_is_no_wrong_answer() -> None:
    skipped = mark("mmmu", 2, 0, k=0, is_skipped=True, lengths=(), format_valid=0)
    found = task(mark("mmmu", 0, 5), mark("mmmu", 1, 5), skipped)
    assert (found.n, found.graded, found.skipped, found.k) == (3, 2, 1, 5)
    assert found.avg.value == 1.0
    assert found.mean_tokens == 10.0


def test_questions_with_different_numbers_of_responses_are_an_error_that_names_them() -> None:
    with pytest.raises(RunFolderError, match=r"4 at mmmu:001, 5 at mmmu:000"):
        scores_of([mark("mmmu", 0, 1), mark("mmmu", 1, 1, k=4)])


def test_questions_about_one_image_are_one_draw() -> None:
    apart = [mark("mmmu", i, 5 * (i % 2)) for i in range(8)]
    copies = [replace(m, key=m.key + "b") for m in apart]
    once, twice = task(*apart), task(*sorted(apart + copies, key=lambda m: m.key))
    assert twice.avg.stderr == pytest.approx(once.avg.stderr)


def test_mmmu_pro_is_one_benchmark_over_its_rows() -> None:
    """1 of 1 in one part and 0 of 3 in the other pool to 25 %, not to 50 %."""
    assert reported_label("mmmu_pro_standard") == reported_label("mmmu_pro_vision") == "mmmu_pro"
    found = task(mark("mmmu_pro", 0, 5), *(mark("mmmu_pro", i, 0) for i in (1, 2, 3)))
    assert found.avg.value == 0.25


def test_cv_bench_official_is_half_2d_half_3d() -> None:
    """ADE20K 1, COCO 0, 3D 1: (2D + 3D)/2 = (1/2 + 1)/2 = 3/4, whatever the row counts are."""
    rows = [("ADE20K", 5), ("COCO", 0), ("COCO", 0), ("COCO", 0), ("Omni3D", 5)]
    marks = [
        mark("cv_bench_official", i, c, subgroups={"source": s}) for i, (s, c) in enumerate(rows)
    ]
    assert task(*marks).avg.value == pytest.approx(0.75)
    plain = [replace(m, label="cv_bench") for m in marks]
    assert task(*plain).avg.value == pytest.approx(0.4)
    assert math.isnan(task(*marks[1:]).avg.value), "no ADE20K row, no official figure"


def test_vilp_score_is_over_the_images_that_contradict_the_prior() -> None:
    right = {"image1": 1, "image2": 1, "image3": 0}
    official = {"image1": 0, "image2": 1, "image3": 1}
    marks = [
        mark(
            "vilp_f",
            i,
            right[position],
            k=1,
            official_correct=official[position],
            subgroups={"position": position},
            cluster="row",
        )
        for i, position in enumerate(right)
    ]
    vilp = task(*marks).vilp
    assert {name: s.value for name, s in vilp["word"].items()} == {
        "score": 0.5,
        "prior": 1.0,
        "image1": 1.0,
        "image2": 1.0,
        "image3": 0.0,
    }
    assert (vilp["vilp_rule"]["score"].value, vilp["vilp_rule"]["prior"].value) == (1.0, 0.0)


def test_of_several_vilp_responses_any_correct_one_counts() -> None:
    marks = [
        mark("vilp_p", i, c, subgroups={"position": p})
        for i, (p, c) in enumerate([("image1", 0), ("image2", 1), ("image3", 0)])
    ]
    vilp = task(*marks).vilp["word"]
    assert (vilp["score"].value, vilp["prior"].value) == (0.5, 0.0)


def test_the_mean_needs_all_eight_and_weighs_them_alike() -> None:
    marks = [
        mark(label, i, 5 if label == "mmsi" else 0 if i % 2 else 5)
        for label in EIGHT
        for i in range(4 if label != "cv_bench" else 400)
    ]
    scores = scores_of(sorted(marks, key=lambda m: m.key))
    assert scores.means["avg@5"].value == pytest.approx((7 * 0.5 + 1) / 8)
    errors = [scores.tasks[label].avg.stderr for label in EIGHT]
    assert scores.means["avg@5"].stderr == pytest.approx(math.hypot(*errors) / 8)
    seven = [m for m in marks if m.label != "mmsi"]
    assert scores_of(sorted(seven, key=lambda m: m.key)).means == {}


def test_scores_json_has_the_same_bytes_whatever_the_order_and_reads_back() -> None:
    marks = [mark("mmmu", i, i % 6, subgroups={"subject": "ab"[i % 2]}) for i in range(50)]
    text = scores_text(scores_of(marks))
    assert scores_text(parse_scores(text)) == text
    assert "NaN" not in scores_text(scores_of([mark("mmmu", 0, 1)]))


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 1}', '{"schema": 9}'])
def test_what_is_no_scores_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_scores(text)
