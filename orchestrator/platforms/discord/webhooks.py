"""Friends who appear by webhooks, each with a name and a picture of their own.

A webhook's line may bear any name, but as its picture only an https:// address that Discord itself
can fetch. So a friend whose picture is a file or drawn gets a webhook of their own, which holds
the picture; friends with an address share one, and so do all for whom there is no room: a channel
takes 15 webhooks, those of other bots counted. Which webhook is whose stands in its name, with a
fingerprint of the picture, so that a restart finds them again and a new picture is put in.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import aiohttp
import discord

from orchestrator.cast import Friend
from orchestrator.platforms.discord.connection import Connection
from orchestrator.platforms.discord.errors import (
    INVALID_FORM,
    TOO_MANY_WEBHOOKS,
    UNKNOWN_WEBHOOK,
    NotTaken,
    Withheld,
    only_once,
    outcome,
)
from orchestrator.platforms.discord.requirements import Writable, home_of
from orchestrator.platforms.discord.voices import NOBODY, Line
from orchestrator.platforms.discord.wording import NAMELESS, fitted, lawful, lawful_names

log = logging.getLogger(__name__)

SHARED = "BotConvo"
MARK_CHARS = 8
SHOWN_UNITS = 50
"""Of a friend's name in the name of their webhook, which has 80."""
PICTURE_PIXELS = 128
NAME_FIELD = "In username:"
"""How discord.py words a complaint of Discord's about the name over a line."""
REQUEST_SECONDS = 30.0
"""Longest that Discord may take to answer; waiting for its limits is not counted."""


@dataclass(frozen=True, slots=True)
class Face:
    """How a friend looks: `address` that Discord fetches, or what makes the `picture`'s bytes."""

    name: str
    address: str = ""
    picture: Callable[[], bytes] | None = None


def faces(friends: Iterable[Friend]) -> dict[str, Face]:
    """The face of each friend, under a name that Discord takes."""
    friends = list(friends)
    names = lawful_names([friend.name for friend in friends])
    return {friend.name: _face(friend, names[friend.name]) for friend in friends}


def _face(friend: Friend, name: str) -> Face:
    avatar = friend.avatar
    if isinstance(avatar, Path):
        return Face(name, picture=avatar.read_bytes)
    if avatar:
        return Face(name, address=avatar)

    def drawn() -> bytes:
        from orchestrator.avatars import png

        return png(friend.name, friend.color, PICTURE_PIXELS)

    return Face(name, picture=drawn)


