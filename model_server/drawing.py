"""Handlers of the requests that ask for words: plain text, and OpenAI's two completions."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from typing import TypeVar
from urllib.parse import unquote_to_bytes

from aiohttp import web
from pydantic import BaseModel, ValidationError

from model_server import wire
from model_server.answers import Envelope, chat_choice, text_choice, usage_of
from model_server.candidates import Candidate, TextStream, judge, markers_of, ranked
from model_server.checkpoint_format import Line, Manifest
from model_server.engines import Parameters
from model_server.errors import BadRequest
from model_server.middlewares import FIELDS
from model_server.prompting import Prompt, Turn, compose, compose_raw
from model_server.service import Served, Service
from model_server.streams import DONE, FAILED, ChatChunks, Telling, TextChunks

SOMEBODY = "You"
"""Who a prompt without a name comes from, to a dialogue friend who knows nobody else."""
ATTEMPTS = 3
"""Draws after which `GET /` gives up on a line that is fit to be said."""
SSE_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}

Body = TypeVar("Body", bound=BaseModel)

log = logging.getLogger(__name__)

SERVICE = web.AppKey("service", Service)
LOGS_PROMPTS = web.AppKey("logs_prompts", bool)


# --- plain text ---------------------------------------------------------------------------


async def text(request: web.Request) -> web.Response:
    """`GET /`: one message as plain text, prompted by the `prompt` header or `?prompt=`."""
    prompt = request.query.get("prompt")
    if prompt is None:
        # aiohttp hands bytes that are no UTF-8 on as surrogates.
        raw = request.headers.get(wire.PROMPT_HEADER, "").encode(errors="surrogateescape")
        prompt = unquote_to_bytes(raw).decode(errors="replace")
    _check_length(prompt, "prompt")
    names = set(wire.Sampling.model_fields) & set(request.query)
    with _checking():
        sampling = wire.Sampling.model_validate({name: request.query[name] for name in names})
    service = request.app[SERVICE]
    turn = _turn_for(prompt, service.served.manifest)
    composed = compose(service.served.codec, service.served.manifest, service.window, turn)
    reason = ""
    for attempt in range(ATTEMPTS):
        parameters = service.parameters(_another(sampling, attempt))
        [best, *_], _ = await _candidates(request, composed, parameters, (), turn.phrase)
        if best.is_fit:
            return web.Response(text=f"{best.text}\n")
        reason = best.verdict
    raise web.HTTPServiceUnavailable(
        reason=f"Nothing fit to be said came up: {reason}.",
        headers={"Retry-After": str(wire.RETRY_AFTER_SECONDS)},
    )


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


# --- OpenAI's completions -----------------------------------------------------------------


async def chat(request: web.Request) -> web.StreamResponse:
    """`POST /v1/chat/completions`: candidates for the next line of a conversation."""
    body = await _body(request, wire.ChatRequest)
    _check_length("".join(message.content for message in body.messages), "messages")
    service = request.app[SERVICE]
    served, steering = service.served, body.botconvo
    turn = Turn(
        lines=[_line(m, served.manifest) for m in body.messages if m.role != "system"],
        phrase=steering.phrase or _last_text(body, served.manifest),
        begin_with_phrase=steering.begin_with_phrase,
        speaker=steering.speaker,
    )
    prompt = compose(served.codec, served.manifest, service.window, turn)
    top = body.top_logprobs if body.logprobs else 0
    parameters = replace(
        service.parameters(body, body.stops), top_logprobs=top or 0,
        favoured=prompt.favoured if steering.phrase else (),
    )  # fmt: skip
    if body.max_completion_tokens is not None:
        parameters = replace(parameters, max_tokens=body.max_completion_tokens)
    envelope = Envelope.new("chatcmpl", served.model)
    if body.stream:
        opening = prompt.opening[: served.policy.max_chars]
        chunks = ChatChunks(served.codec, opening, logprobs=bool(body.logprobs))
        return await _stream(request, body, prompt, parameters, Telling(envelope, chunks))
    found, usage = await _candidates(request, prompt, parameters, body.stops, turn.phrase)
    choices = [
        chat_choice(index, candidate, served.codec, bool(body.logprobs))
        for index, candidate in enumerate(_answered(found, body))
    ]
    answer = wire.ChatResponse(
        id=envelope.id, created=envelope.created, model=envelope.model, choices=choices,
        usage=usage,
    )  # fmt: skip
    return json_response(answer)


async def completions(request: web.Request) -> web.StreamResponse:
    """`POST /v1/completions`: goes on from a prompt as it stands."""
    body = await _body(request, wire.CompletionRequest)
    service = request.app[SERVICE]
    served = service.served
    if isinstance(body.prompt, str):
        _check_length(body.prompt, "prompt")
    try:
        prompt = compose_raw(served.codec, served.manifest, service.window, body.prompt)
    except ValueError as error:
        raise BadRequest(f"prompt: {error}", "prompt") from error
    parameters = replace(service.parameters(body, body.stops), top_logprobs=body.logprobs or 0)
    envelope = Envelope.new("cmpl", served.model)
    echoed = _text_of(body.prompt, served) if body.echo else ""
    if body.stream:
        chunks = TextChunks(served.codec, echoed, logprobs=body.logprobs is not None)
        return await _stream(request, body, prompt, parameters, Telling(envelope, chunks))
    found, usage = await _candidates(request, prompt, parameters, body.stops)
    choices = [
        text_choice(index, candidate, served.codec, echoed, body.logprobs is not None)
        for index, candidate in enumerate(_answered(found, body))
    ]
    answer = wire.CompletionResponse(
        id=envelope.id, created=envelope.created, model=envelope.model, choices=choices,
        usage=usage,
    )  # fmt: skip
    return json_response(answer)


def _line(message: wire.Message, manifest: Manifest) -> Line:
    own = manifest.speaker or manifest.friend or SOMEBODY
    name = message.name or (own if message.role == "assistant" else SOMEBODY)
    return Line(name, message.content)


def _last_text(body: wire.ChatRequest, manifest: Manifest) -> str:
    """A monologue checkpoint has nothing but a phrase to go on."""
    if manifest.style == "dialogue" or not body.messages:
        return ""
    return body.messages[-1].content


def _text_of(prompt: str | list[int], served: Served) -> str:
    return prompt if isinstance(prompt, str) else served.codec.decode(prompt)


def _answered(found: list[Candidate], body: wire.Sampling) -> list[Candidate]:
    """All that were asked for, or the best of those drawn by default."""
    return found if body.n is not None else found[:1]


async def _candidates(
    request: web.Request,
    prompt: Prompt,
    parameters: Parameters,
    stops: Sequence[str] = (),
    phrase: str = "",
) -> tuple[list[Candidate], wire.Usage]:
    """Drawn and judged, the best first."""
    service = request.app[SERVICE]
    served = service.served
    continuations = await service.draw(prompt.ids, parameters)
    judged = judge(continuations, prompt, served.codec, served.manifest, served.policy, stops)
    found = ranked(judged, phrase, served.policy)
    usage = usage_of(len(prompt.ids), continuations)
    _note(request, prompt, usage, found[0].text)
    return found, usage


async def _stream(
    request: web.Request,
    body: wire.ChatRequest | wire.CompletionRequest,
    prompt: Prompt,
    parameters: Parameters,
    telling: Telling,
) -> web.StreamResponse:
    """Tells tokens as they are drawn; what is fit to be said shows only at the end."""
    service = request.app[SERVICE]
    served = service.served
    parameters = replace(parameters, n=body.n or 1)
    markers, longest = markers_of(served.manifest, body.stops), served.policy.max_chars
    texts = [TextStream(served.codec, markers, prompt, longest) for _ in range(parameters.n)]
    async with aclosing(service.stream(prompt.ids, parameters)) as drawn:
        item = await anext(drawn)  # whoever is turned away gets a status, not a stream
        response = web.StreamResponse(headers=SSE_HEADERS)
        await response.prepare(request)
        for index in range(parameters.n):
            await response.write(telling.first(index))
        while not isinstance(item, list):
            index, token, logprob = item
            if said := texts[index].feed(token, logprob):
                await response.write(telling.piece(index, said, texts[index].told()))
            try:
                item = await anext(drawn)
            except Exception:  # outermost handler, too: the status has gone out as 200
                log.exception("%s failed in its stream", request.path)
                await response.write(FAILED)
                return response
    judged = judge(item, prompt, served.codec, served.manifest, served.policy, body.stops)
    for index, candidate in enumerate(judged):
        if rest := texts[index].rest():
            await response.write(telling.piece(index, rest, texts[index].told()))
        await response.write(telling.last(index, candidate))
    usage = usage_of(len(prompt.ids), item)
    if body.wants_usage:
        await response.write(telling.usage(usage.model_dump()))
    await response.write(DONE)
    _note(request, prompt, usage, judged[0].text)
    return response


def _note(request: web.Request, prompt: Prompt, usage: wire.Usage, answer: str) -> None:
    """Adds to the request's line in the log: figures, and text only if that was asked for."""
    fields = request[FIELDS]
    fields |= {"prompt_tokens": usage.prompt_tokens, "tokens": usage.completion_tokens}
    if request.app[LOGS_PROMPTS]:
        codec = request.app[SERVICE].served.codec
        fields |= {"prompt": codec.decode(prompt.ids), "answer": answer}


# --- shared -------------------------------------------------------------------------------


async def _body(request: web.Request, shape: type[Body]) -> Body:
    try:
        data = await request.read()
    except web.RequestPayloadError as error:
        raise BadRequest(
            "The body is broken off, or not packed as Content-Encoding says"
        ) from error
    with _checking():
        # Strict, and always UTF-8: "5" is no number, whatever charset the client names.
        return shape.model_validate_json(data, strict=True)


@contextmanager
def _checking() -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False)[0]
        # Pydantic names the alternative of a union, too: ("stop", "list[constrained-str]", 0).
        names = [part for part in map(str, first["loc"]) if re.fullmatch(r"\w+", part)]
        param = ".".join(names) or None
        raise BadRequest(f"{param or 'The body'}: {first['msg']}", param) from error


def _check_length(text: str, param: str) -> None:
    if len(text) > wire.MAX_PROMPT_CHARS:
        raise BadRequest(
            f"{param}: {len(text)} characters are more than the {wire.MAX_PROMPT_CHARS} "
            "that any model here could read.",
            param,
        )


def json_response(body: BaseModel, status: int = 200) -> web.Response:
    return web.Response(text=body.model_dump_json(), content_type="application/json", status=status)
