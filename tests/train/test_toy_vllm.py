"""The toy network in vLLM on the CPU: the same greedy tokens as transformers', pictures seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vigos_eval.engines.open import open_engine
from vigos_eval.engines.settings import EngineSettings
from vigos_eval.types import Decoding, EncodedImage, Prompt
from vigos_train.contexts import Question, Speaker, context
from vigos_train.encoding import as_prompt
from vigos_train.rollout import training_protocol
from vigos_train.toy.pretrain import pretrain
from vigos_train.toy.trials import training_rows

pytestmark = pytest.mark.vllm

GREEDY = Decoding(n=1, temperature=0.0, top_p=1.0, top_k=0, max_new_tokens=24, seed=0)


def caption_prompts(count: int) -> list[Prompt]:
    """What the perception teacher is asked about as many different pictures."""
    protocol = training_protocol("demo")
    view = context(Speaker.PERCEPTION, Question("", ""), prompt=protocol.prompt)
    images: list[EncodedImage] = [row.images[0] for row in training_rows(count, 0.5, seed=1)]
    return [as_prompt(view, (image,), f"{n}") for n, image in enumerate(images)]


def test_vllm_and_transformers_write_the_same_captions(tmp_path: Path) -> None:
    # So few steps do not teach it to look, but its texts already differ from picture to picture.
    pretrain(tmp_path / "base", seed=0, steps=60)
    prompts = caption_prompts(8)
    written = []
    for name in ("hf", "vllm"):
        settings = EngineSettings(
            engine=name, pretrained=str(tmp_path / "base"), dtype="float32", max_model_len=256
        )
        engine = open_engine(settings)
        try:
            answers = {each.key: each for each in engine.generate(prompts, GREEDY)}
        finally:
            engine.close()
        written.append(
            [(answers[p.key].prompt_ids, answers[p.key].completions[0].text) for p in prompts]
        )
    assert written[0] == written[1]
    assert len(np.unique([text for _, text in written[0]])) > 1
