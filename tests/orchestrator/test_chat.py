"""`botconvo chat`: one person and one friend, on a pipe and in a real terminal, with the demo."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from model_server import wire
from model_server.checkpoint_format import Manifest
from model_server.streams import event
from orchestrator.cast import DEMO
from orchestrator.errors import (
    ModelServerBusy,
    ModelServerDown,
    ModelServerRefused,
    OrchestratorError,
)
from orchestrator.one_to_one.names import own_name
from orchestrator.one_to_one.writing import showable
from orchestrator.servers.streaming import written
from tests.conftest import HANGS_AFTER_SECONDS

if TYPE_CHECKING:
    from tests.tmux import Terminal

Start = Callable[..., Awaitable["Terminal"]]
CHAT = [sys.executable, "-m", "orchestrator", "chat"]
SECONDS = HANGS_AFTER_SECONDS
DEX = DEMO / "friends" / "dex"


def chat(*arguments: object, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CHAT, *map(str, arguments)], input=typed, text=True, capture_output=True, check=False,
        timeout=SECONDS,
    )  # fmt: skip


@contextmanager
def served() -> Iterator[str]:
    """The address of a server that speaks as Dex."""
    command = [sys.executable, "-m", "model_server", "serve", DEX, "--port", "0", "--threads", "1"]
    with subprocess.Popen(
        [*map(str, command), "--end-with-stdin"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["ready"]["url"]
        process.kill()


@pytest.fixture(scope="module")
def dex() -> Iterator[str]:
    with served() as url:
        yield url


def test_a_line_in_is_an_answer_out_and_the_end_of_the_input_ends_it() -> None:
    done = chat("dex", typed="hi\n\nwhat do you think of soup?\n/why\n/forget\n/why\nbye")
    assert done.returncode == 0, done.stderr + Path("data/logs/Dex.log").read_text(encoding="utf-8")
    assert len(done.stdout.splitlines()) == 3
    assert all(done.stdout.splitlines())
    assert 'About: "soup", from line 3, You: "what do you think of soup?".' in done.stderr
    assert "Drawn with seed" in done.stderr
    assert "5 candidates, in the order of preference:" in done.stderr
    assert "Dex has forgotten what you two said." in done.stderr
    assert "There is no line yet that could be explained." in done.stderr
    assert not Path("data/transcript.sqlite").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["bort"], "There is no friend called 'bort'; there are Dex, Juno, Marlow, Priya."),
        ([], "Say with whom; there are Dex, Juno, Marlow, Priya."),
        (["dex", "--my-name", "DEX"], "Dex cannot talk with Dex; take another name."),
        (["dex", "--my-name", "a:b"], "'a:b' cannot be a name: 1 to 80 characters without a colon"),
        (["dex", "--keep", "no/where"], "no/where cannot be written (No such file or directory)."),
        (
            ["--url", "localhost:9"],
            "http://localhost:9 does not answer (connection refused); start one there with: "
            "botconvo serve FOLDER.",
        ),
    ],
)
def test_a_mistake_is_one_sentence_and_two(arguments: list[str], sentence: str) -> None:
    done = chat(*arguments, typed="hi\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert sentence in done.stderr


def test_a_full_disk_behind_what_is_kept_is_one_sentence() -> None:
    done = chat("dex", "--keep", "/dev/full", typed="hi\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == ["botconvo: --keep: No space left on device."]


def test_a_server_elsewhere_needs_no_settings(dex: str, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("broken", encoding="utf-8")
    done = chat("--url", dex, typed="/friends\n/me priya\nhi\n/again\n/switch Juno\n")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
    assert len(set(done.stdout.splitlines())) == 2
    assert "There are Dex; you talk with Dex." in done.stderr
    assert "Dex sees you as Priya now." in done.stderr
    assert f"{dex} speaks as Dex, not as 'Juno'." in done.stderr
    wrong = chat("juno", "--url", dex)
    assert (wrong.returncode, wrong.stderr) == (
        2,
        f"botconvo: {dex} speaks as Dex, not as 'juno'.\n",
    )


def test_a_show_that_runs_meanwhile_is_not_in_the_way() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        friend = f"[[friends]]\nname = 'Dex'\ncheckpoint = '{DEX}'\nport = {port}\n"
        Path("settings.toml").write_text(friend, encoding="utf-8")
        done = chat(typed="hi\n")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_who_still_learns_speaks_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints" / "dex"
    shutil.copytree(DEX, folder)
    Manifest.read(folder).model_copy(update={"in_training": True}).write(folder)
    done = chat(typed="hi\n")  # the only one there is
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert "Dex is still learning and speaks as of step 61." in done.stderr


def test_a_talk_is_kept_only_if_that_is_wished_for_and_for_nobody_else(dex: str) -> None:
    for _ in range(2):
        done = chat("--url", dex, "--keep", "talk.txt", "--my-name", "Ana", typed="hi\n")
        assert done.returncode == 0, done.stderr
    speakers = [line.split(" ")[2] for line in Path("talk.txt").read_text().splitlines()]
    assert speakers == ["Ana:", "Dex:", "Ana:", "Dex:"]
    assert stat.S_IMODE(Path("talk.txt").stat().st_mode) == 0o600


def test_without_an_answer_there_is_an_empty_line_and_a_reason() -> None:
    with served() as url:
        process = subprocess.Popen(
            [*CHAT, "--url", url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("hi\n")
        process.stdin.flush()
        assert process.stdout.readline().strip()
    out, err = process.communicate("still there?\n", timeout=SECONDS)
    assert (process.returncode, out) == (1, "\n")
    assert err == f"Dex has no answer: {url} does not answer (connection refused).\n"


def test_ctrl_c_and_a_reader_who_leaves_end_it_quietly(dex: str) -> None:
    for how in ("interrupt", "leave"):
        with subprocess.Popen(
            [*CHAT, "--url", dex],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write("hi\n")
            process.stdin.flush()
            process.stdout.readline()
            if how == "interrupt":
                process.send_signal(signal.SIGINT)
            else:
                process.stdout.close()
                process.stdin.write("hi\n")
                process.stdin.flush()
            assert process.wait(timeout=SECONDS) == 0
            assert process.stderr is not None
            assert process.stderr.read() == ""


@pytest.mark.needs("tmux")
async def test_a_talk_in_a_terminal(terminal: Start) -> None:
    talk = await terminal(
        [*CHAT, "Dex", "--my-name", "Ana"], columns=100, rows=40,
        environ={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    await talk.until("You talk with Dex, who is invented.", seconds=SECONDS)
    await talk.until("Ana and Dex · Nothing of it is kept.")
    await talk.send("how is the soup?", "Enter")
    await talk.until(lambda screen: "\nDex: " in screen, seconds=SECONDS)
    await talk.send("/why", "Enter")
    await talk.until('from line 1, Ana: "how is the soup?".')
    await talk.type("/switch ju")
    await talk.send("Tab", "Enter")
    await talk.until("You talk with Juno now, as Ana.", seconds=SECONDS)
    await talk.type("/me pr")
    await talk.send("Tab", "Enter")
    await talk.until("Juno sees you as Priya now.")
    await talk.send("hello", "Enter")
    await talk.until(lambda screen: "\nJuno: " in screen, seconds=SECONDS)
    assert not re.search(r"\x1b\[3[0-7]m", await talk.screen(styled=True))
    await talk.send("C-d")
    assert await talk.ended(seconds=SECONDS) == 0
    assert ">" not in [row[:1] for row in (await talk.screen()).splitlines()[-3:]]


@asynccontextmanager
async def slow(url: str, gate: asyncio.Event) -> AsyncIterator[str]:
    """The server, but slow: a whole answer never comes, and of a streamed one the end waits for the
    gate. The gate is shut behind it."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if not wire.ChatRequest.model_validate_json(await request.read()).stream:
            await asyncio.Event().wait()
        response = web.StreamResponse()
        await response.prepare(request)
        for word in ("the ", "soup ", "is ", "hot ", "at 7"):
            if word == "hot ":
                await gate.wait()
                gate.clear()
            await response.write(event({"choices": [{"delta": {"content": word}}]}))
        verdict = {"verdict": "fit", "score": -1.0}
        await response.write(event({"choices": [{"delta": {}, "botconvo": verdict}]}))
        return response

    async def pass_on(request: web.Request) -> web.Response:
        async with aiohttp.request("GET", url + request.path) as found:
            return web.Response(body=await found.read(), content_type=found.content_type)

    app = web.Application()
    app.add_routes([web.post(wire.CHAT_PATH, answer), web.get("/{path:.*}", pass_on)])
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.needs("tmux")
async def test_a_slow_friend_is_read_word_by_word_and_ctrl_c_stops_the_answer_first(
    terminal: Start, dex: str
) -> None:
    gate = asyncio.Event()
    async with slow(dex, gate) as url:
        talk = await terminal([*CHAT, "--url", url])
        await talk.until("You and Dex", seconds=SECONDS)
        await talk.send("how is the soup?", "Enter")
        await talk.until("\nDex: the soup is\n>")
        assert "Dex writes, Ctrl-C stops it" in await talk.screen()
        await talk.send("C-c")
        await talk.until("Stopped.")
        assert "Dex: " not in await talk.screen()
        await talk.send("and the tea?", "Enter")
        await talk.until("\nDex: the soup is\n>")
        gate.set()
        await talk.until("\nDex: the soup is hot at 7\n>")
        await talk.until("You and Dex")
        await talk.send("C-c")
        assert await talk.ended(seconds=SECONDS) == 0


