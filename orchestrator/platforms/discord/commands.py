"""The slash commands and menu entries, as Discord shows them.

What they do is in command_desk.py. They belong to the servers of the stages, where they appear at
once; Discord takes up to an hour for those of an account.
"""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Literal
from weakref import WeakKeyDictionary

import discord
from discord import app_commands

from orchestrator.control import FASTEST, MOST_TOPIC_CHARS, MOST_TOPIC_LINES, SLOWEST
from orchestrator.errors import OrchestratorError
from orchestrator.platforms import looking
from orchestrator.platforms.discord import answers
from orchestrator.platforms.discord.command_desk import (
    CANNOT_BE_TOLD,
    Asked,
    Desk,
    Door,
    Turned,
    backstage_of,
    tell,
)
from orchestrator.platforms.discord.command_settings import COMMANDS
from orchestrator.platforms.discord.connection import Connection
from orchestrator.platforms.discord.invitation import invitation
from orchestrator.platforms.discord.role_making import make_roles, remove_roles
from orchestrator.talk.waiting import TOPIC_LINES

log = logging.getLogger(__name__)

MOST_PROPOSED = 25
"""Discord shows no more."""
Topic = app_commands.Range[str, 1, MOST_TOPIC_CHARS]
Lines = app_commands.Range[int, 1, MOST_TOPIC_LINES]
LineNumber = app_commands.Range[int, 1, 2**53 - 1]
Pace = app_commands.Range[float, SLOWEST, FASTEST]
AnyCommand = app_commands.Command[Any, ..., Any] | app_commands.ContextMenu


