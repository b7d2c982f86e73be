"""An installed wheel finds its tasks and configs, without a checkout beside it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FIND = """
from vigos_eval.paths import shipped
from vigos_eval import __version__
print(len(list(shipped("tasks").rglob("*.yaml"))), (shipped("configs") / "protocols" / "paper.yaml").is_file())
print(shipped("tasks"))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)],
        check=True, capture_output=True,
    )  # fmt: skip
    (found,) = out.glob("vigos-*.whl")
    return found


def test_the_tasks_are_found_from_a_fresh_environment(wheel: Path, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)],
        check=True, capture_output=True,
    )  # fmt: skip
    done = subprocess.run(
        [str(python), "-c", FIND], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    counts, place = done.stdout.splitlines()
    in_checkout = len(list((ROOT / "tasks").rglob("*.yaml")))
    assert in_checkout > 40
    assert counts == f"{in_checkout} True"
    assert str(tmp_path) in place


def test_the_wheel_holds_data_licence_and_entry_points_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        entry = next(n for n in names if n.endswith("entry_points.txt"))
        points = archive.read(entry).decode()
    assert any(name.endswith("LICENSE") for name in names)
    assert any(name.endswith("report/published_figures.json") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "bench/", "docs/"))]
    for line in (
        "vigos-eval = vigos_eval.cli:main",
        "vigos-train = vigos_train.cli:main",
        "vigos = vigos_eval.plugin:manifests",
    ):
        assert line in points
