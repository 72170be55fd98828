"""Slash commands and menu entries, as people use them: a whole show on a local Discord, through the
unmodified discord.py."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from orchestrator.cast import read_show
from orchestrator.platforms.discord import command_desk
from orchestrator.platforms.discord.access import may_use
from orchestrator.platforms.discord.answers import by_lines
from orchestrator.platforms.discord.command_settings import COMMANDS, CommandSettings
from orchestrator.platforms.discord.platform import DiscordPlatform
from orchestrator.platforms.discord.role_making import COLORS
from orchestrator.show import ShowOptions, play
from orchestrator.tokens import Tokens
from orchestrator.transcript.file import transcript_path
from orchestrator.transcript.records import TranscriptLine
from tests.conftest import ROOT
from tests.local_discord import (
    BOT_PERMISSIONS,
    Bot,
    Channel,
    Interaction,
    LocalDiscord,
    Message,
    Person,
)
from tests.local_discord.permissions import (
    MANAGE_MESSAGES,
    MANAGE_ROLES,
    READ_MESSAGE_HISTORY,
    VIEW_CHANNEL,
)
from tests.local_discord.posting import LOADING
from tests.local_discord.rest_answers import DEFERRED
from tests.model_server.running import running

DEX = ROOT / "orchestrator" / "demo" / "friends" / "dex"
SETTINGS = """
[limits]
lines_in_a_row = 3
[[friends]]
name = "Dex"
url = "{url}"
aliases = ["Poindexter"]
[[friends]]
name = "Juno"
url = "{url}"
aliases = ["Dex Junior"]
"""
WAIT_S = 20.0
REGISTRATION = "/applications/*/guilds/*/commands"
ENTRIES = 3
"""In the menu of a message."""


class Scene:
    """A show that runs, and the people who watch it."""

    def __init__(self, local: LocalDiscord, bot: Bot, channel: Channel) -> None:
        self.local, self.bot, self.channel = local, bot, channel
        self.guild = local.world.guilds[channel.guild_id or 0]
        self.other = local.add_channel(self.guild, "general")
        self.anna = local.add_person("anna", self.guild)
        moderators = local.add_role(self.guild, "Moderators", MANAGE_MESSAGES | MANAGE_ROLES)
        self.mona = local.add_person("mona", self.guild, roles=[moderators])
        self.platform: DiscordPlatform

    async def lines(self, count: int) -> list[Message]:
        """Waits for so many lines of friends."""
        is_line = "**Dex:**", "**Juno:**"

        def said() -> list[Message]:
            found = [m for m in self.local.messages(self.channel) if m.content.startswith(is_line)]
            return found if len(found) >= count else []

        return await self.local.when(said, WAIT_S)

    async def answer(self, asked: Interaction) -> Message:
        return await asked.answered(WAIT_S)

    async def told(self, who: Person, command: str, **options: object) -> Message:
        """What somebody is answered to a slash command."""
        return await self.answer(who.uses(self.channel, command, **options))

    def recorded(self) -> list[TranscriptLine]:
        """The commands that the transcript holds."""
        assert self.platform.backstage is not None
        return list(self.platform.backstage.transcript.lines(kind="command"))


Begin = Callable[..., Awaitable[Scene]]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A model server that answers at once, for both friends of all shows here."""
    with running(tmp_path_factory.mktemp("server") / "log", DEX, "--engine", "echo") as server:
        yield server.url


