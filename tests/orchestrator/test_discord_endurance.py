"""What Discord, its moderators and the network do to a stage in weeks."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from orchestrator.cast import DEMO
from orchestrator.errors import StageFailed, StageLost
from orchestrator.platforms import PersonLine
from orchestrator.transcript import Transcript
from tests.local_discord import LocalDiscord
from tests.local_discord.faults import Drop
from tests.orchestrator.discord_house import (
    PATIENCE_SECONDS,
    Ears,
    House,
    Told,
    backstage,
    connection,
    hearing,
    quick,
    ready,
    told,
)

__all__ = ["quick", "told"]

SEND_MESSAGES, READ_HISTORY = 1 << 11, 1 << 16


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with LocalDiscord(limits=None) as local:
        yield House(local, tmp_path)


# --- the connection -------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["abruptly", "close", "reconnect", "invalid_resumable"])
async def test_nothing_is_missed_or_told_twice_when_the_connection_breaks(
    house: House, how: Drop
) -> None:
    async with house.opened() as platform:
        ears = Ears(platform)
        house.anna.says(house.channel, "before")
        await ears.when(PersonLine)
        house.local.faults.drop(house.bot, how)
        house.anna.says(house.channel, "meanwhile")
        await house.local.when_resumed(house.bot, timeout_s=PATIENCE_SECONDS)
        house.anna.says(house.channel, "after")
        await ears.when(PersonLine, 3)
        await ready(platform)
        await platform.say(1, "Dex", "hi")
    assert [event.text for event in ears.heard] == ["before", "meanwhile", "after"]


async def test_what_a_refused_resume_loses_is_read_from_the_history(house: House) -> None:
    async with house.opened() as platform:
        ears = Ears(platform)
        house.anna.says(house.channel, "before")
        await ears.when(PersonLine)
        house.local.faults.refuse_resume()
        house.local.faults.drop(house.bot)
        lost = house.anna.says(house.channel, "meanwhile")
        await house.local.when_ready(house.bot, 2, timeout_s=PATIENCE_SECONDS)
        house.anna.says(house.channel, "after")
        lines = await ears.when(PersonLine, 3)
        await ready(platform)
    assert [line.text for line in lines] == ["before", "meanwhile", "after"]
    assert lines[1].at is not None
    assert abs(lines[1].at - datetime.now(UTC)) < timedelta(minutes=1)
    assert lines[1].message_id == str(lost.id)


async def test_a_stage_goes_on_by_itself_after_discord_was_down(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "RESUMABLE_SECONDS", 0.2)
    async with house.opened(appearance="webhook") as platform:
        ears = Ears(platform)
        await platform.say(1, "Dex", "before")
        await house.local.go_down()
        line = asyncio.create_task(platform.say(2, "Dex", "meanwhile"))
        said = house.anna.says(house.channel, "is it down?")
        await house.local.come_up()
        await asyncio.wait_for(line, PATIENCE_SECONDS)
        await ready(platform)
        [heard] = await ears.when(PersonLine)
        await platform.say(3, "Bort", "after")
    assert heard.message_id == str(said.id)
    assert house.texts == ["before", "is it down?", "meanwhile", "after"]


async def test_a_show_may_begin_while_discord_is_down(house: House) -> None:
    await house.local.go_down()
    async with house.opened() as platform:
        assert not platform.ready.is_set()
        with pytest.raises(StageFailed, match="not connected yet"):
            await platform.say(1, "Dex", "hi")
        await house.local.come_up()
        await ready(platform)
        await platform.say(2, "Dex", "hello")
    assert house.texts == ["**Dex:** hello"]


async def test_a_line_that_was_shown_before_discord_went_down_is_not_shown_again(
    house: House,
) -> None:
    async with house.opened(appearance="webhook") as platform:
        await platform.say(1, "Dex", "first")
        house.local.faults.cut("POST", "/webhooks/*/*", accepted=True)
        saying = asyncio.create_task(platform.say(2, "Dex", "second"))
        await house.shown(2)
        await house.local.go_down()
        await house.local.come_up()
        await asyncio.wait_for(saying, PATIENCE_SECONDS)
    assert house.texts == ["first", "second"]


async def test_an_outage_is_told_once_in_a_sentence_and_without_discord_pys_own_words(
    house: House, told: Told, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connection, "RESUMABLE_SECONDS", 0.2)
    caplog.set_level(logging.WARNING)
    caplog.handler.setLevel(logging.NOTSET)  # as of the log of a show: only loggers have levels
    async with house.opened() as platform:
        await house.local.go_down()
        await told.wait("cannot be reached")
        await house.local.come_up()
        await ready(platform)
    [record] = caplog.records
    assert record.getMessage().startswith("the Discord bot: Discord cannot be reached (")


# --- a gap ----------------------------------------------------------------------------------------


async def test_after_a_restart_what_was_missed_is_told_and_nothing_twice(house: House) -> None:
    with house.transcript() as kept:
        now = datetime.now(UTC)
        async with house.opened() as platform:
            ears = Ears(platform)
            house.anna.says(house.channel, "known")
            [line] = await ears.when(PersonLine)
            kept.posted(
                kept.add("anna", "person", "known", {}, now), platform.name, line.message_id
            )
        missed = [house.anna.says(house.channel, f"missed {count}") for count in range(3)]
        async with house.opened() as platform:
            ears = Ears(platform)
            lines = await ears.when(PersonLine, 4)
    # The audience knows the first one from the transcript; see test_swarm.
    assert [line.text for line in lines] == ["known", "missed 0", "missed 1", "missed 2"]
    assert [line.message_id for line in lines[1:]] == [str(message.id) for message in missed]
    assert all(line.at is not None for line in lines)


async def test_a_new_conversation_begins_with_what_is_said_from_now_on(house: House) -> None:
    house.anna.says(house.channel, "old")
    async with house.opened() as platform:
        ears = Ears(platform)
        house.anna.says(house.channel, "new")
        lines = await ears.when(PersonLine)
    assert [line.text for line in lines] == ["new"]


async def test_of_a_long_gap_the_newest_lines_are_told_and_the_rest_is_counted(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hearing, "MOST_MISSED_LINES", 120)
    monkeypatch.setattr(connection, "RESUMABLE_SECONDS", 0.2)
    async with house.opened() as platform:
        ears = Ears(platform)
        house.anna.says(house.channel, "before")
        await ears.when(PersonLine)
        await house.local.go_down()
        for count in range(150):
            house.anna.says(house.channel, f"line {count}")
        house.local.faults.refuse_resume()
        await house.local.come_up()
        lines = await ears.when(PersonLine, 121)
    assert [line.text for line in lines[1:]] == [f"line {count}" for count in range(30, 150)]
    assert "30 more lines of people, older ones, are left out" in caplog.text


SETTINGS = """
language = "xx"  # without spaCy, which takes its time to load
[servers]
engine = "echo"
[[friends]]
name = "Dex"
checkpoint = "{demo}/friends/dex"
[[friends]]
name = "Juno"
checkpoint = "{demo}/friends/juno"
[[stages]]
platform = "discord"
token_file = "bot.token"
channel = {channel}
api_base = "{api_base}"
"""


@asynccontextmanager
async def show_of_its_own(house: House) -> AsyncIterator[asyncio.subprocess.Process]:
    """The real command in a process, which is killed in the end."""
    command = (sys.executable, "-m", "orchestrator", "run", "--fast")
    process = await asyncio.create_subprocess_exec(
        *command, cwd=house.home, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_show_that_is_killed_misses_no_person_and_doubles_no_line(
    tmp_path: Path,
) -> None:
    async with LocalDiscord() as local:  # its limits keep the show from racing along
        await _kill_a_show(House(local, tmp_path))


async def _kill_a_show(house: House) -> None:
    house.token_file("bot.token", house.bot.token)
    text = SETTINGS.format(demo=DEMO, channel=house.channel.id, api_base=house.local.api_base)
    (house.home / "settings.toml").write_text(text)
    said = []
    async with show_of_its_own(house):
        await house.local.when_posted(house.channel, 2, timeout_s=60)
        said.append(house.anna.says(house.channel, "heard"))
        await house.local.when_posted(house.channel, 5, timeout_s=60)
    said.append(house.anna.says(house.channel, "between two shows"))
    async with show_of_its_own(house) as process:
        await house.local.when_posted(house.channel, len(house.texts) + 3, timeout_s=60)
        process.terminate()
        assert await process.wait() == 0
    shown = [str(m.id) for m in house.local.messages(house.channel) if m.webhook_id]
    with Transcript.read(house.home / "data" / "transcript.sqlite") as kept:
        lines = list(kept.lines())
        people = [line.text for line in lines if line.kind == "person"]
        told = [kept.message_of(f"discord {house.channel.id}", line.id) for line in lines
                if line.kind == "friend"]  # fmt: skip
    assert people == [message.content for message in said]
    known = [message_id for message_id in told if message_id]
    assert len(set(known)) == len(known)
    # A line that was on its way when the show was killed may stand there unknown to it.
    assert 0 <= len(shown) - len(known) <= 2
    assert set(known) <= set(shown)


# --- moderators -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("denied", "named"),
    [(SEND_MESSAGES, "Send Messages"), (READ_HISTORY, "Read Message History"),
     (SEND_MESSAGES | READ_HISTORY, "Send Messages and Read Message History")],
)  # fmt: skip
async def test_a_permission_that_is_missing_is_named_once_and_waited_for(
    house: House, denied: int, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    house.local.set_permissions(house.channel, house.bot, deny=denied)
    async with house.opened() as platform:
        assert f"give it {named} there" in platform.problem
        assert not platform.ready.is_set()
        house.local.add_role(house.guild, "something else changes")
        house.local.set_permissions(house.channel, house.bot)
        await ready(platform)
        await platform.say(1, "Dex", "hi")
    assert caplog.text.count("The bot may not do its work in #bots") == 1


async def test_permissions_that_are_withdrawn_and_given_back_stop_the_stage_for_a_while(
    house: House,
) -> None:
    async with house.opened() as platform:
        await platform.say(1, "Dex", "one")
        house.local.set_permissions(house.channel, house.bot, deny=SEND_MESSAGES)
        with pytest.raises(StageFailed, match="not allow"):
            await platform.say(2, "Dex", "two")
        house.local.set_permissions(house.channel, house.bot)
        await ready(platform)
        await platform.say(3, "Dex", "three")
    assert house.texts == ["**Dex:** one", "**Dex:** three"]


async def test_what_was_said_while_a_permission_lacked_is_told_with_its_time(house: House) -> None:
    house.local.set_permissions(house.channel, house.bot, deny=SEND_MESSAGES)
    async with house.opened() as platform:
        ears = Ears(platform)
        said = house.anna.says(house.channel, "anybody?")
        house.local.set_permissions(house.channel, house.bot)
        [heard] = await ears.when(PersonLine)
    assert heard.message_id == str(said.id)
    assert heard.at is not None


async def test_a_bot_that_was_kicked_waits_to_be_invited_again(house: House, told: Told) -> None:
    async with house.opened() as platform:
        await platform.say(1, "Dex", "one")
        house.local.kick(house.bot, house.guild)
        with pytest.raises(StageFailed):
            await platform.say(2, "Dex", "two")
        await told.wait("invite it with https://discord.com/oauth2/authorize?client_id=")
        assert re.search(r"&permissions=\d+ and give it", told.lines[-1])
        house.local.join(house.bot, house.guild)
        await ready(platform)
        await platform.say(3, "Dex", "three")
    assert house.texts == ["**Dex:** one", "**Dex:** three"]
    assert len(told.lines) == 1


async def test_a_bot_that_is_not_in_the_server_says_how_to_invite_it(house: House) -> None:
    house.local.kick(house.bot, house.guild)
    async with house.opened() as platform:
        assert f"client_id={house.bot.id}&scope=bot" in platform.problem
        house.local.join(house.bot, house.guild)
        await ready(platform)


async def test_a_deleted_channel_ends_the_stage_with_a_sentence(house: House) -> None:
    async with house.opened() as platform:
        ears = Ears(platform)
        house.local.delete_channel(house.channel)
        assert "Somebody deleted #bots" in await ears.when_lost()
        assert not platform.ready.is_set()
        with pytest.raises(StageLost, match="deleted #bots"):
            await platform.say(1, "Dex", "hi")


async def test_a_revoked_token_ends_the_stage_with_a_sentence(house: House) -> None:
    async with house.opened() as platform:
        ears = Ears(platform)
        house.local.revoke_token(house.bot)
        assert "does not take the token of the Discord bot" in await ears.when_lost()
        with pytest.raises(StageLost, match="Reset Token"):
            await platform.say(1, "Dex", "hi")


@pytest.mark.parametrize("appearance", ["single", "webhook"])
async def test_an_intent_that_is_switched_off_during_the_show_leaves_mentions_and_replies(
    house: House, appearance: str
) -> None:
    async with house.opened(appearance=appearance) as platform:
        ears = Ears(platform)
        await platform.say(1, "Dex", "one")
        house.local.set_privileged(house.bot, ())
        house.local.faults.refuse_resume()
        house.local.faults.drop(house.bot)
        await house.local.when_ready(house.bot, 2, timeout_s=PATIENCE_SECONDS)
        house.anna.says(house.channel, f"{house.bot.mention} hm?")
        [line] = await ears.when(PersonLine)
        await ready(platform)
        await platform.say(2, "Dex", "two")
    assert line.text == "hm?"


# --- what is wrong from the beginning -------------------------------------------------------------


async def _fails_to_open(house: House, **changes: Any) -> str:
    platform = house.platform(**changes)
    with house.transcript() as kept:
        try:
            with pytest.raises(StageLost) as raised:
                await platform.open(backstage(kept))
        finally:
            await platform.close()
    return str(raised.value)


async def test_a_wrong_token_is_said_in_a_sentence(house: House) -> None:
    house.bot.token = house.local.new_token(house.bot)
    wrong = house.token_file("wrong.token", "not.a.token")
    assert "does not take the token" in await _fails_to_open(house, token_file=wrong)


async def test_a_channel_that_is_not_there_is_said_in_a_sentence(house: House) -> None:
    assert "There is no channel 12345 on Discord" in await _fails_to_open(house, channel=12345)


async def test_a_channel_that_cannot_be_written_to_is_said_in_a_sentence(house: House) -> None:
    category = house.local.add_channel(house.guild, "a category")
    category.kind = 4
    message = await _fails_to_open(house, channel=category.id)
    assert "which is of the kind 'category'" in message


async def test_two_servers_of_discords_kind_in_one_process_are_refused(house: House) -> None:
    async with house.opened():
        message = await _fails_to_open(house, api_base="http://127.0.0.1:1/api/v10")
    assert "on one server of Discord's kind only" in message


# --- several stages -------------------------------------------------------------------------------


async def test_stages_of_one_bot_share_its_connection_and_hear_only_their_channel(
    house: House,
) -> None:
    other_guild = house.local.add_guild("Others")
    house.local.join(house.anna, other_guild)
    house.local.join(house.bot, other_guild)
    other = house.local.add_channel(other_guild, "bots too")
    async with house.opened() as first, house.opened(channel=other.id) as second:
        assert house.local.gateway.identified[house.bot.id] == 1
        ears = Ears(first), Ears(second)
        house.anna.says(house.channel, "here")
        house.anna.says(other, "there")
        here, there = [await each.when(PersonLine) for each in ears]
        assert (here[0].text, there[0].text) == ("here", "there")
        await first.close()
        await second.say(1, "Dex", "still here")
        assert [len(each.heard) for each in ears] == [1, 1]
    assert house.local.messages(other)[-1].content == "**Dex:** still here"


async def test_a_bare_server_without_roles_commands_and_resume_will_do(house: House) -> None:
    faults = house.local.faults
    faults.switch_off("*", "/applications/*/guilds/*/commands", 501)
    faults.switch_off("*", "/guilds/*/roles")
    faults.leave_out("flags", "bot_permissions", "mention_roles", "mention_everyone")
    async with house.opened(appearance="webhook") as platform:
        ears = Ears(platform)
        await platform.say(1, "Dex", "hi")
        house.anna.says(house.channel, "hello")
        await ears.when(PersonLine)
    assert house.texts == ["hi", "hello"]


def test_a_token_is_never_shown(house: House) -> None:
    account = connection.Connection(SecretStr("s3cret"), "a bot", "", hears=True)
    assert "s3cret" not in repr(vars(account))
