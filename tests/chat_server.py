"""A deterministic OpenAI-compatible chat server on loopback: real HTTP, standard library only.

The answer to a request is a function of its messages, its decoding and the sample's seed, so two
servers answer alike and a test can say in advance what must come back. It tokenizes to characters.

    with ChatServer() as server: ... server.url
    python tests/chat_server.py --latency 0.05      # prints its URL; for benches and kill tests
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

CONTEXT = 4096  # tokens of prompt and answer, as vLLM counts them
END, OPEN = "<end>", "<assistant>"
Body = dict[str, Any]


@dataclass(frozen=True)
class Trouble:
    """What the server does instead of answering a request.

    Attributes:
        kind: ``status`` replies with it; ``html`` with a web page; ``cut`` closes the connection
            half-way; ``die`` also stops listening; ``hang`` never replies; ``abort`` ends the
            first sample with that finish reason.
        status: HTTP status of ``status``.
        words: The error's message.
        retry_after: The header, when not empty.
    """

    kind: Literal["status", "html", "cut", "die", "hang", "abort"]
    status: int = 500
    words: str = "engine failure"
    retry_after: str = ""


@dataclass
class Manners:
    """How a server behaves; a test may change it while the server runs.

    Attributes:
        models: Names that GET /models lists, each with its root.
        latency_s: From request to reply.
        prefill: ``continues`` when told to; ``ignores`` the fields; ``refuses`` them.
        is_vllm: Returns token ids and the prompt's text, and accepts vLLM's sampling fields;
            otherwise those are refused (OpenAI) unless `is_lenient`.
        is_lenient: Unknown fields are ignored (SGLang, proxies).
        max_samples: Largest n; more is refused. 0 answers one sample whatever n is.
        key: The key to ask for; "" for none.
        trouble: (number of the chat request from 0, its body) -> Trouble or None.
        is_page: Everything is answered with a web page.
        tokens: Tokens per answer.
    """

    models: dict[str, str] = field(default_factory=lambda: {"tiny": "/checkpoints/tiny"})
    latency_s: float = 0.0
    prefill: Literal["continues", "ignores", "refuses"] = "continues"
    is_vllm: bool = True
    is_lenient: bool = True
    max_samples: int = 16
    key: str = ""
    trouble: Callable[[int, Body], Trouble | None] = lambda number, body: None
    is_page: bool = False
    tokens: int = 12


def is_continuing(body: Body, manners: Manners) -> bool:
    """The assistant's last turn is left open."""
    return manners.prefill == "continues" and bool(body.get("continue_final_message"))


def prompt_text(body: Body, is_open: bool) -> str:
    """The messages as the 'model' reads them."""
    text = ""
    for message in body["messages"]:
        content = message["content"]
        if not isinstance(content, str):
            content = "".join(
                part.get("text") or f"<img {len(part['image_url']['url'])}>" for part in content
            )
        text += f"<{message['role']}>{content}{END}"
    return text.removesuffix(END) if is_open else text + OPEN


