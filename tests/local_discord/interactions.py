"""Commands that a person uses: what Discord's client lets through, the event for the bot, and
the answers. The routes on which a bot answers are in rest_answers.py.

Source: https://docs.discord.com/developers/interactions/receiving-and-responding
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from . import shapes
from .options import nested, resolve_options
from .permissions import USE_APPLICATION_COMMANDS, permissions_in
from .posting import LOADING
from .service import Service
from .world import Bot, Channel, Json, Message, User

COMMAND, COMPONENT, AUTOCOMPLETE = 2, 3, 4
CHAT_INPUT, MESSAGE_MENU = 1, 3
ANSWER_WITHIN_S = 3.0
"""Discord takes a first answer no later than this after the person asked ..."""
TOKEN_LIVES_S = 900.0
"""... and further ones as long as this."""
KEPT = 1_000
UPLOAD_LIMIT_BYTES = 10 * 1024 * 1024


@dataclass(eq=False)
class Interaction:
    """One use of a command, a menu's entry, a button, or one letter typed into an option."""

    service: Service
    id: int
    token: str
    kind: int
    bot: Bot
    user: User
    channel: Channel
    data: Json
    on: Message | None = None
    asked_at: float = field(default_factory=time.monotonic)
    answer_kind: int | None = None
    messages: list[Message] = field(default_factory=list)
    choices: list[Json] | None = None

    @property
    def age_s(self) -> float:
        """Seconds since the person asked."""
        return time.monotonic() - self.asked_at

    @property
    def failed(self) -> bool:
        """Whether the person reads "The application did not respond"."""
        return self.answer_kind is None and self.age_s > ANSWER_WITHIN_S

    async def answered(self, timeout_s: float = 5.0) -> Message:
        """Wait for the first answer with a text (not just "is thinking"), and give it back."""

        def first() -> Message | None:
            ready = [each for each in self.messages if not each.flags & LOADING]
            return ready[0] if ready else None

        message = await self.service.changes.when(first, timeout_s, "an answer to a command")
        assert message is not None
        return message

    async def proposed(self, timeout_s: float = 5.0) -> list[Json]:
        """Wait for the choices that a bot proposes."""
        await self.service.changes.when(
            lambda: self.choices is not None, timeout_s, "an autocompletion"
        )
        return self.choices or []

    def metadata(self) -> Json:
        """What a message says of the command that it answers."""
        return {"id": str(self.id), "type": self.kind, "user": shapes.user(self.user),
                "name": self.data.get("name"), "authorizing_integration_owners": {}}  # fmt: skip

    def body(self) -> Json:
        """INTERACTION_CREATE for the bot."""
        world = self.service.world
        guild = world.guild_of(self.channel)
        body: Json = {
            "id": str(self.id), "application_id": str(self.bot.id), "type": self.kind,
            "token": self.token, "version": 1, "data": self.data, "locale": "en-US",
            "channel_id": str(self.channel.id), "channel": shapes.channel(self.channel),
            "app_permissions": str(permissions_in(world, self.channel, self.bot.id)),
            "entitlements": [], "attachment_size_limit": UPLOAD_LIMIT_BYTES,
            "context": 1 if guild is None else 0, "authorizing_integration_owners": {},
        }  # fmt: skip
        if self.on is not None and self.kind == COMPONENT:
            body["message"] = shapes.message(self.on, world, self.service.site, self.bot.id)
        if guild is None:
            return body | {"user": shapes.user(self.user)}
        member = shapes.interaction_member(world, self.channel, guild.members[self.user.id])
        body["authorizing_integration_owners"] = {"0": str(guild.id)}
        return body | {
            "guild_id": str(guild.id), "guild_locale": "en-US", "member": member,
            "guild": {"id": str(guild.id), "locale": "en-US", "features": []},
        }  # fmt: skip


def use(
    service: Service, user: User, channel: Channel, name: str, options: Mapping[str, object],
    of: Bot | None,
) -> Interaction:  # fmt: skip
    """Use a slash command, as `Person.uses` describes."""
    bot, command = _find(service, user, channel, name.split()[0], CHAT_INPUT, of)
    path, leaf = nested(command, name)
    filled, resolved = resolve_options(service, leaf, options, complete=True)
    data = _data(channel, command, path, filled, resolved)
    return _begin(service, user, channel, bot, COMMAND, data)


