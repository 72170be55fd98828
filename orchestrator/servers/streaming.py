"""A friend's line word by word, as the model writes it. aiohttp's errors stop here.

Knows OpenAI's server-sent events as model servers send them (model_server/streams.py), for one
candidate: https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator

import aiohttp
from pydantic import BaseModel, ConfigDict, ValidationError

from model_server import wire
from orchestrator.errors import ModelServerBusy, ModelServerDown, ModelServerRefused
from orchestrator.servers.client import Deadlines

LONGEST_EVENT_BYTES = 1_000_000


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Delta(_Part):
    content: str = ""


class _Choice(_Part):
    delta: _Delta
    botconvo: wire.Verdict | None = None


class _Chunk(_Part):
    choices: list[_Choice] = []
    error: wire.ErrorDetail | None = None


async def written(
    session: aiohttp.ClientSession,
    url: str,
    request: wire.ChatRequest,
    deadlines: Deadlines | None = None,
) -> AsyncGenerator[str | wire.Verdict, None]:
    """Pieces of the line as they are written, and at the end what the server thinks of it.

    Raises ModelServerDown, ModelServerBusy or ModelServerRefused. Whoever stops asking stops the
    model, too.
    """
    deadlines = deadlines or Deadlines()
    body = request.model_copy(update={"stream": True, "n": 1}).model_dump(exclude_none=True)
    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=deadlines.connect_seconds, sock_read=deadlines.first_byte_seconds
    )
    try:
        # A redirect could carry the key elsewhere, and no BotConvo server sends any.
        async with session.post(
            url + wire.CHAT_PATH, json=body, timeout=timeout, allow_redirects=False,
            read_bufsize=LONGEST_EVENT_BYTES,
        ) as response:  # fmt: skip
            if response.status != 200:
                raise _error(url, response.status, await response.text(errors="replace"))
            async for choice in _choices(response.content):
                if choice.delta.content:
                    yield choice.delta.content
                if choice.botconvo is not None:
                    yield choice.botconvo
                    return
    except (aiohttp.ClientError, TimeoutError) as error:
        raise ModelServerDown(f"{url} does not finish its answer") from error
    except ValueError as error:  # no JSON, another shape, an endless line
        raise ModelServerRefused(f"{url} does not answer like a BotConvo model server") from error
    raise ModelServerDown(f"{url} broke off in the middle of its answer")


async def _choices(content: aiohttp.StreamReader) -> AsyncIterator[_Choice]:
    async for line in content:
        data = line.decode().removeprefix("data:").strip()
        if not line.startswith(b"data:") or data == "[DONE]":
            continue
        chunk = _Chunk.model_validate(json.loads(data))
        if chunk.error is not None:
            raise ModelServerDown(f"the model server says: {chunk.error.message}")
        for choice in chunk.choices:
            yield choice


def _error(url: str, status: int, body: str) -> Exception:
    try:
        reason = wire.ErrorBody.model_validate_json(body).error.message
    except ValidationError:
        reason = f"status {status}"
    kind = ModelServerBusy if status in (429, 503) else ModelServerRefused
    return kind(f"{url} answers: {reason}")
