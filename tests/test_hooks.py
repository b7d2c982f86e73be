"""`VigosTask` inside real lmms-eval: what other models are asked, what is scored, what cannot be lost."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.instant import our_task_manager
from vigos_eval import active, scoring
from vigos_eval.errors import DataError

PLAIN_GENERATION = {
    "until": [], "do_sample": True, "temperature": 1.0, "top_p": 0.9, "top_k": 20, "max_new_tokens": 4096,
}  # fmt: skip


def load(name: str, kind: str = "chat", model: str = "qwen2_5_vl") -> Any:
    """A task as lmms-eval's own task manager builds it for a model."""
    return manager(model).load_task_or_group(name, kind)[name]


@cache
def manager(model: str) -> Any:
    """One per model: building it reads every task file."""
    return our_task_manager(model)


def built(task: Any) -> list[Any]:
    task.build_all_requests()
    return list(task.instances)


def test_other_models_are_asked_under_plain(sample_data: Path) -> None:
    task = load("vigos_mmmu")
    assert task.config.repeats == 5
    assert task.config.generation_kwargs == PLAIN_GENERATION
    doc = task.dataset["test"][0]
    assert task.doc_to_text(doc) == doc["problem"]
    assert load("vigos_vilp_f").config.repeats == 1


def test_our_model_decodes_by_its_protocol_alone(sample_data: Path) -> None:
    from vigos_eval.protocol import load_protocol

    active.activate(load_protocol("release"))
    assert load("vilp_f", model="vigos").config.repeats == 5
    task = load("mmmu", model="vigos")
    assert task.config.generation_kwargs == {"until": []}
    # A model after ours in the same process is not asked under our protocol.
    assert load("vigos_vilp_f").config.repeats == 1


def test_a_chat_model_gets_its_pictures_where_the_marks_stand(sample_data: Path) -> None:
    task = load("vigos_mmmu_official")
    (message,) = task.doc_to_messages(task.dataset["validation"][0])
    kinds = [part["type"] for part in message["content"]]
    assert kinds == ["text", "image", "text", "image", "text"]
    assert all(
        isinstance(p["url"], Image.Image) for p in message["content"] if p["type"] == "image"
    )
    request = built(task)[0]
    assert request.args[1] == task.doc_to_messages
    assert request.args[2] == PLAIN_GENERATION


def test_a_simple_model_gets_text_and_pictures_apart(sample_data: Path) -> None:
    task = load("vigos_mmsi", "simple")
    text, generation, visual, doc_id, name, split = built(task)[0].args
    assert generation == PLAIN_GENERATION
    assert text.startswith("The images are in temporal order")
    assert [image.mode for image in visual(task.dataset[split][doc_id])] == ["RGB"] * 3
    assert name == "vigos_mmsi"


def test_every_response_reaches_the_score(sample_data: Path) -> None:
    task = load("vigos_mmmu")
    requests = built(task)
    for request in requests:
        request.resps += ["The answer is A.", "The answer is B."] + [""] * 3
    task.apply_filters()
    (name,) = requests[0].filtered_resps
    assert name == "none"
    assert len(requests[0].filtered_resps[name]) == 5
    bare = task.eval_docs_no_media[0]
    assert "images" not in bare
    metrics = task.process_results(bare, [requests[0].filtered_resps[name]])
    assert metrics == {"pass@5": 1.0, "avg@5": 0.2, "unparsed": pytest.approx(0.6)}


def test_metric_names_say_the_k_that_was_sampled(sample_data: Path) -> None:
    task = load("vigos_mmmu")
    task.set_config("repeats", 3)  # what --repeats 3 does
    assert set(task.aggregation()) == {"pass@3", "avg@3", "unparsed"}
    metrics = task.process_results(task.eval_docs_no_media[0], [["A", "A", "B"]])
    assert metrics.keys() == task.aggregation().keys() == task.higher_is_better().keys()
    assert task.higher_is_better() == {"pass@3": True, "avg@3": True, "unparsed": False}


def test_no_metric_name_is_part_of_another(sample_data: Path) -> None:
    for name in ("vigos_mmmu", "vigos_cv_bench_official", "vigos_vilp_f"):
        names = list(load(name).aggregation())
        assert not [(a, b) for a in names for b in names if a != b and a in b]


