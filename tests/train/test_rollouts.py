"""Rollouts: batched answers equal single ones, adapters are handed over, the base stays."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.train.runs import VALID, base_hash, small_config, student_of, trainer_of
from vigos_eval.engines.hf import HFEngine
from vigos_eval.engines.sampling import completion_of
from vigos_eval.engines.settings import EngineSettings
from vigos_eval.errors import EngineError
from vigos_eval.types import Decoding, Generated, Prompt
from vigos_train.launch import make_trainer
from vigos_train.parallel import open_parallel
from vigos_train.rollout import ask_all, training_protocol
from vigos_train.rows import Row
from vigos_train.samplers import EngineSampler, OwnSampler
from vigos_train.server_adapter import AdapterServers
from vigos_train.shapes import shape_rows
from vigos_train.student import Student


@pytest.fixture
def student(tmp_path: Path, tiny_folder: Path) -> Student:
    made = student_of(small_config(tmp_path, tiny_folder))
    for name, parameter in made.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    return made


def mixed_rows() -> list[Row]:
    """Prompts of different lengths, one with two images."""
    rows = [shape_rows(6)[i] for i in range(6)]
    long = replace(rows[1], problem="Tell me, if you can, what color it is. " * 4)
    double = replace(rows[2], images=rows[2].images + rows[3].images)
    return [rows[0], long, double, rows[4], rows[5]]


def decoding(**changes: Any) -> Decoding:
    how = Decoding(n=1, temperature=0.0, top_p=1.0, top_k=0, max_new_tokens=12, seed=3)
    return replace(how, **changes)


@pytest.mark.parametrize("window", [0, 2])
def test_greedy_rollouts_side_by_side_are_those_of_the_hf_engine_alone(
    student: Student, tmp_path: Path, window: int
) -> None:
    protocol = training_protocol(str(tmp_path / "short.yaml"))
    rows = mixed_rows()
    asked, _ = ask_all(rows, [(i, str(i)) for i in range(5)], student, protocol, 10**6)
    how = decoding(suppress_token_ids=student.suppressed)
    ours = OwnSampler(student, window).sample(asked, how, 0)
    engine = HFEngine.from_model(student.model, student.processor, {})
    theirs = {g.key: g for g in engine.generate([a.prompt for a in asked], how)}
    for each, completion in zip(asked, ours, strict=True):
        assert theirs[each.prompt.key].prompt_ids == each.ids
        assert theirs[each.prompt.key].completions[0] == completion
    assert len({c.text for c in ours}) > 1


def test_a_sampled_rollout_depends_on_its_key_and_on_no_neighbour(
    student: Student, tmp_path: Path
) -> None:
    protocol = training_protocol(str(tmp_path / "short.yaml"))
    asked, _ = ask_all(mixed_rows(), [(i, str(i)) for i in range(5)], student, protocol, 10**6)
    how = decoding(temperature=1.1, top_p=0.95, top_k=20)
    together = OwnSampler(student).sample(asked, how, 0)
    alone = [OwnSampler(student).sample([each], how, 0)[0] for each in asked]
    assert [c.token_ids for c in together] == [c.token_ids for c in alone]
    other = OwnSampler(student).sample(asked, decoding(temperature=1.1, seed=4), 0)
    assert [c.token_ids for c in other] != [c.token_ids for c in together]


def test_sampling_leaves_the_mode_of_every_module_as_it_was(
    student: Student, tmp_path: Path
) -> None:
    student.model.train()
    student.model.get_base_model().model.visual.eval()
    before = {name: module.training for name, module in student.model.named_modules()}
    protocol = training_protocol(str(tmp_path / "short.yaml"))
    asked, _ = ask_all(mixed_rows(), [(0, "0")], student, protocol, 10**6)
    OwnSampler(student).sample(asked, decoding(), 0)
    assert {name: module.training for name, module in student.model.named_modules()} == before


@dataclass
class FakeEngine:
    """Takes adapters like vllm, remembers them, and answers a valid text."""

    student: Student
    lora: list[float] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    prompt_ids: tuple[int, ...] = ()
    identity: dict[str, str] = field(default_factory=dict)

    def use_adapter(self, folder: Path, version: int) -> None:
        self.events.append(f"adapter {version}")
        found = load_file(folder / "adapter_model.safetensors")
        assert all("lora_" in name for name in found)
        self.lora.append(sum(float(v.abs().sum()) for n, v in found.items() if "lora_B" in n))

    def generate(self, prompts: Iterable[Prompt], how: Decoding) -> Iterator[Generated]:
        listed = list(prompts)
        self.events.append(f"generate {len(listed)}")
        tokenizer = self.student.processor.tokenizer
        for prompt in reversed(listed):
            ids = tokenizer(VALID.format(a="red"), add_special_tokens=False)["input_ids"]
            done = completion_of([*ids, tokenizer.eos_token_id], True, tokenizer)
            yield Generated(prompt.key, 0, (done,), self.prompt_ids)

    def sleep(self) -> None:
        self.events.append("sleep")

    def wake(self) -> None:
        self.events.append("wake")

    def close(self) -> None:
        self.events.append("close")


def test_an_engine_gets_each_steps_adapter_and_the_base_stays_bit_for_bit(
    tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(tmp_path, tiny_folder)
    student = student_of(config)
    engine = FakeEngine(student)
    made: list[EngineSampler] = []

    def opened(_config: Any, _student: Any, hand_over: Any, folder: Path, _ranks: Any) -> Any:
        made.append(EngineSampler(engine, hand_over, folder / "sync"))
        return made[-1]

    monkeypatch.setattr("vigos_train.launch.open_sampler", opened)
    trainer = make_trainer(config, student, shape_rows(8), open_parallel(), tmp_path / "run")
    before = base_hash(student.model)
    for _ in range(3):
        trainer.step()
    assert base_hash(student.model) == before
    assert engine.events == [
        event for step in range(3) for event in ("wake", f"adapter {step}", "generate 4", "sleep")
    ]
    # The first adapter is zero; each later one is what the step before it left.
    assert engine.lora[0] == 0 and 0 < engine.lora[1] < engine.lora[2]
    assert [p.name for p in (tmp_path / "run" / "sync").iterdir()] == ["step-000002"]
    made[0].close()
    assert not (tmp_path / "run" / "sync").exists()


def test_an_engine_that_reads_other_prompt_tokens_is_refused(
    tmp_path: Path, tiny_folder: Path
) -> None:
    config = small_config(tmp_path, tiny_folder)
    student = student_of(config)
    engine = FakeEngine(student, prompt_ids=(1, 2, 3))
    sampler = EngineSampler(engine, lambda *_: None, tmp_path / "sync")
    with pytest.raises(EngineError, match=r"as 3 tokens, training as \d+: start it with the same"):
        trainer_of(config, sampler, student).step()


def test_an_engine_without_token_ids_is_refused(tmp_path: Path, tiny_folder: Path) -> None:
    config = small_config(tmp_path, tiny_folder)
    student = student_of(config)

    class TextOnly(FakeEngine):
        def generate(self, prompts: Iterable[Prompt], how: Decoding) -> Iterator[Generated]:
            for each in super().generate(prompts, how):
                yield replace(each, completions=(replace(each.completions[0], token_ids=()),))

    sampler = EngineSampler(TextOnly(student), lambda *_: None, tmp_path / "sync")
    with pytest.raises(EngineError, match=r"no token ids.*return_token_ids"):
        trainer_of(config, sampler, student).step()


class LoraServer(BaseHTTPRequestHandler):
    """Takes adapters as `vllm serve` does; `status` is what it answers."""

    bodies: list[tuple[str, str]] = []  # noqa: RUF012
    status = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.bodies.append((self.path, body))
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(b"Success" if self.status == 200 else b"not allowed")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def lora_server() -> Iterator[str]:
    LoraServer.bodies.clear()
    LoraServer.status = 200
    server = HTTPServer(("127.0.0.1", 0), LoraServer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_server_gets_the_path_and_loses_the_adapter_before(lora_server: str) -> None:
    settings = EngineSettings(engine="server", base_url=lora_server)
    servers = AdapterServers(settings, is_loader=True)
    servers.use_adapter(Path("/shared/step-1"), 1)
    servers.use_adapter(Path("/shared/step-2"), 2)
    servers.close()
    assert LoraServer.bodies == [
        ("/v1/load_lora_adapter", '{"lora_name": "vigos-step-1", "lora_path": "/shared/step-1"}'),
        ("/v1/load_lora_adapter", '{"lora_name": "vigos-step-2", "lora_path": "/shared/step-2"}'),
        ("/v1/unload_lora_adapter", '{"lora_name": "vigos-step-1"}'),
        ("/v1/unload_lora_adapter", '{"lora_name": "vigos-step-2"}'),
    ]


def test_only_one_rank_talks_to_the_server_about_adapters(lora_server: str) -> None:
    settings = EngineSettings(engine="server", base_url=lora_server)
    servers = AdapterServers(settings, is_loader=False)
    servers.use_adapter(Path("/shared/step-1"), 1)
    assert servers.adapter == "vigos-step-1" and not LoraServer.bodies


@pytest.mark.parametrize(
    ("status", "said"),
    [(404, "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1"), (400, "must be able to read output.folder")],
)
def test_a_server_that_refuses_says_what_to_do(lora_server: str, status: int, said: str) -> None:
    LoraServer.status = status
    servers = AdapterServers(EngineSettings(engine="server", base_url=lora_server), True)
    with pytest.raises(EngineError, match=said):
        servers.use_adapter(Path("/shared/step-1"), 1)
