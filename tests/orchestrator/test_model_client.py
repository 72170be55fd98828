"""What a server may do to its client: real servers that misbehave, over real sockets."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from errno import ECONNREFUSED
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from model_server import wire
from orchestrator.errors import (
    ModelServerBusy,
    ModelServerDown,
    ModelServerError,
    ModelServerRefused,
)
from orchestrator.servers.client import (
    MAX_TRIES_WHILE_BUSY,
    Candidate,
    Deadlines,
    ModelClient,
    _Answer,
    _reason,
    _seconds_until,
)

IMPATIENT = Deadlines(
    connect_seconds=0.5, first_byte_seconds=0.3, total_seconds=0.6, about_seconds=0.3
)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(*texts: str) -> dict[str, Any]:
    choices = [
        wire.Choice(
            index=place, message=wire.Message(content=text), finish_reason="stop",
            botconvo=wire.Verdict(verdict="fit", score=-1.0),
        )
        for place, text in enumerate(texts)
    ]  # fmt: skip
    usage = wire.Usage(prompt_tokens=1, completion_tokens=1, total_tokens=2)
    return wire.ChatResponse(
        id="1", created=1, model="m", choices=choices, usage=usage
    ).model_dump()  # fmt: skip


async def good(request: web.Request) -> web.StreamResponse:
    return web.json_response(answer("hello"))


@asynccontextmanager
async def asked(url: str, **more: Any) -> AsyncIterator[ModelClient]:
    async with aiohttp.ClientSession() as session:
        yield ModelClient(session, url, **{"deadlines": IMPATIENT} | more)


@asynccontextmanager
async def serving(handler: Handler, **more: Any) -> AsyncIterator[ModelClient]:
    """A client of a real server that answers everything by the handler."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(app) as server, asked(str(server.make_url("/")), **more) as client:
        yield client


@asynccontextmanager
async def speaking(*answers: bytes, **more: Any) -> AsyncIterator[tuple[ModelClient, list[bytes]]]:
    """A client of a server that gives each connection the next of these bytes and closes it, and
    the requests that it read."""
    requests: list[bytes] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
             if line.startswith(b"content-length")), 0,
        )  # fmt: skip
        requests.append(head + await reader.readexactly(length))
        writer.write(answers[min(len(requests), len(answers)) - 1])
        writer.close()

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with asked(f"http://127.0.0.1:{port}", **more) as client:
            yield client, requests


async def draw(client: ModelClient) -> list[Candidate]:
    return await client.candidates(
        (), speaker="Ana", phrase="soup", begin_with_phrase=False, sampling=wire.Sampling(n=1)
    )


def http(body: bytes, length: int | None = None) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {length or len(body)}\r\n\r\n"
    return head.encode() + body


GOOD = http(wire.ChatResponse.model_validate(answer("hello")).model_dump_json().encode())


async def test_candidates_come_with_their_verdicts() -> None:
    async with serving(good) as client:
        assert await draw(client) == [Candidate("hello", "fit", -1.0)]


async def test_a_refused_connection_is_down_and_told_of_once() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        told: list[tuple[str, bool]] = []
        on_down = lambda why, is_hung: told.append((why, is_hung))  # noqa: E731
        async with asked(f"http://127.0.0.1:{port}", on_down=on_down) as client:
            with pytest.raises(ModelServerDown) as caught:
                await draw(client)
        assert told == [(str(caught.value), False)]
        url = f"http://127.0.0.1:{port}"
        assert str(caught.value) == f"{url} does not answer ({os.strerror(ECONNREFUSED).lower()})"


async def test_a_host_that_is_not_there_is_down() -> None:
    async with asked("http://nowhere.invalid") as client:
        with pytest.raises(ModelServerDown, match=r"does not answer \(there is no such host\)"):
            await draw(client)


async def test_what_is_no_url_is_no_botconvo_server() -> None:
    for url in ("here", "ftp://127.0.0.1", "http://"):
        async with asked(url) as client:
            with pytest.raises(ModelServerRefused, match="is no BotConvo model server"):
                await draw(client)