def test_vilp_scores_by_position(sample_data: Path) -> None:
    task = load("vigos_vilp_f")
    docs = task.eval_docs_no_media
    found = [task.process_results(docs[n], [["It is red."]]) for n in range(3)]
    assert found[0] == {"prior": 1.0, "unparsed": 0.0}
    assert [set(each) for each in found[1:]] == [{"score", "unparsed"}] * 2
    assert found[1]["score"] == 0.0


def test_the_official_cv_bench_figure_is_combined_from_its_sources(sample_data: Path) -> None:
    task = load("vigos_cv_bench_official")
    rows = [task.process_results(doc, [["A"] * 5]) for doc in task.eval_docs_no_media]
    combined = task.aggregation()["combined@5"]([row["combined@5"] for row in rows])
    # A is right in rows 1, 2 and 4: ADE20K 1/2, COCO 1/2, Omni3D 1/2.
    assert combined == pytest.approx(0.5)
    assert task.aggregation()["avg@5"]([row["avg@5"] for row in rows]) == pytest.approx(0.5)


def test_scoring_never_raises_and_keeps_what_went_wrong(
    sample_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = load("vigos_mmmu")

    def broken(sample: object, responses: object) -> dict[str, float]:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr("vigos_eval.hooks.row_metrics", broken)
    monkeypatch.setattr(scoring, "_faults", [])
    doc = task.eval_docs_no_media[1]
    assert task.process_results(doc, [["A"] * 5]) == {}
    assert scoring.recorded_faults() == ("mmmu row 1: RuntimeError('a bug of ours')",)


def test_a_gold_that_looks_like_python_stays_text(sample_data: Path) -> None:
    task = load("vigos_mathvista")
    assert task.doc_to_target(task.eval_docs_no_media[3]) == "[15, 25, 40]"


def test_a_failing_load_is_tried_once_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import vigos_eval.hooks

    monkeypatch.setenv("VIGOS_DATA_ROOT", str(tmp_path))
    tries: list[str] = []
    real = vigos_eval.hooks.rows_of
    monkeypatch.setattr(
        vigos_eval.hooks, "rows_of", lambda label, parts: tries.append(label) or real(label, parts)
    )
    with pytest.raises(DataError, match="there is no folder"):
        load("vigos_mmmu")
    assert tries == ["mmmu"]


def test_a_pinned_revision_reaches_the_loader(
    sample_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import vigos_eval.hooks

    task = load("vigos_mmmu_pro")
    seen: list[Any] = []
    real = vigos_eval.hooks.rows_of
    monkeypatch.setattr(
        vigos_eval.hooks, "rows_of", lambda label, parts: seen.extend(parts) or real(label, parts)
    )
    pinned = dict(task.config.dataset_kwargs, revision="abc")
    pinned["pooled_with"] = [dict(pinned["pooled_with"][0], revision="def")]
    task.download(pinned)
    assert [(part.dataset, part.revision) for part in seen] == [
        ("zli12321/mmmu_pro_10options", "abc"),
        ("zli12321/mmmu-pro-vision", "def"),
    ]


def test_the_mean_of_eight_counts_each_benchmark_once(sample_data: Path) -> None:
    """The host's own consolidation, on results as tasks of different sizes give them."""
    from lmms_eval.evaluator_utils import consolidate_group_results

    tree = manager("vigos").load_task_or_group("vigos8", "chat")
    ((_, tasks),) = tree.items()
    assert len(tasks) == 8
    results: dict[str, Any] = {
        name: {"alias": name, "pass@5,none": float(n % 2), "avg@5,none": 0.5, "samples": 10**n,
               "pass@5_stderr,none": "N/A", "avg@5_stderr,none": "N/A", "unparsed,none": 0.0}
        for n, name in enumerate(tasks)
    }  # fmt: skip
    results["vigos8"] = {}
    found, *_ = consolidate_group_results(results, {}, tree)
    assert found["vigos8"]["pass@5,none"] == pytest.approx(0.5)
    # The host would pool errors over rows, which is wrong for this mean: ours are in scores.json.
    assert found["vigos8"]["pass@5_stderr,none"] == "N/A"
    assert "unparsed,none" not in found["vigos8"]


def test_predict_only_keeps_the_responses_and_computes_nothing(sample_data: Path) -> None:
    task = load("vigos_mmmu")
    task.override_metric("bypass")  # what --predict_only does
    assert task.process_results(task.eval_docs_no_media[0], [["A", "B"]]) == {"bypass": ["A", "B"]}
    assert set(task.aggregation()) == {"bypass"}
