"""The house rules of the packages: who imports whom, what loads nothing heavy, how long files are."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EVAL = sorted((ROOT / "vigos_eval").rglob("*.py"))
TRAIN = sorted((ROOT / "vigos_train").rglob("*.py"))
HEAVY = {"torch", "transformers", "vllm", "lmms_eval"}
MAY_IMPORT_HEAVY = ("engines/", "model.py", "hooks.py", "plugin.py", "task.py")
# Inside functions only, like engines/*: the process group is torch's, the host's banner lmms-eval's.
MAY_IMPORT_HEAVY_INSIDE = ("ranks.py", "commands/run.py", "loading.py")
LONGER = {"vigos_train/trainer.py": 450}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path, *, top_only: bool = False) -> set[str]:
    """Full names of the modules a file imports, at the top or anywhere; TYPE_CHECKING left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    nodes = tree.body if top_only else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


def test_every_module_was_seen() -> None:
    assert len(EVAL) >= 30
    assert len(TRAIN) >= 10


@pytest.mark.parametrize("path", EVAL, ids=name_of)
def test_evaluation_never_imports_training(path: Path) -> None:
    assert not {name for name in imports(path) if name.split(".")[0] == "vigos_train"}


CORE = {
    "types": set(),
    "errors": set(),
    "paths": set(),
    "extract": {"types", "final_answer"},
    "final_answer": set(),
    "protocol": {"errors", "paths", "types"},
    "records": {"errors", "types"},
    "journal": {"errors", "records"},
    "stats": {"errors", "types"},
    "prompts": {"types", "protocol", "errors"},
    "controls": {"types"},
    "progress": set(),
}


@pytest.mark.parametrize("name", CORE)
def test_the_core_points_one_way(name: str) -> None:
    own = {
        found.split(".")[1]
        for found in imports(ROOT / "vigos_eval" / f"{name}.py")
        if found.startswith("vigos_eval.")
    }
    assert own <= CORE[name]


@pytest.mark.parametrize("path", EVAL, ids=name_of)
def test_heavy_libraries_stay_where_they_may(path: Path) -> None:
    name = path.relative_to(ROOT / "vigos_eval").as_posix()
    anywhere = {found.split(".")[0] for found in imports(path)} & HEAVY
    at_top = {found.split(".")[0] for found in imports(path, top_only=True)} & HEAVY
    if name.startswith(MAY_IMPORT_HEAVY):
        # engines import theirs inside functions, so that --help and the registry stay light
        assert not at_top or not name.startswith("engines/")
    elif name.startswith(MAY_IMPORT_HEAVY_INSIDE):
        assert not at_top
    else:
        assert not anywhere


@pytest.mark.parametrize(
    "code",
    [
        "import vigos_eval, vigos_eval.cli",
        "import vigos_eval.extract, vigos_eval.metrics, vigos_eval.stats, vigos_eval.grading",
        "import vigos_eval.plugin, vigos_eval.benchmarks, vigos_eval.protocol",
    ],
)
def test_the_core_loads_no_heavy_library(code: str) -> None:
    heavy = sorted(HEAVY | {"vigos_train"})
    check = f"import sys; {code}; sys.exit(str(set({heavy}) & set(sys.modules) or '') or 0)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


TRAINER_PARTS = ("rollout", "scoring", "losses", "contexts", "spans", "config", "routing")


@pytest.mark.parametrize("name", TRAINER_PARTS)
def test_parts_of_the_trainer_do_not_import_it(name: str) -> None:
    assert "vigos_train.trainer" not in imports(ROOT / "vigos_train" / f"{name}.py")


@pytest.mark.parametrize("path", EVAL + TRAIN, ids=name_of)
def test_files_and_functions_stay_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    limit = LONGER.get(name_of(path), 300)
    assert text.count("\n") <= limit
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno + 1 <= 60, f"{node.name} is too long"
            given = [*node.args.args, *node.args.posonlyargs, *node.args.kwonlyargs]
            own = [argument for argument in given if argument.arg not in ("self", "cls", "ctx")]
            assert len(own) <= 6, f"{node.name} takes too many parameters"


def test_the_median_file_is_short() -> None:
    lengths = [path.read_text(encoding="utf-8").count("\n") for path in EVAL + TRAIN]
    assert statistics.median(lengths) <= 170


@pytest.mark.parametrize("path", EVAL + TRAIN, ids=name_of)
def test_no_broad_except(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ExceptHandler):
            continue
        names = (
            {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)} if node.type else {""}
        )
        if names & {"Exception", "BaseException", ""}:
            # The two the architecture allows: the entry point, and process_results.
            assert path.name in ("plugin.py", "hooks.py", "task.py"), f"line {node.lineno}"