@pytest.fixture
async def begin(tmp_path: Path, url: str) -> AsyncIterator[Begin]:
    async with AsyncExitStack() as stack:

        async def start(
            commands: str = "", *, permissions: int = BOT_PERMISSIONS,
            prepared: Callable[[LocalDiscord], None] | None = None,
        ) -> Scene:  # fmt: skip
            local = await stack.enter_async_context(LocalDiscord(limits=None))
            guild = local.add_guild("Friends")
            channel = local.add_channel(guild, "bots")
            bot = local.add_bot("BotConvo", guild, permissions=permissions)
            scene = Scene(local, bot, channel)
            if prepared is not None:
                prepared(local)
            token = tmp_path / "discord.token"
            token.write_text(bot.token)
            token.chmod(0o600)
            stage = (
                '[[stages]]\nplatform = "discord"\ntoken_file = "discord.token"\n'
                f'channel = {channel.id}\nappearance = "single"\napi_base = "{local.api_base}"\n'
            )
            (tmp_path / "settings.toml").write_text(
                SETTINGS.replace("{url}", url)
                + stage
                + commands.replace("{other}", str(scene.other.id))
            )
            show = read_show(tmp_path / "settings.toml")
            [settings] = show.settings.stages
            scene.platform = DiscordPlatform(settings, show, Tokens(show.home))  # type: ignore[arg-type]  # the only kind there
            playing = asyncio.create_task(
                play(show, ShowOptions(fast=True), {"main": [scene.platform]})
            )

            async def end() -> None:
                playing.cancel()
                await asyncio.gather(playing, return_exceptions=True)

            stack.push_async_callback(end)
            if prepared is None:
                await local.when_commands(bot, len(COMMANDS) - 1 + ENTRIES, guild, timeout_s=WAIT_S)
            return scene

        yield start


# --- each command -----------------------------------------------------------------------------


async def test_ask_has_the_friend_speak_and_says_so_to_all(begin: Begin) -> None:
    scene = await begin()
    await scene.lines(3)
    answer = await scene.told(scene.anna, "ask", friend="poindexter", text="pizza")
    assert (answer.content, answer.ephemeral) == ("Dex speaks next.", False)
    *_, line = await scene.lines(4)
    assert line.content.startswith("**Dex:**")
    [command] = scene.recorded()
    assert (command.speaker, command.text) == ("anna", "/ask poindexter pizza")
    assert command.why["done"] is True


async def test_ask_is_never_mistaken_for_a_friend_with_a_longer_name(begin: Begin) -> None:
    scene = await begin()
    answer = await scene.told(scene.anna, "ask", friend="Dex", text="Junior's dog")
    assert answer.content == "Dex speaks next."
    assert (await scene.told(scene.anna, "ask", friend="Dex Junior")).content == "Juno speaks next."


async def test_friends_are_proposed_by_name_and_by_alias(begin: Begin) -> None:
    scene = await begin()
    everybody = await scene.anna.completes(scene.channel, "ask", "friend")
    assert [each["value"] for each in everybody] == ["Dex", "Juno"]
    for typed, shown in (("jU", "Juno"), ("poin", "Poindexter (Dex)")):
        [found] = await scene.anna.completes(scene.channel, "ask", "friend", typed)
        assert found["name"] == shown
    assert await scene.mona.completes(scene.channel, "mute", "friend", "nobody") == []


async def test_what_steers_the_show_does_and_is_recorded_with_its_answer(begin: Begin) -> None:
    scene = await begin()
    told = [
        (await scene.told(scene.mona, command, **options)).content
        for command, options in (
            ("topic", {"text": "cheese", "lines": 5}),
            ("pause", {}),
            ("pace", {"speed": 2.5}),
            ("mute", {"friend": "Juno"}),
            ("unmute", {"friend": "Juno"}),
            ("mute", {"friend": "Bob"}),
            ("resume", {}),
        )
    ]
    assert told == [
        "Next: cheese.",
        "Paused; /resume goes on.",
        "Pace 2.5.",
        "Juno is silent until /unmute Juno.",
        "Juno may speak again.",
        "Nobody is called 'Bob'; there are Dex, Juno.",
        "On with the show.",
    ]
    recorded = scene.recorded()
    assert [line.why["answer"] for line in recorded] == told
    assert [line.text for line in recorded][:3] == [
        "/topic cheese for 5 lines",
        "/pause",
        "/pace 2.5",
    ]
    assert {line.speaker for line in recorded} == {"mona"}