async def test_the_words_that_a_server_streams_are_its_answer(dex: str) -> None:
    request = wire.ChatRequest(messages=[wire.Message(name="Ana", content="soup?")], seed=7)
    async with aiohttp.ClientSession() as session:
        parts = [part async for part in written(session, dex, request)]
        body = request.model_copy(update={"n": 1}).model_dump(exclude_none=True)
        async with session.post(dex + wire.CHAT_PATH, json=body) as answer:
            [whole] = wire.ChatResponse.model_validate(await answer.json()).choices
    *words, verdict = parts
    assert len(words) > 1
    assert "".join(map(str, words)) == whole.message.content
    assert verdict == whole.botconvo


async def test_what_is_no_stream_of_words_is_one_error(dex: str) -> None:
    async def odd(request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        if kind == "busy":
            raise web.HTTPServiceUnavailable(text=json.dumps(wire.error_body("busy", "x")))
        texts = {"html": "data: <html>", "short": "", "shape": 'data: {"choices": 3}'}
        return web.Response(text=texts[kind] + "\n\n")

    app = web.Application()
    app.add_routes([web.post("/{kind}" + wire.CHAT_PATH, odd)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    request = wire.ChatRequest(messages=[])
    errors = {
        f"{url}/busy": ModelServerBusy, f"{url}/html": ModelServerRefused,
        f"{url}/short": ModelServerDown, f"{url}/shape": ModelServerRefused,
        "http://127.0.0.1:9": ModelServerDown,
    }  # fmt: skip
    async with aiohttp.ClientSession() as session:
        for place, error in errors.items():
            with pytest.raises(error):
                [part async for part in written(session, place, request)]
    await runner.cleanup()


@given(st.text(alphabet="ab @.5é\n"), st.integers(0, 40))
def test_what_is_seen_before_it_is_judged_has_nothing_private_in_it(text: str, count: int) -> None:
    seen = showable(text[:count], ["bab"])
    assert text.startswith(seen)
    assert not set("@5") & set(seen)
    assert "bab" not in seen
    assert seen == seen.rstrip("ab.é") or seen.endswith((" ", "\n"))


def test_you_are_who_the_friend_knows_you_as(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "priya")
    assert own_name(None, ["Priya", "Juno"], "Dex") == "Priya"
    assert own_name(None, ["Juno"], "Dex") == "You"
    assert own_name(" jUNO ", ["Juno"], "Dex") == "Juno"
    assert own_name("Ana  María", ["Juno"], "Dex") == "Ana María"
    for wrong in ("", "x" * 81, "a\x1bb", "dex"):
        with pytest.raises(OrchestratorError):
            own_name(wrong, ["Juno"], "Dex")
