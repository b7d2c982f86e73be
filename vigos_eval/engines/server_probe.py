"""Asked before the first prompt: does a server serve this model, and continue a begun answer?

A server that ignores the prefill would answer another question without saying so; one that
keeps the checkpoint's sampling defaults would sample from another distribution.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from vigos_eval.engines.server_connection import Failure, Refusal, Server
from vigos_eval.engines.server_pool import Pace
from vigos_eval.engines.server_reply import Json, UnfinishedReply, generated, parsed
from vigos_eval.engines.server_request import Wording, chat_request
from vigos_eval.errors import EngineError
from vigos_eval.types import Decoding, Message, Prompt, TextPart

QUESTION = (Message("user", (TextPart("Say one word."),)),)
REFUSED_FIELDS = (400, 404, 405, 422, 501)
NO_PREFILL = (
    "Use a server that can (vllm serve, SGLang), or pass prefill=off: the answers then start "
    "without it and the protocol is called custom"
)


async def served_root(servers: Sequence[Server], model: str) -> str:
    """Where the servers' checkpoint comes from (``root`` in GET /models), "" when none tells.

    Raises:
        EngineError: A server does not answer, serves other models, or another checkpoint than its
            neighbours under the same name.
    """
    roots: dict[str, str] = {}
    for server, entries in zip(
        servers, await asyncio.gather(*(server.models() for server in servers)), strict=True
    ):
        if isinstance(entries, Failure):
            raise EngineError(
                f"{server.url} does not answer ({entries.reason}); start it with: vllm serve "
                f"{model or 'MODEL'}, or correct base_url"
            )
        entry = next((entry for entry in entries if entry["id"] == model), None)
        if entry is None:
            names = ", ".join(repr(str(entry["id"])) for entry in entries[:8]) or "nothing"
            raise EngineError(
                f"{server.url} serves {names}, not pretrained={model!r}; pass one of its names, "
                "or start a server with that checkpoint"
            )
        roots[server.url] = str(entry.get("root") or "")
        told = entry.get("max_model_len")
        server.context = told if isinstance(told, int) else 0
    first, root = next(iter(roots.items()))
    for url, other in roots.items():
        if other != root:
            raise EngineError(
                f"{first} serves {model!r} from {root!r}, but {url} from {other!r}: one run would "
                "mix two checkpoints. Start all servers with the same path or hub id"
            )
    return root


async def agreed_wording(
    servers: Sequence[Server], wording: Wording, prefill: str, decoding: Decoding, pace: Pace
) -> Wording:
    """The wording in the dialect that all servers accept, the prefill proved to be continued.

    Raises:
        EngineError: A server refuses n samples or the prefill, or the servers differ in what they
            accept.
    """
    probes = (_Probe(server, wording, prefill, decoding, pace) for server in servers)
    dialects = await asyncio.gather(*(probe.dialect() for probe in probes))
    if len(set(dialects)) > 1:
        full, plain = (servers[dialects.index(name)].url for name in ("full", "plain"))
        raise EngineError(
            f"{full} accepts top_k, min_p and repetition_penalty, {plain} refuses them: their "
            "samples would come from different distributions. Use servers of one kind"
        )
    return replace(wording, dialect=dialects[0])


class _Probe:
    """Short text requests to one server, one token long, as the run will word them."""

    def __init__(
        self, server: Server, wording: Wording, prefill: str, decoding: Decoding, pace: Pace
    ) -> None:
        self._server = server
        self._wording = wording
        self._prefill = prefill
        self._decoding = replace(decoding, max_new_tokens=1)
        self._pace = pace

    async def dialect(self) -> Literal["full", "plain"]:
        """The fullest dialect that the server accepts.

        Raises:
            EngineError: It accepts neither, or does not continue the prefill.
        """
        full = self._body("full") | {"return_prompt_text": True}
        reply = await self._reply(full)
        if not isinstance(reply, Refusal):
            await self._check(reply, full)
            return "full"
        plain = self._body("plain")
        reply = await self._reply(plain)
        if isinstance(reply, Refusal):
            raise await self._diagnosis(reply)
        await self._check(reply, plain)
        return "plain"

    def _body(self, dialect: Literal["full", "plain"]) -> Json:
        prompt = Prompt("probe", QUESTION, prefill=self._prefill)
        return chat_request(prompt, self._decoding, replace(self._wording, dialect=dialect))

    async def _check(self, reply: bytes, body: Json) -> None:
        """Raise an EngineError unless n samples came back and the prefill was continued."""
        try:
            generated(reply, "probe", self._decoding, self._server.url)
            if self._prefill:
                await self._check_prefill(reply, body)
        except UnfinishedReply as stopped:
            raise EngineError(f"{self._server.url}: {stopped}") from stopped

    async def _check_prefill(self, told: bytes, body: Json) -> None:
        read = parsed(told, self._server.url).get("prompt_text")
        if isinstance(read, str):  # vLLM shows the prompt that the model read
            if not read.endswith(self._prefill):
                raise self._no_prefill(f"the prompt it reads ends with {read[-60:]!r}")
            return
        # Others are found out by counting: the same messages with the assistant's turn closed and
        # a new one opened must be longer than with the turn left open.
        closed = {
            name: value
            for name, value in body.items()
            if name not in ("continue_final_message", "add_generation_prompt")
        }
        reply = await self._reply(closed)
        if isinstance(reply, Refusal):
            return  # it takes the open turn only
        counts = [
            generated(answer, "probe", self._decoding, self._server.url).prompt_tokens
            for answer in (told, reply)
        ]
        if 0 in counts:
            raise self._no_prefill("it tells no prompt_tokens, so nothing shows that it would")
        if counts[0] >= counts[1]:
            raise self._no_prefill(
                f"it ignores continue_final_message: {counts[0]} prompt tokens with it, "
                f"{counts[1]} without"
            )

    async def _diagnosis(self, refusal: Refusal) -> EngineError:
        """What the server would accept: no prefill, or a single sample."""
        if self._prefill:
            bare = chat_request(
                Prompt("probe", QUESTION), self._decoding, replace(self._wording, dialect="plain")
            )
            if not isinstance(await self._reply(bare), Refusal):
                return self._no_prefill(refusal.text)
        if self._decoding.n > 1:
            single = self._body("plain") | {"n": 1}
            if not isinstance(await self._reply(single), Refusal):
                return EngineError(
                    f"{self._server.url} refuses n={self._decoding.n} samples per request "
                    f"({refusal.text}); serve the checkpoint with: vllm serve"
                )
        return refusal

    def _no_prefill(self, why: str) -> EngineError:
        return EngineError(
            f"{self._server.url} does not continue an answer begun with {self._prefill!r} ({why}). "
            f"{NO_PREFILL}"
        )

    async def _reply(self, body: Json) -> bytes | Refusal:
        reason = ""
        for attempt in range(self._pace.attempts):
            try:
                reply = await self._server.completion(body)
            except Refusal as refusal:
                if refusal.status not in REFUSED_FIELDS:
                    raise
                return refusal
            if not isinstance(reply, Failure):
                return reply
            reason = reply.reason
            await asyncio.sleep(self._pace.wait_s(attempt, reply.retry_after_s))
        raise EngineError(
            f"{self._server.url} does not answer a one-token request: {reason}; see its log"
        )