async def test_a_connection_that_goes_before_any_answer_is_tried_once_more_with_the_same() -> None:
    async with speaking(b"", GOOD) as (client, requests):
        assert [candidate.text for candidate in await draw(client)] == ["hello"]
        assert len(requests) == 2
        assert requests[0] == requests[1]
    async with speaking(b"") as (client, requests):
        with pytest.raises(ModelServerDown, match="does not answer"):
            await draw(client)
        assert len(requests) == 2


async def test_nothing_is_asked_twice_once_an_answer_has_begun() -> None:
    async with speaking(http(b'{"id"', length=500)) as (client, requests):
        with pytest.raises(ModelServerDown, match="broke off in the middle"):
            await draw(client)
        assert len(requests) == 1


async def test_a_server_that_never_answers_is_hung() -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    told: list[bool] = []
    async with serving(silent, on_down=lambda why, is_hung: told.append(is_hung)) as client:
        with pytest.raises(ModelServerDown, match=r"does not answer within 0\.3 seconds"):
            await draw(client)
        with pytest.raises(ModelServerDown, match=r"does not answer within 0\.3 seconds"):
            await client.health()
    assert told == [True, True]


@asynccontextmanager
async def drawing_for_ever(
    health: Handler, deadlines: Deadlines
) -> AsyncIterator[tuple[ModelClient, list[bool]]]:
    """A client whose lines never come, and what it says of hanging."""

    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    app = web.Application()
    app.router.add_post(wire.CHAT_PATH, silent)
    app.router.add_get(wire.HEALTH_PATH, health)
    told: list[bool] = []
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        yield (
            ModelClient(
                session, str(server.make_url("")), deadlines=deadlines,
                on_down=lambda why, is_hung: told.append(is_hung),
            ),
            told,
        )  # fmt: skip


async def test_a_server_that_hangs_while_it_draws_is_noticed_long_before_a_line_is_due() -> None:
    asked = asyncio.Event()

    async def hangs(request: web.Request) -> web.StreamResponse:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    deadlines = Deadlines(sign_of_life_seconds=0.05, about_seconds=0.2)
    async with drawing_for_ever(hangs, deadlines) as (client, told), asyncio.timeout(10):
        with pytest.raises(ModelServerDown, match=r"does not answer within 0\.2 seconds"):
            await draw(client)
    assert asked.is_set()
    assert told == [True]


async def test_a_slow_server_that_gives_signs_of_life_keeps_its_time() -> None:
    signs = 0

    async def lives(request: web.Request) -> web.StreamResponse:
        nonlocal signs
        signs += 1
        return web.json_response({"status": "ok", "model": "m"})

    deadlines = replace(IMPATIENT, first_byte_seconds=0.4, sign_of_life_seconds=0.05)
    async with drawing_for_ever(lives, deadlines) as (client, _):
        with pytest.raises(ModelServerDown, match=r"does not answer within 0\.4 seconds"):
            await draw(client)
    assert signs > 1


async def test_an_answer_that_drips_is_cut_off_in_time() -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.05)  # the server's own slowness

    async with serving(drip) as client:
        began = time.monotonic()
        with pytest.raises(ModelServerDown, match=r"does not finish its answer within 0\.6"):
            await draw(client)
        assert 0.5 < time.monotonic() - began < 3


async def test_an_endless_answer_is_cut_off() -> None:
    sent = 0
    ended = asyncio.Event()

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 100_000)
                sent += 100_000
        finally:
            ended.set()

    async with serving(flood, deadlines=Deadlines()) as client:
        with pytest.raises(ModelServerRefused, match="more than 1000000 bytes"):
            await draw(client)
        async with asyncio.timeout(10):
            await ended.wait()
    assert sent < 100_000_000