async def test_why_is_told_only_to_the_one_who_asks(begin: Begin) -> None:
    scene = await begin()
    line = (await scene.lines(3))[0]
    answer = await scene.answer(scene.anna.uses_on(line, "Why?"))
    assert answer.ephemeral
    assert answer.content.startswith(line.content.split("**")[1].rstrip(":") + " said ")
    assert answer not in scene.mona.reads(scene.channel)
    by_number = await scene.told(scene.anna, "why", line=1)
    assert by_number.content == answer.content
    assert (await scene.told(scene.anna, "why")).ephemeral
    assert (await scene.told(scene.anna, "why", line=999)).content == "There is no line 999."
    hello = scene.mona.says(scene.channel, "hello")
    await scene.lines(4)
    assert "said" in (await scene.answer(scene.anna.uses_on(hello, "Why?"))).content
    assert scene.recorded() == []


async def test_why_with_a_number_is_for_whoever_may_read_back(begin: Begin) -> None:
    scene = await begin()
    lines = await scene.lines(3)
    everyone = scene.guild.everyone
    scene.local.set_role_permissions(everyone, everyone.permissions & ~READ_MESSAGE_HISTORY)
    refused = await scene.told(scene.anna, "why", line=1)
    assert (refused.content, refused.ephemeral) == (
        "You may not read back in this channel, so /why is of the last line only.", True,
    )  # fmt: skip
    assert " said " in (await scene.told(scene.anna, "why")).content
    assert " said " in (await scene.answer(scene.anna.uses_on(lines[0], "Why?"))).content


async def test_why_on_a_message_that_is_no_line_says_so(begin: Begin) -> None:
    scene = await begin()
    await scene.lines(3)
    answer = await scene.told(scene.mona, "pause")
    told = await scene.answer(scene.anna.uses_on(answer, "Why?"))
    assert (told.content, told.ephemeral) == ("That message is no line of this show.", True)


async def test_again_edits_the_line_in_its_place_and_is_deferred(begin: Begin) -> None:
    scene = await begin()
    line = (await scene.lines(3))[1]
    before = line.content
    asked = scene.anna.uses_on(line, "Again")
    answer = await scene.answer(asked)
    assert asked.answer_kind == DEFERRED, "a model takes its time"
    assert answer.ephemeral
    if "has tried again" in answer.content:
        await scene.local.when(lambda: line.content != before, WAIT_S)
    else:
        assert "finds nothing better" in answer.content
    # Not said once more, while others go on.
    assert [m.content for m in await scene.lines(3)].count(line.content) == 1
    assert (await scene.told(scene.anna, "again")).ephemeral


async def test_oops_takes_the_line_that_is_pointed_at_away(begin: Begin) -> None:
    scene = await begin()
    await scene.lines(3)
    await scene.told(scene.mona, "pause")
    first, *_ = await scene.lines(3)
    answer = await scene.answer(scene.mona.uses_on(first, "Oops"))
    assert answer.content.endswith("line is taken back and will not come again.")
    assert first not in scene.local.messages(scene.channel)
    last = (await scene.lines(2))[-1]
    await scene.told(scene.mona, "oops")
    assert last not in scene.local.messages(scene.channel)


async def test_status_friends_and_help_are_for_the_one_who_asks(begin: Begin) -> None:
    scene = await begin()
    status = await scene.told(scene.anna, "status")
    assert status.content.startswith("running, pace 1: Dex")
    friends = await scene.told(scene.anna, "friends")
    assert friends.content.splitlines()[0].startswith("Dex (Poindexter): ready")
    await scene.told(scene.mona, "mute", friend="Juno")
    assert (await scene.told(scene.anna, "friends")).content.endswith("; muted")
    help_ = await scene.told(scene.anna, "help")
    assert "**/ask**" in help_.content
    assert all(m.ephemeral for m in (status, friends, help_))
    commands = {each["name"] for each in scene.local.commands(scene.bot, scene.guild)}
    assert commands == {c for c in COMMANDS if c != "roles"} | {"Why?", "Again", "Oops"}
    assert "/pause" not in help_.content, "who may not use it is not told of it"
    help_ = await scene.told(scene.mona, "help")
    assert all(f"/{name}**" in help_.content for name in commands - {"help"} if name.islower())


