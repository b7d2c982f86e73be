"""The reply to a chat request -> Generated, or an error that says what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from vigos_eval.engines.server_request import samples_asked
from vigos_eval.errors import EngineError
from vigos_eval.types import Completion, Decoding, FinishReason, Generated

Json = dict[str, Any]


class UnfinishedReply(Exception):
    """The server stopped before the answer was complete; the same request may be sent again."""


def generated(
    reply: bytes, key: str, decoding: Decoding, server: str, context: int = 0
) -> Generated:
    """The completions that a reply holds, in sample order.

    Per-sample token counts come with the ids (``return_token_ids``: vLLM since 0.10.2). Other
    servers tell only the sum over the samples: it is kept exactly and split over them, see
    `token_shares`.

    Args:
        reply: The body of a reply with status 200.
        key: The prompt's key.
        decoding: What was asked.
        server: Its URL, for messages.
        context: Tokens of prompt and answer that the server can hold; 0 when it does not tell.

    Raises:
        EngineError: The body is no chat completion, holds fewer samples than asked, or the server
            took part of the answer away.
        UnfinishedReply: A sample ended for another reason than its end or the token limit.
    """
    body = parsed(reply, server)
    if not _is_completion(body):
        raise EngineError(f"{server}: the reply is no chat completion: {shown(reply)}")
    choices = body["choices"]
    usage = body.get("usage") or {}
    asked = samples_asked(decoding)
    if len(choices) != asked:
        raise EngineError(
            f"{server}: {len(choices)} of n={asked} samples came back; this server cannot sample "
            "several answers per request. Serve the checkpoint with: vllm serve"
        )
    ordered = sorted(choices, key=lambda choice: choice.get("index", 0))
    texts = [_text(choice, key, server) for choice in ordered]
    reasons = [_finish_reason(choice, key, server) for choice in ordered]
    ids = [tuple(choice.get("token_ids") or ()) for choice in ordered]
    total = sum(map(len, ids)) if all(ids) else usage.get("completion_tokens") or 0
    if total > asked * decoding.max_new_tokens:
        raise EngineError(
            f"{server}: {total} tokens came back for prompt {key}, but n={asked} samples of "
            f"max_new_tokens={decoding.max_new_tokens} were asked: this server ignores max_tokens"
        )
    if all(ids):
        tokens = [len(sample) for sample in ids]
    else:
        tokens = token_shares(total, texts, reasons, decoding.max_new_tokens)
    samples = [
        Completion(text, count, reason, sample)
        for text, count, reason, sample in zip(texts, tokens, reasons, ids, strict=True)
    ]
    found = Generated(
        key=key,
        prompt_tokens=usage.get("prompt_tokens") or 0,
        completions=tuple(samples * (decoding.n // asked)),
        prompt_ids=tuple(body.get("prompt_token_ids") or ()),
    )
    _refuse_early_cut(found, decoding.max_new_tokens, context, server)
    return found


def _refuse_early_cut(found: Generated, limit: int, context: int, server: str) -> None:
    """Raise when the server cut an answer off before the limit that was asked for."""
    if (cut := _cut_early(found, limit, context)) is not None:
        raise EngineError(
            f"{server} cut an answer to prompt {found.key} off at {cut} tokens, but max_new_tokens="
            f"{limit} were asked: the checkpoint's generation_config sets "
            "max_new_tokens and vllm takes it as a limit. Serve with --override-generation-config "
            f"'{{\"max_new_tokens\": {limit}}}'"
        )


def _cut_early(found: Generated, limit: int, context: int) -> int | None:
    """Tokens of a sample cut off before the limit with room left in the context, or None."""
    for sample in found.completions:
        is_short = sample.finish_reason == "length" and len(sample.token_ids) < limit
        if is_short and sample.token_ids and found.prompt_tokens + sample.tokens < context:
            return sample.tokens
    return None


def parsed(reply: bytes, server: str) -> Json:
    """The reply as a JSON object.

    Raises:
        EngineError: It is something else, such as a web page.
    """
    try:
        body = json.loads(reply)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        kind = "a web page" if b"<html" in reply[:1000].lower() else "no JSON object"
        raise EngineError(
            f"{server} answers with {kind}, not with a chat completion: {shown(reply)}. base_url "
            "is the address of the API and usually ends in /v1"
        )
    return body


def _is_completion(body: Json) -> bool:
    """What is read below is there, and of the types that JSON should give it."""

    def are_ids(value: Any) -> bool:
        return value is None or (isinstance(value, list) and set(map(type, value)) <= {int})

    choices, usage = body.get("choices"), body.get("usage") or {}
    return (
        isinstance(choices, list)
        and all(
            isinstance(choice, dict)
            and isinstance(choice.get("message"), dict)
            and isinstance(choice.get("index", 0), int)
            and are_ids(choice.get("token_ids"))
            for choice in choices
        )
        and isinstance(usage, dict)
        and all(
            isinstance(usage.get(name) or 0, int) for name in ("prompt_tokens", "completion_tokens")
        )
        and are_ids(body.get("prompt_token_ids"))
    )


def shown(reply: bytes) -> str:
    """The beginning of a reply on one line, for a message.

    >>> shown(b"<html>\\n  <body>")
    "'<html> <body>'"
    """
    return repr(" ".join(reply[:300].decode(errors="replace").split())[:160])


def token_shares(
    total: int, texts: Sequence[str], reasons: Sequence[FinishReason], limit: int
) -> list[int]:
    """A known sum of tokens split over samples whose own counts the server does not tell.

    Samples cut off at the limit have exactly `limit`; the rest is shared by length of text. The
    sum, and so the mean in reports, is the server's; the split within it is an estimate.

    >>> token_shares(120, ["aaaa", "b" * 12, "c" * 4], ["stop", "stop", "length"], 100)
    [6, 14, 100]
    >>> token_shares(0, ["no usage told"], ["stop"], 100)
    [0]
    """
    shares = [limit if reason == "length" else 0 for reason in reasons]
    if len(texts) == 1 or total <= sum(shares):
        return [total // len(texts)] * len(texts)
    ended = [i for i, reason in enumerate(reasons) if reason != "length"]
    rest = total - sum(shares)
    weight = sum(len(texts[i]) + 1 for i in ended)
    for i in sorted(ended, key=lambda i: len(texts[i]), reverse=True):
        # From the longest on, so that what the limit holds back goes to shorter ones.
        shares[i] = min(limit, round(rest * (len(texts[i]) + 1) / weight)) if weight else 0
        rest -= shares[i]
        weight -= len(texts[i]) + 1
    return shares


def _text(choice: Mapping[str, Any], key: str, server: str) -> str:
    message = choice["message"]
    if message.get("reasoning") or message.get("reasoning_content"):
        raise EngineError(
            f"{server} moves part of prompt {key}'s answer into a field of its own; restart it "
            "without --reasoning-parser"
        )
    content = message.get("content")
    if content is None and choice.get("finish_reason") in ("stop", "length"):
        return ""  # the first token was the end token
    if not isinstance(content, str):
        raise UnfinishedReply(f"no text came back (finish_reason {choice.get('finish_reason')!r})")
    return content


def _finish_reason(choice: Mapping[str, Any], key: str, server: str) -> FinishReason:
    reason = choice.get("finish_reason")
    if reason == "stop":
        return "stop"
    if reason == "length":
        return "length"
    if reason == "abort":
        raise UnfinishedReply("the server aborted the request")
    raise EngineError(
        f"{server} ended an answer to prompt {key} with finish_reason {reason!r}; only 'stop' and "
        "'length' are answers. A content filter or a tool parser is on: turn it off"
    )