def sampled_text(body: Body, index: int, tokens: int) -> str:
    """The answer of sample `index`: the same for the same messages, decoding and seed."""
    seed = 0 if body.get("temperature") == 0 else body.get("seed", 0) + index
    asked = [body["messages"], body.get("temperature"), body.get("top_p"), body.get("top_k"), seed]
    digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
    return (digest * (tokens // len(digest) + 1))[:tokens]


class ChatServer:
    """The server in a thread of its own; `url` ends in /v1. A context manager."""

    def __init__(self, manners: Manners | None = None) -> None:
        self.manners = manners or Manners()
        self.bodies: list[Body] = []
        self.is_keeping_bodies = True
        self.requests = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.connections: set[_Connection] = set()
        self.loop = asyncio.new_event_loop()
        self._server = self.loop.run_until_complete(
            self.loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        )
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self) -> ChatServer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.loop.call_soon_threadsafe(self.die)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def run(self) -> None:
        """Serve in this thread until the process ends."""
        self.loop.run_forever()

    def die(self) -> None:
        """Stop listening and cut every connection, as a killed process does."""
        self._server.close()
        for connection in list(self.connections):
            connection.transport.abort()


class _Connection(asyncio.Protocol):
    """One HTTP/1.1 connection: reads requests one after another, writes replies."""

    transport: asyncio.Transport

    def __init__(self, server: ChatServer) -> None:
        self._server = server
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._server.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._server.connections.discard(self)

    def data_received(self, chunk: bytes) -> None:
        self._received += chunk
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end].decode("latin-1").lower()
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
            length = int(fields.get("content-length", "0"))
            if len(self._received) < end + 4 + length:
                return
            raw = bytes(self._received[end + 4 : end + 4 + length])
            del self._received[: end + 4 + length]
            self._asked(head.split(" ", 2)[:2], fields, raw)

    def _asked(self, line: list[str], fields: dict[str, str], raw: bytes) -> None:
        manners = self._server.manners
        if manners.is_page:
            self._page()
        elif manners.key and fields.get("authorization") != f"bearer {manners.key.lower()}":
            self._error(401, "Incorrect API key provided")
        elif line == ["get", "/v1/models"]:
            listed = [
                {"id": name, "root": root, "max_model_len": CONTEXT}
                for name, root in manners.models.items()
            ]
            self._reply(200, {"object": "list", "data": listed})
        elif line == ["post", "/v1/chat/completions"]:
            self._chat(json.loads(raw))
        else:
            self._error(404, "Not Found")

    def _chat(self, body: Body) -> None:
        server, manners = self._server, self._server.manners
        number, server.requests = server.requests, server.requests + 1
        if server.is_keeping_bodies:
            server.bodies.append(body)
        server.in_flight += 1
        server.most_in_flight = max(server.most_in_flight, server.in_flight)
        trouble = manners.trouble(number, body)
        if trouble is None or trouble.kind in ("abort", "status"):
            server.loop.call_later(manners.latency_s, self._answer, body, trouble)
            return
        server.in_flight -= 1
        if trouble.kind == "html":
            self._page()
        elif trouble.kind == "cut":
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{")
            self.transport.close()
        elif trouble.kind == "die":
            server.die()

    def _answer(self, body: Body, trouble: Trouble | None) -> None:
        manners = self._server.manners
        self._server.in_flight -= 1
        if trouble is not None and trouble.kind == "status":
            self._error(trouble.status, trouble.words, trouble.retry_after)
        elif (refusal := _refusal(body, manners)) is not None:
            self._error(400, refusal)
        else:
            self._reply(200, completion(body, manners, trouble))

    def _error(self, status: int, words: str, retry_after: str = "") -> None:
        extra = f"retry-after: {retry_after}\r\n" if retry_after else ""
        self._reply(status, {"error": {"message": words, "code": status}}, extra)

    def _page(self) -> None:
        self._write(200, b"<!doctype html><html><body>Welcome</body></html>", "text/html")

    def _reply(self, status: int, body: Body, extra: str = "") -> None:
        self._write(status, json.dumps(body).encode(), "application/json", extra)

    def _write(self, status: int, content: bytes, media_type: str, extra: str = "") -> None:
        if self.transport.is_closing():
            return
        head = (
            f"HTTP/1.1 {status} OK\r\ncontent-type: {media_type}\r\n{extra}"
            f"content-length: {len(content)}\r\n\r\n"
        )
        self.transport.write(head.encode() + content)


def _refusal(body: Body, manners: Manners) -> str | None:
    """Why the request is refused, or None."""
    if body["model"] not in manners.models:
        return f"The model {body['model']!r} does not exist."
    ours = {"top_k", "min_p", "repetition_penalty", "return_token_ids", "return_prompt_text"}
    if not manners.is_vllm and not manners.is_lenient and (unknown := sorted(ours & body.keys())):
        return f"Unrecognized request argument supplied: {unknown[0]}"
    if manners.prefill == "refuses" and body["messages"][-1]["role"] == "assistant":
        return "The last message must be from the user."
    if manners.max_samples and body.get("n", 1) > manners.max_samples:
        return f"n must be at most {manners.max_samples}"
    if len(prompt_text(body, is_continuing(body, manners))) + body.get("max_tokens", 1) > CONTEXT:
        return f"This model's maximum context length is {CONTEXT} tokens. Please reduce the length."
    return None


def completion(body: Body, manners: Manners, trouble: Trouble | None = None) -> Body:
    """The reply to a chat request."""
    prompt = prompt_text(body, is_continuing(body, manners))
    limit = body.get("max_tokens", CONTEXT - len(prompt))
    choices = []
    for index in range(body.get("n", 1) if manners.max_samples else 1):
        # The end token counts as one; it fits only below the limit.
        text = sampled_text(body, index, manners.tokens)[:limit]
        is_cut = len(text) == limit
        ids = [*text.encode(), *([] if is_cut else [0])]
        choice: Body = {
            "index": index,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "length" if is_cut else "stop",
        }
        choices.append(choice | ({"token_ids": ids} if body.get("return_token_ids") else {}))
        choices[-1]["tokens"] = len(ids)
    if trouble is not None:
        choices[0] |= {"finish_reason": "abort"}
    reply: Body = {
        "object": "chat.completion",
        "model": body["model"],
        "choices": choices,
        "usage": {
            "prompt_tokens": len(prompt),
            "completion_tokens": sum(choice.pop("tokens") for choice in choices),
        },
    }
    if manners.is_vllm and body.get("return_token_ids"):
        reply["prompt_token_ids"] = list(prompt.encode())
    elif not manners.is_vllm:
        for choice in choices:
            choice.pop("token_ids", None)
    if manners.is_vllm and body.get("return_prompt_text"):
        reply["prompt_text"] = prompt
    return reply


def main() -> None:
    """Serve until killed; the first line printed is the URL."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds per request")
    server = ChatServer(Manners(latency_s=parser.parse_args().latency))
    server.is_keeping_bodies = False
    print(server.url, flush=True)
    server.run()


if __name__ == "__main__":
    main()
