"""What many tests need: the tiny checkpoint, the sample data, an engine that answers at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.instant import InstantEngine
from vigos_eval import active

ROOT = Path(__file__).parents[1]
SAMPLE_DATA = ROOT / "tests" / "data" / "sample"

# No test may look for a hub: what is missing must fail at once.
os.environ["HF_HUB_OFFLINE"] = "1"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--checkpoint`: a real checkpoint for the speed tests on a GPU."""
    parser.addoption(
        "--checkpoint",
        default="",
        help="folder or hub id for speed tests (-m gpu), e.g. a 3B or 7B",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say why tests for a GPU do not run here."""
    marked = [item for item in items if "gpu" in item.keywords]
    if marked:
        import torch

        if not torch.cuda.device_count():
            for item in marked:
                item.add_marker(pytest.mark.skip(reason="there is no GPU here"))


@pytest.fixture(autouse=True)
def _no_protocol_left_behind() -> Iterator[None]:
    """What a test activates for lmms-eval's tasks is not what the next test (or doctest) finds."""
    before = (active._protocol, active._kind, active._is_ours)
    yield
    active._protocol, active._kind, active._is_ours = before


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Qwen2.5-VL checkpoint."""
    from vigos_eval.engines.tiny_checkpoint import write_tiny_checkpoint

    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    write_tiny_checkpoint(folder)
    return folder


@pytest.fixture
def sample_data(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository's own rows, where the hub would be."""
    monkeypatch.setenv("VIGOS_DATA_ROOT", str(SAMPLE_DATA))
    return SAMPLE_DATA


@pytest.fixture
def instant_engine() -> InstantEngine:
    """See InstantEngine."""
    return InstantEngine()
