"""How requests to the Bot API are read, and how they are answered when they fail."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from .faults import Fault
from .methods import Refusal
from .world import JSON


def value_of(key: str, text: str | bytes | bytearray | web.FileField) -> Any:
    if isinstance(text, web.FileField):
        return text.file.read()
    assert isinstance(text, str)
    if key in ("text", "url", "secret_token", "callback_query_id", "action"):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def error_answer(refusal: Refusal) -> web.Response:
    body: JSON = {
        "ok": False, "error_code": refusal.status, "description": refusal.description,
    }  # fmt: skip
    if refusal.parameters:
        body["parameters"] = refusal.parameters
    return web.json_response(body, status=refusal.status)


def failing_answer(fault: Fault, request: web.Request) -> web.Response:
    if not fault.status:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()
    parameters = {"retry_after": fault.retry_after_s} if fault.retry_after_s else {}
    return error_answer(Refusal(fault.status, fault.description, **parameters))
