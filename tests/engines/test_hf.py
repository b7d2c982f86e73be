"""The transformers engine: vision read once, samples that depend on nothing else, training's model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engines.adapters import write_adapter
from tests.engines.asking import GREEDY, SAMPLED, asked, picture
from tests.engines.conftest import Subject, settings_of
from vigos_eval.engines.hf import HFEngine
from vigos_eval.engines.sampling import uniform_draws
from vigos_eval.engines.tiny_checkpoint import write_tiny_checkpoint
from vigos_eval.errors import CheckpointError, ConfigError
from vigos_eval.types import Generated


def one(engine: Any, prompt: Any, decoding: Any = SAMPLED) -> Generated:
    (answer,) = engine.generate([prompt], decoding)
    return answer


def test_the_vision_tower_runs_once_for_five_samples(hf: Subject) -> None:
    engine: Any = hf.engine
    patches: list[int] = []
    hook = engine.model.model.visual.register_forward_pre_hook(
        lambda module, arguments, keywords: patches.append(
            int(keywords["grid_thw"].prod(-1).sum()) if keywords else -1
        ),
        with_kwargs=True,
    )
    try:
        one(engine, asked("k", picture("red"), picture("blue")))
    finally:
        hook.remove()
    # One call, and in it each of the two 6 x 4 patch grids once.
    assert patches == [48]


def test_five_samples_are_those_of_the_prompt_asked_alone(hf: Subject) -> None:
    prompts = [asked("a", picture("red")), asked("b"), asked("c", picture("blue", (300, 200)))]
    together = {answer.key: answer for answer in hf.engine.generate(prompts, SAMPLED)}
    for prompt in reversed(prompts):
        assert one(hf.engine, prompt) == together[prompt.key]


def test_every_prompt_has_a_random_stream_of_its_own(
    hf: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under one stream questions come out right together, and their errors are understated."""
    seen: list[tuple[float, ...]] = []

    def noted(*arguments: Any) -> Any:
        draws = uniform_draws(*arguments)
        seen.append(tuple(draws.flatten().tolist()))
        return draws

    monkeypatch.setattr("vigos_eval.engines.hf.uniform_draws", noted)
    red = asked("a", picture("red"))
    for prompt in (red, asked("a", picture("blue")), asked("a"), replace(red, key="another key")):
        one(hf.engine, prompt)
    assert len(set(seen)) == 3
    assert seen[3] == seen[0]


def test_a_prompt_without_image_forgets_the_image_before_it(hf: Subject) -> None:
    """Qwen-VL models keep the position offset of the last image prompt."""
    before = one(hf.engine, asked("text"), GREEDY)
    hf.chances(asked("image", picture("red", (800, 800))))
    assert one(hf.engine, asked("text"), GREEDY) == before


def test_greedy_equals_transformers_own_generate(hf: Subject) -> None:
    import torch

    engine: Any = hf.engine
    prompt = asked("k", picture("red", (300, 200)))
    answer = one(engine, prompt, GREEDY)
    inputs = engine._inputs(prompt)
    with torch.no_grad():
        theirs = engine.model.generate(**inputs, max_new_tokens=24, do_sample=False)
    assert theirs[0, answer.prompt_tokens :].tolist() == list(answer.completions[0].token_ids)


def test_samples_follow_the_models_own_distribution(hf: Subject) -> None:
    """First tokens of 2,000 samples against softmax, top-p and top-k worked out here."""
    import torch

    engine: Any = hf.engine
    prompt = asked("k", picture("red"))
    decoding = replace(SAMPLED, n=2000, max_new_tokens=1, top_k=5, top_p=0.8)
    answer = one(engine, prompt, decoding)
    chances = engine.next_token_logits(prompt).topk(5)
    kept: dict[int, float] = {}
    for token, chance in zip(
        chances.indices.tolist(), torch.softmax(chances.values, -1).tolist(), strict=True
    ):
        if sum(kept.values()) < 0.8:
            kept[token] = chance
    drawn = [sample.token_ids[0] for sample in answer.completions]
    assert set(drawn) == set(kept)
    for token, chance in kept.items():
        expected = chance / sum(kept.values())
        # Four standard errors of a share over 2,000 draws.
        assert abs(drawn.count(token) / 2000 - expected) < 4 * (expected / 2000) ** 0.5


def test_a_model_of_training_is_read_in_eval_mode_and_given_back_as_it_was(stopping: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained(stopping).train()
    model.model.visual.eval()
    modes: list[bool] = []
    model.lm_head.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    engine = HFEngine.from_model(model, AutoProcessor.from_pretrained(stopping), {"step": "3"})
    answer = one(engine, asked("k", picture("red")))
    assert len(answer.completions) == 5
    assert set(modes) == {False}
    assert model.training
    assert model.lm_head.training
    assert not model.model.visual.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_an_adapter_folder_answers_as_peft_does(
    stopping: Path, tmp_path: Path, hf: Subject
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText

    adapter = write_adapter(stopping, tmp_path / "adapter", seed=1)
    engine = HFEngine.load(settings_of("hf", adapter))
    prompt = asked("k", picture("red"))
    answer = one(engine, prompt, GREEDY)
    assert answer.completions != one(hf.engine, prompt, GREEDY).completions
    base = AutoModelForImageTextToText.from_pretrained(stopping, dtype=torch.float32)
    merged = PeftModel.from_pretrained(base, adapter).merge_and_unload().eval()
    with torch.no_grad():
        theirs = merged.generate(**engine._inputs(prompt), max_new_tokens=24, do_sample=False)
    assert theirs[0, answer.prompt_tokens :].tolist() == list(answer.completions[0].token_ids)
    assert {"weights", "settings", "adapter", "adapter_settings"} == engine.identity.keys()


def test_an_adapter_of_another_base_is_refused(tiny: Path, tmp_path: Path) -> None:
    adapter = write_adapter(tiny, tmp_path / "adapter", seed=1)
    write_tiny_checkpoint(tmp_path / "other", family="qwen3_vl")
    config = adapter / "adapter_config.json"
    config.write_text(config.read_text().replace(str(tiny), str(tmp_path / "other")))
    # The two families agree in the language model's shapes; the wide one does not.
    narrow_language_model(tmp_path / "other")
    with pytest.raises(CheckpointError, match=r"made for another base .*adapter_config\.json"):
        HFEngine.load(settings_of("hf", adapter))


def narrow_language_model(folder: Path) -> None:
    """Cut one matrix of the language model to half its inputs."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    name = next(name for name in tensors if name.endswith("layers.1.mlp.gate_proj.weight"))
    tensors[name] = tensors[name][:, ::2].contiguous()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def test_qwen3_vl_answers_too(tmp_path: Path) -> None:
    write_tiny_checkpoint(tmp_path / "tiny3", family="qwen3_vl")
    engine = HFEngine.load(settings_of("hf", tmp_path / "tiny3", max_pixels=16 * 32 * 32))
    red, blue = (engine.next_token_logits(asked(c, picture(c))) for c in ("red", "blue"))
    assert float((red - blue).abs().max()) > 0.01
    assert len({s.text for s in one(engine, asked("k", picture("red"))).completions}) == 5


def test_image_limits_that_contradict_each_other_are_named(tiny: Path) -> None:
    with pytest.raises(ConfigError, match=r"min_pixels=50000 is above max_pixels=12544"):
        HFEngine.load(settings_of("hf", tiny, min_pixels=50_000))
