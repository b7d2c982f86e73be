"""The asking loop: resume, rows without an image, the signal that ends it, the shuffled control."""

from __future__ import annotations

import hashlib
import itertools
import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from tests.instant import InstantEngine
from vigos_eval.asking import Asked, Asking, Question, ask, save_images
from vigos_eval.errors import DataError, PromptRefused, RunFolderError
from vigos_eval.journal import Journal
from vigos_eval.progress import Progress
from vigos_eval.protocol import load_protocol
from vigos_eval.records import completion_files, read_completions
from vigos_eval.types import AnswerKind, Decoding, EncodedImage, Generated, Prompt, Sample


def image(text: str) -> EncodedImage:
    data = b"\x89PNG" + text.encode()
    return EncodedImage(data, hashlib.sha256(data).hexdigest())


def sample(row: int, picture: str = "") -> Sample:
    return Sample(
        "mmmu", "paper", f"q{row}", f"Question {row}?", "A", AnswerKind.CHOICE, f"c{row}",
        ("yes", "no"), (image(picture or str(row)),),
    )  # fmt: skip


def questions(count: int, n: int = 5) -> list[Question]:
    return [Question("mmmu", "paper", i, n, lambda i=i: sample(i)) for i in range(count)]


def asked(
    folder: Path, engine: InstantEngine, rows: list[Question], *, skip: bool = False
) -> Asked:
    done = read_completions(folder) if completion_files(folder) else {}
    with Journal(folder) as journal:
        asking = Asking(
            protocol=load_protocol("paper"),
            folder=folder,
            journal=journal,
            engine=lambda: engine,
            is_skipping_bad_rows=skip,
            is_saving_images=True,
        )
        return ask(asking, rows, done, Progress(len(rows), is_shown=False))


def test_answers_are_journaled_with_prefill_seeds_and_images(
    tmp_path: Path, instant_engine: InstantEngine
) -> None:
    found = asked(tmp_path, instant_engine, questions(3))
    record = found.records[1]
    assert record is not None
    assert record.key == "mmmu:00001:q1"
    assert record.responses[0].text.startswith("<description>bars</description>")
    assert [response.seed for response in record.responses] == [42, 43, 44, 45, 46]
    kept = tmp_path / "images" / f"{record.images[0].sha256}.png"
    assert kept.read_bytes() == image("1").data
    assert read_completions(tmp_path)[record.key] == record


def test_what_was_answered_is_not_asked_again(
    tmp_path: Path, instant_engine: InstantEngine
) -> None:
    asked(tmp_path, instant_engine, questions(2))
    second = InstantEngine()
    found = asked(tmp_path, second, questions(4))
    assert [prompt.key for prompt, _ in second.asked] == ["mmmu:00002:q2", "mmmu:00003:q3"]
    assert all(record is not None for record in found.records)


def test_a_finished_run_opens_no_engine(tmp_path: Path, instant_engine: InstantEngine) -> None:
    asked(tmp_path, instant_engine, questions(2))
    with Journal(tmp_path) as journal:

        def no_engine() -> InstantEngine:
            raise AssertionError("the engine was opened")

        asking = Asking(load_protocol("paper"), tmp_path, journal, no_engine, False, True)
        found = ask(asking, questions(2), read_completions(tmp_path), Progress(2, is_shown=False))
    assert all(record is not None for record in found.records)


def test_another_image_under_the_same_run_is_refused(
    tmp_path: Path, instant_engine: InstantEngine
) -> None:
    asked(tmp_path, instant_engine, questions(1))
    changed = [Question("mmmu", "paper", 0, 5, lambda: sample(0, "another"))]
    with pytest.raises(
        RunFolderError, match="mmmu:00000:q0 was asked with another prompt or image"
    ):
        asked(tmp_path, instant_engine, changed)


def unreadable() -> Sample:
    raise DataError("mmmu row 1: its image is no image")


def test_a_row_without_a_readable_image_is_never_asked_and_the_others_are(
    tmp_path: Path, instant_engine: InstantEngine
) -> None:
    rows = questions(3)
    rows[1] = replace(rows[1], sample=unreadable)
    found = asked(tmp_path, instant_engine, rows)
    assert found.failures == ("mmmu row 1: its image is no image",)
    assert [prompt.key for prompt, _ in instant_engine.asked] == ["mmmu:00000:q0", "mmmu:00002:q2"]
    assert found.records[1] is None


