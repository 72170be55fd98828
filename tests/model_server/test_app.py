"""The HTTP application on a real server, with the engine that needs no model."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web

from model_server import wire
from model_server.app import SERVICE, create_app
from model_server.candidates import Policy
from model_server.checkpoint_format import Codec, Manifest
from model_server.engines import Continuation, Engine, Parameters
from model_server.engines.echo import EchoEngine
from model_server.service import Served

Server = tuple[aiohttp.ClientSession, str]


async def serve(app: web.Application) -> tuple[web.AppRunner, str]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


def served(models: Path, manifest: Manifest) -> Served:
    codec = Codec.read(models / "tiny")
    return Served("Juno", codec, manifest, Parameters(max_tokens=12, seed=1), Policy())


@pytest.fixture
async def server(models: Path) -> AsyncIterator[Server]:
    manifest = Manifest(style="dialogue", stop="\n", speaker="Juno", known_speakers=["Dex", "Juno"])
    made = served(models, manifest)
    app = create_app(made, lambda: EchoEngine(made.codec, 64, 2))
    runner, url = await serve(app)
    async with aiohttp.ClientSession() as session:
        await app[SERVICE].ready.wait()
        yield session, url
    await runner.cleanup()


async def get(server: Server, path: str, **options: Any) -> tuple[int, str]:
    session, url = server
    async with session.get(url + path, **options) as response:
        return response.status, await response.text()


async def post(server: Server, body: Any, **options: Any) -> tuple[int, Any]:
    session, url = server
    kind = {"data": body} if isinstance(body, (str, bytes)) else {"json": body}
    async with session.post(url + wire.CHAT_PATH, **kind, **options) as response:
        return response.status, await response.json()


async def test_get_answers_one_line_of_plain_text(server: Server) -> None:
    status, text = await get(server, "/?prompt=pizza&temperature=0")
    assert status == 200
    assert text.endswith("\n")
    assert text.strip()


async def test_the_originals_prompt_header_means_the_same_as_the_query(server: Server) -> None:
    query = await get(server, "/", params={"prompt": "grüne Pizza", "seed": "3"})
    header = await get(server, "/?seed=3", headers={"prompt": "gr%C3%BCne%20Pizza"})
    assert query == header


async def test_get_without_a_prompt_answers_too(server: Server) -> None:
    assert (await get(server, "/"))[0] == 200


async def test_chat_gives_all_candidates_with_a_verdict_each(server: Server) -> None:
    body = {"messages": [{"name": "Dex", "content": "LISTEN"}], "n": 4, "seed": 2}
    status, answer = await post(server, body)
    assert status == 200
    parsed = wire.ChatResponse.model_validate(answer)
    assert [choice.index for choice in parsed.choices] == [0, 1, 2, 3]
    assert all(choice.botconvo.verdict for choice in parsed.choices)
    assert parsed.model == "Juno"
    assert parsed.usage.total_tokens > parsed.usage.prompt_tokens > 0


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ("{", None),
        ([], None),
        ({}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [], "n": 0}, "n"),
        ({"messages": [], "n": wire.MAX_CANDIDATES + 1}, "n"),
        ({"messages": [], "temperature": -1}, "temperature"),
        ({"messages": [], "top_p": 0}, "top_p"),
        ({"messages": [], "max_tokens": 0}, "max_tokens"),
        ({"messages": [], "seed": -1}, "seed"),
        ({"messages": [{"content": "x" * (wire.MAX_PROMPT_CHARS + 1)}]}, "messages"),
        ({"messages": [{"content": "x"}] * (wire.MAX_MESSAGES + 1)}, "messages"),
    ],
)
async def test_a_bad_request_is_refused_in_openais_shape(
    server: Server, body: Any, param: str | None
) -> None:
    status, answer = await post(server, body)
    assert status == 400
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert answer["error"]["param"] == param
    assert answer["error"]["message"]


async def test_a_body_beyond_the_limit_is_413(server: Server) -> None:
    status, answer = await post(server, b"x" * (wire.MAX_BODY_BYTES + 1))
    assert (status, answer["error"]["type"]) == (413, "invalid_request_error")


async def test_get_with_a_bad_number_is_400(server: Server) -> None:
    status, text = await get(server, "/?prompt=x&temperature=warm")
    assert status == 400
    assert "temperature" in text


async def test_an_unknown_path_is_404_in_the_same_shape(server: Server) -> None:
    status, text = await get(server, "/nothing")
    assert (status, '"error"' in text) == (404, True)


async def test_another_host_name_is_refused(server: Server) -> None:
    status, text = await get(server, "/", headers={"Host": "evil.example"})
    assert status == 403
    assert "--allow-host" in text


class SlowEngine:
    """Answers when it is let go; tells when it began and whether it was cancelled."""

    name = "echo"
    slots = 1
    window = 64

    def __init__(self, answer: list[int]) -> None:
        self.answer = answer
        self.began = threading.Event()
        self.let_go = threading.Event()
        self.was_cancelled = threading.Event()

    def generate(
        self, prompt: Sequence[int], parameters: Parameters, emit: Any, cancelled: Any
    ) -> list[Continuation]:
        self.began.set()
        while not self.let_go.wait(0.01):
            if cancelled():
                self.was_cancelled.set()
                break
        return [Continuation(self.answer, [-1.0])]

    def close(self) -> None:
        self.let_go.set()


async def test_health_is_503_while_the_model_loads_and_requests_wait_for_it_no_longer(
    models: Path,
) -> None:
    made = served(models, Manifest())
    loaded = threading.Event()

    def load() -> Engine:
        loaded.wait()
        return EchoEngine(made.codec, 64, 1)

    app = create_app(made, load)
    runner, url = await serve(app)
    async with aiohttp.ClientSession() as session:
        assert (await session.get(url + "/health")).status == 503
        answer = await session.get(url + "/?prompt=x")
        assert (answer.status, "Retry-After" in answer.headers) == (503, True)
        loaded.set()
        await app[SERVICE].ready.wait()
        assert (await session.get(url + "/health")).status == 200
        assert (await session.get(url + "/?prompt=x")).status == 200
    await runner.cleanup()


async def test_a_full_queue_says_when_to_come_back(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MAX_WAITING", 1)
    made = served(models, Manifest())
    engine = SlowEngine(made.codec.encode("soup"))
    app = create_app(made, lambda: cast(Engine, engine))
    runner, url = await serve(app)
    async with aiohttp.ClientSession() as session:
        await app[SERVICE].ready.wait()
        asked = [asyncio.create_task(session.get(url + "/?prompt=x")) for _ in range(3)]
        done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result().status for task in done] == [503]
        engine.let_go.set()
        statuses = sorted(response.status for response in await asyncio.gather(*asked))
        assert statuses == [200, 200, 503]
    await runner.cleanup()


async def test_a_client_that_goes_away_cancels_its_generation(models: Path) -> None:
    made = served(models, Manifest())
    engine = SlowEngine(made.codec.encode("soup"))
    app = create_app(made, lambda: cast(Engine, engine))
    runner, url = await serve(app)
    async with aiohttp.ClientSession() as session:
        await app[SERVICE].ready.wait()
        asking = asyncio.create_task(session.get(url + "/?prompt=x"))
        await asyncio.to_thread(engine.began.wait)
        asking.cancel()
        assert await asyncio.to_thread(engine.was_cancelled.wait, 10)
    await runner.cleanup()
