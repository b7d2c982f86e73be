"""One request to the judge: what is sent, and every way in which it can come back without a verdict."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vigos_eval.grading.judge_prompt import read_reply

if TYPE_CHECKING:
    from openai import AsyncOpenAI

MAX_REPLY_TOKENS = 4096
FORMS: tuple[dict[str, Any], ...] = (
    {
        "response_format": {"type": "json_object"},
        "max_tokens": MAX_REPLY_TOKENS,
        "temperature": 0.0,
    },
    {"max_tokens": MAX_REPLY_TOKENS, "temperature": 0.0},
    {"max_completion_tokens": MAX_REPLY_TOKENS},
    {},
)
"""What a request asks for beside its messages. An endpoint without JSON mode refuses the first form,
a model that reasons the first two; the reader copes with prose around the object."""

REFUSED_FORM = (400, 422)
TRY_AGAIN = (408, 409, 425, 429)


@dataclass(frozen=True)
class Reply:
    """What one request brought.

    Attributes:
        said: The verdict, or None.
        reason: Why there is none.
        wait_s: Seconds that the server asks to wait.
        is_final: Trying again is no use.
        is_form_refused: The endpoint may not know something the request asked for.
        prompt_tokens: As the endpoint counts them.
        completion_tokens: As the endpoint counts them.
    """

    said: bool | None
    reason: str = ""
    wait_s: float = 0.0
    is_final: bool = False
    is_form_refused: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0


async def call(
    client: AsyncOpenAI,
    model: str,
    messages: list[dict[str, str]],
    form: int,
    timeout_s: float,
) -> Reply:
    """Ask once, in one of the `FORMS`, within `timeout_s` seconds."""
    import openai

    sent: Any = {"model": model, "messages": messages, **FORMS[form]}
    try:
        # The client's limit restarts with every byte; a reply that drips is cut here.
        async with asyncio.timeout(timeout_s):
            reply = await client.chat.completions.create(**sent)
    except (openai.APIConnectionError, TimeoutError) as error:
        return Reply(None, f"judge unreachable: {_words(error)}")
    except openai.APIStatusError as error:
        return _after_status(error)
    except (openai.OpenAIError, ValueError) as error:
        return Reply(None, f"judge's reply is unreadable: {_words(error)}")
    return _read(reply)


def _after_status(error: Any) -> Reply:
    status = int(error.status_code)
    try:
        wait_s = float(error.response.headers.get("retry-after", 0))
    except ValueError:
        wait_s = 0.0
    return Reply(
        None,
        f"judge answered HTTP {status}: {_words(error)}",
        wait_s=wait_s,
        is_final=status not in TRY_AGAIN and status < 500,
        is_form_refused=status in REFUSED_FORM,
    )


def _read(reply: Any) -> Reply:
    """The verdict of a reply whose every part may be missing or of another type: the client checks none."""
    usage = getattr(reply, "usage", None)
    tokens = [getattr(usage, name, 0) for name in ("prompt_tokens", "completion_tokens")]
    prompt, completion = (count if isinstance(count, int) else 0 for count in tokens)
    choices = getattr(reply, "choices", None)
    choice = choices[0] if isinstance(choices, list) and choices else None
    text = getattr(getattr(choice, "message", None), "content", None)
    if getattr(choice, "finish_reason", None) == "length":
        # What stands there may be a quotation in reasoning that never came to its end.
        said, reason = None, "judge's reply was cut off"
    else:
        said = read_reply(text) if isinstance(text, str) else None
        reason = "" if said is not None else "judge's reply holds no verdict"
    return Reply(said, reason, prompt_tokens=prompt, completion_tokens=completion)


def _words(error: BaseException) -> str:
    """The error in few words, on one line, without a web page in it."""
    text = " ".join((str(error) or type(error).__name__).split())
    return text if len(text) <= 160 else text[:157] + "..."
