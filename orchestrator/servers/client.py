"""One friend's server over HTTP. aiohttp's errors stop here: whatever a server does comes out as
candidates, or as ModelServerDown, ModelServerBusy or ModelServerRefused with one sentence."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import aiohttp
from pydantic import BaseModel, ValidationError

from model_server import wire
from model_server.checkpoint_format import Manifest
from orchestrator.errors import ModelServerBusy, ModelServerDown, ModelServerRefused
from orchestrator.talk.turn import SpokenLine

KEY_VARIABLE = "BOTCONVO_SERVER_KEY"
"""The key that model servers ask for, if they do."""
MAX_ANSWER_BYTES = 1_000_000
"""Sixteen candidates of the longest window are a tenth of this."""
MAX_TRIES_WHILE_BUSY = 4
SPEED = re.compile(r"^botconvo_tokens_per_second ([\d.]+(?:e[+-]?\d+)?)$", re.MULTILINE)
"""In the exposition format of Prometheus."""
MAX_REASON_CHARS = 300

Shape = TypeVar("Shape", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long each part of a request may take."""

    connect_seconds: float = 5.0
    """A machine that is there accepts within a round trip, even around the world."""
    first_byte_seconds: float = 120.0
    """A 1558M model on a slow laptop needs a minute for a line, and answers when all candidates are
    drawn."""
    sign_of_life_seconds: float = 10.0
    """A server that draws for longer is asked meanwhile, every so often, whether it is still there:
    how long a line may take depends on model, machine and queue, but a server that hangs does not
    tell of its health either."""
    total_seconds: float = 130.0
    """The answer itself is a few kilobytes."""
    about_seconds: float = 5.0
    """Of requests that draw nothing: health, manifest."""
    busy_seconds: float = 10.0
    """Retry-After is obeyed as long as the waits together are no longer than this; beyond it
    somebody else may speak."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A line that the friend might say, and the server's verdict ("fit" or a reason)."""

    text: str
    verdict: str
    score: float
    made_up_words: int = 0

    @property
    def is_fit(self) -> bool:
        return self.verdict == "fit"


class _Info(BaseModel):
    version: str


class _Description(BaseModel):
    """The part of an OpenAPI document that is asked for."""

    info: _Info


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    retry_after: str | None
    body: bytes


OnDown = Callable[[str, bool], None]
"""Told why a server counts as down, and whether it took the request and hung."""


