"""`vigos-eval run`: bad input ends in one clear line and exit code 2, before anything heavy is loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from vigos_eval.cli import main
from vigos_eval.commands.run import check_inputs
from vigos_eval.errors import UserError


def last_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a user reads last; the command must have refused."""
    assert main(["run", *words]) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return captured.err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--tasks", "mmmu"], ["ViGOS-3B", "ViGOS-7B", "make demo"]),
        (["--tasks", "mmmuu", "--model_args", "pretrained={tiny}"], ["'mmmuu' does not exist", "mmmu"]),
        (["--tasks", "mmmu", "--model_args", "pretrained={tiny},top_kk=3"], ["'top_kk'", "'top_k'"]),
        (["--tasks", "mmmu", "--model_args", "pretrained={tiny},protocol=x"], ["'x'", "paper"]),
        (["--tasks", "mmmu", "--model_args", "pretrained"], ["'pretrained' is no name=value"]),
        (["--tasks", "mmmu", "--model_args", "pretrained=/no/where"], ["/no/where", "vigos-eval tiny"]),
    ],
    ids=["no checkpoint", "task", "argument", "protocol", "no value", "no folder"],
)  # fmt: skip
def test_a_bad_word_is_named_with_what_is_allowed(
    words: list[str],
    parts: list[str],
    tiny: Path,
    sample_data: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = last_line([word.format(tiny=tiny) for word in words], capsys)
    assert all(part in line for part in parts), line


@pytest.mark.parametrize(
    ("gone", "part"),
    [
        ("config.json", "has no config.json"),
        ("model.safetensors", "has no weights"),
        ("tokenizer.json", "tokenizer"),
    ],
)
def test_a_checkpoint_with_a_file_missing_is_named(
    gone: str,
    part: str,
    tiny: Path,
    tmp_path: Path,
    sample_data: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(tiny, folder)
    (folder / gone).unlink()
    if gone == "tokenizer.json":
        for name in ("vocab.json", "merges.txt"):
            (folder / name).unlink(missing_ok=True)
    line = last_line(["--tasks", "mmmu", "--model_args", f"pretrained={folder}"], capsys)
    assert part in line
    assert str(folder) in line


def test_an_adapter_whose_base_is_gone_is_named(
    tiny: Path, tmp_path: Path, sample_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(tiny / "model.safetensors", tmp_path / "adapter_model.safetensors")
    config = {"base_model_name_or_path": "/gone/base"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    line = last_line(["--tasks", "mmmu", "--model_args", f"pretrained={tmp_path}"], capsys)
    assert "'/gone/base' is missing" in line
    assert "adapter_config.json" in line


def test_without_a_hub_the_message_names_the_way_out(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("VIGOS_DATA_ROOT", raising=False)
    line = last_line(["--tasks", "mathvista", "--model_args", f"pretrained={tiny}"], capsys)
    for part in ("zli12321/mathvista", "VIGOS_DATA_ROOT", "make demo"):
        assert part in line


def test_good_input_passes_without_loading_a_model(tiny: Path, sample_data: Path) -> None:
    check_inputs("vigos", f"pretrained={tiny},protocol=demo")
    with pytest.raises(UserError, match="engine='x'"):
        check_inputs("vigos", f"pretrained={tiny},engine=x")


def test_an_unknown_flag_of_another_command_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["plan", "--tasks", "mmmu", "--bogus"])
    assert ended.value.code == 2
    assert "--bogus" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--model", "qwen2_5_vl"], ["--task", "mmmu"]])
def test_lmms_evals_flags_are_not_taken_for_the_start_of_ours(
    words: list[str], tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--model` once replaced `--model_args`, and another model's name was ignored."""
    with pytest.raises(SystemExit) as ended:
        main(["run", *words, "--model_args", f"pretrained={tiny}"])
    assert ended.value.code == 2
    assert "--model: invalid choice" in (err := capsys.readouterr().err) or "--tasks" in err


def test_an_lmms_eval_command_line_is_taken_with_its_model_anywhere(
    sample_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--tasks", "mmmu", "--model_args", "pretrained=/no/where", "--model", "vigos"]
    assert "/no/where" in last_line(words, capsys)


def test_a_place_for_results_that_cannot_be_made_is_refused_before_a_question_is_asked(
    tiny: Path, sample_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    words = ["--tasks", "mmmu", "--model_args", f"pretrained={tiny}"]
    line = last_line([*words, "--output_path", str(tmp_path / "file" / "results")], capsys)
    assert line.endswith("file/results: Not a directory")
