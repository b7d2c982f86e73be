"""`vigos-eval plot`: which figures are written, and that they show the numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from synthetic_runs import Model, write_run

from vigos_eval.cli import main
from vigos_eval.plots.scores import passes_figure, vilp_figure
from vigos_eval.plots.shape import subgroup_figures
from vigos_eval.plots.style import drawing
from vigos_eval.scored_run import read_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two benchmarks with subgroups, and ViLP."""
    tasks = {"mmmu": 40, "mathverse": 40, "vilp_f": 30}
    return write_run(tmp_path_factory.mktemp("runs") / "run_$1", tasks)


def test_every_figure_is_written_as_png_and_svg(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["plot", str(run), "--paper", "ViGOS-7B", "--output", str(tmp_path)]
    assert main(words) == 0
    names = {path.stem for path in tmp_path.iterdir()}
    assert names == {
        "passes",
        "vilp",
        "lengths",
        "mmmu-by-subject",
        "mathverse-by-version",
        "paper",
    }
    assert capsys.readouterr().out.count("\n") == 2 * len(names)
    for name in names:
        assert "</svg>" in (tmp_path / f"{name}.svg").read_text()
        with Image.open(tmp_path / f"{name}.png") as image:
            darkest, lightest = image.convert("L").getextrema()
            assert image.width > 500
            assert (darkest < 80, lightest) == (True, 255), f"{name} is blank"


def test_the_same_run_gives_the_same_bytes(run: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        assert main(["plot", str(run), "--output", str(tmp_path / folder)]) == 0
    for name in ("passes.svg", "vilp.svg"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_curves_are_the_scores(run: Path) -> None:
    scored = read_run(run)
    with drawing() as plt:
        figure = passes_figure(plt, [scored])
        panels = {panel.get_title(): panel for panel in figure.axes if panel.get_visible()}
        (line,) = panels["mmmu"].lines
        expected = [100 * score.value for score in scored.scores.tasks["mmmu"].passes]
        assert list(line.get_ydata()) == pytest.approx(expected)
        assert set(panels) == {"mmmu", "mathverse"}
        (panel,) = vilp_figure(plt, [scored]).axes
        point = panel.containers[0].lines[0]
        vilp = scored.scores.tasks["vilp_f"].vilp["word"]
        assert (point.get_xdata()[0], point.get_ydata()[0]) == pytest.approx(
            (100 * vilp["prior"].value, 100 * vilp["score"].value)
        )


def test_a_withheld_score_is_not_drawn(tmp_path: Path) -> None:
    scored = read_run(write_run(tmp_path / "r", {"mmmu": 50}, Model(ungraded=0.3)))
    with drawing() as plt:
        assert passes_figure(plt, [scored]) is None


def test_dots_carry_their_own_runs_name_where_a_run_lacks_the_task(tmp_path: Path) -> None:
    runs = [
        read_run(write_run(tmp_path / name, tasks))
        for name, tasks in (
            ("first", {"mmmu": 20}),
            ("without", {"mmsi": 20}),
            ("last", {"mmmu": 20}),
        )
    ]
    with drawing() as plt:
        (_, figure), *_ = subgroup_figures(plt, runs)
        (legend,) = figure.legends
        assert [text.get_text() for text in legend.get_texts()] == ["first", "last"]
