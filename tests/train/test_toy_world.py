"""The toy world: same seed, same bytes; what is usual and what is not; real schemas; cheap prompts."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from vigos_eval.benchmarks import sample_from_row
from vigos_eval.grading import grade
from vigos_eval.protocol import load_protocol
from vigos_eval.types import EncodedImage, Outcome, TextPart
from vigos_train.config import DataConfig
from vigos_train.contexts import Question, Speaker, context
from vigos_train.data import open_rows
from vigos_train.encoding import as_prompt, context_ids
from vigos_train.evaluation import flip_rows
from vigos_train.spans import spans, token_pieces
from vigos_train.toy import files, wording
from vigos_train.toy.model import fixed_sentences, toy_processor, toy_tokenizer
from vigos_train.toy.world import ASPECTS, OBJECTS, Scene, drawn, prior, random_scene, usual


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy") / "world"
    files.write_world(folder, seed=3)
    return folder


def digest(folder: Path) -> str:
    whole = hashlib.sha256()
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    assert len(paths) > 2000
    for path in paths:
        whole.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return whole.hexdigest()


def test_the_same_seed_writes_the_same_bytes(world: Path, tmp_path: Path) -> None:
    files.write_world(tmp_path / "again", seed=3)
    assert digest(tmp_path / "again") == digest(world)


def test_another_seed_draws_another_world() -> None:
    def first_rows(seed: int) -> list[files.Asked]:
        rng = np.random.default_rng([seed, 10])
        return [files.training_question(rng, 0.95) for _ in range(20)]

    assert first_rows(3) == first_rows(3)
    assert first_rows(3) != first_rows(4)


def test_training_pictures_are_as_usual_as_stated() -> None:
    rng = np.random.default_rng(0)
    scenes = [random_scene(rng, aligned=0.95) for _ in range(4000)]
    for aspect in ASPECTS:
        share = np.mean([s.value(aspect) == prior(s.object, aspect) for s in scenes])
        assert share == pytest.approx(0.95, abs=0.012)
    even = [random_scene(rng, aligned=None) for _ in range(4000)]
    assert np.mean([s.color == usual(s.object).color for s in even]) == pytest.approx(
        1 / 8, abs=0.02
    )


def test_a_picture_shows_its_object_as_often_as_it_says() -> None:
    for number in "1234":
        picture = drawn(Scene("tomato", "red", number), np.random.default_rng(int(number)))
        pixels = np.asarray(picture, dtype=float)
        corners = [pixels[y : y + 28, x : x + 28] for y in (0, 28) for x in (0, 28)]
        reddish = [(c[..., 0] - c[..., 2]).mean() > 40 for c in corners]
        assert sum(reddish) == int(number)


def test_captions_hold_no_prior_and_questions_hold_it() -> None:
    for thing in OBJECTS:
        for aspect in ASPECTS:
            asked = wording.question(thing, aspect, is_with_fact=True)
            assert prior(thing, aspect) in asked
    assert wording.caption(Scene("lemon", "blue", "4")) == "4 blue lemon."


def test_vilp_conflicts_in_the_asked_aspect_only() -> None:
    rows = files.vilp_rows(np.random.default_rng(1), 48)
    for _, asked in rows:
        first, *others = (each.scene for each in asked)
        aspect = asked[0].aspect
        assert first == usual(first.object).__class__(
            first.object, *(prior(first.object, a) for a in ASPECTS), first.saturation
        )
        for other in others:
            assert other.value(aspect) != prior(other.object, aspect)
            assert other == first.with_value(aspect, other.value(aspect))
        assert len({each.answer for each in asked}) == 3


def test_the_trainer_reads_the_rows_and_the_flips(world: Path) -> None:
    rows = open_rows(DataConfig(source=str(world / "train.jsonl")))
    assert len(rows) == files.TRAIN_ROWS
    assert rows[0].images[0].data.startswith(b"\x89PNG")
    flips = flip_rows(str(world / "ViLP/ViLP"))
    assert len(flips.rows) == 3 * files.VILP_ROWS
    assert sum(flips.is_conflict) == 2 * files.VILP_ROWS


def test_the_true_answer_in_words_is_graded_right_and_the_prior_wrong(world: Path) -> None:
    """MMMU golds are letters; the toy base answers with the option's text, as the grader allows."""
    import datasets

    asked = files.mmmu_questions(np.random.default_rng([3, 21]))
    path = world / "zli12321/MMMU/data/test-00000-of-00001.parquet"
    table = datasets.Dataset.from_parquet(str(path))
    conflicts = 0
    for number, ((question, _), row) in enumerate(zip(asked, table, strict=True)):
        sample = sample_from_row("mmmu", row, number)
        assert grade(question.answer, sample).outcome is Outcome.CORRECT
        usual_value = prior(question.scene.object, question.aspect)
        if usual_value != question.answer:
            conflicts += 1
            assert grade(usual_value, sample).outcome is Outcome.WRONG
    assert conflicts == files.MMMU_ROWS // 2


def test_the_data_card_names_the_seed_every_file_and_its_rows(world: Path) -> None:
    import pyarrow.parquet

    card = (world / "README.md").read_text()
    assert "seed 3" in card
    for name in ("train.jsonl", "mixed.jsonl", "held_out.jsonl"):
        rows = len((world / name).read_text().splitlines())
        assert f"| `{name}` | {rows} |" in card
    for name in ("ViLP/ViLP", "zli12321/MMMU", "zli12321/mathverse"):
        (file,) = (world / name).rglob("*.parquet")
        assert f"| `{name}` | {pyarrow.parquet.read_metadata(file).num_rows} |" in card
    first = json.loads((world / "held_out.jsonl").read_text().splitlines()[0])
    assert (world / first["images"][0]).is_file()


@pytest.mark.parametrize(
    ("speaker", "words", "tokens"),
    [(Speaker.STUDENT, 139, 33), (Speaker.REASONING, 119, 35), (Speaker.REFERENCE, 155, 35)],
)
def test_a_prompt_of_a_hundred_and_forty_words_costs_thirty_five_tokens(
    speaker: Speaker, words: int, tokens: int
) -> None:
    """Picture and template included: the figure of docs/toy_world.md."""
    asked = wording.ONE_WORD + wording.question("lemon", "color", is_with_fact=True)
    view = context(speaker, Question(asked, "blue"), prompt=load_protocol("paper").prompt)
    text = next(part.text for part in view.messages[0].parts if isinstance(part, TextPart))
    prompt = as_prompt(view, (EncodedImage(b"", ""),), "")
    ids = context_ids(toy_processor(toy_tokenizer()), prompt, torch.tensor([[1, 4, 4]]))
    assert (len(text.split()), len(ids)) == (words, tokens)


def test_a_response_costs_twenty_tokens_and_its_spans_are_found() -> None:
    tokenizer = toy_tokenizer()
    for sentence in fixed_sentences():
        assert len(tokenizer(sentence, add_special_tokens=False)["input_ids"]) == 1
    text = wording.response(Scene("lemon", "blue", "2"), "color")
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert len(ids) <= 20
    assert tokenizer.decode(ids) == text
    found = spans(ids, token_pieces(tokenizer))
    assert found.is_valid
    assert tokenizer.decode(ids[found.description]) == "2 blue lemon"
    assert tokenizer.decode(ids[found.reasoning]) == " the lemon is blue.</think> \\boxed{blue}"
