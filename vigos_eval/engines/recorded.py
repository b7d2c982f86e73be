"""engine=recorded: the answers of a finished run again, so that grading runs without a GPU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from vigos_eval.engines.settings import EngineSettings
from vigos_eval.errors import EngineError, RunFolderError
from vigos_eval.protocol import fingerprint
from vigos_eval.records import CompletionRecord, read_completions
from vigos_eval.types import Completion, Decoding, Generated, Prompt


class RecordedEngine:
    """A run folder's completions, all rank files of it, looked up by the prompts' keys."""

    def __init__(self, settings: EngineSettings) -> None:
        """Read the folder.

        Raises:
            RunFolderError: It is no run folder, or a line of it is damaged.
        """
        self._folder = Path(settings.run)
        if not self._folder.is_dir():
            raise RunFolderError(
                f"run={settings.run!r} is no folder; engine=recorded needs a run folder with "
                "completions.jsonl"
            )
        self._records = read_completions(self._folder)

    @property
    def identity(self) -> Mapping[str, str]:
        """A hash over what was asked and answered: the same answers, the same identity."""
        texts = {
            key: [record.prompt_hash, *(response.text for response in record.responses)]
            for key, record in self._records.items()
        }
        return {"recorded": fingerprint(texts)}

    def generate(self, prompts: Iterable[Prompt], decoding: Decoding) -> Iterator[Generated]:
        """The first n recorded answers of every prompt.

        Raises:
            EngineError: A prompt was not asked in that run, with another prefill or seed, or less
                than n times.
        """
        for prompt in prompts:
            yield self._replayed(prompt, decoding)

    def close(self) -> None:
        """Nothing is held open."""

    def _replayed(self, prompt: Prompt, decoding: Decoding) -> Generated:
        record = self._records.get(prompt.key)
        if record is None:
            raise EngineError(
                f"{self._folder} holds no answer to {prompt.key}; it has {len(self._records)} "
                f"prompts, e.g. {', '.join(list(self._records)[:3])}. Use the same tasks, data "
                "and limit as that run"
            )
        _check(record, decoding, self._folder)
        for response in record.responses[: decoding.n]:
            if not response.text.startswith(prompt.prefill):
                raise EngineError(
                    f"the answers to {prompt.key} in {self._folder} do not start with the prefill "
                    f"{prompt.prefill!r}; use that run's protocol"
                )
        return Generated(
            key=prompt.key,
            prompt_tokens=record.prompt_tokens,
            completions=tuple(
                Completion(r.text[len(prompt.prefill) :], r.tokens, r.finish_reason)
                for r in record.responses[: decoding.n]
            ),
        )


def _check(record: CompletionRecord, decoding: Decoding, folder: Path) -> None:
    if record.skipped is not None:
        raise EngineError(
            f"{folder}: {record.key} was skipped there ({record.skipped}); pass skip_bad_rows=true"
        )
    if len(record.responses) < decoding.n:
        raise EngineError(
            f"{folder} holds {len(record.responses)} answers to {record.key}, but {decoding.n} "
            f"were asked; pass repeats={len(record.responses)}, or generate the run again"
        )
    seeds = [response.seed for response in record.responses[: decoding.n]]
    if seeds != list(range(decoding.seed, decoding.seed + decoding.n)):
        raise EngineError(
            f"{folder}: the answers to {record.key} have seeds {seeds}, but {decoding.seed} to "
            f"{decoding.seed + decoding.n - 1} were asked; pass seed={seeds[0]}"
        )
