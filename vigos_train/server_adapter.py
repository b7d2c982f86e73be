"""A running `vllm serve` that is handed each step's adapter over its own HTTP interface.

The server must run with VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 and --enable-lora, and must be able to
read the run's output folder: only the adapter's path is sent.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vigos_eval.engines.settings import EngineSettings
from vigos_eval.errors import EngineError
from vigos_eval.types import Decoding, Generated, Prompt

TIMEOUT_S = 120.0


@dataclass
class AdapterServers:
    """Servers of one base that answer with the adapter they were handed last.

    Attributes:
        settings: Of the server engine; `pretrained` is replaced by the adapter's name.
        is_loader: This rank hands adapters over; the others only ask.
        adapter: Name of the adapter that answers now, or "".
    """

    settings: EngineSettings
    is_loader: bool
    adapter: str = ""

    @property
    def identity(self) -> Mapping[str, str]:
        """See `base.Engine`."""
        return {"served_model": self.adapter}

    def use_adapter(self, folder: Path, version: int) -> None:
        """Answer with this adapter from now on; the one before is unloaded.

        Raises:
            EngineError: A server refuses: it cannot read the folder, or may not change adapters.
        """
        name = f"vigos-step-{version}"
        if self.is_loader:
            body = {"lora_name": name, "lora_path": str(folder.resolve())}
            for url in _urls(self.settings):
                _post(f"{url}/load_lora_adapter", body)
                if self.adapter and self.adapter != name:
                    _post(f"{url}/unload_lora_adapter", {"lora_name": self.adapter})
        self.adapter = name

    def generate(self, prompts: Iterable[Prompt], decoding: Decoding) -> Iterator[Generated]:
        """See `base.Engine.generate`; the servers are checked again for every adapter."""
        from dataclasses import replace

        from vigos_eval.engines.server import ServerEngine

        engine = ServerEngine(replace(self.settings, pretrained=self.adapter))
        try:
            yield from engine.generate(prompts, decoding)
        finally:
            engine.close()

    def sleep(self) -> None:
        """A server keeps its memory."""

    def wake(self) -> None:
        """A server is always awake."""

    def close(self) -> None:
        """Leave the servers as they were found."""
        if self.adapter and self.is_loader:
            for url in _urls(self.settings):
                _post(f"{url}/unload_lora_adapter", {"lora_name": self.adapter})
        self.adapter = ""


def _urls(settings: EngineSettings) -> list[str]:
    return [url.strip().rstrip("/") for url in settings.base_url.split(";") if url.strip()]


def _post(url: str, body: Mapping[str, str]) -> None:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S):
            return
    except urllib.error.HTTPError as error:
        answer = error.read(500).decode(errors="replace").strip()
        hint = (
            "start the server with VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 and --enable-lora"
            if error.code in (404, 405)
            else "the server must be able to read output.folder, and --max-lora-rank must cover "
            "lora.rank"
        )
        raise EngineError(f"{url} refuses the adapter ({error.code} {answer}); {hint}") from error
    except OSError as error:
        raise EngineError(f"{url} does not answer ({error}); start it with vllm serve") from error
