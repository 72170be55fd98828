"""The HTTP application of one friend's server. Knows no engine by name and no chat platform."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from aiohttp import web

from model_server import wire
from model_server.drawing import LOGS_PROMPTS, chat, completions, json_response, text
from model_server.drawing import SERVICE as SERVICE  # who makes an application asks for it here
from model_server.engines import Engine
from model_server.metrics import CONTENT_TYPE
from model_server.middlewares import add_request_id, errors, keyed, logged, named_rightly
from model_server.openapi import description
from model_server.service import Served, Service

DESCRIPTION = web.AppKey("description", dict[str, Any])


def create_app(
    served: Served,
    load: Callable[[], Engine],
    *,
    key: str | None = None,
    allowed_hosts: Collection[str] = (),
    logs_prompts: bool = False,
) -> web.Application:
    """The application for one checkpoint; `load` is called in a thread once it starts."""
    service = Service(served, load)
    document = description(served.model, len(served.codec), is_keyed=key is not None)
    middlewares = [logged(service.metrics), errors, named_rightly(allowed_hosts)]
    if key is not None:
        middlewares.append(keyed(key))
    app = web.Application(client_max_size=wire.MAX_BODY_BYTES, middlewares=middlewares)
    app[SERVICE] = service
    app[LOGS_PROMPTS] = logs_prompts
    app[DESCRIPTION] = document
    app.cleanup_ctx.append(service.run)
    app.on_response_prepare.append(add_request_id)
    app.router.add_get(wire.TEXT_PATH, text, allow_head=False)
    app.router.add_post(wire.CHAT_PATH, chat)
    app.router.add_post(wire.COMPLETIONS_PATH, completions)
    app.router.add_get(wire.MODELS_PATH, models, allow_head=False)
    app.router.add_get(wire.MODELS_PATH + "/{model}", model, allow_head=False)
    app.router.add_get(wire.HEALTH_PATH, health, allow_head=False)
    app.router.add_get(wire.METRICS_PATH, metrics, allow_head=False)
    app.router.add_get(wire.OPENAPI_PATH, openapi, allow_head=False)
    return app


# --- about the server ---------------------------------------------------------------------


async def models(request: web.Request) -> web.Response:
    """`GET /v1/models`: the one model, with what its manifest tells."""
    return json_response(wire.ModelList(data=[_card(request.app[SERVICE].served)]))


async def model(request: web.Request) -> web.Response:
    """`GET /v1/models/{model}`."""
    card = _card(request.app[SERVICE].served)
    if request.match_info["model"] != card.id:
        raise web.HTTPNotFound(reason="There is no such model here; see /v1/models.")
    return json_response(card)


def _card(served: Served) -> wire.ModelCard:
    told = served.manifest.model_dump(by_alias=True, exclude={"schema_version"})
    return wire.ModelCard(id=served.model, created=served.created, botconvo=told)


async def health(request: web.Request) -> web.Response:
    """`GET /health`: 200 once the model answers, 503 before and while the server ends."""
    service = request.app[SERVICE]
    if service.is_ending:
        return json_response(wire.Health(status="ending", model=service.served.model), status=503)
    if not service.ready.is_set() or service.failure is not None:
        return json_response(wire.Health(status="loading", model=service.served.model), status=503)
    return json_response(wire.Health(status="ok", model=service.served.model))


async def metrics(request: web.Request) -> web.Response:
    """`GET /metrics`, for Prometheus."""
    body = request.app[SERVICE].metrics.text()
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})


async def openapi(request: web.Request) -> web.Response:
    """`GET /openapi.json`: what this server understands."""
    return web.json_response(request.app[DESCRIPTION])