@pytest.mark.parametrize(("form", "sign"), [("html", "<!doctype html>"), ("md", "# Transcript")])
async def test_the_transcript_comes_as_a_file_for_one_alone(
    begin: Begin, form: str, sign: str
) -> None:
    scene = await begin()
    lines = await scene.lines(3)
    answer = await scene.told(scene.anna, "transcript", form=form, since="2 hours")
    [file] = answer.attachments
    assert (answer.ephemeral, file.filename) == (True, f"transcript.{form}")
    assert file.body.decode().startswith(sign)
    assert lines[0].content.partition(":** ")[2].split()[0] in file.body.decode()
    wrong = await scene.told(scene.anna, "transcript", since="whenever")
    assert wrong.content.startswith("'whenever' is no time; write it as 2026-03-31")
    assert wrong.ephemeral
    everyone = scene.guild.everyone
    scene.local.set_role_permissions(everyone, everyone.permissions & ~READ_MESSAGE_HISTORY)
    refused = await scene.told(scene.anna, "transcript")
    assert refused.content.startswith("You may not read back in this channel")


async def test_roles_of_friends_are_made_and_removed_but_never_anybody_elses(begin: Begin) -> None:
    scene = await begin()
    theirs = scene.local.add_role(scene.guild, "Juno", mentionable=True)
    theirs.color = 0x123456
    made = await scene.told(scene.mona, "friends", roles="create")
    assert made.content.startswith("Made: Dex")
    [dex] = [role for role in scene.local.roles(scene.guild) if role.name == "Dex"]
    assert (dex.permissions, dex.mentionable) == (0, True)
    assert dex.color in COLORS.values()
    assert (await scene.told(scene.mona, "friends", roles="create")).content.startswith(
        "Made: none"
    )
    removed = await scene.told(scene.mona, "friends", roles="delete")
    assert removed.content == "Removed: Dex."
    assert theirs in scene.local.roles(scene.guild)
    refused = await scene.told(scene.anna, "friends", roles="create")
    assert refused.content == "Sorry, making roles is for whoever has Manage Roles here."


async def test_a_role_that_discord_refuses_keeps_no_other_from_being_made(begin: Begin) -> None:
    scene = await begin()
    scene.local.faults.answer("POST", "/guilds/*/roles", 400)
    made = await scene.told(scene.mona, "friends", roles="create")
    assert made.content.startswith("Made: Juno. Discord refused a role for Dex: ")
    assert made.content.endswith("Mention one in a line, as @Juno.")
    assert "Dex" not in [role.name for role in scene.local.roles(scene.guild)]


async def test_without_manage_roles_the_bot_says_what_it_lacks(begin: Begin) -> None:
    scene = await begin(permissions=BOT_PERMISSIONS & ~MANAGE_ROLES)
    answer = await scene.told(scene.mona, "friends", roles="create")
    assert answer.content.startswith("The bot lacks the permission Manage Roles")
    assert answer.ephemeral


# --- who may, and where -----------------------------------------------------------------------


async def test_what_steers_is_for_moderators_and_others_are_told_politely(begin: Begin) -> None:
    scene = await begin()
    for command in ("pause", "oops"):
        answer = await scene.told(scene.anna, command)
        assert answer.content == f"Sorry, /{command} is for whoever has Manage Messages here."
        assert answer.ephemeral
    line = (await scene.lines(3))[0]
    answer = await scene.answer(scene.anna.uses_on(line, "Oops"))
    assert answer.content.startswith("Sorry, /oops")
    assert line in scene.local.messages(scene.channel)
    assert scene.recorded() == []