def test_a_question_whose_sample_lost_its_image_is_not_asked(
    tmp_path: Path, instant_engine: InstantEngine
) -> None:
    bare = Question("mmmu", "paper", 0, 5, lambda: replace(sample(0), images=()))
    found = asked(tmp_path, instant_engine, [bare])
    assert "no image" in found.failures[0]
    assert not instant_engine.asked


def test_skipped_rows_are_recorded_once(tmp_path: Path, instant_engine: InstantEngine) -> None:
    rows = questions(2)
    rows[1] = replace(rows[1], sample=unreadable)
    for _ in range(2):
        found = asked(tmp_path, instant_engine, rows, skip=True)
        assert not found.failures
    records = read_completions(tmp_path)
    assert [record.skipped for record in records.values()] == [
        None,
        "mmmu row 1: its image is no image",
    ]
    assert (tmp_path / "completions.jsonl").read_text().count("\n") == 2


class Refusing(InstantEngine):
    """Takes three prompts ahead; refuses every second one, and lets go of those under way."""

    def generate(self, prompts: Iterable[Prompt], decoding: Decoding) -> Iterator[Generated]:
        source = iter(prompts)
        while ahead := list(itertools.islice(source, 3)):
            for prompt in ahead:
                if int(prompt.key[-1]) % 2:
                    raise PromptRefused(prompt.key, f"prompt {prompt.key} is too long")
                yield from super().generate([prompt], decoding)


def test_a_prompt_that_the_engine_refuses_ends_the_run_unless_bad_rows_are_skipped(
    tmp_path: Path,
) -> None:
    with pytest.raises(PromptRefused, match="q1 is too long"):
        asked(tmp_path, Refusing(), questions(6))
    engine = Refusing()
    for _ in range(2):
        found = asked(tmp_path, engine, questions(6), skip=True)
        assert [record and record.skipped for record in found.records] == [
            None,
            "prompt mmmu:00001:q1 is too long",
            None,
            "prompt mmmu:00003:q3 is too long",
            None,
            "prompt mmmu:00005:q5 is too long",
        ]
    assert [prompt.key for prompt, _ in engine.asked] == ["mmmu:00002:q2", "mmmu:00004:q4"]
    assert (tmp_path / "completions.jsonl").read_text().count("\n") == 6


class Terminated(InstantEngine):
    """Sends itself SIGTERM while the second prompt is being answered."""

    def generate(self, prompts: Iterable[Prompt], decoding: Decoding) -> Iterator[Generated]:
        for number, generated in enumerate(super().generate(prompts, decoding)):
            if number == 1:
                os.kill(os.getpid(), signal.SIGTERM)
            yield generated


def test_sigterm_ends_the_run_with_whole_lines_only(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        asked(tmp_path, Terminated(), questions(5))
    assert ended.value.code == 128 + signal.SIGTERM
    assert (tmp_path / "completions.jsonl").read_bytes().endswith(b"\n")
    assert list(read_completions(tmp_path)) == ["mmmu:00000:q0"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_images_are_built_only_inside_the_engines_window(
    tmp_path: Path, instant_engine: InstantEngine
) -> None:
    built: list[int] = []

    def building(row: int) -> Sample:
        built.append(row)
        assert len(built) - len(instant_engine.asked) <= 1
        return sample(row)

    rows = [Question("mmmu", "paper", i, 5, lambda i=i: building(i)) for i in range(20)]
    asked(tmp_path, instant_engine, rows)
    assert built == list(range(20))


def keep_images(folder: Path, count: int, ready: Barrier) -> None:
    ready.wait()
    for number in range(count):
        save_images(folder, [image(f"{number} " * 10_000)])


def test_ranks_may_keep_one_image_at_the_same_time(tmp_path: Path) -> None:
    context = get_context("fork")
    ready = context.Barrier(3)
    ranks = [context.Process(target=keep_images, args=(tmp_path, 300, ready)) for _ in range(3)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join()
    assert [rank.exitcode for rank in ranks] == [0, 0, 0]
    kept = [path.name for path in (tmp_path / "images").iterdir()]
    assert len(kept) == 300
    assert all(name.endswith(".png") for name in kept)