class WebhookVoice:
    """Posts by webhooks, which it makes as they are needed. Notices and typing are the bot's."""

    def __init__(
        self, channel: Writable, connection: Connection, faces: Mapping[str, Face]
    ) -> None:
        self._channel_id = channel.id
        self._home_id = getattr(home_of(channel), "id", channel.id)
        self._thread = (
            discord.Object(channel.id)
            if isinstance(channel, discord.Thread)
            else discord.utils.MISSING
        )
        self._connection = connection
        self._faces = faces
        self._session: aiohttp.ClientSession | None = None
        self._known: dict[str, discord.Webhook] | None = None
        self._pictures: dict[str, tuple[bytes, str]] = {}
        self._own_ids: set[int] = set()
        """Of all that were ever used: a line may stand there by one that was removed."""
        self._sharing: set[str] = set()
        """Friends for whom no webhook of their own could be made."""
        self._instead: dict[str, str] = {}
        """What is shown in place of names that Discord refused: not all its rules are known."""

    async def prepare(self) -> None:
        """Sees which webhooks are there. Raises RequestFailed."""
        async with outcome():
            found = await self._home.webhooks()
        known: dict[str, discord.Webhook] = {}
        for one in sorted(found, key=lambda webhook: webhook.id):
            is_ours = one.user is None or one.user.id == self._connection.user_id
            if is_ours and one.token and one.name and one.name.startswith(SHARED):
                known.setdefault(one.name, self._webhook(one.id, one.token))
        self._known = known

    async def post(self, line: Line, nonce: str) -> discord.Message:
        if not line.speaker:
            return await self._by_bot(line, nonce)
        for attempt in (1, 2, 3):
            webhook, address = await self._webhook_of(line)
            try:
                async with outcome():
                    return await webhook.send(
                        fitted(line.text),
                        username=self._name(line), avatar_url=address or discord.utils.MISSING,
                        allowed_mentions=NOBODY, suppress_embeds=True, thread=self._thread,
                        wait=True,
                    )  # fmt: skip
            except Withheld as error:
                if attempt == 3:
                    raise
                if error.code == UNKNOWN_WEBHOOK:
                    log.warning("Somebody removed a webhook of BotConvo; a new one is made.")
                    self._known = None
                elif error.code == INVALID_FORM and NAME_FIELD in str(error):
                    self._rename(self._name(line), error)
                else:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def wrote(self, message: discord.Message, line: Line) -> bool:
        if not line.speaker:
            is_ours = message.author.id == self._connection.user_id
            return is_ours and message.content == fitted(line.text)
        return (
            message.webhook_id in self._own_ids
            and message.author.name == self._name(line)
            and message.content == fitted(line.text)
        )

    async def edit(self, message: discord.Message, line: Line) -> None:
        webhook = await self._webhook_with(message.webhook_id)
        async with outcome():
            if webhook is None:
                partial = self._channel.get_partial_message(message.id)
                await partial.edit(content=fitted(line.text), allowed_mentions=NOBODY)
            else:
                await webhook.edit_message(
                    message.id, content=fitted(line.text), allowed_mentions=NOBODY,
                    thread=self._thread,
                )  # fmt: skip

    async def delete(self, message: discord.Message) -> None:
        webhook = await self._webhook_with(message.webhook_id)
        async with outcome():
            if webhook is None:
                await self._channel.get_partial_message(message.id).delete()
            else:
                await webhook.delete_message(message.id, thread=self._thread)

    async def typing(self, speaker: str) -> None:
        async with outcome():
            await self._channel.typing()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    # --- whose webhook --------------------------------------------------------------------------

    @property
    def _home(self) -> discord.TextChannel | discord.VoiceChannel | discord.StageChannel:
        home = self._connection.usable().get_channel(self._home_id)
        if home is None:
            raise NotTaken("the channel is not there for now")
        return cast("discord.TextChannel", home)

    @property
    def _channel(self) -> discord.PartialMessageable:
        return self._connection.usable().get_partial_messageable(self._channel_id)

    async def _by_bot(self, line: Line, nonce: str) -> discord.Message:
        async with outcome():
            return await self._channel.send(
                fitted(line.text), nonce=nonce, allowed_mentions=NOBODY, suppress_embeds=True
            )

    def _name(self, line: Line) -> str:
        face = self._faces.get(line.speaker)
        if line.place:
            name = lawful(f"{lawful(line.speaker)[:50]} ({line.place})")
        else:
            name = face.name if face else lawful(line.speaker)
        return self._instead.get(name, name)

    def _rename(self, name: str, refusal: Withheld) -> None:
        self._instead[name] = f"{NAMELESS} {len(self._instead) + 1}"
        log.warning(
            "Discord takes no lines of %s (%s); they are shown as %s's.",
            name, refusal, self._instead[name],
        )  # fmt: skip

    async def _webhook_with(self, webhook_id: int | None) -> discord.Webhook | None:
        """One of ours by its id; None if the message is no webhook's."""
        if webhook_id is None:
            return None
        if self._known is None:
            await self.prepare()
        found = [one for one in (self._known or {}).values() if one.id == webhook_id]
        if not found:
            raise Withheld("the webhook that wrote it is gone", 404, UNKNOWN_WEBHOOK)
        return found[0]

    async def _webhook_of(self, line: Line) -> tuple[discord.Webhook, str]:
        """The webhook to show a line by, and the address of the picture, if that is not the
        webhook's own."""
        face = self._faces.get(line.speaker) if not line.place else None
        if face is None or face.picture is None or line.speaker in self._sharing:
            return await self._named(SHARED, None), face.address if face else ""
        try:
            if line.speaker not in self._pictures:
                self._pictures[line.speaker] = await asyncio.to_thread(_pictured, face)
            picture, name = self._pictures[line.speaker]
            return await self._named(name, picture), ""
        except OSError as error:
            reason = f"the picture cannot be read: {error.strerror}"
        except Withheld as error:
            if error.code not in (TOO_MANY_WEBHOOKS, INVALID_FORM):
                raise
            full = error.code == TOO_MANY_WEBHOOKS
            reason = "the channel has 15 webhooks" if full else f"Discord refused it: {error}"
        except ValueError as error:
            reason = str(error)
        log.warning("%s has no picture of their own on Discord: %s", line.speaker, reason)
        self._sharing.add(line.speaker)
        return await self._named(SHARED, None), ""

    async def _named(self, name: str, picture: bytes | None) -> discord.Webhook:
        """The webhook of this name; makes it, or gives an old one of the same friend this name
        and picture. Raises RequestFailed; ValueError for what is no picture."""
        if self._known is None:
            await self.prepare()
        assert self._known is not None
        if name not in self._known:
            known, self._known = self._known, None  # seen anew, should this come to nothing
            stem = name.rpartition("-")[0]
            old = next((n for n in known if picture and n.rpartition("-")[0] == stem), None)
            async with outcome():
                if old is None:
                    made = await self._home.create_webhook(name=name, avatar=picture)
                    known[name] = self._webhook(made.id, made.token or "")
                else:
                    known[name] = known.pop(old)
                    await known[name].edit(name=name, avatar=picture)
            self._known = known
        return self._known[name]

    def _webhook(self, webhook_id: int, token: str) -> discord.Webhook:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                middlewares=(only_once,), timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS)
            )
        self._own_ids.add(webhook_id)
        return discord.Webhook.partial(webhook_id, token, session=self._session)


def _pictured(face: Face) -> tuple[bytes, str]:
    """The picture and the name of the webhook that holds it. Raises OSError."""
    assert face.picture is not None
    picture = face.picture()
    whose, which = (hashlib.sha256(data).hexdigest() for data in (face.name.encode(), picture))
    shown = fitted(face.name, SHOWN_UNITS)
    return picture, f"{SHARED} {shown} {whose[:MARK_CHARS]}-{which[:MARK_CHARS]}"
