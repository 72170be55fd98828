"""The tests' own instruments: they see what they should see, and complain when they should."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.needs import needs
from tests.tmux import Terminal, TerminalError

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.browser import Complaints, NewPage

pytest_plugins = ["pytester"]

Start = Callable[..., Awaitable[Terminal]]

PAGE = """<!doctype html><html lang="en"><head><title>Soup</title><link rel="icon" href="data:,">
</head><body><main><h1>Soup</h1><button>Cook</button><p role="status"></p></main><script>
document.querySelector("button").onclick = () => {
  const socket = new WebSocket("ws://" + location.host + "/socket");
  socket.onmessage = event => document.querySelector("p").textContent = event.data;
};
</script></body></html>"""
FAULTS = {
    "console": "console.error('burnt')",
    "exception": "setTimeout(() => { throw new Error('boiled over') })",
    "request": "fetch('http://example.com/salt').catch(() => {})",
    "socket": "new WebSocket('ws://example.com/pepper').onerror = () => {}",
}
TALKER = """
import os, shutil, signal
def tell(*_):  # in the middle of a print, it may be, which another one would break
    os.write(1, "size {} {}\\n".format(*shutil.get_terminal_size()).encode())
signal.signal(signal.SIGWINCH, tell)
tell()
while (line := input("> ")) != "bye":
    print("\\x1b[31mgot", line, "\\x1b[0mé😀", flush=True)
raise SystemExit(3)
"""


async def _soup(request: web.Request) -> web.StreamResponse:
    return web.Response(
        text=PAGE,
        content_type="text/html",
        headers={"Content-Security-Policy": "script-src 'unsafe-inline'; connect-src 'self'"},
    )


async def _fault(request: web.Request) -> web.StreamResponse:
    script = FAULTS[request.match_info["kind"]]
    text = f"<!doctype html><link rel=icon href=data:,><script>{script}</script>"
    return web.Response(text=text, content_type="text/html")


async def _socket(request: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_str("ready")
    await socket.close()
    return socket


@pytest.fixture
async def kitchen() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/", _soup)
    app.router.add_get("/fault/{kind}", _fault)
    app.router.add_get("/socket", _socket)
    async with TestServer(app) as server:
        yield str(server.make_url("/")).rstrip("/")


async def test_a_page_of_our_own_server_works_under_a_strict_policy(
    page: Page, kitchen: str
) -> None:
    from tests.browser import barriers

    await page.goto(kitchen)
    await page.get_by_role("button", name="Cook").click()
    await page.get_by_text("ready").wait_for()
    assert await barriers(page) == []


async def test_axe_finds_a_button_without_a_name(page: Page, kitchen: str) -> None:
    from tests.browser import barriers

    await page.goto(kitchen)
    await page.get_by_role("button").evaluate("button => button.textContent = ''")
    (barrier,) = await barriers(page)
    assert barrier.startswith("button-name (critical)")


async def test_pages_share_nothing_and_may_differ_in_size(new_page: NewPage, kitchen: str) -> None:
    first, second = await new_page(), await new_page(viewport={"width": 320, "height": 568})
    for page in first, second:
        await page.goto(kitchen)
    await first.evaluate("localStorage.soup = 'mine'")
    assert await second.evaluate("localStorage.soup ?? innerWidth") == 320


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        ("console", "error: burnt"),
        ("exception", "boiled over"),
        ("request", "request to another machine: http://example.com/salt"),
        ("socket", "request to another machine: ws://example.com/pepper"),
    ],
)
async def test_what_goes_wrong_in_a_page_is_complained_about(
    chromium: str, kitchen: str, kind: str, complaint: str
) -> None:
    from tests.browser import Complaints, connected, pages_of

    complaints = Complaints()
    async with connected(chromium) as browser, pages_of(browser, complaints) as new_page:
        await (await new_page()).goto(f"{kitchen}/fault/{kind}")
    with pytest.raises(AssertionError, match=complaint):
        complaints.check()
    complaints.expect(".")
    complaints.check()


async def test_a_complaint_that_was_expected_has_to_come(complaints: Complaints) -> None:
    complaints.expect("never said")
    with pytest.raises(AssertionError, match="never complained about:\nnever said"):
        complaints.check()


async def test_a_terminal_shows_what_a_command_prints_at_its_size(terminal: Start) -> None:
    talk = await terminal([sys.executable, "-c", TALKER], columns=60, rows=10)
    assert await talk.until("\n>") == "size 60 10\n>"
    await talk.send("it's $HOME; #{x} ~", "Enter")
    assert "got it's $HOME; #{x} ~ é😀" in await talk.until("😀")
    await talk.type("Enter")
    await talk.send("Enter")
    assert "\x1b[31mgot Enter" in (await talk.until("got Enter"), await talk.screen(styled=True))[1]
    await talk.resize(40, 8)
    await talk.until("size 40 8")
    await talk.send("bye", "Enter")
    assert await talk.ended() == 3
    assert "size 40 8" in await talk.screen()


async def test_a_terminal_tells_of_an_end_before_the_text(terminal: Start) -> None:
    echo = await terminal(["sh", "-c", "seq 200; exit 4"], rows=5)
    with pytest.raises(TerminalError, match=r"ended with 4, never showed 'soup':\n197\n"):
        await echo.until("soup")
    assert await echo.until("200") == "197\n198\n199\n200"
    assert (await echo.screen(scrolled=True)).startswith("1\n2\n3\n")


async def test_a_terminal_says_what_it_shows_when_a_wait_is_in_vain(terminal: Start) -> None:
    cat = await terminal(["cat"])
    await cat.send("soup", "Enter")
    await cat.until("soup\nsoup")
    with pytest.raises(TerminalError, match=r"no 'salt' in 0.1 s:\nsoup\nsoup"):
        await cat.until("salt", seconds=0.1)
    await cat.send("C-c")
    assert await cat.ended() == 130


async def test_a_closed_terminal_hangs_up(terminal: Start) -> None:
    cat = await terminal(["cat"])
    await cat.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(cat.pid, 0)
    with pytest.raises(TerminalError, match="tmux has ended"):
        await cat.screen()


def test_what_a_machine_lacks_is_skipped_with_its_reason_and_fails_on_ci(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeconftest("from tests.conftest import pytest_configure, pytest_runtest_setup")
    pytester.makepyfile(
        "import pytest\n\n@pytest.mark.needs('tmux')\ndef test_one():\n    raise SystemExit\n"
    )
    quiet = ("-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CI", raising=False)
    here = pytester.runpytest_inprocess("-rs", *quiet)
    here.assert_outcomes(skipped=1)
    here.stdout.fnmatch_lines(["*no tmux on this machine (Debian: apt install tmux)*"])
    monkeypatch.setenv("CI", "true")
    on_ci = pytester.runpytest_inprocess(*quiet)
    on_ci.assert_outcomes(errors=1)
    on_ci.stdout.fnmatch_lines(["*no tmux on this machine*CI may skip nothing*"])


def test_a_program_is_found_under_its_other_names(tmp_path: Path) -> None:
    (tmp_path / "google-chrome").write_text("")
    (tmp_path / "google-chrome").chmod(0o755)
    assert needs("chromium", {"PATH": str(tmp_path)}) == tmp_path / "google-chrome"
