"""The literal command on the sample data and a real (tiny) checkpoint: metrics, files, kill and resume."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SAMPLE_DATA
from vigos_eval.records import read_completions

pytestmark = pytest.mark.slow

TASKS = "mmmu,mathverse,vilp"
# One thread: sums of floats come out in the same order whatever else the machine does.
ENVIRONMENT = {
    **os.environ,
    "VIGOS_DATA_ROOT": str(SAMPLE_DATA),
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
}


def literal_command(tiny: Path, run: Path, output: Path) -> list[str]:
    """`lmms-eval --model vigos --tasks mmmu,mathverse,vilp`, under the demo protocol."""
    return [
        sys.executable, "-m", "lmms_eval", "--model", "vigos", "--tasks", TASKS,
        "--model_args", f"pretrained={tiny},protocol=demo,dtype=float32,run={run}",
        "--output_path", str(output), "--log_samples",
    ]  # fmt: skip


def started(command: list[str]) -> subprocess.Popen[str]:
    """The command in a process group of its own, so that ranks die with their launcher."""
    return subprocess.Popen(
        command, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip


def finished(command: list[str]) -> str:
    process = started(command)
    text, _ = process.communicate(timeout=600)
    assert process.returncode == 0, text[-3000:]
    return text


def host_metrics(output: Path) -> Mapping[str, Any]:
    """The metrics in lmms-eval's own results file, timing left out."""
    path = max(output.rglob("*_results.json"))
    found: Mapping[str, Any] = json.loads(path.read_text())["results"]
    return {task: {k: v for k, v in row.items() if "," in k} for task, row in found.items()}


@pytest.fixture(scope="module")
def reference(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """Run folder, lmms-eval's folder and console of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("reference")
    run, output = folder / "run", folder / "host"
    return run, output, finished(literal_command(tiny, run, output))


def assert_same_results(run: Path, output: Path, reference: tuple[Path, Path, str]) -> None:
    expected, expected_output, _ = reference
    assert (run / "scores.json").read_bytes() == (expected / "scores.json").read_bytes()
    assert (run / "verdicts.jsonl").read_bytes() == (expected / "verdicts.jsonl").read_bytes()
    assert read_completions(run) == read_completions(expected)
    assert host_metrics(output) == host_metrics(expected_output)


def test_the_literal_command_prints_every_metric(reference: tuple[Path, Path, str]) -> None:
    run, output, console = reference
    table = [line for line in console.splitlines() if line.startswith("|")]
    for task in ("mmmu", "mathverse"):
        for metric in ("pass@5", "avg@5"):
            assert any(task in line and metric in line for line in table), (task, metric)
    for task in ("vilp_f", "vilp_p"):
        for metric in ("score", "prior"):
            assert any(task in line and metric in line for line in table), (task, metric)
    metrics = host_metrics(output)
    assert metrics["mmmu"].keys() >= {"pass@5,none", "avg@5,none"}
    assert str(run) in console


def test_every_result_says_how_it_was_made(reference: tuple[Path, Path, str]) -> None:
    run, _, _ = reference
    settings = json.loads((run / "run.json").read_text())
    assert settings["protocol"]["name"] == "demo"
    assert settings["protocol"]["max_new_tokens"] == 64
    assert len(settings["fingerprint"]) == 12
    assert settings["partial"] is False
    assert settings["tasks"]["mmmu"]["k"] == 5
    assert settings["tasks"]["vilp_f"]["k"] == 1
    assert settings["tasks"]["mmmu"]["revision"].startswith("local-")
    records = read_completions(run).values()
    assert {len(r.responses) for r in records if r.label == "mmmu"} == {5}
    assert all(r.text.startswith("<description>") for record in records for r in record.responses)
    assert all(0 < r.tokens <= 64 for record in records for r in record.responses)
    for record in records:
        for image in record.images:
            assert (run / "images" / f"{image.sha256}{image.suffix}").is_file()


def journal_size(run: Path) -> int:
    return sum(path.stat().st_size for path in run.glob("completions*.jsonl"))


def killed_while_writing(command: list[str], run: Path, more: int) -> bool:
    """Start, wait until the journal has grown by `more` bytes, kill -9; False when it was done first."""
    before = journal_size(run)
    process = started(command)
    while process.poll() is None and journal_size(run) < before + more:
        time.sleep(0.002)
    is_killed = process.poll() is None
    if is_killed:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return is_killed


def test_killed_ten_times_at_random_the_run_ends_the_same(
    tiny: Path, tmp_path: Path, reference: tuple[Path, Path, str]
) -> None:
    run, output = tmp_path / "run", tmp_path / "host"
    command = literal_command(tiny, run, output)
    moments = random.Random(7)
    most = journal_size(reference[0]) // 11
    kills = [killed_while_writing(command, run, moments.randint(1, most)) for _ in range(10)]
    assert sum(kills) == 10
    asked_before = len(read_completions(run))
    assert 0 < asked_before < 44
    console = finished(command)
    assert f"{asked_before} of 44 prompts are already answered" in console
    assert_same_results(run, output, reference)


def test_two_ranks_killed_and_resumed_by_one(
    tiny: Path, tmp_path: Path, reference: tuple[Path, Path, str]
) -> None:
    run, output = tmp_path / "run", tmp_path / "host"
    command = literal_command(tiny, run, output)
    two = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    assert killed_while_writing([*two, *command[1:]], run, journal_size(reference[0]) // 3)
    assert len(list(run.glob("completions.rank*.jsonl"))) == 2
    finished(command)
    assert_same_results(run, output, reference)


def test_two_ranks_end_like_one(
    tiny: Path, tmp_path: Path, reference: tuple[Path, Path, str]
) -> None:
    run, output = tmp_path / "run", tmp_path / "host"
    command = literal_command(tiny, run, output)
    two = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    finished([*two, *command[1:]])
    assert (run / "scores.json").read_bytes() == (reference[0] / "scores.json").read_bytes()
    assert host_metrics(output) == host_metrics(reference[1])


def test_sigterm_finishes_the_line_and_the_same_command_resumes(
    tiny: Path, tmp_path: Path, reference: tuple[Path, Path, str]
) -> None:
    run, output = tmp_path / "run", tmp_path / "host"
    command = literal_command(tiny, run, output)
    process = started(command)
    while process.poll() is None and journal_size(run) < 5000:
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert (run / "completions.jsonl").read_bytes().endswith(b"\n")
    finished(command)
    assert_same_results(run, output, reference)


def test_without_a_checkpoint_the_last_line_names_what_to_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lmms_eval", "--model", "vigos", "--tasks", TASKS],
        env=ENVIRONMENT, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    last = done.stderr.strip().splitlines()[-1]
    for part in ("ViGOS-3B", "ViGOS-7B", "pretrained=./", "make demo"):
        assert part in last
    assert "Traceback" not in done.stderr
    assert done.returncode == 2
