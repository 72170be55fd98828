"""One websocket connection: what is sent is queued, packed as the client asked, and written in
order. It knows no sessions and no events."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import zlib
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

if TYPE_CHECKING:
    from .sessions import Session
    from .world import Json


class GatewayClosed(Exception):
    """The gateway ends a connection with a code of its own (4000-4014)."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


class Packer(Protocol):
    """Packs payloads into one stream, whose state lives as long as the connection."""

    def __call__(self, text: bytes) -> bytes:
        """One payload to one websocket message."""


def _zlib_packer() -> Packer:
    stream = zlib.compressobj(level=1)  # the client pays for bytes here with our own processor
    return lambda text: stream.compress(text) + stream.flush(zlib.Z_SYNC_FLUSH)


def _zstd_packer() -> Packer:
    # discord.py asks for it only where it found one of these: Python 3.14 brings its own.
    if importlib.util.find_spec("zstandard") is not None:
        zstandard = importlib.import_module("zstandard")
        stream = zstandard.ZstdCompressor(level=1).compressobj()
        block = zstandard.COMPRESSOBJ_FLUSH_BLOCK
        return lambda text: bytes(stream.compress(text) + stream.flush(block))
    own = importlib.import_module("compression.zstd").ZstdCompressor(level=1)
    return lambda text: bytes(own.compress(text, own.FLUSH_BLOCK))


PACKERS = {"zlib-stream": _zlib_packer, "zstd-stream": _zstd_packer}


class Connection:
    """The server's side of one websocket."""

    def __init__(
        self, socket: web.WebSocketResponse, request: web.Request, compression: str | None
    ) -> None:
        """`compression`: what the client's URL asked for, "zlib-stream" or "zstd-stream"."""
        self.session: Session | None = None
        self.silent = False
        self.ended_by_client = True
        self.compression = compression
        self._socket, self._transport = socket, request.transport
        make = PACKERS.get(compression or "")
        self._pack = make() if make else None
        self._queue: asyncio.Queue[Json | int | None] = asyncio.Queue()

    def send(self, payload: Json) -> None:
        """Queue a payload."""
        if not self.silent:
            self._queue.put_nowait(payload)

    def close(self, code: int) -> None:
        """Close with a code, after what is already queued."""
        self.ended_by_client = False
        self._queue.put_nowait(code)

    def abort(self) -> None:
        """Tear the connection: no closing frame, and what is queued is lost."""
        self.ended_by_client = False
        self.silent = True
        if self._transport is not None:
            self._transport.abort()

    async def write(self) -> None:
        """Write what is queued until the connection is over."""
        while (item := await self._queue.get()) is not None:
            if isinstance(item, int):
                await self._socket.close(code=item)
                return
            text = json.dumps(item, separators=(",", ":"))
            try:
                if self._pack is None:
                    await self._socket.send_str(text)
                else:
                    await self._socket.send_bytes(self._pack(text.encode()))
            except ConnectionError:
                return

    async def finish(self, writing: asyncio.Task[None]) -> None:
        """Wait until everything queued is written."""
        self._queue.put_nowait(None)
        await writing
