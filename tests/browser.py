"""Debian's Chromium through playwright, for the browser tests, the bench and the screenshots."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
# No sandbox: containers run as root. The rest keeps a test's browser from asking the network.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def ready_ms(page: Page) -> float:
    """Milliseconds from opening the page until its first question was on the screen."""
    # Not wait_for_function: it needs eval, which the page's content policy forbids.
    page.wait_for_selector("html[data-ready]", state="attached")
    return float(page.evaluate("Number(document.documentElement.dataset.ready)"))
