"""The REST front: authorization, limits, faults and Discord's error bodies around every route. It
knows no single route."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

from . import shapes
from .errors import (
    INVALID_JSON,
    INVALID_WEBHOOK_TOKEN,
    MISSING_ACCESS,
    MISSING_PERMISSIONS,
    NOT_FOUND,
    UNAUTHORIZED,
    UNKNOWN_CHANNEL,
    UNKNOWN_GUILD,
    UNKNOWN_MESSAGE,
    UNKNOWN_WEBHOOK,
    Refused,
)
from .faults import Fault
from .permissions import VIEW_CHANNEL, base_permissions, permissions_in
from .rate_limits import Verdict, refusal_headers
from .service import Service
from .world import Attachment, Bot, Channel, Guild, Json, Message, Webhook

API = "/api/v10"
VIA = {"Via": "1.1 google"}
"""Discord's answers pass a proxy that says so; discord.py takes a 429 without it for a ban."""

CLIENT_IS_GONE = (ConnectionError, web.RequestPayloadError, web.HTTPException)

Answer = object | None
Handler = Callable[["Call"], Awaitable[Answer]]


@dataclass(slots=True)
class Call:
    """One request, with what it speaks about already looked up or refused."""

    service: Service
    request: web.Request
    bot_or_none: Bot | None
    form: Json = field(default_factory=dict)
    files: list[Attachment] = field(default_factory=list)

    @property
    def bot(self) -> Bot:
        """The bot whose token came with the request."""
        if self.bot_or_none is None:
            raise Refused(UNAUTHORIZED)
        return self.bot_or_none

    def id_of(self, name: str) -> int:
        """An id in the path. Raises `Refused` where it is no number, as for an unknown route."""
        text = self.request.match_info[name]
        if not text.isdecimal():
            raise Refused(NOT_FOUND)
        return int(text)

    def guild(self, needs: int = 0) -> Guild:
        """The guild in the path, where the bot is a member and has the permissions `needs`."""
        guild = self.service.world.guilds.get(self.id_of("guild_id"))
        if guild is None:
            raise Refused(UNKNOWN_GUILD)
        member = guild.members.get(self.bot.id)
        if member is None:
            raise Refused(MISSING_ACCESS)
        if base_permissions(guild, member) & needs != needs:
            raise Refused(MISSING_PERMISSIONS)
        return guild

    def channel(self, needs: int = 0) -> Channel:
        """The channel in the path, which the bot can see, with the permissions `needs`."""
        channel = self.service.world.channels.get(self.id_of("channel_id"))
        if channel is None:
            raise Refused(UNKNOWN_CHANNEL)
        rights = permissions_in(self.service.world, channel, self.bot.id)
        if not rights & VIEW_CHANNEL:
            raise Refused(MISSING_ACCESS)
        if rights & needs != needs:
            raise Refused(MISSING_PERMISSIONS)
        return channel

    def message(self, channel: Channel) -> Message:
        """The message in the path."""
        message = channel.history.get(self.id_of("message_id"))
        if message is None:
            raise Refused(UNKNOWN_MESSAGE)
        return message

    def webhook(self) -> Webhook:
        """The webhook in the path, whose token must be right where one is in the path."""
        webhook = self.service.world.webhooks.get(self.id_of("webhook_id"))
        if webhook is None:
            raise Refused(UNKNOWN_WEBHOOK)
        token = self.request.match_info.get("webhook_token")
        if token is not None and token != webhook.token:
            raise Refused(INVALID_WEBHOOK_TOKEN)
        return webhook

    def shown(self, message: Message) -> Json:
        """A message as this bot reads it by REST."""
        has_intent = "message_content" in self.bot.privileged
        body = shapes.message(message, self.service.world, self.service.site, self.bot.id)
        return self.service.seen(body, message, self.bot, has_intent)


