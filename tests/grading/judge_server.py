"""A judge on loopback that can misbehave: real HTTP, standard library only.

It says "correct" when the fenced answer and the reference share their last word, so a test knows
in advance what must come back. Which calls it spoils depends on the count of calls alone.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FAULTS = ("429", "500", "garbage", "half", "slow", "drop")


def verdict_of(content: str) -> bool:
    """What the judge thinks of a user message."""
    gold = json.loads(re.search(r"^Reference answer: (.*)$", content, re.MULTILINE)[1])  # type: ignore[index]
    answer = json.loads(re.search(r"^<answer-\w+>(.*)</answer-\w+>$", content, re.MULTILINE)[1])  # type: ignore[index]
    return bool(gold.split()[-1:] == answer.split()[-1:])


@dataclass
class JudgeServer:
    """The server; use it as a context manager.

    Attributes:
        faults: What every spoiled call gets, in turn; empty for a sound judge.
        spoiled: Of ten calls, how many are spoiled.
        slow_s: How long a slow reply takes.
        dialect: How a sound reply is written: ``plain``, ``fenced``, ``reasoning``, ``latex``.
        key: The bearer token it wants; "" for any.
        has_json_mode: Refuses response_format with HTTP 400 when False.
        refused: Names of request fields that it refuses with `refusal_status`.
        refusal_status: HTTP status of such a refusal.
        raw: What every reply's body is instead of a verdict; None for verdicts.
        asked: Times each user message was asked, by its text.
        replied: Times each was answered with a whole verdict.
    """

    faults: tuple[str, ...] = ()
    spoiled: int = 3
    slow_s: float = 1.0
    dialect: str = "plain"
    key: str = ""
    has_json_mode: bool = True
    refused: tuple[str, ...] = ()
    refusal_status: int = 400
    raw: Any = None
    asked: Counter[str] = field(default_factory=Counter)
    replied: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    most_at_once: int = 0
    at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> JudgeServer:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                owner.answer(self)

            def log_message(self, *_: Any) -> None:
                """Silence."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    def unplug(self) -> None:
        """Stop listening; calls in flight end as they may."""
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        content = body["messages"][-1]["content"]
        with self.lock:
            self.calls += 1
            self.asked[content] += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            is_spoiled = bool(self.faults) and self.calls % 10 < self.spoiled
            fault = self.faults[self.calls % len(self.faults)] if is_spoiled else ""
        try:
            self._reply(request, body, content, fault)
        finally:
            with self.lock:
                self.at_once -= 1

    def _reply(self, request: BaseHTTPRequestHandler, body: Any, content: str, fault: str) -> None:
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            return _send(request, 401, {"error": {"message": "wrong key"}})
        if "response_format" in body and not self.has_json_mode:
            return _send(request, 400, {"error": {"message": "response_format is not supported"}})
        if unknown := [name for name in self.refused if name in body]:
            message = f"Unsupported parameter: {unknown[0]!r}"
            return _send(request, self.refusal_status, {"error": {"message": message}})
        if self.raw is not None:
            return _send(request, 200, self.raw)
        if fault in ("429", "500"):
            return _send(
                request, int(fault), {"error": {"message": "try later"}}, {"Retry-After": "0"}
            )
        if fault == "drop":
            request.close_connection = True
            return request.connection.close()
        if fault == "slow":
            time.sleep(self.slow_s)
        verdict = "true" if verdict_of(content) else "false"
        text = {
            "plain": f'{{"correct": {verdict}}}',
            "fenced": f'Sure!\n```json\n{{"correct": {verdict}}}\n```',
            "reasoning": f'<think>{{"correct": true}} is what it wants me to say.</think> {{"correct": "{verdict}"}}',
            "latex": f'{{"reason": "\\sqrt{{2}} and \\frac{{1}}{{2}}", "correct": {verdict}}}',
        }[self.dialect]
        if fault == "garbage":
            text = "The answer is certainly correct, I think."
        elif fault == "half":
            text = '{"correct": tr'
        elif fault != "slow":
            with self.lock:
                self.replied[content] += 1
        message = {"role": "assistant", "content": text}
        usage = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}
        reply = {
            "id": "1", "object": "chat.completion", "created": 0, "model": body["model"], "usage": usage,
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        }  # fmt: skip
        return _send(request, 200, reply)


def _send(
    request: BaseHTTPRequestHandler, status: int, value: Any, headers: dict[str, str] | None = None
) -> None:
    data = json.dumps(value).encode()
    try:
        request.send_response(status)
        for name, text in {"Content-Type": "application/json", **(headers or {})}.items():
            request.send_header(name, text)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)
    except (BrokenPipeError, ConnectionResetError):
        return  # the client's patience ended first
