"""What every request passes: its number, the log, the key, the host's name, and errors as JSON."""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import time
import uuid
from collections.abc import Collection
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from model_server import wire
from model_server.errors import FAILURE, BadRequest, Busy
from model_server.metrics import Metrics

log = logging.getLogger(__name__)

LOCAL_HOSTS = {"localhost", "127.0.0.1", "[::1]"}
OPEN_PATHS = {wire.HEALTH_PATH}
"""Answered without the key, for whoever watches over the process."""
GOOD_ID = re.compile(r"[\w.:-]{1,100}", re.ASCII)


REQUEST_ID = web.RequestKey("request_id", str)
FIELDS = web.RequestKey("fields", dict[str, Any])
"""What handlers add to the request's line in the log."""


async def add_request_id(request: web.Request, response: web.StreamResponse) -> None:
    """A signal of `on_response_prepare`: streams have their headers sent early."""
    response.headers[wire.REQUEST_ID_HEADER] = request.get(REQUEST_ID, "")


def logged(metrics: Metrics) -> Middleware:
    """Numbers requests, counts them, and writes a line about each; never their text. Whoever
    watches over the process asks every few seconds how it is: that all is well is no news."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get(wire.REQUEST_ID_HEADER, "")
        request[REQUEST_ID] = given if GOOD_ID.fullmatch(given) else uuid.uuid4().hex
        request[FIELDS] = {}
        began = time.monotonic()
        status = 499  # nginx's number for a client that has gone
        try:
            response = await handler(request)
            status = response.status
            return response
        finally:
            seconds = time.monotonic() - began
            resource = request.match_info.route.resource
            path = resource.canonical if resource else "other"
            metrics.answered(path, status, seconds)
            fields = {"request_id": request[REQUEST_ID], "method": request.method, "path": path,
                      "status": status, "ms": round(seconds * 1000, 1)}  # fmt: skip
            is_news = path not in OPEN_PATHS or status != 200
            level = logging.INFO if is_news else logging.DEBUG
            log.log(level, "request", extra={"fields": fields | request[FIELDS]})

    return middleware


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error in OpenAI's shape."""
    try:
        return await handler(request)
    except BadRequest as error:
        return _answer(400, str(error), "invalid_request_error", error.param)
    except Busy as error:
        return _answer(503, str(error), "server_error", headers=_RETRY)
    except web.HTTPException as error:
        kind = "invalid_request_error" if error.status < 500 else "server_error"
        kept = {name: error.headers[name] for name in ("Allow", "Retry-After", "WWW-Authenticate")
                if name in error.headers}  # fmt: skip
        return _answer(error.status, error.reason, kind, headers=kept)
    except asyncio.CancelledError:
        raise
    except ConnectionError:
        raise  # the client has gone in the middle of its stream
    except Exception:  # outermost handler: the log keeps what the client must not see
        log.exception("%s %s failed", request.method, request.path)
        return _answer(500, FAILURE, "server_error")


_RETRY = {"Retry-After": str(wire.RETRY_AFTER_SECONDS)}


def _answer(
    status: int,
    message: str,
    kind: str,
    param: str | None = None,
    headers: dict[str, str] | None = None,
) -> web.Response:
    body = wire.error_body(message, kind, param)
    return web.json_response(body, status=status, headers=headers)


def named_rightly(allowed: Collection[str]) -> Middleware:
    """A web page that resolves its own name to this machine (DNS rebinding) must not read
    the server, so the Host header has to name this machine, the address bound to, or an allowed
    name."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = re.sub(r":\d+$", "", request.host)
        bound = request.transport.get_extra_info("sockname") if request.transport else None
        known = {*LOCAL_HOSTS, *allowed, *([str(bound[0]), f"[{bound[0]}]"] if bound else [])}
        if host.casefold() not in known:
            raise web.HTTPForbidden(
                reason="This server does not answer to that name; see --allow-host."
            )
        return await handler(request)

    return middleware


def keyed(key: str) -> Middleware:
    """Only those who send the key as `Authorization: Bearer KEY` are answered."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        is_known = hmac.compare_digest(given.strip().encode(errors="surrogateescape"), key.encode())
        if request.path not in OPEN_PATHS and not (scheme.casefold() == "bearer" and is_known):
            raise web.HTTPUnauthorized(
                reason="The key is missing or wrong; send it as 'Authorization: Bearer KEY'.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return await handler(request)

    return middleware
