"""vLLM under torchrun: every rank starts its own, on its own GPUs, outside the host's group."""

from __future__ import annotations

import os

import pytest
import torch

from vigos_eval.engines.vllm_start import gpus_of_rank, own_process_among_ranks
from vigos_eval.errors import EngineError


def test_a_single_process_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    before = dict(os.environ)
    with own_process_among_ranks(1):
        assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("visible", "gpus", "own"),
    [("", 1, "3"), ("", 2, "6,7"), ("4,5,6,7", 1, "7"), ("GPU-a,GPU-b,GPU-c,GPU-d", 1, "GPU-d")],
)
def test_a_rank_starts_vllm_on_its_own_gpus(
    monkeypatch: pytest.MonkeyPatch, visible: str, gpus: int, own: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    rank = {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "3", "CUDA_VISIBLE_DEVICES": visible}
    for name, value in (rank | {"TORCHELASTIC_USE_AGENT_STORE": "True"}).items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    with own_process_among_ranks(gpus):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == own
        assert os.environ["VLLM_WORKER_MULTIPROC_METHOD"] == "spawn"
        assert not {"RANK", "WORLD_SIZE", "TORCHELASTIC_USE_AGENT_STORE"} & os.environ.keys()
    assert dict(os.environ) == before


def test_more_ranks_than_gpus_are_refused_with_the_number_that_fits() -> None:
    with pytest.raises(EngineError, match="rank 4 of this machine needs 2 GPUs.*start 4 processes"):
        gpus_of_rank([str(i) for i in range(8)], local_rank=4, gpus=2)
