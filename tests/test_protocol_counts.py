"""Every protocol asks each question as often as it says, through real lmms-eval."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.instant import InstantEngine, host_results

EIGHT_AND_VILP = ["mmmu", "vilp"]


def evaluate(
    monkeypatch: pytest.MonkeyPatch, engine: InstantEngine, run: Path, tiny: Path, **more: Any
) -> dict[str, Any]:
    """simple_evaluate with our model, its answers coming at once; returns run.json."""
    args = {"pretrained": tiny, "run": run, **more.pop("model_args", {})}
    results = host_results(monkeypatch, engine, args, EIGHT_AND_VILP, log_samples=True, **more)
    return {**json.loads((run / "run.json").read_text()), "results": results}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("protocol", "main", "vilp"),
    [("paper", 5, 1), ("model_card", 5, 1), ("release", 5, 5), ("plain", 5, 1), ("demo", 5, 1)],
)
def test_samples_per_question(
    protocol: str,
    main: int,
    vilp: int,
    tmp_path: Path,
    tiny: Path,
    sample_data: Path,
    instant_engine: InstantEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = evaluate(
        monkeypatch, instant_engine, tmp_path / "run", tiny, model_args={"protocol": protocol}
    )
    counts = {(prompt.key.split(":")[0], decoding.n) for prompt, decoding in instant_engine.asked}
    assert counts == {("mmmu", main), ("vilp_f", vilp), ("vilp_p", vilp)}
    assert run["protocol"]["name"] == protocol
    # lmms-eval's own results say it too: protocol, fingerprint, data.
    stated = run["results"]["configs"]["mmmu"]["metadata"]["run"]
    assert stated["fingerprint"] == run["fingerprint"]
    assert stated["protocol"] == run["protocol"]
    assert stated["tasks"]["mmmu"]["revision"].startswith("local-")
    json.dumps(stated)
    samples = run["results"]["samples"]
    assert {len(row["resps"][0]) for row in samples["mmmu"]} == {main}
    assert {len(row["resps"][0]) for row in samples["vilp_f"]} == {vilp}
    assert f"pass@{main},none" in run["results"]["results"]["mmmu"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "field", "value"),
    [
        ({"repeats": 3}, "repeats", 3),
        ({"gen_kwargs": "temperature=0.5"}, "temperature", 0.5),
        ({"model_args": {"top_k": 50}}, "top_k", 50),
    ],
    ids=["--repeats", "--gen_kwargs", "model args"],
)
def test_an_override_is_honoured_and_makes_the_protocol_custom(
    more: dict[str, Any],
    field: str,
    value: float,
    tmp_path: Path,
    tiny: Path,
    sample_data: Path,
    instant_engine: InstantEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = evaluate(monkeypatch, instant_engine, tmp_path / "run", tiny, **more)
    assert run["protocol"]["name"] == "custom"
    assert run["protocol"]["base"] == "paper"
    assert run["protocol"][field] == value
    assert run["results"]["configs"]["vilp_f"]["metadata"]["run"]["protocol"][field] == value
    if field == "repeats":
        assert {decoding.n for _, decoding in instant_engine.asked} == {3}
        assert "pass@3,none" in run["results"]["results"]["mmmu"]
        assert "pass@5,none" not in run["results"]["results"]["mmmu"]