@pytest.mark.parametrize(
    "said",
    [
        b"220 mail.example ESMTP\r\n\r\n",
        b"\x00\xff\xfe\r\n\r\n",
        http(b""),
        http(b"<html>hello</html>"),
        http(b"[]"),
        http(b'{"choices": "none"}'),
        http(b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}}]}'),
        http(b"\xff\xfe\xfa"),
        http(b"[" * 100_000),
    ],
)
async def test_rubbish_is_no_botconvo_server(said: bytes) -> None:
    async with speaking(said) as (client, _):
        for question in (draw(client), client.manifest(), client.health(), client.version()):
            with pytest.raises(ModelServerRefused) as caught:
                await question
            assert "is no BotConvo model server" in str(caught.value)
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (500, ModelServerRefused, "status 500"),
        (404, ModelServerRefused, "status 404"),
        (401, ModelServerRefused, r"\$BOTCONVO_SERVER_KEY"),
        (302, ModelServerRefused, "status 302"),
        (204, ModelServerRefused, "status 204"),
        (502, ModelServerDown, "status 502"),
        (504, ModelServerDown, "status 504"),
        (503, ModelServerBusy, "status 503"),
        (429, ModelServerBusy, "status 429"),
    ],
)
async def test_every_other_status_is_an_error_of_one_sentence(
    status: int, kind: type[ModelServerError], words: str
) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": "http://127.0.0.1:1/"})

    async with serving(refuse) as client:
        with pytest.raises(kind, match=words):
            await draw(client)


async def test_a_reason_in_openais_shape_is_passed_on() -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        body = wire.error_body("messages: too\nlong", "invalid_request_error")
        return web.json_response(body, status=400)

    async with serving(refuse) as client:
        with pytest.raises(ModelServerRefused, match=r"answers: messages: too long$"):
            await draw(client)


async def test_no_candidate_at_all_is_no_answer() -> None:
    async def nothing(request: web.Request) -> web.StreamResponse:
        return web.json_response(answer())

    async with serving(nothing) as client:
        with pytest.raises(ModelServerRefused, match="without a single candidate"):
            await draw(client)


@pytest.mark.parametrize(
    ("retry_after", "tries"),
    [("0", MAX_TRIES_WHILE_BUSY), ("3600", 1), ("soon", 1), (None, 1), ("9" * 400, 1)],
)
async def test_a_busy_server_is_asked_again_when_it_says_within_bounds(
    retry_after: str | None, tries: int
) -> None:
    count = 0

    async def busy(request: web.Request) -> web.StreamResponse:
        nonlocal count
        count += 1
        return web.Response(
            status=503, headers={"Retry-After": retry_after} if retry_after else None
        )  # fmt: skip

    async with serving(busy) as client:
        with pytest.raises(ModelServerBusy):
            await draw(client)
    assert count == tries


async def test_a_server_that_was_busy_once_answers_after_the_time_that_it_named() -> None:
    times: list[float] = []

    async def busy_once(request: web.Request) -> web.StreamResponse:
        times.append(time.monotonic())
        if len(times) == 1:
            return web.Response(status=429, headers={"Retry-After": "1"})
        return await good(request)

    async with serving(busy_once) as client:
        assert [candidate.text for candidate in await draw(client)] == ["hello"]
    assert 1 <= times[1] - times[0] < 5


async def test_no_more_requests_draw_at_once_than_allowed() -> None:
    running, most = 0, 0
    two_inside = asyncio.Event()

    async def counted(request: web.Request) -> web.StreamResponse:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 2:
            two_inside.set()
        await two_inside.wait()  # only passes if two may draw at once
        response = await good(request)
        running -= 1
        return response

    limit = asyncio.Semaphore(2)
    async with serving(counted, generating=limit, deadlines=Deadlines()) as client:
        await asyncio.gather(*(draw(client) for _ in range(6)))
    assert most == 2


async def test_another_openai_server_is_no_botconvo_server() -> None:
    async def models(request: web.Request) -> web.StreamResponse:
        card = {"id": "gpt", "object": "model", "created": 1, "owned_by": "somebody"}
        return web.json_response({"object": "list", "data": [card]})

    async with serving(models) as client:
        with pytest.raises(ModelServerRefused, match="is no BotConvo model server; mend"):
            await client.manifest()


@given(st.text())
def test_any_retry_after_is_a_time_or_none(text: str) -> None:
    seconds = _seconds_until(text)
    assert seconds is None or seconds >= 0


def test_retry_after_may_be_a_date() -> None:
    assert _seconds_until("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    seconds = _seconds_until("Wed, 21 Oct 2115 07:28:00 GMT")
    assert seconds is not None
    assert seconds > 3600
    assert _seconds_until("2.5") is None


@given(st.binary())
def test_any_body_of_an_error_makes_one_short_sentence(body: bytes) -> None:
    reason = _reason(_Answer(500, None, body))
    assert reason
    assert "\n" not in reason
