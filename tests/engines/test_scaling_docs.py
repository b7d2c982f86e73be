"""Every command of docs/scaling.md is one that the programs it names would take."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from vigos_eval.model_args import read_model_args

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"
VARIABLES = {"$model": "/shared/vigos-7b", "$urls": "http://node1:8000/v1;http://node2:8000/v1"}


def commands(program: str) -> list[list[str]]:
    """The words of every command that runs the program, from its name on."""
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    found = []
    for line in lines:
        if program in line and not line.startswith("#"):
            text = line[line.index(program) :].removesuffix("&")
            for name, value in VARIABLES.items():
                text = text.replace(name, value)
            found.append(shlex.split(text))
    return found


def test_every_evaluation_names_model_arguments_that_exist() -> None:
    seen = [words for words in (*commands("lmms-eval "), *commands("lmms_eval ")) if words]
    assert len(seen) == 6
    for words in seen:
        values = words[words.index("--model_args") + 1]
        pairs = dict(pair.split("=", 1) for pair in values.split(","))
        assert read_model_args(pairs).engine.engine in ("vllm", "server")


@pytest.mark.vllm
def test_every_server_is_one_that_vllm_would_start() -> None:
    from vllm.entrypoints.openai.cli_args import make_arg_parser, validate_parsed_serve_args
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    seen = commands("vllm serve ")
    assert len(seen) == 7
    for words in seen:
        parser = make_arg_parser(FlexibleArgumentParser())
        validate_parsed_serve_args(parser.parse_args(words[2:]))


def test_every_block_is_shell_that_parses() -> None:
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 12
    for block in blocks:
        done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
