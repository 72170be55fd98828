"""Many clients, clients that leave, and a server that is told to end."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import aiohttp
import pytest

from model_server import wire
from model_server.app import SERVICE, create_app
from model_server.checkpoint_format import Manifest
from model_server.engines import Continuation, Engine, Parameters
from tests.conftest import AT_ONCE_SECONDS, HANGS_AFTER_SECONDS
from tests.model_server.running import Running, eventually, running
from tests.model_server.test_app import serve, served

CROWD = 200
QUEUE = ("botconvo_requests_running", "botconvo_requests_waiting")

SLOW_ECHO = """
import pathlib, sys, time
from model_server.cli import main
from model_server.engines.echo import EchoEngine

folder = pathlib.Path(sys.argv.pop(1))
echo = EchoEngine.generate

def generate(self, prompt, parameters, emit, cancelled):
    (folder / "began").touch()
    while not (folder / "let-go").exists() and not cancelled():
        time.sleep(0.01)
    return echo(self, prompt, parameters, emit, cancelled)

EchoEngine.generate = generate
sys.exit(main(sys.argv[1:]))
"""


@contextmanager
def slow_server(checkpoints: Path, folder: Path, *arguments: object) -> Iterator[Running]:
    """The real command with an engine that answers once there is a file `let-go`."""
    program = ("-c", SLOW_ECHO, str(folder))
    with running(
        folder / "log", checkpoints / "marlow", "--engine", "echo", *arguments, program=program
    ) as server:
        yield server


class TalkingEngine:
    """Says the same token for as long as anybody listens, or `tokens` times."""

    name = "echo"
    slots = 1
    window = 64

    def __init__(self, token: int, tokens: int = 1_000_000, fails: bool = False) -> None:
        self.token = token
        self.tokens = tokens
        self.fails = fails
        self.cancelled = threading.Semaphore(0)

    def generate(
        self, prompt: Sequence[int], parameters: Parameters, emit: Any, cancelled: Any
    ) -> list[Continuation]:
        said = Continuation()
        while len(said.ids) < self.tokens:
            if cancelled():
                self.cancelled.release()
                said.stopped = "cancelled"
                break
            said.ids.append(self.token)
            said.logprobs.append(-1.0)
            said.top.append({})
            emit(0, self.token, -1.0)
            time.sleep(0.002)
        if self.fails:
            raise RuntimeError("the model fell over")
        return [said]

    def close(self) -> None:
        """Nothing to give back."""


@asynccontextmanager
async def talking(models: Path, engine: TalkingEngine) -> AsyncIterator[tuple[Any, Any, str]]:
    made = served(models, Manifest())
    engine.token = made.codec.encode("soup")[0]
    app = create_app(made, lambda: cast(Engine, engine))
    runner, url = await serve(app)
    async with aiohttp.ClientSession() as session:
        await app[SERVICE].ready.wait()
        yield app, session, url
    await runner.cleanup()


async def test_none_of_two_hundred_at_once_is_lost(checkpoints: Path, tmp_path: Path) -> None:
    with running(tmp_path / "log", checkpoints / "marlow", "--engine", "llama") as server:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(server.url, connector=connector) as session:

            async def ask(number: int) -> int:
                body = {"messages": [{"content": f"soup {number}"}], "stream": number % 4 == 0}
                async with session.post(wire.CHAT_PATH, json=body) as response:
                    text = await response.text()
                    if response.status == 503:
                        assert int(response.headers["Retry-After"]) > 0
                        assert json.loads(text)["error"]["type"] == "server_error"
                    elif body["stream"]:
                        assert text.endswith("data: [DONE]\n\n")
                    else:
                        assert wire.ChatResponse.model_validate_json(text).choices
                    return response.status

            statuses = Counter(await asyncio.gather(*map(ask, range(CROWD))))
            assert sum(statuses.values()) == CROWD
            assert set(statuses) <= {200, 503}
            assert statuses[200] >= wire.MAX_WAITING
            assert await ask(1) == 200
        assert [server.metric(name) for name in QUEUE] == [0, 0]
        answered = f'botconvo_requests_total{{path="{wire.CHAT_PATH}",status="200"}}'
        assert server.metric(answered) == statuses[200] + 1
        assert not [line for line in server.logged() if line["level"] == "error"]


async def test_those_who_come_back_are_all_answered_in_the_end(
    checkpoints: Path, tmp_path: Path
) -> None:
    """What Retry-After promises, with the pause shortened."""
    with running(tmp_path / "log", checkpoints / "marlow", "--engine", "llama") as server:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(server.url, connector=connector) as session:

            async def ask(number: int) -> bool:
                body = {"prompt": f"soup {number}", "max_tokens": 8}
                for _ in range(100):
                    async with session.post(wire.COMPLETIONS_PATH, json=body) as response:
                        if response.status == 200:
                            return True
                    await asyncio.sleep(0.1)
                return False

            assert all(await asyncio.gather(*map(ask, range(CROWD))))


async def test_a_listener_who_leaves_a_stream_frees_the_slot(models: Path) -> None:
    engine = TalkingEngine(0)
    body = {"messages": [{"content": "x"}], "stream": True}
    async with talking(models, engine) as (app, session, url):
        for _ in range(3):  # there is one slot
            response = await session.post(url + wire.CHAT_PATH, json=body)
            assert response.status == 200
            assert (await response.content.readline()).startswith(b"data: ")
            response.close()
            assert await asyncio.to_thread(engine.cancelled.acquire, timeout=HANGS_AFTER_SECONDS)
        engine.tokens = 3
        assert (await session.get(url + "/?prompt=x")).status == 200
        figures = app[SERVICE].metrics.text().decode()
        assert [f"{name} 0.0" in figures for name in QUEUE] == [True, True]


async def test_one_who_waits_and_leaves_is_never_drawn_for(models: Path) -> None:
    engine = TalkingEngine(0)
    async with talking(models, engine) as (app, session, url):
        first = asyncio.create_task(session.get(url + "/?prompt=x"))
        second = asyncio.create_task(session.get(url + "/?prompt=x"))

        def is_waiting(count: int) -> bool:
            return f"botconvo_requests_waiting {count}.0" in app[SERVICE].metrics.text().decode()

        assert await asyncio.to_thread(eventually, lambda: is_waiting(1))
        second.cancel()
        assert await asyncio.to_thread(eventually, lambda: is_waiting(0))
        first.cancel()
        assert await asyncio.to_thread(engine.cancelled.acquire, timeout=HANGS_AFTER_SECONDS)
        assert not engine.cancelled.acquire(blocking=False)


@pytest.mark.parametrize("path", [wire.CHAT_PATH, wire.COMPLETIONS_PATH])
async def test_a_stream_whose_model_fails_says_so_and_ends(models: Path, path: str) -> None:
    """It used to get a second status line in the middle of the body."""
    engine = TalkingEngine(0, tokens=3, fails=True)
    body = {"messages": [{"content": "x"}], "prompt": "x", "stream": True}
    async with talking(models, engine) as (_, session, url):
        async with session.post(url + path, json=body) as response:
            assert response.status == 200
            *_, last = (await response.text()).strip().split("\n\n")
        error = json.loads(last.removeprefix("data: "))["error"]
        assert (error["type"], "fell over" in error["message"]) == ("server_error", False)
        async with session.post(url + path, json=body | {"stream": False}) as response:
            assert response.status == 500
            assert (await response.json())["error"]["type"] == "server_error"
        engine.fails = False
        assert (await session.get(url + "/?prompt=x")).status == 200


def test_sigterm_finishes_what_runs_and_takes_no_more(checkpoints: Path, tmp_path: Path) -> None:
    with slow_server(checkpoints, tmp_path) as server, ThreadPoolExecutor() as threads:
        waiting = http.client.HTTPConnection(
            urlsplit(server.url).netloc, timeout=HANGS_AFTER_SECONDS
        )
        waiting.connect()
        asked = threads.submit(server.ask, "/?prompt=soup")
        assert eventually((tmp_path / "began").exists)
        server.process.send_signal(signal.SIGTERM)
        assert eventually(lambda: is_refused(server.url))
        waiting.request("GET", "/health")
        response = waiting.getresponse()
        assert (response.status, json.loads(response.read())["status"]) == (503, "ending")
        waiting.request("GET", "/?prompt=soup")
        response = waiting.getresponse()
        assert (response.status, "Retry-After" in response.headers) == (503, True)
        waiting.close()
        (tmp_path / "let-go").touch()
        status, _, text = asked.result(timeout=HANGS_AFTER_SECONDS)
        assert (status, bool(text.strip())) == (200, True)
        assert server.process.wait(timeout=HANGS_AFTER_SECONDS) == 0


def test_a_request_that_takes_longer_than_the_grace_is_cancelled_and_told_so(
    checkpoints: Path, tmp_path: Path
) -> None:
    with (
        slow_server(checkpoints, tmp_path, "--grace", "0.2") as server,
        ThreadPoolExecutor() as threads,
    ):
        asked = threads.submit(server.ask, "/?prompt=soup")
        assert eventually((tmp_path / "began").exists)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=HANGS_AFTER_SECONDS) == 0
        status, headers, _ = asked.result(timeout=HANGS_AFTER_SECONDS)
        assert (status, "Retry-After" in headers) == (503, True)


def test_the_end_of_stdin_ends_at_once_whatever_runs(checkpoints: Path, tmp_path: Path) -> None:
    with (
        slow_server(
            checkpoints, tmp_path, "--end-with-stdin", "--grace", HANGS_AFTER_SECONDS
        ) as server,
        ThreadPoolExecutor() as threads,
    ):
        asked = threads.submit(server.ask, "/?prompt=soup")
        assert eventually((tmp_path / "began").exists)
        assert server.process.stdin is not None
        server.process.stdin.close()
        assert server.process.wait(timeout=AT_ONCE_SECONDS) == 0
        assert asked.result(timeout=HANGS_AFTER_SECONDS)[0] == 503


def is_refused(url: str) -> bool:
    netloc = urlsplit(url)
    try:
        with socket.create_connection((netloc.hostname or "", netloc.port or 0), timeout=1):
            return False
    except ConnectionError:  # refused, or reset while the socket closes
        return True
