"""The server's description in OpenAPI 3.1, made from the shapes that it checks requests with."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from model_server import wire
from model_server.middlewares import OPEN_PATHS

REQUESTS: tuple[type[BaseModel], ...] = (wire.ChatRequest, wire.CompletionRequest)
ANSWERS: tuple[type[BaseModel], ...] = (
    wire.ChatResponse,
    wire.CompletionResponse,
    wire.ModelList,
    wire.ModelCard,
    wire.Health,
    wire.ErrorBody,
)
TEMPLATE = "#/components/schemas/{model}"
EVENT = {
    "type": "object",
    "required": ["data"],
    "properties": {"data": {"type": "string", "description": "A chunk as JSON; at last [DONE]."}},
}
"""Of a stream, where the request has `stream`: one event, as OpenAPI before 3.2 describes them."""
WITHOUT_KEY = "The key is missing or wrong."
REFUSALS = {
    "400": "The request is wrong; the message says where.",
    "403": "The Host header names another machine.",
    "413": "The body is too large.",
    "503": "The model is loading, too many wait, or nothing fit to be said came up.",
}


def description(model: str, vocabulary: int, *, is_keyed: bool) -> dict[str, Any]:
    """The document for a server of this model, whose token ids are below `vocabulary`."""
    _, schemas = models_json_schema(
        [(shape, "validation") for shape in REQUESTS]
        + [(shape, "serialization") for shape in ANSWERS],
        ref_template=TEMPLATE,
    )
    _limit_token_ids(schemas["$defs"], vocabulary)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": f"{model} of BotConvo", "version": "1"},
        "paths": {
            wire.TEXT_PATH: {"get": _text_operation()},
            wire.CHAT_PATH: {"post": _operation("chat", wire.ChatRequest, wire.ChatResponse)},
            wire.COMPLETIONS_PATH: {
                "post": _operation("completions", wire.CompletionRequest, wire.CompletionResponse)
            },
            wire.MODELS_PATH: {"get": _operation("models", None, wire.ModelList)},
            wire.MODELS_PATH + "/{model}": {"get": _model_operation()},
            wire.HEALTH_PATH: {"get": _health_operation()},
            wire.METRICS_PATH: {"get": _plain("metrics", "Figures for Prometheus.")},
            wire.OPENAPI_PATH: {"get": _own_operation()},
        },
        "components": {"schemas": schemas["$defs"]},
    }
    if is_keyed:
        _add_key(document)
    return document


def _limit_token_ids(schemas: dict[str, Any], vocabulary: int) -> None:
    for kind in schemas["CompletionRequest"]["properties"]["prompt"]["anyOf"]:
        if kind["type"] == "array":
            kind["items"]["maximum"] = vocabulary - 1


def _add_key(document: dict[str, Any]) -> None:
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, methods in document["paths"].items():
        if path not in OPEN_PATHS:
            for operation in methods.values():
                operation["security"] = [{"key": []}]
                operation["responses"]["401"] = _content(WITHOUT_KEY, wire.ErrorBody)


def _text_operation() -> dict[str, Any]:
    schema = wire.Sampling.model_json_schema()
    parameters = [
        {"name": "prompt", "in": "query", "schema": {"type": "string"}},
        {"name": wire.PROMPT_HEADER, "in": "header", "schema": {"type": "string"},
         "description": "Percent-encoded UTF-8; `?prompt=` goes before it."},
        *(
            {"name": name, "in": "query", "schema": _without_null(kind)}
            for name, kind in schema["properties"].items()
        ),
    ]  # fmt: skip
    return {**_plain("text", "One message as plain text."), "parameters": parameters}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query has no null: whoever wants the default leaves the parameter out."""
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    flat = [inner for kind in kinds for inner in kind.get("anyOf", [kind])]
    return flat[0] if len(flat) == 1 else {"anyOf": flat}


def _operation(
    name: str, request: type[BaseModel] | None, answer: type[BaseModel]
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": name,
        "responses": {"200": _content("The answer.", answer), **_refusals()},
    }
    if request is not None:
        content = {"application/json": {"schema": _reference(request)}}
        operation["requestBody"] = {"required": True, "content": content}
        answered = operation["responses"]["200"]["content"]
        answered["text/event-stream"] = {"schema": EVENT}
    return operation


def _model_operation() -> dict[str, Any]:
    operation = _operation("model", None, wire.ModelCard)
    operation["parameters"] = [
        {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}
    ]
    operation["responses"]["404"] = _content("There is no such model.", wire.ErrorBody)
    return operation


def _health_operation() -> dict[str, Any]:
    return {
        "operationId": "health",
        "responses": {
            "200": _content("The model answers.", wire.Health),
            "403": _content(REFUSALS["403"], wire.ErrorBody),
            "503": _content("The model is loading, or the server is ending.", wire.Health),
        },
    }


def _own_operation() -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}}}
    answer = {"description": "This description.", "content": content}
    return {"operationId": "openapi", "responses": {"200": answer, **_refusals()}}


def _plain(name: str, what: str) -> dict[str, Any]:
    answer = {"description": what, "content": {"text/plain": {"schema": {"type": "string"}}}}
    return {"operationId": name, "responses": {"200": answer, **_refusals()}}


def _refusals() -> dict[str, Any]:
    return {status: _content(why, wire.ErrorBody) for status, why in REFUSALS.items()}


def _content(what: str, shape: type[BaseModel]) -> dict[str, Any]:
    return {
        "description": what,
        "content": {"application/json": {"schema": _reference(shape)}},
    }


def _reference(shape: type[BaseModel]) -> dict[str, str]:
    return {"$ref": TEMPLATE.format(model=shape.__name__)}
