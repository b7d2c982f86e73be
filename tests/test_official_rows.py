"""The official tasks on real rows with real pictures; skipped where those are not at hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.instant import InstantEngine, host_results
from tests.shared_rows import LABELS, write_official_rows
from vigos_eval.benchmarks import check_data, load_rows, questions
from vigos_eval.grading import grade
from vigos_eval.prompts import build_prompt
from vigos_eval.protocol import load_protocol
from vigos_eval.types import ImagePart, Outcome


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Rows per benchmark; the folder is at `root`."""
    return write_official_rows(tmp_path_factory.getbasetemp() / "official")


@pytest.fixture
def root(
    counts: dict[str, int],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """VIGOS_DATA_ROOT with the real rows."""
    folder = tmp_path_factory.getbasetemp() / "official"
    monkeypatch.setenv("VIGOS_DATA_ROOT", str(folder))
    return folder


def test_every_real_row_is_a_question(root: Path, counts: dict[str, int]) -> None:
    check_data(LABELS)
    found = {label: len(list(questions(label))) for label in LABELS}
    assert found == {
        "mmmu_official": counts["mmmu"],
        "mmmu_pro_official": counts["mmmu_pro_standard"] + counts["mmmu_pro_vision"],
        "mathverse_official": counts["mathverse"],
        "mathvista_official": counts["mathvista"],
    }


@pytest.mark.parametrize("label", LABELS)
def test_every_real_gold_is_accepted(label: str, root: Path) -> None:
    for sample in questions(label):
        verdict = grade(sample.gold, sample)
        assert verdict.outcome is Outcome.CORRECT, (sample.id, sample.gold, verdict)


def test_five_real_pictures_stand_at_their_marks(root: Path) -> None:
    (sample,) = (s for s in questions("mmmu_pro_official") if len(s.images) == 5)
    parts = build_prompt(sample, load_protocol("plain"), "key").messages[0].parts
    places = [(n, part.index) for n, part in enumerate(parts) if isinstance(part, ImagePart)]
    assert sorted(index for _, index in places) == [0, 1, 2, 3, 4]
    for place, index in places:
        before = parts[place - 1]
        assert not isinstance(before, ImagePart)
        assert before.text.endswith(f"<image {index + 1}>")


def test_the_two_parts_of_mmmu_pro_share_clusters(root: Path) -> None:
    samples = list(questions("mmmu_pro_official"))
    clusters = [
        {s.cluster for s in samples if s.subgroups["part"] == p} for p in ("standard", "vision")
    ]
    assert len(clusters[0] & clusters[1]) >= 5


@pytest.mark.slow
def test_the_official_tasks_run_in_real_lmms_eval(
    root: Path, tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = InstantEngine()
    args = {"pretrained": tiny, "run": tmp_path / "run"}
    results = host_results(monkeypatch, engine, args, list(LABELS))
    asked = sum(len(load_rows(label)) for label in LABELS)
    assert len(engine.asked) == asked
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    for label in LABELS:
        facts = run["tasks"][label]
        assert facts["source"] == "official"
        assert facts["questions"] == len(load_rows(label))
        assert facts["revision"].startswith("local-")
        assert 0 <= results["results"][label]["pass@5,none"] <= 1
