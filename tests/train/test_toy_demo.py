"""`make demo`: what it makes when something is missing, and what it says when a step fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.scripts import loaded

DEMO = Path(__file__).parents[2] / "docs/demo.py"


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, in an empty folder."""
    module = loaded(DEMO)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


@pytest.mark.parametrize(
    ("present", "is_made"),
    [
        pytest.param((), True, id="nothing"),
        pytest.param(("base/config.json",), True, id="the-world-was-deleted"),
        pytest.param(("world/README.md",), True, id="interrupted-before-the-base"),
        pytest.param(("world/README.md", "base/config.json"), False, id="both"),
    ],
)
def test_world_and_base_are_made_when_either_is_missing(
    demo: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    present: tuple[str, ...],
    is_made: bool,
) -> None:
    for each in present:
        (tmp_path / demo.TOY / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / demo.TOY / each).write_text("")
    said: list[str] = []
    monkeypatch.setattr(demo, "say_and_do", lambda words, allowed=(0,): said.append(words[1]))
    monkeypatch.setattr(demo, "evaluate", lambda name, checkpoint: None)
    monkeypatch.setattr(demo, "show_story", lambda: None)
    demo.main()
    assert said == ["toy-pretrain"] * is_made + ["run", "compare", "report", "view"]


def test_a_failed_evaluation_names_its_reason_and_leaves_no_process(
    demo: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = {"base": "sys.exit(1)", "base-blind": "time.sleep(1)"}
    started = []

    def start(words: list[str], *, is_quiet: bool = False) -> subprocess.Popen[bytes]:
        code = f"import sys, time; {ends['base-blind' if is_quiet else 'base']}"
        started.append(subprocess.Popen([sys.executable, "-c", code]))
        return started[-1]

    monkeypatch.setattr(demo, "start", start)
    with pytest.raises(SystemExit, match=r"build/demo/base has no scores; the reason stands above"):
        demo.evaluate("base", "x")
    assert [process.poll() for process in started] == [0, 1]


def test_the_readme_shows_the_legend_as_it_is_printed(demo: ModuleType) -> None:
    readme = DEMO.parents[1] / "README.md"
    assert demo.LEGEND + "\n" in readme.read_text(encoding="utf-8")
