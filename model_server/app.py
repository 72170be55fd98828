"""The HTTP application of one friend's server. Knows no engine by name and no chat platform."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import Any, TypeVar
from urllib.parse import unquote

from aiohttp import web
from pydantic import BaseModel, ValidationError

from model_server import wire
from model_server.candidates import Candidate, Policy, choose
from model_server.checkpoint_format import Codec, Line, Manifest
from model_server.engines import Engine, Parameters, no_emit
from model_server.errors import BadRequest
from model_server.prompting import Turn, compose

log = logging.getLogger(__name__)

SOMEBODY = "You"
"""Who a prompt without a name comes from, to a dialogue friend who knows nobody else."""
ATTEMPTS = 3
"""Draws after which `GET /` gives up on a line that is fit to be said."""
LOCAL_HOSTS = {"localhost", "127.0.0.1", "[::1]"}

Body = TypeVar("Body", bound=BaseModel)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Served:
    """A checkpoint as it is served: what it is called and how it is drawn from."""

    model: str
    codec: Codec
    manifest: Manifest
    defaults: Parameters
    policy: Policy


class Service:
    """An engine with a thread for each of its slots, loaded while the port is open already."""

    def __init__(self, served: Served, load: Callable[[], Engine]) -> None:
        self.served = served
        self._load = load
        self._engine: Engine | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._waiting = 0
        self.ready = asyncio.Event()
        self.failure: Exception | None = None

    async def run(self, app: web.Application) -> AsyncIterator[None]:
        """Loads the engine in the background for as long as the application lives."""
        loading = asyncio.create_task(self._load_engine())
        yield
        await asyncio.gather(loading, return_exceptions=True)
        if self._threads:
            self._threads.shutdown()
        if self._engine:
            self._engine.close()

    async def _load_engine(self) -> None:
        try:
            self._engine = await asyncio.to_thread(self._load)
            self._threads = ThreadPoolExecutor(self._engine.slots, "generate")
        except Exception as error:  # noqa: BLE001  # handed to whoever waits for readiness
            self.failure = error
        self.ready.set()

    async def answer(self, turn: Turn, sampling: wire.Sampling) -> tuple[list[Candidate], int]:
        """Candidates for a turn, the best first, and the number of prompt tokens.

        Raises HTTPServiceUnavailable while loading or if too many wait. If the caller is
        cancelled, so is the generation.
        """
        if self._engine is None or self._threads is None:
            raise _unavailable("The model is still loading; ask again in a moment.")
        if self._waiting >= self._engine.slots + wire.MAX_WAITING:
            raise _unavailable("Too many requests are waiting already.")
        served = self.served
        prompt = compose(served.codec, served.manifest, self._engine.window, turn)
        parameters = _parameters(served, sampling)
        gone = Event()
        self._waiting += 1
        try:
            continuations = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._engine.generate, prompt.ids, parameters, no_emit, gone.is_set
            )
        finally:
            gone.set()
            self._waiting -= 1
        found = choose(
            continuations, prompt, turn.phrase, served.codec, served.manifest, served.policy
        )
        return found, len(prompt.ids)


SERVICE = web.AppKey("service", Service)


def create_app(served: Served, load: Callable[[], Engine]) -> web.Application:
    """The application for one checkpoint; `load` is called in a thread once it starts."""
    app = web.Application(client_max_size=wire.MAX_BODY_BYTES, middlewares=[_errors, _local_only])
    app[SERVICE] = Service(served, load)
    app.cleanup_ctx.append(app[SERVICE].run)
    app.router.add_get(wire.TEXT_PATH, text)
    app.router.add_post(wire.CHAT_PATH, chat)
    app.router.add_get(wire.HEALTH_PATH, health)
    return app


async def text(request: web.Request) -> web.Response:
    """`GET /`: one message as plain text, prompted by the `prompt` header or `?prompt=`."""
    service = request.app[SERVICE]
    prompt = request.query.get("prompt")
    if prompt is None:
        prompt = unquote(request.headers.get(wire.PROMPT_HEADER, ""))
    _check_length(prompt, "prompt")
    names = set(wire.Sampling.model_fields) & set(request.query)
    sampling = _checked(wire.Sampling, {name: request.query[name] for name in names})
    turn = _turn_for(prompt, service.served.manifest)
    reason = ""
    for attempt in range(ATTEMPTS):
        [best, *_], _ = await service.answer(turn, _another(sampling, attempt))
        if best.is_fit:
            return web.Response(text=f"{best.text}\n")
        reason = best.verdict
    raise web.HTTPServiceUnavailable(reason=f"Nothing fit to be said came up: {reason}.")


def _another(sampling: wire.Sampling, attempt: int) -> wire.Sampling:
    """The same wish with another seed, where one was given."""
    if sampling.seed is None:
        return sampling
    seed = (sampling.seed + attempt * wire.MAX_CANDIDATES) % wire.SEED_LIMIT
    return sampling.model_copy(update={"seed": seed})


def _turn_for(prompt: str, manifest: Manifest) -> Turn:
    others = [name for name in manifest.known_speakers if name != manifest.speaker]
    line = Line(others[0] if others else SOMEBODY, prompt)
    return Turn(lines=(line,) if prompt.strip() else (), phrase=prompt)


async def chat(request: web.Request) -> web.Response:
    """`POST /v1/chat/completions`: candidates for the next line of a conversation."""
    service = request.app[SERVICE]
    try:
        data = await request.json()
    except ValueError as error:
        raise BadRequest(f"The body is no JSON: {error}") from error
    body = _checked(wire.ChatRequest, data)
    _check_length("".join(message.content for message in body.messages), "messages")
    manifest = service.served.manifest
    steering = body.botconvo
    turn = Turn(
        lines=[_line(m, manifest) for m in body.messages if m.role != "system"],
        phrase=steering.phrase or _last_text(body, manifest),
        begin_with_phrase=steering.begin_with_phrase,
        speaker=steering.speaker,
    )
    candidates, prompt_tokens = await service.answer(turn, body)
    return web.json_response(_response(service.served.model, candidates, prompt_tokens))


def _line(message: wire.Message, manifest: Manifest) -> Line:
    own = manifest.speaker or manifest.friend or SOMEBODY
    name = message.name or (own if message.role == "assistant" else SOMEBODY)
    return Line(name, message.content)


def _last_text(body: wire.ChatRequest, manifest: Manifest) -> str:
    """A monologue checkpoint has nothing but a phrase to go on."""
    if manifest.style == "dialogue" or not body.messages:
        return ""
    return body.messages[-1].content


def _response(model: str, candidates: list[Candidate], prompt_tokens: int) -> dict[str, Any]:
    tokens = sum(candidate.tokens for candidate in candidates)
    choices = [
        wire.Choice(
            index=index,
            message=wire.Message(role="assistant", content=candidate.text),
            finish_reason=candidate.finish_reason,
            botconvo=wire.Verdict(verdict=candidate.verdict, score=candidate.score),
        )
        for index, candidate in enumerate(candidates)
    ]
    return wire.ChatResponse(
        id=f"chatcmpl-{uuid.uuid4().hex}",
        created=int(time.time()),
        model=model,
        choices=choices,
        usage={
            "prompt_tokens": prompt_tokens,
            "completion_tokens": tokens,
            "total_tokens": prompt_tokens + tokens,
        },
    ).model_dump()


async def health(request: web.Request) -> web.Response:
    """`GET /health`: 200 once the model answers, 503 while it loads."""
    service = request.app[SERVICE]
    if not service.ready.is_set():
        return web.json_response({"status": "loading"}, status=503)
    return web.json_response({"status": "ok", "model": service.served.model})


# --- errors -------------------------------------------------------------------------------


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except BadRequest as error:
        body = wire.error_body(str(error), "invalid_request_error", error.param, None)
        return web.json_response(body, status=400)
    except web.HTTPException as error:
        kind = "invalid_request_error" if error.status < 500 else "server_error"
        error.text = web.json_response(wire.error_body(error.reason, kind, None, None)).text or ""
        error.content_type = "application/json"
        raise
    except asyncio.CancelledError:
        raise
    except Exception:  # outermost handler: the log keeps what the client must not see
        log.exception("%s %s failed", request.method, request.path)
        body = wire.error_body("Generation failed; see the log.", "server_error", None, None)
        return web.json_response(body, status=500)


@web.middleware
async def _local_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A web page that resolves its own name to this machine (DNS rebinding) must not read
    the server, so the Host header has to name this machine or the address bound to."""
    host = request.host.rpartition(":")[0] if ":" in request.host else request.host
    bound = request.transport.get_extra_info("sockname") if request.transport else None
    if host not in LOCAL_HOSTS and (not bound or host != bound[0]):
        raise web.HTTPForbidden(reason=f"This server does not answer to the name {host}.")
    return await handler(request)


def _checked(shape: type[Body], data: Any) -> Body:
    try:
        return shape.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        param = ".".join(map(str, first["loc"])) or None
        raise BadRequest(f"{param or 'The body'}: {first['msg']}", param) from error


def _check_length(text: str, param: str) -> None:
    if len(text) > wire.MAX_PROMPT_CHARS:
        raise BadRequest(
            f"{param}: {len(text)} characters are more than the {wire.MAX_PROMPT_CHARS} "
            "that any model here could read.",
            param,
        )


def _parameters(served: Served, sampling: wire.Sampling) -> Parameters:
    defaults = served.defaults
    chosen = sampling.model_dump(include=set(wire.Sampling.model_fields), exclude_none=True)
    values = {
        name: chosen.get(name, getattr(defaults, name)) for name in wire.Sampling.model_fields
    }
    stop = (served.manifest.stop,) if served.manifest.stop else ()
    return Parameters(**values, stop=stop)


def _unavailable(reason: str) -> web.HTTPServiceUnavailable:
    return web.HTTPServiceUnavailable(
        reason=reason, headers={"Retry-After": str(wire.RETRY_AFTER_SECONDS)}
    )