class ModelClient:
    """Asks one server. `generating` limits how many requests that draw run at once; `on_down` hears
    of a server that cannot be reached or leaves a request without an answer."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        *,
        deadlines: Deadlines | None = None,
        generating: asyncio.Semaphore | None = None,
        on_down: OnDown = lambda why, is_hung: None,
    ) -> None:
        self._session = session
        self.url = url.rstrip("/")
        self._deadlines = deadlines or Deadlines()
        self._generating = generating or contextlib.nullcontext()
        self._on_down = on_down

    async def candidates(
        self,
        lines: Sequence[SpokenLine],
        *,
        speaker: str,
        phrase: str,
        begin_with_phrase: bool,
        sampling: wire.Sampling,
    ) -> list[Candidate]:
        """Candidates for the speaker's next line, the server's favourite first; at least one.

        Raises ModelServerDown, ModelServerBusy or ModelServerRefused.
        """
        body = chat_request(
            lines, speaker=speaker, phrase=phrase, begin_with_phrase=begin_with_phrase,
            sampling=sampling,
        )  # fmt: skip
        answer = self._read(wire.ChatResponse, await self._drawn(body))
        if not answer.choices:
            raise ModelServerRefused(f"{self.url} answered without a single candidate")
        return [Candidate(c.message.content, **c.botconvo.model_dump()) for c in answer.choices]

    async def health(self) -> wire.Health:
        """How the server says it is; a loading one answers, too. Raises ModelServerDown or
        ModelServerRefused."""
        answer = await self._ask("GET", wire.HEALTH_PATH)
        return self._read(wire.Health, answer if answer.status == 503 else self._good(answer))

    async def manifest(self) -> Manifest:
        """What the served checkpoint tells of itself. Raises ModelServerDown, ModelServerBusy, or
        ModelServerRefused if this is no BotConvo model server."""
        models = self._read(wire.ModelList, self._good(await self._ask("GET", wire.MODELS_PATH)))
        try:
            [card] = models.data
            return Manifest.model_validate(card.botconvo)
        except ValueError as error:  # pydantic's, too
            raise self._is_no_botconvo_server() from error

    async def version(self) -> str:
        """Of the interface that the server describes. Raises like `manifest`."""
        answer = self._good(await self._ask("GET", wire.OPENAPI_PATH))
        return self._read(_Description, answer).info.version

    async def tokens_per_second(self) -> float | None:
        """How fast the last line was drawn; None if none was yet. Raises like `manifest`."""
        metrics = self._good(await self._ask("GET", wire.METRICS_PATH)).body
        found = SPEED.search(metrics.decode(errors="replace"))
        return (float(found[1]) or None) if found else None

    # --- one request ------------------------------------------------------------------------

    async def _drawn(self, body: wire.ChatRequest) -> _Answer:
        """The good answer to a request that draws. A busy server is asked again when it says."""
        waited = 0.0
        for tries_left in reversed(range(MAX_TRIES_WHILE_BUSY)):
            async with self._generating:
                answer = await self._while_alive(
                    self._ask(
                        "POST", wire.CHAT_PATH, body.model_dump(exclude_none=True),
                        self._deadlines.first_byte_seconds, self._deadlines.total_seconds,
                    )
                )  # fmt: skip
            try:
                return self._good(answer)
            except ModelServerBusy:
                seconds = _seconds_until(answer.retry_after)
                if not tries_left or seconds is None:
                    raise
                waited += seconds
                if waited > self._deadlines.busy_seconds:
                    raise
                await asyncio.sleep(seconds)
        raise AssertionError("the last try returns or raises")

    async def _while_alive(self, asking: Coroutine[Any, Any, _Answer]) -> _Answer:
        """The answer, waited for as long as the server gives signs of life. Raises ModelServerDown
        as soon as it gives none."""
        task = asyncio.create_task(asking)
        try:
            while not (await asyncio.wait([task], timeout=self._deadlines.sign_of_life_seconds))[0]:
                with contextlib.suppress(ModelServerBusy, ModelServerRefused):  # it said something
                    await self.health()
            return await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        first_byte_seconds: float | None = None,
        total_seconds: float | None = None,
        *,
        is_again: bool = False,
    ) -> _Answer:
        """Any answer. A connection that is refused, or goes before anything of the answer has come,
        is tried once more with the same request."""
        first = first_byte_seconds or self._deadlines.about_seconds
        total = total_seconds or self._deadlines.about_seconds
        timeout = aiohttp.ClientTimeout(
            total=total, sock_connect=self._deadlines.connect_seconds, sock_read=first
        )
        has_begun = False
        try:
            # A redirect could carry the key elsewhere, and no BotConvo server sends any.
            async with self._session.request(
                method, self.url + path, json=body, timeout=timeout, allow_redirects=False
            ) as response:
                has_begun = True
                return _Answer(
                    response.status, response.headers.get("Retry-After"), await self._body(response)
                )
        except aiohttp.ConnectionTimeoutError as error:
            raise self._down("does not accept connections", is_hung=True) from error
        except TimeoutError as error:
            seconds = total if has_begun else min(first, total)
            what = "does not finish its answer" if has_begun else "does not answer"
            raise self._down(f"{what} within {seconds:g} seconds", is_hung=True) from error
        except aiohttp.ClientPayloadError as error:
            raise self._down("broke off in the middle of its answer") from error
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            if has_begun or is_again:
                raise self._down(f"does not answer ({_cause(error)})") from error
            return await self._ask(method, path, body, first, total, is_again=True)
        except aiohttp.ClientError as error:  # no HTTP, no URL
            raise self._is_no_botconvo_server() from error

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        body = b""
        async for part in response.content.iter_any():
            body += part
            if len(body) > MAX_ANSWER_BYTES:
                raise ModelServerRefused(
                    f"{self.url} answers with more than {MAX_ANSWER_BYTES} bytes, which is no line "
                    "of chat"
                )
        return body

    # --- what an answer means ---------------------------------------------------------------

    def _good(self, answer: _Answer) -> _Answer:
        """The answer if it is one. Raises the error that its status stands for."""
        if answer.status == 200:
            return answer
        reason = f"{self.url} answers: {_reason(answer)}"
        if answer.status in (429, 503):
            raise ModelServerBusy(reason)
        if answer.status in (502, 504):  # a proxy that does not reach the server behind it
            raise self._down(f"answers: {_reason(answer)}")
        if answer.status in (401, 403):
            reason += (
                f" (name a file with the key as servers.key_file in settings.toml, or put it into "
                f"${KEY_VARIABLE})"
            )
        raise ModelServerRefused(reason)

    def _read(self, shape: type[Shape], answer: _Answer) -> Shape:
        try:
            return shape.model_validate_json(answer.body)
        except ValidationError as error:
            raise self._is_no_botconvo_server() from error

    def _is_no_botconvo_server(self) -> ModelServerRefused:
        return ModelServerRefused(
            f"{self.url} is no BotConvo model server; mend the friend's url, or start one there "
            "with: botconvo serve FOLDER"
        )

    def _down(self, what: str, *, is_hung: bool = False) -> ModelServerDown:
        error = ModelServerDown(f"{self.url} {what}")
        self._on_down(str(error), is_hung)
        return error


def chat_request(
    lines: Sequence[SpokenLine],
    *,
    speaker: str,
    phrase: str,
    begin_with_phrase: bool,
    sampling: wire.Sampling,
) -> wire.ChatRequest:
    """What a server is asked for the speaker's next line."""
    return wire.ChatRequest(
        messages=[_message(line, speaker) for line in lines],
        botconvo=wire.Steering(phrase=phrase, begin_with_phrase=begin_with_phrase, speaker=speaker),
        **sampling.model_dump(),
    )


def _message(line: SpokenLine, speaker: str) -> wire.Message:
    role = "assistant" if line.speaker == speaker and not line.by_person else "user"
    return wire.Message(role=role, name=line.speaker, content=line.text)


def _reason(answer: _Answer) -> str:
    try:
        message = wire.ErrorBody.model_validate_json(answer.body).error.message
    except ValidationError:
        return f"status {answer.status}"
    return " ".join(message.split())[:MAX_REASON_CHARS]


def _cause(error: Exception) -> str:
    """Why there is no connection, in the system's words."""
    number = getattr(error, "errno", None)
    if isinstance(error, aiohttp.ClientConnectorDNSError):  # has numbers of its own
        return "there is no such host"
    return os.strerror(number).lower() if number else "the connection was closed"


def _seconds_until(retry_after: str | None) -> float | None:
    """Retry-After, which is seconds or a date (RFC 9110, 10.2.3), as seconds from now."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