async def test_the_settings_say_who_may_by_word_or_by_role(begin: Begin) -> None:
    scene = await begin('[stages.commands]\npause = "everyone"\nmute = "DJ"\nask = "nobody"\n')
    assert (await scene.told(scene.anna, "pause")).content == "Paused; /resume goes on."
    dj = scene.local.add_role(scene.guild, "DJ")
    carl = scene.local.add_person("carl", scene.guild, roles=[dj])
    assert (await scene.told(carl, "mute", friend="Dex")).content.startswith("Dex is silent")
    refused = await scene.told(scene.mona, "mute", friend="Dex")
    assert refused.content == "Sorry, /mute is for whoever has the role DJ."
    nobody = await scene.told(scene.mona, "ask", friend="Dex")
    assert nobody.content == "Sorry, /ask is for nobody."


async def test_in_another_channel_a_command_says_where_the_show_is(begin: Begin) -> None:
    scene = await begin()
    answer = await scene.answer(scene.mona.uses(scene.other, "pause"))
    assert answer.content == f"The show is in {scene.channel.mention}; use it there."
    assert answer.ephemeral
    assert await scene.mona.completes(scene.other, "mute", "friend") == []
    assert scene.recorded() == []


@pytest.mark.parametrize("command", COMMANDS)
def test_nobody_may_use_what_is_for_nobody_and_administrators_all_else(command: str) -> None:
    import discord

    boss, guest = discord.Permissions(administrator=True), discord.Permissions.none()
    assert may_use(command, "DJ", boss, [])  # type: ignore[arg-type]  # one of them
    assert not may_use(command, "nobody", boss, [])  # type: ignore[arg-type]
    assert not may_use(command, "moderators", guest, [])  # type: ignore[arg-type]
    assert may_use(command, "everyone", guest, [])  # type: ignore[arg-type]


def test_the_defaults_let_all_talk_and_moderators_steer() -> None:
    settings = CommandSettings()
    steering = {c for c in COMMANDS if settings.access(c) == "moderators"}
    assert steering == {"pause", "resume", "pace", "mute", "unmute", "oops", "roles"}
    assert CommandSettings(steering="DJ", oops="everyone").access("oops") == "everyone"
    assert CommandSettings(steering="DJ").access("mute") == "DJ"


# --- other channels ---------------------------------------------------------------------------


