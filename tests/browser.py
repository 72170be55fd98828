"""Pages in a real headless Chromium. One browser serves the whole run; each test talks to it on a
connection of its own in its own event loop, so that nothing has to share a loop, and gets pages
that nobody used before. A module with many tests may have one loop and one connection for all.

    async def test_the_button_says_hello(page: Page, complaints: Complaints) -> None:
        complaints.expect("404")  # else an error on the console fails the test
        await page.goto(url)
        await page.get_by_role("button").click()
        assert not await barriers(page)
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    WebSocket,
    async_playwright,
)
from playwright.async_api import Error as PlaywrightError

LISTENING = re.compile(r"^DevTools listening on (ws://\S+)")
ANSWER_SECONDS = 5
OUR_HOST = "127.0.0.1"
CHROMIUM_OPTIONS = (
    "--headless",
    "--remote-debugging-port=0",
    "--no-sandbox",  # root has none; the pages are our own
    "--disable-dev-shm-usage",  # 64 MB in containers
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--no-default-browser-check",
    "--mute-audio",
    # Whatever a page asks for, nothing leaves this machine.
    f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {OUR_HOST}",
)

NewPage = Callable[..., Awaitable[Page]]


class Complaints:
    """What went wrong in a test's pages: errors and warnings on the console, exceptions that
    nobody caught, requests to other machines. Each fails the test, unless it was expected."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._expected: list[re.Pattern[str]] = []

    def expect(self, pattern: str) -> None:
        """A complaint that this regular expression finds belongs to the test. One must come."""
        self._expected.append(re.compile(pattern))

    def check(self) -> None:
        """Fails on what came without being expected, and on what was expected and never came."""
        wrong = [
            text
            for text in self.seen
            if not any(pattern.search(text) for pattern in self._expected)
        ]
        missing = [
            pattern.pattern
            for pattern in self._expected
            if not any(pattern.search(text) for text in self.seen)
        ]
        assert not wrong, "the page complained:\n" + "\n".join(wrong)
        assert not missing, "the page never complained about:\n" + "\n".join(missing)

    def listen(self, context: BrowserContext) -> None:
        """Hears everything that happens in the context's pages, pop-ups and workers."""
        context.on("console", self._said)
        context.on("weberror", lambda error: self.seen.append(f"exception: {error.error}"))
        context.on("request", lambda request: self._asked(request.url))
        context.on("page", self._opened)

    def _opened(self, page: Page) -> None:
        page.on("websocket", self._connected)
        page.on("crash", lambda _: self.seen.append("the page crashed"))

    def _connected(self, socket: WebSocket) -> None:
        self._asked(socket.url)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning", "assert"}:
            where = message.location
            self.seen.append(
                f"{message.type}: {message.text} ({where.get('url')}:{where.get('lineNumber')})"
            )

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.hostname != OUR_HOST:
            self.seen.append(f"request to another machine: {url}")


@contextmanager
def chromium_running(program: Path, home: Path) -> Iterator[str]:
    """Starts Chromium with an empty profile; gives the address of its DevTools."""
    with subprocess.Popen(
        [str(program), *CHROMIUM_OPTIONS, f"--user-data-dir={home / 'profile'}"],
        env={**os.environ, "HOME": str(home)}, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        # A pipe that nobody reads fills up, and Chromium stops.
        rest = threading.Thread(target=process.stderr.read)
        try:
            said = []
            for line in process.stderr:
                said.append(line)
                if found := LISTENING.match(line):
                    break
            else:
                raise AssertionError("Chromium did not start:\n" + "".join(said))
            rest.start()
            yield found[1]
        finally:
            # The whole group, at once: its profile goes with the run, nothing has to be saved.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if rest.ident is not None:
                rest.join()


@asynccontextmanager
async def connected(devtools: str) -> AsyncIterator[Browser]:
    """A connection with the browser, which takes half a second: for one event loop."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(devtools)
        yield browser
        await browser.close()


@asynccontextmanager
async def pages_of(browser: Browser, complaints: Complaints) -> AsyncIterator[NewPage]:
    """Gives a function that opens a page in a context of its own: no cookie, cache or storage
    is shared. It takes Playwright's options for contexts: `viewport`, `color_scheme`,
    `reduced_motion`, `java_script_enabled` and so on. All are closed at the end."""
    contexts: list[BrowserContext] = []

    async def new_page(**options: Any) -> Page:
        context = await browser.new_context(**options)
        contexts.append(context)
        complaints.listen(context)
        return await context.new_page()

    try:
        yield new_page
    finally:
        for page in [page for context in contexts for page in context.pages]:
            await _heard_out(page)
        for context in contexts:
            await context.close()


async def _heard_out(page: Page) -> None:
    """All that the page has said so far has arrived once it answers; it may be gone, too."""
    with suppress(PlaywrightError, TimeoutError):
        async with asyncio.timeout(ANSWER_SECONDS):
            await page.evaluate("0")


async def barriers(page: Page, impacts: tuple[str, ...] = ("serious", "critical")) -> list[str]:
    """What axe-core finds on the page as it is now that shuts people out, a line each: the rule,
    its impact, the elements. Colours count as they are at this moment: end animations first."""
    found = await Axe().run(page)
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: "
        + ", ".join(" ".join(map(str, node["target"])) for node in rule["nodes"])
        for rule in found.response["violations"]
        if rule["impact"] in impacts
    ]