class Commands:
    """The commands of one bot account, on the servers of all its stages: `commands_of` its
    connection. A stage is added once it is known which server its channel is on."""

    def __init__(self, client: discord.Client) -> None:
        self._desk = Desk()
        self._commands = [*_talking(self._desk), *_steering(self._desk), *_looking(self._desk),
                          *_menu(self._desk)]  # fmt: skip
        self._tree = _Tree(client)
        self._guilds: set[int] = set()
        self._registered: set[int] = set()
        self._told: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def set_up(self, client: discord.Client) -> None:
        """Has a client of the account take commands, once it has logged in."""
        if client is not self._tree.client:
            self._tree = _Tree(client)
        for guild_id in self._guilds:
            self._take(guild_id)

    def add(self, door: Door, guild_id: int) -> None:
        """From now on commands in the stage's channel are taken. Discord is told of them in the
        background: a show can begin without. Called again, as after a change of permissions, it
        tries again what failed."""
        self._desk.open(door)
        self._guilds.add(guild_id)
        if guild_id not in self._registered:
            self._take(guild_id)

    async def remove(self, door: Door) -> None:
        """No longer; the commands stay registered, as the show will come back."""
        await self._desk.close(door)
        if self._desk.is_closed:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _take(self, guild_id: int) -> None:
        for command in self._commands:
            self._tree.add_command(command, guild=discord.Object(guild_id), override=True)
        if guild_id not in self._registered:
            self._registered.add(guild_id)
            task = asyncio.create_task(self._register(self._tree, guild_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _register(self, tree: _Tree, guild_id: int) -> None:
        try:
            await tree.sync(guild=discord.Object(guild_id))
            self._told.discard(guild_id)
            return
        except discord.Forbidden:
            link = invitation(tree.client.application_id or 0)
            why = f"this server lets the bot have none; open {link} to allow them"
        except discord.HTTPException as error:
            why = str(error)
        except CANNOT_BE_TOLD as error:
            why = f"Discord cannot be reached ({error})"
        self._registered.discard(guild_id)
        if guild_id not in self._told:
            self._told.add(guild_id)
            log.warning("There are no slash commands for now: %s. Names and replies work.", why)


class _Tree(app_commands.CommandTree[discord.Client]):
    """Tells people what is wrong, and the log what went wrong."""

    async def on_error(self, asked: Asked, error: app_commands.AppCommandError, /) -> None:
        cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
        if isinstance(cause, Turned | OrchestratorError):
            text = str(cause)
        elif isinstance(
            cause, app_commands.CommandNotFound | app_commands.CommandSignatureMismatch
        ):
            text = "That command has changed; press Ctrl-R to have Discord show the new one."
        elif isinstance(cause, discord.HTTPException | OSError):
            log.warning("a command could not be carried out: %s", cause)
            text = "Discord did not let that be done; the log of the show says why."
        else:
            log.error("a command went wrong", exc_info=cause)
            text = "That went wrong; the log of the show says how."
        if asked.type is not discord.InteractionType.autocomplete:
            await tell(asked, text, hidden=True, marked=isinstance(cause, Turned))


_COMMANDS: WeakKeyDictionary[Connection, Commands] = WeakKeyDictionary()


def commands_of(connection: Connection) -> Commands:
    """The commands of an account, the same for all of its stages."""
    if (known := _COMMANDS.get(connection)) is not None:
        return known
    _COMMANDS[connection] = commands = Commands(connection.client)
    connection.client_made.append(commands.set_up)
    return commands


def _talking(desk: Desk) -> list[AnyCommand]:
    """Commands that everybody uses."""

    @app_commands.command(description="Have a friend speak next")
    @app_commands.describe(friend="who", text="about what, if you like")
    async def ask(asked: Asked, friend: str, text: Topic = "") -> None:
        await desk.steer(asked, "ask", desk.asking(asked.channel_id, friend, text))

    ask.autocomplete("friend")(_proposals(desk))

    @app_commands.command(description="What they talk about, less and less")
    @app_commands.describe(text="a word or a few; off ends it", lines="for how many lines")
    async def topic(asked: Asked, text: Topic, lines: Lines = TOPIC_LINES) -> None:
        await desk.steer(asked, "topic", f"{text} for {lines} lines")

    @app_commands.command(description="The last line is said anew in its place")
    async def again(asked: Asked) -> None:
        await desk.steer(asked, "again", hidden=True)

    return [ask, topic, again]


def _steering(desk: Desk) -> list[AnyCommand]:
    """Commands that change the show for all."""

    @app_commands.command(description="Everybody is silent until /resume")
    async def pause(asked: Asked) -> None:
        await desk.steer(asked, "pause")

    @app_commands.command(description="On with the show")
    async def resume(asked: Asked) -> None:
        await desk.steer(asked, "resume")

    @app_commands.command(description="How fast they talk")
    @app_commands.describe(speed="2 is twice as fast, 0.5 half as fast")
    async def pace(asked: Asked, speed: Pace) -> None:
        await desk.steer(asked, "pace", f"{speed:g}")

    @app_commands.command(description="A friend is silent until /unmute")
    @app_commands.describe(friend="who")
    async def mute(asked: Asked, friend: str) -> None:
        await desk.steer(asked, "mute", friend)

    mute.autocomplete("friend")(_proposals(desk))

    @app_commands.command(description="A friend may speak again")
    @app_commands.describe(friend="who")
    async def unmute(asked: Asked, friend: str) -> None:
        await desk.steer(asked, "unmute", friend)

    unmute.autocomplete("friend")(_proposals(desk))

    @app_commands.command(description="The last line is taken back, and will not come again")
    async def oops(asked: Asked) -> None:
        await desk.steer(asked, "oops", hidden=True)

    return [pause, resume, pace, mute, unmute, oops]


def _looking(desk: Desk) -> list[AnyCommand]:
    """Commands whose answer only the one who asks sees."""

    @app_commands.command(description="Why a line was said")
    @app_commands.describe(line="its number; without one, the last line of a friend")
    async def why(asked: Asked, line: LineNumber | None = None) -> None:
        await desk.explain(asked, line, None)

    @app_commands.command(description="What is going on")
    async def status(asked: Asked) -> None:
        door = desk.admit(asked, "status")
        await tell(asked, backstage_of(door).control.status(), hidden=True)

    @app_commands.command(description="Who is here, and a role for each to @mention")
    @app_commands.describe(roles="make a role for each friend, or remove them")
    async def friends(asked: Asked, roles: Literal["create", "delete"] | None = None) -> None:
        if roles is None:
            door = desk.admit(asked, "friends")
            await tell(asked, "\n".join(looking.friends(backstage_of(door))), hidden=True)
            return
        await _change_roles(desk.admit(asked, "roles"), asked, roles)

    @app_commands.command(description="What was said, as a file for you alone")
    @app_commands.describe(since="2 hours, 3 days, yesterday, 2026-03-31", form="of the file")
    async def transcript(asked: Asked, since: str = "", form: looking.Form = "html") -> None:
        await _send_transcript(desk.admit(asked, "transcript"), asked, since, form)

    @app_commands.command(name="help", description="What you can do here")
    async def help_(asked: Asked) -> None:
        door = desk.admit(asked, "help")
        allowed = [name for name in COMMANDS if desk.may(asked, door, name)]
        await tell(asked, answers.helped(allowed), hidden=True, marked=True)

    return [why, status, friends, transcript, help_]


def _menu(desk: Desk) -> list[AnyCommand]:
    """Entries in the menu of a message, under Apps."""

    async def why(asked: Asked, message: discord.Message) -> None:
        await desk.explain(asked, None, message)

    async def again(asked: Asked, message: discord.Message) -> None:
        await desk.steer(asked, "again", on=message, hidden=True)

    async def oops(asked: Asked, message: discord.Message) -> None:
        await desk.steer(asked, "oops", on=message, hidden=True)

    entries = (("Why?", why), ("Again", again), ("Oops", oops))
    return [app_commands.ContextMenu(name=name, callback=entry) for name, entry in entries]


Proposals = Callable[[Asked, str], Awaitable[list[app_commands.Choice[str]]]]


def _proposals(desk: Desk) -> Any:  # discord.py's type of it wants a coroutine of its own kind
    async def propose(asked: Asked, typed: str) -> list[app_commands.Choice[str]]:
        found = [app_commands.Choice(name=shown, value=name)
                 for shown, name in desk.called(asked.channel_id, typed)]  # fmt: skip
        return found[:MOST_PROPOSED]

    return propose


async def _change_roles(door: Door, asked: Asked, wanted: Literal["create", "delete"]) -> None:
    if asked.guild is None or not asked.app_permissions.manage_roles:
        raise Turned("The bot lacks the permission Manage Roles, which it needs for that.")
    await asked.response.defer(ephemeral=True, thinking=True)
    by = f"asked for by {asked.user.display_name}"
    friends = backstage_of(door).show.friends
    change = make_roles if wanted == "create" else remove_roles
    await tell(asked, await change(asked.guild, friends, by), hidden=True)


async def _send_transcript(door: Door, asked: Asked, since: str, form: looking.Form) -> None:
    if not asked.permissions.read_message_history:
        raise Turned("You may not read back in this channel, so there is no transcript for you.")
    await asked.response.defer(ephemeral=True, thinking=True)
    data = await looking.transcript(
        backstage_of(door), door.settings.conversation, form, since, asked.filesize_limit,
        "since: 2 days",
    )  # fmt: skip
    file = discord.File(io.BytesIO(data), f"transcript.{form}")
    await tell(asked, "What was said:", hidden=True, file=file)
