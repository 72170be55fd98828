"""Takes commands that people use in Discord to the show, and its answers back to them.

Knows who may do what and where, and that Discord wants a first answer within three seconds; knows
nothing of how the commands look in Discord's interface.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
import discord

from orchestrator.backstage import Backstage
from orchestrator.control import Refused
from orchestrator.platforms import Command, Event
from orchestrator.platforms.discord.access import may_use, who_may
from orchestrator.platforms.discord.answers import by_lines
from orchestrator.platforms.discord.command_settings import CommandName
from orchestrator.platforms.discord.settings import DiscordStage

log = logging.getLogger(__name__)

Asked = discord.Interaction[discord.Client]

FIRST_ANSWER_SECONDS = 1.5
"""Discord gives up after three seconds; after these it is told that the answer takes longer."""
LAST_ANSWER_SECONDS = 14 * 60
"""Discord takes answers for a quarter of an hour."""
FAREWELL_SECONDS = 2.0
NO_ANSWER = "The show is busy and has not come to it yet; it is not forgotten."
OVER = "The show is over."
CANNOT_BE_TOLD = (discord.DiscordException, aiohttp.ClientError, OSError, RuntimeError)
"""How an answer fails that nobody waits for any more; the last one is aiohttp's, for a session that
is closed."""


class Door(Protocol):
    """What is asked of a stage."""

    name: str
    """Under which the transcript knows its messages."""
    settings: DiscordStage
    backstage: Backstage | None

    def put(self, event: Event) -> None:
        """Hands the event to the show."""
        ...


def backstage_of(door: Door) -> Backstage:
    """That of a stage that takes commands, which is open."""
    assert door.backstage is not None
    return door.backstage


class Turned(Exception):
    """Somebody may not do that, or not here; the message is for them alone."""


@dataclass(eq=False, slots=True)
class _Request:
    """A command on its way to the show and back."""

    asked: Asked
    command: CommandName
    argument: str
    message_id: str | None
    hidden: bool
    answered: asyncio.Future[str] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def event(self) -> Command:
        """As the show takes it."""
        name = self.asked.user.display_name
        return Command(name, self.command, self.argument, self._answer, self.message_id)

    async def _answer(self, text: str, is_done: bool = True) -> None:
        if not is_done:
            self.hidden = True  # nobody else is to be bothered with it
        if not self.answered.done():
            self.answered.set_result(text)

    async def think(self) -> None:
        """Tells Discord that the answer takes longer."""
        try:
            await self.asked.response.defer(ephemeral=self.hidden, thinking=True)
        except CANNOT_BE_TOLD as error:
            log.info("nobody could be told that /%s takes longer: %s", self.command, error)


class Desk:
    """All stages that one bot account serves."""

    def __init__(self) -> None:
        self._doors: dict[int, Door] = {}
        self._waiting: dict[Door, dict[asyncio.Future[str], asyncio.Task[Any]]] = {}
        self._anew: set[Door] = set()

    def open(self, door: Door) -> None:
        """From now on commands in the stage's channel are taken."""
        self._doors[door.settings.channel] = door
        self._waiting.setdefault(door, {})

    async def close(self, door: Door) -> None:
        """Whoever still waits is told that it is over, if Discord takes that soon."""
        self._doors.pop(door.settings.channel, None)
        waiting = self._waiting.pop(door, {})
        for answer in waiting:
            if not answer.done():
                answer.set_result(OVER)
        if waiting:
            await asyncio.wait(waiting.values(), timeout=FAREWELL_SECONDS)

    @property
    def is_closed(self) -> bool:
        """Whether no stage takes commands."""
        return not self._doors

    def door(self, channel_id: int | None) -> Door | None:
        """The stage in a channel."""
        return self._doors.get(channel_id or 0)

    def admit(self, asked: Asked, command: CommandName) -> Door:
        """The stage that the command is for. Raises Turned if it is none, or this person may
        not."""
        door = self.door(asked.channel_id)
        if door is None:
            raise Turned(self._elsewhere(asked.guild))
        if not self.may(asked, door, command):
            access = door.settings.commands.access(command)
            known = asked.guild.roles if asked.guild else []
            what = "making roles" if command == "roles" else f"/{command}"
            raise Turned(f"Sorry, {what} is for {who_may(command, access, known)}.")
        return door

    def may(self, asked: Asked, door: Door, command: CommandName) -> bool:
        """Whether this person may use the command there."""
        access = door.settings.commands.access(command)
        roles = asked.user.roles if isinstance(asked.user, discord.Member) else []
        return may_use(command, access, asked.permissions, roles)

    def _elsewhere(self, guild: discord.Guild | None) -> str:
        here = [n for n in self._doors if guild is not None and guild.get_channel_or_thread(n)]
        if not here:
            return "The show is not on this server at the moment."
        return f"The show is in {' and '.join(f'<#{number}>' for number in here)}; use it there."

    # --- what changes the show ------------------------------------------------------------------

    async def steer(
        self, asked: Asked, command: CommandName, argument: str = "",
        on: discord.Message | None = None, *, hidden: bool = False,
    ) -> None:  # fmt: skip
        """Has the show do it, so that it is recorded, and tells what came of it: all, or with
        `hidden` only who asked. `on` is the message that they pointed at."""
        door = self.admit(asked, command)
        request = _Request(asked, command, argument, str(on.id) if on else None, hidden)
        if command != "again":
            await self._carry_out(door, request)
            return
        if door in self._anew:
            raise Turned("A line is being said anew already; one at a time, please.")
        self._anew.add(door)
        try:
            await request.think()  # a model takes its time
            await self._carry_out(door, request)
        finally:
            self._anew.discard(door)

    async def _carry_out(self, door: Door, request: _Request) -> None:
        task = asyncio.current_task()
        waiting = self._waiting.get(door)
        if task is None or waiting is None:
            raise Turned(OVER)
        waiting[request.answered] = task
        try:
            door.put(request.event())
            if not request.asked.response.is_done():
                await asyncio.wait((request.answered,), timeout=FIRST_ANSWER_SECONDS)
                if not request.answered.done():
                    await request.think()
            await asyncio.wait((request.answered,), timeout=LAST_ANSWER_SECONDS)
            text = request.answered.result() if request.answered.done() else NO_ANSWER
            await tell(request.asked, text, hidden=request.hidden)
        finally:
            waiting.pop(request.answered, None)

    # --- what only looks ------------------------------------------------------------------------

    async def explain(self, asked: Asked, which: int | None, on: discord.Message | None) -> None:
        """Why a line was said; only who asks is told."""
        door = self.admit(asked, "why")
        if which is not None and not asked.permissions.read_message_history:
            raise Turned("You may not read back in this channel, so /why is of the last line only.")
        if on is not None:
            which = backstage_of(door).transcript.line_of(door.name, str(on.id))
            if which is None:
                raise Turned("That message is no line of this show.")
        try:
            text = backstage_of(door).control.why(which)
        except Refused as error:
            raise Turned(str(error)) from error
        await tell(asked, text, hidden=True)

    def asking(self, channel_id: int | None, friend: str, text: str) -> str:
        """ "Dex pizza", for the show; with two blanks if there are both Big and Big Al, and Big is
        asked about Al."""
        words = f"{friend} {text}".strip()
        door = self.door(channel_id)
        friends = backstage_of(door).show.friends if door else ()
        names = (name.casefold() for one in friends for name in (one.name, *one.aliases))
        is_another = any(
            len(name) > len(friend) and words.casefold().startswith(name) for name in names
        )
        return f"{friend}  {text}" if is_another else words

    def called(self, channel_id: int | None, typed: str) -> Iterable[tuple[str, str]]:
        """Friends to propose for what somebody types, as shown and as meant."""
        door = self.door(channel_id)
        typed = typed.casefold().strip()
        for friend in backstage_of(door).show.friends if door else ():
            names = [n for n in (friend.name, *friend.aliases) if typed in n.casefold()]
            if friend.name in names:
                yield friend.name, friend.name
            elif names:
                yield f"{names[0]} ({friend.name})"[:100], friend.name


async def tell(
    asked: Asked, text: str, *, hidden: bool, marked: bool = False, file: discord.File | None = None
) -> None:
    """Answers the command, as its first answer or after "is thinking". `marked`: the text is our
    own and has marks; all else may be anybody's, and is shown as it is."""
    text = by_lines(text if marked else discord.utils.escape_markdown(text))
    quiet = discord.AllowedMentions.none()
    files = [file] if file else []
    try:
        if asked.response.is_done():
            await asked.edit_original_response(
                content=text, attachments=files, allowed_mentions=quiet
            )
        else:
            await asked.response.send_message(
                text, ephemeral=hidden, files=files, allowed_mentions=quiet, suppress_embeds=True
            )
    except CANNOT_BE_TOLD as error:
        log.info("nobody could be told %r: %s", text[:80], error)
