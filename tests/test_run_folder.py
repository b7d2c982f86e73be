"""run.json: a run is resumed only with an equal fingerprint, and the difference is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from vigos_eval.errors import RunFolderError
from vigos_eval.protocol import JudgeSettings, load_protocol, with_overrides
from vigos_eval.run_folder import (
    RunDescription,
    TaskFacts,
    check_run,
    close_run,
    open_run,
    record_engine,
    write_text,
)

FACTS = TaskFacts("paper", "zli12321/MMMU", None, "test", 10, 5)
RUN = RunDescription(
    pretrained="models/tiny",
    identity={"weights": "abc"},
    engine="hf",
    protocol=load_protocol("paper"),
    control=None,
    tasks={"mmmu": FACTS},
)


def test_the_same_run_is_resumed_and_keeps_its_start(tmp_path: Path) -> None:
    assert check_run(tmp_path, RUN) is None
    open_run(tmp_path, RUN, started="first")
    open_run(tmp_path, RUN, started="second")
    assert json.loads((tmp_path / "run.json").read_text())["started"] == "first"


@pytest.mark.parametrize(
    ("other", "names"),
    [
        (
            replace(RUN, protocol=with_overrides(RUN.protocol, {"top_k": 50})),
            "protocol.top_k is 20 there, 50 now",
        ),
        (replace(RUN, identity={"weights": "def"}), "model.weights is 'abc' there, 'def' now"),
        (replace(RUN, control="blind"), "control is None there, 'blind' now"),
        (
            replace(RUN, tasks={"mmmu": replace(FACTS, revision="r2")}),
            "tasks.mmmu.revision is None there, 'r2' now",
        ),
    ],
    ids=["decoding", "weights", "control", "data"],
)
def test_another_run_is_refused_and_the_field_named(
    tmp_path: Path, other: RunDescription, names: str
) -> None:
    open_run(tmp_path, RUN, started="t")
    with pytest.raises(RunFolderError) as refused:
        open_run(tmp_path, other, started="t")
    assert names in str(refused.value)
    assert "run=DIR" in str(refused.value)
    with pytest.raises(RunFolderError, match="run=DIR"):
        check_run(tmp_path, other)  # what ranks other than 0 do


def engine(folder: Path) -> str:
    name: str = json.loads((folder / "run.json").read_text())["engine"]
    return name


def test_a_run_says_which_engine_auto_was_and_whether_another_went_on(tmp_path: Path) -> None:
    auto = replace(RUN, engine="auto")
    open_run(tmp_path, auto, started="t")
    record_engine(tmp_path, "vllm")
    assert engine(tmp_path) == "vllm"
    record_engine(tmp_path, "hf")
    assert engine(tmp_path) == "hf", "vllm never answered"
    (tmp_path / "completions.jsonl").write_text("{}\n")
    open_run(tmp_path, auto, started="t")
    assert engine(tmp_path) == "hf", "a finished run that is only graded again keeps its engine"
    record_engine(tmp_path, "vllm")
    assert engine(tmp_path) == "hf + vllm"


def test_a_judge_does_not_invalidate_completions(tmp_path: Path) -> None:
    open_run(tmp_path, RUN, started="t")
    judge = JudgeSettings(mode="hybrid", model="m", base_url="http://localhost/v1")
    open_run(
        tmp_path, replace(RUN, protocol=with_overrides(RUN.protocol, {"judge": judge})), started="t"
    )
    assert json.loads((tmp_path / "run.json").read_text())["fingerprint"] == RUN.fingerprint


def test_tasks_asked_later_join_the_folder(tmp_path: Path) -> None:
    open_run(tmp_path, RUN, started="t")
    open_run(tmp_path, replace(RUN, tasks={"mathverse": FACTS}), started="t")
    assert list(json.loads((tmp_path / "run.json").read_text())["tasks"]) == ["mathverse", "mmmu"]


@pytest.mark.parametrize(("asked", "is_partial"), [(10, False), (4, True)])
def test_a_run_short_of_its_questions_is_partial(
    tmp_path: Path, asked: int, is_partial: bool
) -> None:
    open_run(tmp_path, RUN, started="t")
    close_run(tmp_path, {"mmmu": asked}, skipped=0, is_ended=True)
    settings = json.loads((tmp_path / "run.json").read_text())
    assert settings["partial"] is is_partial
    assert settings["limit"] == (4 if is_partial else None)


def test_a_killed_run_that_is_graded_stays_unfinished_and_names_no_limit(tmp_path: Path) -> None:
    open_run(tmp_path, RUN, started="t")
    close_run(tmp_path, {"mmmu": 4}, skipped=0, is_ended=False)
    settings = json.loads((tmp_path / "run.json").read_text())
    assert (settings["partial"], settings["limit"]) == (True, None)


def test_a_limited_run_that_is_graded_again_keeps_its_limit(tmp_path: Path) -> None:
    open_run(tmp_path, RUN, started="t")
    for is_ended in (True, False):
        close_run(tmp_path, {"mmmu": 4}, skipped=0, is_ended=is_ended)
    assert json.loads((tmp_path / "run.json").read_text())["limit"] == 4


def test_the_name_carries_model_fingerprint_and_control() -> None:
    assert RUN.name == f"tiny-{RUN.fingerprint}"
    assert replace(RUN, control="blind").name.endswith("-blind")
    assert replace(RUN, control="blind").fingerprint != RUN.fingerprint


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_text(tmp_path / "a.json", "one")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RunFolderError, match="cannot be written: .*; mend that and run the same"):
        write_text(tmp_path / "folder", "two")
    assert (tmp_path / "a.json").read_text() == "one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "folder"]
