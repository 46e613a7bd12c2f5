"""Pages in a real Chromium, opened from disk; without Chromium the tests skip."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

__all__ = ["opened", "started"]


@contextmanager
def started() -> Iterator[Any]:
    """Starts the browser."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install '.[test]'")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("There is no Chromium. On Debian: apt-get install chromium")
    with playwright.sync_playwright() as control:
        chromium = control.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@contextmanager
def opened(browser: Any, path: Path) -> Iterator[Any]:
    """Opens a page from disk. It may ask for no network, and have no error and no warning."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    asked: list[str] = []
    context.route("**/*", lambda route: (asked.append(route.request.url), route.continue_())[1])
    context.route("http*://**/*", lambda route: (asked.append(route.request.url), route.abort())[1])
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if line.type in ("error", "warning") else None)
    page.goto(path.as_uri())
    yield page
    assert wrong == []
    assert [url for url in asked if not url.startswith(("file:", "blob:"))] == []
    context.close()


def wait_until(page: Any, script: str, seconds: float = 20) -> None:
    """Waits until a script is true in a page; ``wait_for_function`` needs "eval", which the pages' policy forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(script):
        assert time.monotonic() < end, script
        time.sleep(0.02)
