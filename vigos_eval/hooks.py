"""What the task YAML names: `VigosTask`, lmms-eval's task over our rows, prompts and grading.

The host retries a failing load five times and then hides its message, and retries a failing
`process_results` before it throws every generation away: here loading is ours, with our message
at once, and scoring never raises.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lmms_eval.api.filter import Filter
from lmms_eval.api.task import ConfigurableMessagesTask, ConfigurableTask
from lmms_eval.filters import build_filter_ensemble

from vigos_eval.active import active_protocol, host_kind, is_ours_expected, run_facts
from vigos_eval.benchmarks import question_from_row, rows_of, sample_from_row
from vigos_eval.benchmarks.cv_bench import combined
from vigos_eval.benchmarks.loading import ROW
from vigos_eval.benchmarks.task_yaml import data_parts
from vigos_eval.ending import stop
from vigos_eval.errors import DataError, UserError
from vigos_eval.images import decoded
from vigos_eval.prompts import build_prompt
from vigos_eval.scoring import is_skipped, is_withheld, record_fault, row_metrics
from vigos_eval.types import ImagePart, Sample, TextPart

Doc = Mapping[str, Any]
Aggregation = Callable[[Sequence[Any]], float]

COMBINED_TASK = "cv_bench_official"
FILTER_NAME = "none"


class VigosTask(ConfigurableMessagesTask):
    """One task of ours in lmms-eval, for our model and every other.

    `metadata.label` of the YAML says which benchmark it is; how it is asked comes from the
    active protocol, so the YAML holds no prompt, no decoding and no number of repeats.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        values = {key: value for key, value in config.items() if key != "class"}
        self.label: str = values["metadata"]["label"]
        protocol = active_protocol()
        values["repeats"] = protocol.repeats_of(self.label.removesuffix("_official"))
        # Our model decodes by its protocol; what is in generation_kwargs then is the user's.
        values["generation_kwargs"] = {"until": []}
        if not is_ours_expected():
            values["generation_kwargs"] |= {
                "do_sample": protocol.temperature > 0,
                "temperature": protocol.temperature,
                "top_p": protocol.top_p,
                "top_k": protocol.top_k,
                "max_new_tokens": protocol.max_new_tokens,
            }
        super().__init__(config=values)
        # The host's default keeps one response of the k.
        self._filters = [build_filter_ensemble(FILTER_NAME, [[Filter, None]])]

    def download(self, dataset_kwargs: dict[str, Any] | None = None) -> None:
        """Load the rows, images still encoded; not retried, so that the message is the last line.

        Raises:
            DataError: The data cannot be had, is empty, or lacks a column.
        """

        split = self.config.test_split
        try:
            parts = data_parts({**self.config.to_dict(), "dataset_kwargs": dataset_kwargs})
            rows = rows_of(self.label, parts)
        except UserError as error:
            stop(error)
        self.dataset = {split: rows}
        self.dataset_no_image = {split: rows.without_images()}

    def dump_config(self) -> dict[str, Any]:
        """The task's settings for the host's results; under our model with the run's beside them."""
        config: dict[str, Any] = super().dump_config()
        if is_ours_expected():
            config["metadata"] = {**config["metadata"], "run": run_facts()}
        return config

    def sample(self, doc: Doc) -> Sample:
        """The document as a Sample with its images."""
        return sample_from_row(self.label, doc, int(doc[ROW]))

    def question(self, doc: Doc) -> Sample:
        """The document as a Sample without images: on the command line they are not there."""
        return question_from_row(self.label, doc, int(doc[ROW]))

    def doc_to_text(self, doc: Doc) -> str:
        """The user's text under the active protocol; "" for a row our model will name as unreadable."""
        readable = self._readable(doc)
        if readable is None:
            return ""
        question = readable.question.strip()
        return active_protocol().prompt.replace("{question}", question, 1)

    def doc_to_target(self, doc: Doc) -> str:
        """The gold answer, as text: the host would evaluate a string such as "[1, 2]"."""
        readable = self._readable(doc)
        return "" if readable is None else readable.gold

    def doc_to_visual(self, doc: Doc) -> list[Any]:
        """The images as RGB pictures, for models that take them beside the text."""
        return [decoded(image) for image in self.sample(doc).images]

    def doc_to_messages(self, doc: Doc, **rounds: object) -> list[dict[str, Any]]:
        """The conversation for other chat models; ours builds its own from the row."""
        prompt = build_prompt(self.sample(doc), active_protocol(), self.label)
        return [
            {
                "role": message.role,
                "content": [
                    {"type": "text", "text": part.text}
                    if isinstance(part, TextPart)
                    else {"type": "image", "url": decoded(prompt.images[part.index])}
                    for part in message.parts
                    if isinstance(part, TextPart | ImagePart)
                ],
            }
            for message in prompt.messages
        ]

    def construct_requests(self, doc_id: int, ctx: str, **kwargs: Any) -> Any:
        """A request as the host's model expects it: "simple" models take other arguments."""
        if host_kind() == "simple":
            return ConfigurableTask.construct_requests(self, doc_id, ctx, **kwargs)
        return super().construct_requests(doc_id, ctx, **kwargs)

    def process_results(
        self, doc: Doc, results: list[Any], full_docs: object = None
    ) -> dict[str, Any]:
        """The row's metrics by their printed names. Never raises."""
        responses = results[0] if results and isinstance(results[0], list) else results
        try:
            return self._row_metrics(doc, [str(response) for response in responses])
        # The host would retry five times, lose every generation and exit with 0.
        except Exception as error:  # noqa: BLE001
            record_fault(f"{self.label} row {doc.get(ROW)}: {error!r}")
            return {}

    def aggregation(self) -> dict[str, Aggregation]:
        """How each metric's rows become one number. Names say the k that was really sampled."""
        if "bypass" in self._aggregation_list:  # --predict_only
            return dict(self._aggregation_list)
        return {name: self._aggregation_of(name) for name in self._metric_names()}

    def higher_is_better(self) -> dict[str, bool]:
        """All of ours are accuracies, but for the share without an answer."""
        return {name: name != "unparsed" for name in self._metric_names()}

    def _readable(self, doc: Doc) -> Sample | None:
        """The question, or None for a row without one that is our model's to name or to skip."""
        try:
            return self.question(doc)
        except DataError as error:
            if is_ours_expected():
                return None
            stop(error)

    def _row_metrics(self, doc: Doc, responses: list[str]) -> dict[str, Any]:
        if "bypass" in self._aggregation_list:
            return {"bypass": responses}
        if is_skipped(self.label, int(doc[ROW]), responses):
            return {}
        if is_ours_expected() and is_withheld(self.label):
            # Left out altogether, the host would take the mean of eight over seven.
            return dict.fromkeys(self._metric_names(), math.nan)
        question = self.question(doc)
        metrics: dict[str, Any] = dict(row_metrics(question, responses))
        average = metrics.get(f"avg@{len(responses)}")
        if self.label == COMBINED_TASK and average is not None:
            place = question.subgroups.get("source", "")
            metrics[f"combined@{len(responses)}"] = {"source": place, "value": average}
        return metrics

    def _metric_names(self) -> list[str]:
        k = self.config.repeats
        if self.label.startswith("vilp"):
            return ["score", "prior", "unparsed"]
        names = [f"pass@{k}", f"avg@{k}", "unparsed"]
        return [*names, f"combined@{k}"] if self.label == COMBINED_TASK else names

    def _aggregation_of(self, name: str) -> Aggregation:
        is_combined = name.startswith("combined@") and not is_withheld(self.label)
        return combined_accuracy if is_combined else accuracy

    def _prepare_metric_and_aggregation(self) -> None:
        # Metrics depend on k, which the host may still change (--repeats): see `aggregation`.
        self._metric_fn_list: dict[str, Any] = {}
        self._metric_fn_kwargs: dict[str, Any] = {}
        self._aggregation_list: dict[str, Any] = {}
        self._higher_is_better: dict[str, Any] = {}


def accuracy(values: Sequence[float]) -> float:
    """The mean over rows.

    Not the host's "mean": its standard error ignores clusters, and its error of a group would
    be pooled over rows, which is wrong for an unweighted mean of tasks. Ours are in scores.json.

    >>> accuracy([1.0, 0.0])
    0.5
    """
    return math.fsum(values) / len(values) if values else math.nan


def combined_accuracy(values: Sequence[Mapping[str, Any]]) -> float:
    """CV-Bench's official figure from rows of ``{"source", "value"}``; NaN when a source is missing.

    >>> combined_accuracy([{"source": "ADE20K", "value": 1.0}, {"source": "COCO", "value": 0.0},
    ...                    {"source": "Omni3D", "value": 1.0}])
    0.75
    """
    by_source: dict[str, list[float]] = defaultdict(list)
    for row in values:
        by_source[row["source"]].append(row["value"])
    figure = combined({source: accuracy(each) for source, each in by_source.items()})
    return math.nan if figure is None else figure