async def test_what_is_said_elsewhere_is_heard_only_while_all_who_watch_may_read_it(
    begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    scene = await begin("listen = [{other}]\n")
    await scene.lines(3)
    scene.anna.says(scene.other, "Dex, what about pizza?")
    await scene.lines(4)
    scene.local.set_permissions(scene.other, scene.anna, deny=VIEW_CHANNEL)
    for text in ("Dex, this is secret", "Dex, and this too"):
        scene.mona.says(scene.other, text)
    scene.mona.says(scene.channel, "Dex?")  # who is answered has been heard after that
    await scene.lines(5)
    scene.local.set_permissions(scene.other, scene.anna)
    scene.anna.says(scene.other, "Juno, you are back?")
    await scene.lines(6)
    assert scene.platform.backstage is not None
    heard = scene.platform.backstage.transcript.lines(kind="person")
    assert [line.text for line in heard] == [
        "Dex, what about pizza?", "Dex?", "Juno, you are back?",
    ]  # fmt: skip
    told = [r.getMessage() for r in caplog.records if "is not listened to" in r.getMessage()]
    assert len(told) == 1
    assert "#general is not listened to: the member" in told[0]


async def test_a_channel_that_may_not_be_heard_is_told_at_the_start(
    begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    def hidden(local: LocalDiscord) -> None:
        [other] = [c for c in local.world.channels.values() if c.name == "general"]
        [anna] = [u for u in local.world.users.values() if u.name == "anna"]
        local.set_permissions(other, Person(local, anna), deny=VIEW_CHANNEL)

    scene = await begin("listen = [{other}, 42]\n", prepared=hidden)
    await scene.lines(1)
    assert "#general is not listened to: the member" in caplog.text
    assert "a channel in listen is not there, or hidden from the bot" in caplog.text


# --- when it takes long, and when it ends ------------------------------------------------------


@contextlib.contextmanager
def locked(scene: Scene) -> Iterator[None]:
    """Another program keeps the transcript to itself, so that the show waits with its answers."""
    assert scene.platform.backstage is not None
    path = transcript_path(scene.platform.backstage.show.home)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def test_an_answer_that_takes_long_is_deferred_and_comes(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_desk, "FIRST_ANSWER_SECONDS", 0.1)
    scene = await begin()
    await scene.lines(3)
    with locked(scene):
        asked = scene.mona.uses(scene.channel, "pause")
        await scene.local.when(lambda: asked.answer_kind, WAIT_S)
        assert asked.answer_kind == DEFERRED
        assert all(message.flags & LOADING for message in asked.messages)
    assert (await scene.answer(asked)).content == "Paused; /resume goes on."


async def test_whoever_waits_when_the_show_ends_is_told_that_it_is_over(begin: Begin) -> None:
    scene = await begin()
    await scene.lines(3)
    with locked(scene):
        asked = scene.mona.uses(scene.channel, "pause")
        await scene.local.when(lambda: asked.answer_kind, WAIT_S)
        await scene.platform.close()
        assert (await scene.answer(asked)).content == "The show is over."


async def test_two_lines_are_not_said_anew_at_once(begin: Begin) -> None:
    scene = await begin()
    line, *_ = await scene.lines(3)
    with locked(scene):
        first = scene.anna.uses_on(line, "Again")
        await scene.local.when(lambda: first.answer_kind, WAIT_S)
        second = await scene.answer(scene.mona.uses_on(line, "Again"))
    assert second.content == "A line is being said anew already; one at a time, please."
    assert await scene.answer(first)


async def test_commands_work_on_a_resumed_connection_and_on_a_fresh_one(begin: Begin) -> None:
    scene = await begin()
    await scene.lines(3)
    scene.local.faults.drop(scene.bot, how="reconnect")
    await scene.local.when_resumed(scene.bot, timeout_s=WAIT_S)
    assert (await scene.told(scene.mona, "pause")).content == "Paused; /resume goes on."
    assert scene.platform.connection is not None
    await scene.platform.connection.client.close()  # as after a minute without any
    await scene.local.when_ready(scene.bot, 2, timeout_s=WAIT_S)
    assert (await scene.told(scene.mona, "resume")).content == "On with the show."


async def test_without_leave_for_commands_the_show_goes_on_until_they_are_allowed(
    begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    def without(local: LocalDiscord) -> None:
        local.faults.answer("PUT", REGISTRATION, 403)

    scene = await begin(prepared=without)
    assert len(await scene.lines(3)) == 3
    [told] = [r.getMessage() for r in caplog.records if "slash commands" in r.getMessage()]
    assert f"client_id={scene.bot.id}&scope=bot+applications.commands" in told
    scene.local.faults.drop(scene.bot, how="reconnect")  # the next time that it looks around
    await scene.local.when_commands(scene.bot, 15, scene.guild, timeout_s=WAIT_S)


async def test_a_server_that_knows_no_commands_is_told_once(
    begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    def without(local: LocalDiscord) -> None:
        local.faults.switch_off("PUT", REGISTRATION)

    scene = await begin(prepared=without)
    await scene.lines(3)
    scene.local.faults.drop(scene.bot, how="reconnect")
    await scene.local.when_resumed(scene.bot, timeout_s=WAIT_S)
    scene.anna.says(scene.channel, "Dex?")
    await scene.lines(4)
    assert caplog.text.count("There are no slash commands for now: 404") == 1


def test_a_long_answer_ends_at_a_line_and_fits() -> None:
    text = "\n".join(f"line {n} 🥔" for n in range(400))
    cut = by_lines(text)
    assert len(cut.encode("utf-16-le")) // 2 <= 2000
    assert cut.endswith("🥔\n…")
    assert by_lines("short") == "short"
    assert len(by_lines("word " * 1000)) <= 2000