def front(
    service: Service, route: str, handler: Handler, open_to_all: bool
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Wrap a route's handler into an aiohttp handler.

    `route`: method and template, which name the bucket; `open_to_all`: the token is in the path
    (webhooks and interactions), so none is needed in a header.
    """

    async def answer(request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix(API)
        service.requests[route] += 1
        off = service.faults.switched_off(request.method, path)
        if off is not None:
            return _response(off, {"message": f"{off}: Not here", "code": 0})
        fault = service.faults.for_request(request.method, path)
        if fault is not None and not fault.accepted and fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        elif fault is not None and not fault.accepted:
            await request.read()
            return struck(request, fault)
        try:
            response = await _handled(service, route, request, handler, open_to_all)
        except CLIENT_IS_GONE:
            raise
        except Exception as error:
            service.gateway.own_errors.append(error)
            raise
        if response.status in (401, 403, 429):
            service.refused_requests[response.status] += 1
        if fault is not None and fault.accepted:
            if not fault.delay_s:
                return struck(request, fault)
            await asyncio.sleep(fault.delay_s)
        return response

    return answer


async def _handled(
    service: Service, route: str, request: web.Request, handler: Handler, open_to_all: bool
) -> web.Response:
    header = request.headers.get("Authorization", "")
    bot = service.world.bot_with(header.removeprefix("Bot ")) if header else None
    if bot is None and not open_to_all:
        return _response(401, Refused(UNAUTHORIZED).body())
    counted_for = None if bot is None or open_to_all else bot.token
    verdict = service.limiter.ask(route, dict(request.match_info), counted_for)
    if verdict.retry_after_s is not None:
        await request.read()
        return _response(429, verdict.body(), verdict.headers)
    call = Call(service, request, bot)
    try:
        await read_form(call)
        body = await handler(call)
    except Refused as refused:
        return _response(refused.status, refused.body(), verdict.headers)
    if isinstance(body, web.Response):
        return body
    status = 204 if body is None else 200
    if service.faults.left_out:
        body = shapes.without(body, service.faults.left_out)
    return _response(status, body, verdict.headers)


def _response(status: int, body: object, headers: dict[str, str] | None = None) -> web.Response:
    # discord.py reads JSON only where the type is this and nothing more (no charset).
    kind = {} if body is None else {"Content-Type": "application/json"}
    text = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
    return web.Response(status=status, body=text, headers={**VIA, **kind, **(headers or {})})


def struck(request: web.Request, fault: Fault) -> web.Response:
    """The answer, or the torn connection, of a request that a fault struck."""
    transport = request.transport
    if fault.status == 0:
        if transport is not None:
            raw = transport.get_extra_info("socket")
            if fault.reset and raw is not None:  # lingering for 0 s sends RST instead of FIN
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        return web.Response(status=500)  # nobody is there to read it
    if fault.kind == "cloudflare":
        return web.Response(status=429, text="<html>error code: 1015</html>",
                            content_type="text/html", headers={"Retry-After": "1"})  # fmt: skip
    if fault.status == 429:
        verdict = Verdict(refusal_headers(fault.retry_after_s, "shared"), fault.retry_after_s)
        return _response(429, verdict.body(), verdict.headers)
    body = {"message": f"{fault.status}: Server Error", "code": 0}
    return _response(fault.status, body)


async def read_form(call: Call) -> None:
    """Read JSON or a multipart form with `payload_json` and files into the call."""
    request = call.request
    if not request.can_read_body:
        return
    if request.content_type == "multipart/form-data":
        await _read_multipart(call)
        return
    raw = await request.read()
    if raw:
        call.form = _json_of(raw)


async def _read_multipart(call: Call) -> None:
    reader = await call.request.multipart()
    new_id = call.service.world.snowflakes.new
    numbered: dict[str, Attachment] = {}
    async for part in reader:
        assert isinstance(part, BodyPartReader)  # Discord's clients nest no forms
        name, filename = str(part.name), part.filename
        raw = bytes(await part.read())
        if name == "payload_json":
            call.form = _json_of(raw)
        elif filename is not None:
            kind = part.headers.get("Content-Type")
            number = name.removeprefix("files[").removesuffix("]")
            numbered[number] = Attachment(new_id(), filename, raw, kind)
    for told in _message_form(call.form).get("attachments") or []:
        if str(told.get("id")) in numbered:
            numbered[str(told["id"])].description = told.get("description")
    call.files = list(numbered.values())


def _message_form(form: Json) -> Json:
    """Interactions have the message's form one level deeper."""
    data = form.get("data")
    return data if isinstance(data, dict) else form


def _json_of(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        raise Refused(INVALID_JSON) from None
