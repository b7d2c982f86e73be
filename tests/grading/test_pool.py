"""The algebra workers: killable, bare, shared by threads, started only when needed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.grading.samples import sample
from vigos_eval.grading import grade
from vigos_eval.grading.admission import is_admitted
from vigos_eval.grading.pool import POOL, WORKERS, Compared, compared
from vigos_eval.types import AnswerKind, Outcome

SUM = r"\sum_{k=0}^{n-1} F_k F_{n-k-1}"
TURNED = r"\sum_{k=0}^{n-1} F_{n-k-1} F_k"


def test_algebra_that_our_grammar_does_not_read_is_decided_by_a_worker() -> None:
    POOL.warm()
    assert POOL.compare(SUM, TURNED, limit_s=20) is Compared.EQUAL
    assert POOL.compare(SUM, "n", limit_s=20) is Compared.DIFFERENT
    gold = r"\begin{pmatrix}6 & 8 \\ 10 & 12\end{pmatrix}"
    both = (
        r"\begin{pmatrix}1 & 2 \\ 3 & 4\end{pmatrix} + \begin{pmatrix}5 & 6 \\ 7 & 8\end{pmatrix}"
    )
    assert POOL.compare(gold, both, limit_s=20) is Compared.EQUAL


def test_a_pair_that_hangs_is_cut_and_the_next_one_is_answered() -> None:
    POOL.warm()
    start = time.perf_counter()
    assert POOL.compare("1", r"99999999!", limit_s=1.0) is Compared.TOO_LONG
    assert time.perf_counter() - start < 2.0
    assert POOL.compare(r"\sum_{k=1}^{3} k", "6", limit_s=20) is Compared.EQUAL


def test_a_worker_that_died_between_two_pairs_makes_no_answer_wrong() -> None:
    POOL.warm()
    ended = [worker.process for worker in POOL._idle]
    for process in ended:
        process.kill()
        process.wait()
    assert len(ended) == WORKERS
    assert POOL.compare(r"\sum_{k=1}^{3} k", "6", limit_s=30) is Compared.EQUAL


def test_a_machine_without_room_for_a_process_leaves_the_answer_ungraded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    POOL.close()

    def full(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("vigos_eval.grading.pool.subprocess.Popen", full)
    item = sample(AnswerKind.EXPRESSION, r"\sum_{k=1}^{n} F_k")
    assert grade(r"\sum_{j=1}^{n} F_j", item).outcome is Outcome.UNGRADED
    assert (POOL._count, POOL._idle) == (0, [])


def test_an_answer_that_takes_too_long_is_wrong_and_not_ungraded() -> None:
    item = sample(AnswerKind.EXPRESSION, "x^2")
    assert grade(r"\prod_{k=1}^{99999999} (x+k)", item).outcome is Outcome.WRONG


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        r"\input{x}",
        r"\write18{ls}",
        "open('x')",
        "x; import",
        "a" * 601,
        "x\x00",
        "",
        "€",
    ],
)
def test_only_mathematics_reaches_a_worker(text: str) -> None:
    assert not is_admitted(text)
    assert compared(text, "1") is Compared.UNREAD


def test_a_worker_has_no_keys_and_a_memory_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    POOL.close()
    monkeypatch.setenv("SECRET_KEY", "hidden")
    POOL.warm()
    seen = 0
    for worker in POOL._idle:
        seen += 1
        environment = Path(f"/proc/{worker.process.pid}/environ").read_text()
        limits = Path(f"/proc/{worker.process.pid}/limits").read_text()
        assert "SECRET_KEY" not in environment
        assert "Max address space         2147483648" in limits
    assert seen == WORKERS


def test_threads_share_the_workers() -> None:
    pairs = [(SUM, TURNED), (r"\sum_{k=1}^{3} k", "6"), (r"\sum_{k=1}^{3} k", "7")] * 4
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda pair: POOL.compare(*pair, limit_s=30), pairs))
    assert found == [Compared.EQUAL, Compared.EQUAL, Compared.DIFFERENT] * 4


def test_grading_in_threads_gives_the_same_verdicts() -> None:
    golds = ["5 cm", r"\frac{1}{2}", "(1, 2)", "cat", SUM]
    answers = ["500 mm", "5 cm", "0.5", "(1,2)", "1, 2", "cats", TURNED]
    pairs = [(a, sample(AnswerKind.EXPRESSION, g)) for g in golds for a in answers] * 4
    alone = [grade(*pair) for pair in pairs]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda pair: grade(*pair), pairs)) == alone


def test_a_forked_process_starts_workers_of_its_own() -> None:
    POOL.warm()
    ours = {worker.process.pid for worker in POOL._idle}
    POOL._owner = -1  # as a child of fork sees it
    try:
        assert POOL.compare(r"\sum_{k=1}^{3} k", "6", limit_s=30) is Compared.EQUAL
        assert not ours & {worker.process.pid for worker in POOL._idle}
    finally:
        for pid in ours:
            os.kill(pid, 9)


def test_importing_and_grading_plainly_starts_no_process_and_no_sympy() -> None:
    code = (
        "import sys; from vigos_eval.grading import grade; from vigos_eval.grading.pool import POOL;"
        "from vigos_eval.types import Sample, AnswerKind as K;"
        "s = Sample('t', 'paper', '1', 'q', r'\\frac{1}{2}', K.EXPRESSION, cluster='1');"
        "assert grade('0.5', s).outcome.value == 'correct';"
        "assert not POOL._idle; sys.exit('sympy' in sys.modules or 'inflect' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_no_thread_is_left_waiting() -> None:
    assert all(not thread.name.startswith("judge") for thread in threading.enumerate())