def complete(
    service: Service, user: User, channel: Channel, name: str, typing: tuple[str, str],
    others: Mapping[str, object], of: Bot | None,
) -> Interaction:  # fmt: skip
    """Type into an option of a slash command; `typing`: the option and the text so far."""
    bot, command = _find(service, user, channel, name.split()[0], CHAT_INPUT, of)
    path, leaf = nested(command, name)
    option = next((each for each in leaf.get("options", []) if each["name"] == typing[0]), None)
    if option is None or not option.get("autocomplete"):
        raise LookupError(f"/{name} has no option {typing[0]!r} with autocompletion")
    filled, resolved = resolve_options(service, leaf, others, complete=False)
    filled.append({"name": typing[0], "type": option["type"], "value": typing[1], "focused": True})
    data = _data(channel, command, path, filled, resolved)
    return _begin(service, user, channel, bot, AUTOCOMPLETE, data)


def use_on(
    service: Service, user: User, channel: Channel, message: Message, entry: str, of: Bot | None
) -> Interaction:
    """Use an entry of a message's menu; the bot gets the message with its text, always."""
    bot, command = _find(service, user, channel, entry, MESSAGE_MENU, of)
    body = shapes.message(message, service.world, service.site, bot.id)
    data = _data(channel, command, [], [], {"messages": {str(message.id): body}})
    data |= {"target_id": str(message.id)}
    return _begin(service, user, channel, bot, COMMAND, data, message)


def click(
    service: Service, user: User, channel: Channel, message: Message, custom_id: str
) -> Interaction:
    """Press a button of a bot's message."""
    buttons = [each for row in message.components for each in row.get("components", [row])]
    button = next((each for each in buttons if each.get("custom_id") == custom_id), None)
    bot = service.world.bots.get(message.application_id or message.author.id)
    if button is None or bot is None:
        raise LookupError(f"there is no button {custom_id!r} under this message")
    if button.get("disabled"):
        raise PermissionError(f"the button {custom_id!r} is grey")
    data: Json = {"custom_id": custom_id, "component_type": button["type"]}
    return _begin(service, user, channel, bot, COMPONENT, data, message)


def _find(
    service: Service, user: User, channel: Channel, name: str, kind: int, of: Bot | None
) -> tuple[Bot, Json]:
    """The command that the person sees under this name in this channel."""
    rights = permissions_in(service.world, channel, user.id)
    if not rights & USE_APPLICATION_COMMANDS:
        raise PermissionError(f"{user.name} may use no commands in #{channel.name}")
    for bot in service.world.bots.values():
        here = _is_here(service, bot, channel)
        if not here or of not in (None, bot):
            continue
        for scope in (channel.guild_id, None):
            for command in bot.commands.get(scope, {}).values():
                if command["name"] == name and command["type"] == kind:
                    _allow(command, rights, user, in_private=channel.guild_id is None)
                    return bot, command
    raise LookupError(f"no bot in #{channel.name} has the command {name!r}")


def _is_here(service: Service, bot: Bot, channel: Channel) -> bool:
    guild = service.world.guild_of(channel)
    return bot.user in channel.recipients if guild is None else bot.id in guild.members


def _allow(command: Json, rights: int, user: User, in_private: bool) -> None:
    needed = int(command.get("default_member_permissions") or 0)
    if not in_private and rights & needed != needed:
        raise PermissionError(f"{user.name} may not use {command['name']!r}")
    contexts = command.get("contexts")
    if in_private and (command.get("dm_permission") is False
                       or (contexts is not None and 1 not in contexts)):  # fmt: skip
        raise LookupError(f"{command['name']!r} is not there in private chats")


def _data(
    channel: Channel, command: Json, path: list[tuple[int, str]], filled: list[Json],
    resolved: Json,
) -> Json:  # fmt: skip
    for kind, name in reversed(path):
        filled = [{"type": kind, "name": name, "options": filled}]
    data: Json = {"id": command["id"], "name": command["name"], "type": command["type"]}
    if filled:
        data["options"] = filled
    if resolved:
        data["resolved"] = resolved
    if command.get("guild_id"):
        data["guild_id"] = command["guild_id"]
    return data


def _begin(
    service: Service, user: User, channel: Channel, bot: Bot, kind: int, data: Json,
    on: Message | None = None,
) -> Interaction:  # fmt: skip
    asked = Interaction(service, service.world.snowflakes.new(), secrets.token_urlsafe(80), kind,
                        bot, user, channel, data, on)  # fmt: skip
    for token, old in list(service.interactions.items()):
        if old.age_s <= TOKEN_LIVES_S and len(service.interactions) < KEPT:
            break
        del service.interactions[token]
    service.interactions[asked.token] = asked
    service.tell_bot(bot, "INTERACTION_CREATE", asked.body())
    return asked
