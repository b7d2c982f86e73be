"""vLLM itself: images read once, adapters swapped while it runs, the literal command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SAMPLE_DATA
from tests.engines.adapters import EVERYWHERE, write_adapter
from tests.engines.asking import GREEDY, SAMPLED, asked, picture
from tests.engines.conftest import Subject, settings_of
from vigos_eval.engines.hf import HFEngine
from vigos_eval.errors import CheckpointError, EngineError
from vigos_eval.records import read_completions
from vigos_eval.types import Prompt

pytestmark = pytest.mark.vllm


def greedy_ids(engine: Any, *prompts: Prompt) -> dict[str, tuple[int, ...]]:
    return {a.key: a.completions[0].token_ids for a in engine.generate(prompts, GREEDY)}


def test_an_image_goes_through_the_processor_once_for_five_samples(
    vllm: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import Qwen2VLImageProcessor

    seen: list[int] = []
    original = Qwen2VLImageProcessor.preprocess

    def counted(self: Any, images: Any, *more: Any, **named: Any) -> Any:
        seen.append(len(images) if isinstance(images, list) else 1)
        return original(self, images, *more, **named)

    monkeypatch.setattr(Qwen2VLImageProcessor, "preprocess", counted)
    colors = ("navy", "olive", "teal")
    prompts = [asked(color, picture(color, (140, 112))) for color in colors]
    found = list(vllm.engine.generate(prompts, SAMPLED))
    assert sum(len(answer.completions) for answer in found) == 15
    assert sum(seen) == 3


def test_adapters_are_swapped_without_restart(
    vllm: Subject, hf: Subject, stopping: Path, tmp_path: Path
) -> None:
    """Greedy tokens are those of peft on transformers, for two adapters in turn and the bare base."""
    engine: Any = vllm.engine
    prompts = [asked("image", picture("red")), asked("text")]
    bare = greedy_ids(hf.engine, *prompts)
    try:
        for version in (1, 2):
            adapter = write_adapter(stopping, tmp_path / str(version), seed=version)
            theirs = greedy_ids(HFEngine.load(settings_of("hf", adapter)), *prompts)
            engine.use_adapter(adapter, version)
            assert greedy_ids(engine, *prompts) == theirs != bare
        # The same folder written anew is another adapter: nothing old may be served.
        write_adapter(stopping, tmp_path / "2", seed=3)
        theirs = greedy_ids(HFEngine.load(settings_of("hf", tmp_path / "2")), *prompts)
        engine.use_adapter(tmp_path / "2", 3)
        assert greedy_ids(engine, *prompts) == theirs
    finally:
        engine.use_adapter(None, 4)
    assert greedy_ids(engine, *prompts) == bare


def test_an_adapter_that_cannot_be_swapped_in_leaves_the_engine_as_it_was(
    vllm: Subject, stopping: Path, tmp_path: Path
) -> None:
    engine: Any = vllm.engine
    before = greedy_ids(engine, asked("k"))
    large = write_adapter(stopping, tmp_path / "large", seed=1, rank=16)
    with pytest.raises(EngineError, match=r"has rank 16 and the engine room for 8; .*lora_rank=16"):
        engine.use_adapter(large, 1)
    seeing = write_adapter(stopping, tmp_path / "seeing", seed=1, modules=EVERYWHERE)
    with pytest.raises(EngineError, match="touches the vision tower"):
        engine.use_adapter(seeing, 1)
    with pytest.raises(CheckpointError, match=r"adapter_config\.json"):
        engine.use_adapter(tmp_path, 1)
    assert greedy_ids(engine, asked("k")) == before


def test_vllms_own_refusal_to_start_becomes_one_line(stopping: Path) -> None:
    from vigos_eval.engines.vllm_start import start_vllm

    settings = settings_of("vllm", stopping, max_model_len=100_000)
    with pytest.raises(EngineError) as caught:
        start_vllm(stopping, settings, 0, None)
    assert "\n" not in str(caught.value)
    assert "100000" in str(caught.value)
    assert "lower max_model_len" in str(caught.value)


# An engine in a process of its own, as on a GPU; its process is killed after the second answer.
KILLED = """
import os, signal, sys
from multiprocessing import active_children
from vigos_eval.engines.open import open_engine
from vigos_eval.engines.settings import EngineSettings
from vigos_eval.errors import EngineError
from vigos_eval.types import Decoding, Message, Prompt, TextPart

if __name__ == "__main__":
    engine = open_engine(
        EngineSettings(engine="vllm", pretrained=sys.argv[1], max_model_len=512, max_num_seqs=4)
    )
    ask = [Prompt(str(i), (Message("user", (TextPart("Why?"),)),)) for i in range(40)]
    how = Decoding(n=2, temperature=1.0, top_p=1.0, top_k=0, max_new_tokens=64, seed=0)
    try:
        for number, _ in enumerate(engine.generate(ask, how)):
            if number == 1:
                for child in active_children():
                    os.kill(child.pid, signal.SIGKILL)
    except EngineError as error:
        print("EngineError:", error)
    engine.close()
"""


def test_a_killed_vllm_is_an_error_in_one_line(stopping: Path, tmp_path: Path) -> None:
    program = tmp_path / "killed.py"
    program.write_text(KILLED)
    done = subprocess.run(
        [sys.executable, str(program), str(stopping)],
        env={
            **os.environ,
            "VLLM_ENABLE_V1_MULTIPROCESSING": "1",
            # Bound to one core, a worker starves beside other jobs.
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        },
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert "EngineError: vllm's engine died while it sampled" in done.stdout, done.stderr[-3000:]
    assert "The same command goes on" in done.stdout
    assert done.returncode == 0, done.stderr[-3000:]


def literal_command(out: Path, **model_args: object) -> subprocess.CompletedProcess[str]:
    """`lmms-eval --model vigos --tasks vilp` on the sample data, as a user types it."""
    words = ",".join(f"{name}={value}" for name, value in model_args.items())
    command = [
        *(str(Path(sys.executable).with_name("lmms-eval")), "--model", "vigos", "--tasks", "vilp"),
        *("--model_args", f"{words},run={out / 'run'}", "--output_path", str(out / "results")),
    ]
    environment = {**os.environ, "VIGOS_DATA_ROOT": str(SAMPLE_DATA), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def responses(run: Path) -> dict[str, list[str]]:
    """Texts by question from a run folder."""
    records = read_completions(run)
    assert records
    return {key: [each.text for each in record.responses] for key, record in records.items()}


def test_the_literal_command_answers_alike_on_vllm_and_hf(stopping: Path, tmp_path: Path) -> None:
    """With an adapter that touches the vision tower: merged for vLLM, with a note, and removed."""
    adapter = write_adapter(stopping, tmp_path / "adapter", seed=1, modules=EVERYWHERE)
    answers = {}
    for engine in ("vllm", "hf"):
        done = literal_command(
            tmp_path / engine,
            pretrained=adapter,
            engine=engine,
            protocol="demo",
            temperature=0,
            max_new_tokens=16,
            max_model_len=2048,
        )
        assert list((tmp_path / engine / "results").rglob("*_results.json")), done.stderr[-3000:]
        if engine == "vllm":
            assert (
                "touches the vision tower, which vllm cannot serve beside its base" in done.stderr
            )
            note = next(line for line in done.stderr.splitlines() if "merged into " in line)
            merged = note.split("merged into ")[1].split(" for this run")[0]
            assert not Path(merged).exists()
        answers[engine] = responses(tmp_path / engine / "run")
    assert answers["vllm"] == answers["hf"]
