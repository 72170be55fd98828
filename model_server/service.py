"""One engine and those who wait for it. Knows no HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Event

from model_server import wire
from model_server.candidates import Policy
from model_server.checkpoint_format import Codec, Manifest
from model_server.engines import Continuation, Emit, Engine, Parameters, no_emit
from model_server.errors import Busy, StillLoading
from model_server.metrics import Metrics

ENDING = "This server is ending."

Drawn = tuple[int, int, float]
"""A token as it comes: number of the continuation, id, log-probability in nats."""


@dataclass(frozen=True, slots=True)
class Served:
    """A checkpoint as it is served: what it is called and how it is drawn from."""

    model: str
    codec: Codec
    manifest: Manifest
    defaults: Parameters
    policy: Policy
    created: int = 0
    """When the checkpoint was made, in seconds since 1970."""


class Service:
    """An engine with a thread for each of its slots, loaded while the port is open already."""

    def __init__(self, served: Served, load: Callable[[], Engine]) -> None:
        self.served = served
        self.metrics = Metrics()
        self._load = load
        # A thread of its own: the end of the loop waits for those that all share.
        self._loading = ThreadPoolExecutor(1, "load")
        self._engine: Engine | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._inside = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.ready = asyncio.Event()
        self.is_ending = False
        self._is_over = False
        self._drawing: set[Event] = set()
        self.failure: Exception | None = None

    async def run(self, app: object) -> AsyncIterator[None]:
        """Loads the engine in the background, and frees it when the application is cleaned up."""
        loading = asyncio.create_task(self._load_engine())
        yield
        await asyncio.gather(loading, return_exceptions=True)
        self._loading.shutdown()
        if self._threads:
            self._threads.shutdown()
        if self._engine:
            self._engine.close()

    async def _load_engine(self) -> None:
        try:
            loop = asyncio.get_running_loop()
            self._engine = await loop.run_in_executor(self._loading, self._load)
            self._threads = ThreadPoolExecutor(self._engine.slots, "generate")
        except Exception as error:  # noqa: BLE001  # handed to whoever waits for readiness
            self.failure = error
        self.ready.set()

    async def end(self, within_seconds: float) -> None:
        """Takes no more requests, and waits for those that run, but not for ever: then they are
        cancelled, and their callers told so."""
        self.is_ending = True
        try:
            async with asyncio.timeout(within_seconds):
                await self._idle.wait()
        except TimeoutError:
            self._is_over = True
            for gone in self._drawing:
                gone.set()

    @property
    def window(self) -> int:
        """Of the loaded engine, in tokens. Raises StillLoading."""
        return self._loaded().window

    def _loaded(self) -> Engine:
        if self._engine is None:
            raise StillLoading("The model is still loading; ask again in a moment.")
        return self._engine

    def parameters(self, sampling: wire.Sampling, stops: Sequence[str] = ()) -> Parameters:
        """What was wished for, and the server's defaults for the rest."""
        wished = sampling.model_dump(include=set(wire.Sampling.model_fields), exclude_none=True)
        own = (self.served.manifest.stop,) if self.served.manifest.stop else ()
        return replace(self.served.defaults, **wished, stop=(*own, *stops))

    async def draw(
        self, ids: Sequence[int], parameters: Parameters, emit: Emit = no_emit
    ) -> list[Continuation]:
        """Continuations of token ids. Raises StillLoading, Busy. If the caller is cancelled, so is
        the generation."""
        with self._place():
            gone = Event()
            self._drawing.add(gone)
            began = time.monotonic()
            try:
                found = await asyncio.get_running_loop().run_in_executor(
                    self._threads, self._loaded().generate, ids, parameters, emit, gone.is_set
                )
            finally:
                gone.set()
                self._drawing.discard(gone)
            if self._is_over:
                raise Busy(ENDING)
            drawn = sum(len(continuation.ids) for continuation in found)
            self.metrics.drawn(len(ids), drawn, time.monotonic() - began)
            return found

    async def stream(
        self, ids: Sequence[int], parameters: Parameters
    ) -> AsyncGenerator[Drawn | list[Continuation], None]:
        """Every token as it is drawn, then all continuations. Raises like `draw`."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Drawn | None] = asyncio.Queue()

        def emit(index: int, token: int, logprob: float) -> None:
            loop.call_soon_threadsafe(queue.put_nowait, (index, token, logprob))

        drawing = asyncio.create_task(self.draw(ids, parameters, emit))
        # Behind the last token: callbacks run in the order in which they were asked for.
        drawing.add_done_callback(lambda task: queue.put_nowait(None))
        try:
            while (token := await queue.get()) is not None:
                yield token
            yield await drawing
        finally:
            drawing.cancel()
            await asyncio.gather(drawing, return_exceptions=True)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """A place among those who run or wait."""
        if self.is_ending:
            raise Busy(ENDING)
        if self._inside >= self._loaded().slots + wire.MAX_WAITING:
            raise Busy("Too many requests are waiting already.")
        self._count(+1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        self._inside += change
        slots = self._loaded().slots
        self.metrics.queue(min(self._inside, slots), max(0, self._inside - slots))
        if self._inside:
            self._idle.clear()
        else:
            self._idle.set()
