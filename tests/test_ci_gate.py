"""The CI examples of docs/ci_gate.md: their shell steps, run as they are written."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from synthetic_runs import Model, write_run

from tests.conftest import SAMPLE_DATA

PAGE = Path(__file__).parents[1] / "docs" / "ci_gate.md"
EXAMPLES = [
    yaml.safe_load(code) for code in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.S)
]
GITHUB = EXAMPLES[0]["jobs"]["gate"]
GITLAB = EXAMPLES[1]["checkpoint gate"]
TASKS = {"mmmu": 300, "mathvista": 300}


def github_steps() -> dict[str, str]:
    """Shell text by step name."""
    return {step["name"]: step["run"] for step in GITHUB["steps"] if "run" in step}


def shell(script: str, folder: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a step as GitHub does: bash -eo pipefail, our environment's commands on the PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", **env},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """runs/base, and checkpoints that are equal, worse, and too close to tell."""
    root = tmp_path_factory.mktemp("ci")
    write_run(root / "base", TASKS)
    shutil.copytree(root / "base", root / "equal")
    write_run(root / "worse", TASKS, Model(accuracy=0.3), seed=1)
    write_run(root / "close", TASKS, Model(accuracy=0.49), seed=4)
    write_run(root / "other", TASKS, seed=3, settings={"protocol": "release"})
    return root


def workplace(runs: Path, folder: Path, candidate: str) -> Path:
    """A checkout with the two run folders where the examples have them."""
    shutil.copytree(runs / "base", folder / "runs" / "base")
    shutil.copytree(runs / candidate, folder / "runs" / "candidate")
    return folder


VERDICTS = [("equal", 0), ("worse", 1), ("other", 2), ("close", 3)]


@pytest.mark.parametrize(("candidate", "code"), VERDICTS)
def test_the_github_steps_gate_and_show_the_result(
    runs: Path, tmp_path: Path, candidate: str, code: int
) -> None:
    folder = workplace(runs, tmp_path, candidate)
    summary = tmp_path / "summary.md"
    env = {**GITHUB["env"], "GITHUB_STEP_SUMMARY": str(summary)}
    steps = github_steps()
    done = shell(steps["Compare with the base"], folder, env)
    assert done.returncode == (0 if code == 3 else code), done.stdout + done.stderr
    assert ("::warning::" in done.stdout) == (code == 3)
    shown = shell(steps["Show the result"], folder, env)
    assert shown.returncode == 0, shown.stderr
    title = {0: "## PASS: ", 1: "## REGRESSION: ", 2: "## other\n", 3: "## CANNOT TELL: "}[code]
    assert summary.read_text().startswith(title)
    assert "### Scores" in summary.read_text()
    assert (folder / "gate.xml").is_file() == (code != 2)


@pytest.mark.parametrize(("candidate", "code"), VERDICTS)
def test_the_gitlab_script_exits_with_the_gates_own_code(
    runs: Path, tmp_path: Path, candidate: str, code: int
) -> None:
    folder = workplace(runs, tmp_path, candidate)
    _, compare = GITLAB["script"]
    done = shell(compare, folder, GITLAB["variables"])
    assert done.returncode == code, done.stdout + done.stderr
    after = shell("\n".join(GITLAB["after_script"]), folder, GITLAB["variables"])
    assert after.returncode == 0
    assert bool(after.stdout) == (code != 2)
    assert GITLAB["allow_failure"] == {"exit_codes": 3}


@pytest.mark.slow
def test_every_shell_step_of_both_examples_runs_from_a_checkpoint_to_a_verdict(
    tiny: Path, tmp_path: Path
) -> None:
    """The steps as written; only the variables point at the tiny checkpoint and our own rows."""
    here: dict[str, Any] = {
        "CHECKPOINT": str(tiny),
        "TASKS": "mmmu",
        "PROTOCOL": "demo",
        "VIGOS_DATA_ROOT": str(SAMPLE_DATA),
        "HF_HUB_OFFLINE": "1",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    evaluate, *rest = github_steps().values()
    env = {**GITHUB["env"], **here}
    done = shell(evaluate, tmp_path, env)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    shutil.copytree(tmp_path / "runs" / "candidate", tmp_path / "runs" / "base")
    for script in rest:
        done = shell(script, tmp_path, env)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    # A run beside its own copy: nothing changed, but a dozen questions are too few to be sure.
    assert "## CANNOT TELL" in (tmp_path / "summary.md").read_text()
    # The same run folder: GitLab's script finds every answer there and asks nothing twice.
    done = shell("\n".join(GITLAB["script"]), tmp_path, {**GITLAB["variables"], **here})
    assert done.returncode == 3, done.stdout[-2000:] + done.stderr[-2000:]


def test_the_table_of_exit_codes_is_the_programs() -> None:
    from vigos_eval.compare import EXIT_CODES

    rows = dict(re.findall(r"^\| (\d) \| ([A-Z][A-Z ]+?) \|", PAGE.read_text(), re.M))
    assert rows == {str(code): str(verdict) for verdict, code in EXIT_CODES.items()}
