"""What many tests need: the tiny checkpoint, the sample data, an engine that answers at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.instant import InstantEngine

ROOT = Path(__file__).parents[1]
SAMPLE_DATA = ROOT / "tests" / "data" / "sample"

# No test may look for a hub: what is missing must fail at once.
os.environ["HF_HUB_OFFLINE"] = "1"


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
