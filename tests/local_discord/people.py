"""People: what somebody in front of a Discord client does and sees. They are as trusting as
people are: what they may not do raises `PermissionError`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import interactions, posting
from .interactions import Interaction
from .permissions import (
    ADD_REACTIONS,
    SEND_MESSAGES,
    SEND_MESSAGES_IN_THREADS,
    VIEW_CHANNEL,
    permissions_in,
)
from .world import PUBLIC_THREAD, Attachment, Bot, Channel, Json, Message, User

if TYPE_CHECKING:
    from .service import Service


class Person:
    """One person."""

    def __init__(self, service: Service, user: User) -> None:
        self.user = user
        self._service = service

    @property
    def id(self) -> int:
        """The user's id."""
        return self.user.id

    @property
    def name(self) -> str:
        """The user's name."""
        return self.user.name

    @property
    def mention(self) -> str:
        """The text that mentions this person."""
        return self.user.mention

    def says(
        self, channel: Channel, text: str = "", reply_to: Message | None = None, *,
        ping: bool = True, files: Mapping[str, bytes] | None = None,
    ) -> Message:  # fmt: skip
        """Post a line; `files`: name -> bytes; `ping`: whether a reply mentions its author."""
        thread = channel.kind == PUBLIC_THREAD
        self._need(channel, SEND_MESSAGES_IN_THREADS if thread else SEND_MESSAGES)
        form: Json = {"content": text}
        if reply_to is not None:
            form["message_reference"] = {"message_id": str(reply_to.id)}
            parse = ["users", "roles", "everyone"]
            form["allowed_mentions"] = {"parse": parse, "replied_user": ping}
        new_id = self._service.world.snowflakes.new
        attached = [Attachment(new_id(), name, body) for name, body in (files or {}).items()]
        return posting.post(self._service, channel, posting.Draft(self.user, form, attached))

    def says_privately(self, bot: Bot, text: str) -> Message:
        """Write to a bot in the private chat with it."""
        return self.says(self.private_chat(bot), text)

    def private_chat(self, bot: Bot) -> Channel:
        """The private chat with a bot."""
        return self._service.private_chat(self.user, bot.user)

    def edits(self, message: Message, text: str) -> None:
        """Change an own line."""
        if message.author is not self.user:
            raise PermissionError("people can edit only their own lines")
        posting.edit(self._service, self._channel(message), message, {"content": text}, [])

    def deletes(self, message: Message) -> None:
        """Delete an own line."""
        if message.author is not self.user:
            raise PermissionError("people can delete only their own lines")
        posting.delete(self._service, self._channel(message), message)

    def reacts(self, message: Message, emoji: str) -> None:
        """Put an emoji under a line."""
        self._need(self._channel(message), ADD_REACTIONS)
        posting.react(self._service, self._channel(message), message, self.user, emoji)

    def takes_back(self, message: Message, emoji: str) -> None:
        """Take an own emoji back."""
        posting.take_back(self._service, self._channel(message), message, self.user, emoji)

    def types(self, channel: Channel) -> None:
        """Be seen typing."""
        self._need(channel, SEND_MESSAGES)
        body: Json = {"channel_id": str(channel.id), "user_id": str(self.id),
                      "timestamp": self._service.world.snowflakes.new() >> 22}  # fmt: skip
        if channel.guild_id is not None:
            body["guild_id"] = str(channel.guild_id)
        self._service.tell_channel(channel, "TYPING_START", lambda session: body, "typing")

    def uses(
        self, channel: Channel, command: str, bot: Bot | None = None, **options: object
    ) -> Interaction:
        """Use a slash command. `command`: with its groups, "friend mute"; `bot`: whose, where
        several bots have one of that name; `options`: by the names that Discord shows.

        Raises LookupError where it is not there, ValueError where Discord's client would not
        send it: options missing or unknown.
        """
        return interactions.use(self._service, self.user, channel, command, options, bot)

    def uses_on(self, message: Message, entry: str, bot: Bot | None = None) -> Interaction:
        """Use an entry of the menu of a message (Apps > ...)."""
        channel = self._channel(message)
        return interactions.use_on(self._service, self.user, channel, message, entry, bot)

    def clicks(self, message: Message, custom_id: str) -> Interaction:
        """Press a button under a message."""
        return interactions.click(
            self._service, self.user, self._channel(message), message, custom_id
        )

    async def completes(
        self, channel: Channel, command: str, option: str, typed: str = "",
        bot: Bot | None = None, timeout_s: float = 5.0, **others: object,
    ) -> list[Json]:  # fmt: skip
        """Type into an option with autocompletion and wait for what is proposed: choices with
        `name` and `value`. `others`: options filled in before."""
        asked = interactions.complete(
            self._service, self.user, channel, command, (option, typed), others, bot
        )
        return await asked.proposed(timeout_s)

    def reads(self, channel: Channel) -> list[Message]:
        """The channel as this person sees it, oldest first: with the ephemeral answers to this
        person, without those to others."""
        if not permissions_in(self._service.world, channel, self.id) & VIEW_CHANNEL:
            return []
        own = [
            message
            for each in self._service.interactions.values()
            if each.user is self.user and each.channel is channel
            for message in each.messages
            if message.ephemeral
        ]
        return sorted([*channel.history, *own], key=lambda message: message.id)

    def _channel(self, message: Message) -> Channel:
        return self._service.world.channels[message.channel_id]

    def _need(self, channel: Channel, permission: int) -> None:
        if not permissions_in(self._service.world, channel, self.id) & permission:
            raise PermissionError(f"{self.name} may not do that in #{channel.name}")
