"""Who may use which command in a Telegram group, and what those are told who may not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from orchestrator.control import HELP
from orchestrator.platforms import Command, PersonLine
from orchestrator.platforms.telegram import access, desk
from orchestrator.platforms.telegram.settings import TelegramStage
from orchestrator.transcript.export import FORMS
from tests.local_telegram import Message
from tests.local_telegram.faults import BAD_GATEWAY, HANGS, Fault, flood
from tests.local_telegram.world import Chat
from tests.orchestrator.chat_house import PATIENCE_SECONDS
from tests.orchestrator.telegram_house import Ears, House, house, local, quick

__all__ = ["house", "local", "quick"]  # fixtures

SORRY = "Sorry, /pause is for this group's administrators."


def given(ears: Ears) -> list[tuple[str, str]]:
    """Who gave which command to the show."""
    return [(command.author, command.name) for command in ears.of(Command)]


async def answer_to(house: House, asked: Message) -> Message:
    return await house.local.when(
        lambda: next((m for m in house.group.of_bots() if m.reply_to is asked), None), "an answer"
    )


async def test_administrators_steer_the_show_and_others_are_told_so(house: House) -> None:
    house.group.administrators = [house.sam]
    async with house.opened() as platform:
        ears = Ears(platform)
        asked = house.local.says(house.anna, house.group, "/pause")
        assert (await answer_to(house, asked)).text == SORRY
        house.local.says(house.sam, house.group, "/pause")
        house.local.says(house.anna, house.group, "/ask Dex")
        await ears.when(Command, 2)
    assert given(ears) == [("Sam", "pause"), ("Anna", "ask")]


async def test_commands_and_lines_stay_in_order_whoever_must_be_asked_for(house: House) -> None:
    house.group.administrators = [house.sam]
    async with house.opened() as platform:
        ears = Ears(platform)
        for text in ("/mute Dex", "/topic soup", "/unmute Dex", "/status"):
            house.local.says(house.sam, house.group, text)
        await ears.when(Command, 4)
    assert [name for _, name in given(ears)] == ["mute", "topic", "unmute", "status"]
    assert len(house.local.given("getChatAdministrators")) == 1


async def test_whoever_has_just_become_an_administrator_may_steer(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "AGAIN_SECONDS", 0.0)
    async with house.opened() as platform:
        ears = Ears(platform)
        asked = house.local.says(house.anna, house.group, "/pause")
        await answer_to(house, asked)
        house.group.administrators = [house.anna]
        house.local.says(house.anna, house.group, "/pause")
        await ears.when(Command)


async def test_whoever_is_no_administrator_any_more_may_not_for_long(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "REMEMBERED_SECONDS", 0.0)
    house.group.administrators = [house.anna]
    async with house.opened() as platform:
        ears = Ears(platform)
        house.local.says(house.anna, house.group, "/pause")
        await ears.when(Command)
        house.group.administrators = []
        asked = house.local.says(house.anna, house.group, "/pause")
        assert (await answer_to(house, asked)).text == SORRY


async def test_an_administrator_without_a_name_may_steer_and_a_channel_may_not(
    house: House,
) -> None:
    channel = Chat(-1009, "channel", "News")
    async with house.opened() as platform:
        ears = Ears(platform)
        house.local.says(house.sam, house.group, "/pause", in_name_of=house.group)
        asked = house.local.says(house.anna, house.group, "/pause", in_name_of=channel)
        assert (await answer_to(house, asked)).text == SORRY
        house.local.says(house.anna, house.group, "/status", in_name_of=channel)
        await ears.when(Command, 2)
    assert given(ears) == [("Friends", "pause"), ("News", "status")]


async def test_the_settings_say_who_may(house: House) -> None:
    commands = {"default": "administrators", "steering": [house.anna.id], "status": "everyone",
                "pace": "nobody"}  # fmt: skip
    house.group.administrators = [house.sam]
    eve = house.local.add_person("Eve")
    async with house.opened(commands=commands) as platform:
        ears = Ears(platform)
        for person in (house.anna, house.sam):
            house.local.says(person, house.group, "/pause")
        house.local.says(eve, house.group, "/status")
        refused = [
            (await answer_to(house, house.local.says(person, house.group, text))).text
            for person, text in ((eve, "/pause"), (eve, "/ask Dex"), (house.sam, "/pace 2"))
        ]
        await ears.when(Command, 3)
    assert given(ears) == [("Anna", "pause"), ("Sam", "pause"), ("Eve", "status")]
    assert refused == [
        "Sorry, /pause is for this group's administrators, and people whom my owner named.",
        "Sorry, /ask is for this group's administrators.",
        "Sorry, /pace is switched off here.",
    ]
    completed = house.bot.commands
    assert [command["command"] for command in completed["chat"]] == ["status"]
    assert "pace" not in {command["command"] for command in completed["chat_administrators"]}
    of_anna = {command["command"] for command in completed[f"chat_member {house.anna.id}"]}
    assert of_anna == {"status", "pause", "resume", "mute", "unmute", "oops"}


async def test_a_person_in_the_settings_who_is_not_in_the_group_is_no_error(house: House) -> None:
    async with house.opened(commands={"steering": [99]}) as platform:
        await platform.say(1, "Dex", "soup")
    assert house.group.texts == ["Dex: soup"]


async def test_a_button_asks_nobody_who_may_not(house: House) -> None:
    async with house.opened(commands={"ask": "administrators"}) as platform:
        ears = Ears(platform)
        house.local.says(house.anna, house.group, "/friends")
        [listed] = await house.shown(1)
        toast = await house.local.presses(house.anna, listed, "Juno")
    assert toast == "Sorry, /ask is for this group's administrators."
    assert given(ears) == []


@pytest.mark.parametrize("fault", [BAD_GATEWAY, flood(30)])
async def test_while_telegram_does_not_say_who_administrates_nobody_steers(
    house: House, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.group.administrators = [house.anna]
    async with house.opened() as platform:
        ears = Ears(platform)
        house.local.faults.next("getChatAdministrators", fault)
        for text in ("/pause", "/mute Dex"):
            asked = house.local.says(house.anna, house.group, text)
            assert "please try again" in (await answer_to(house, asked)).text
        asked = house.local.says(house.anna, house.group, "/help")
        assert "/ask" in (await answer_to(house, asked)).text
        assert len(house.local.given("getChatAdministrators")) == 1
        monkeypatch.setattr(access, "AGAIN_SECONDS", 0.0)
        house.local.says(house.anna, house.group, "/pause")
        await ears.when(Command)


async def test_who_administrates_is_asked_once_when_telegram_does_not_answer(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(access, "AGAIN_SECONDS", 1.0)
    house.local.faults.next("getChatAdministrators", HANGS, times=4)
    async with house.opened() as platform:
        ears = Ears(platform)
        asked = [house.local.says(house.anna, house.group, "/pause") for _ in range(4)]
        house.local.says(house.anna, house.group, "hello Dex")
        await ears.when(PersonLine)
        assert {(await answer_to(house, command)).text for command in asked} == {access.NOT_TOLD}
    assert len(house.local.given("getChatAdministrators")) == 1
    assert given(ears) == []


async def test_a_line_of_before_is_explained_to_whoever_may_read_the_transcript(
    house: House,
) -> None:
    house.group.administrators = [house.sam]
    async with house.opened() as platform:
        ears = Ears(platform)
        for text in ("/why", "/why last", "/why LAST"):
            house.local.says(house.anna, house.group, text)
        asked = house.local.says(house.anna, house.group, "/why 4")
        assert (await answer_to(house, asked)).text == (
            "Sorry, /why 4 is for this group's administrators."
        )
        house.local.says(house.sam, house.group, "/why 4")
        await ears.when(Command, 4)
    assert [(command.author, command.argument) for command in ears.of(Command)] == [
        ("Anna", ""), ("Anna", "last"), ("Anna", "LAST"), ("Sam", "4"),
    ]  # fmt: skip


async def test_a_line_of_before_is_explained_to_nobody_where_that_is_so_set(house: House) -> None:
    house.group.administrators = [house.sam]
    async with house.opened(commands={"transcript": "nobody"}):
        asked = house.local.says(house.sam, house.group, "/why 4")
        assert (await answer_to(house, asked)).text == "Sorry, /why 4 is switched off here."


async def test_a_show_that_ends_does_not_wait_for_a_transcript(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    begun, ended, may_go_on = asyncio.Event(), asyncio.Event(), threading.Event()
    written: list[int] = []

    def slowly(*_: object) -> Iterator[str]:
        loop.call_soon_threadsafe(begun.set)
        may_go_on.wait()
        try:
            for number in range(1000):
                written.append(number)
                yield "line"
        finally:
            loop.call_soon_threadsafe(ended.set)

    monkeypatch.setitem(FORMS, "html", slowly)
    house.group.administrators = [house.anna]
    house.local.private(house.anna, house.bot)
    try:
        async with house.opened() as platform:
            await house.say(platform, "Dex", "soup")
            house.local.says(house.anna, house.group, "/transcript")
            await asyncio.wait_for(begun.wait(), PATIENCE_SECONDS)
    finally:
        may_go_on.set()
    await asyncio.wait_for(ended.wait(), PATIENCE_SECONDS)
    assert written == [0]


async def test_a_transcript_goes_to_one_person_alone(house: House) -> None:
    house.group.administrators = [house.anna]
    alone = house.local.private(house.anna, house.bot)
    async with house.opened() as platform:
        await house.say(platform, "Dex", "goulash & <b>soup</b>")
        alone.has_started = False
        asked = house.local.says(house.anna, house.group, "/transcript")
        assert "open t.me/ConvoBot, press Start" in (await answer_to(house, asked)).text
        alone.has_started = True
        asked = house.local.says(house.anna, house.group, "/transcript 2 hours")
        assert (await answer_to(house, asked)).text == "I have sent it to you in private."
        asked = house.local.says(house.anna, house.group, "/transcript whenever")
        assert (await answer_to(house, asked)).text.startswith("'whenever' is no time")
        asked = house.local.says(house.sam, house.group, "/transcript")
        assert (await answer_to(house, asked)).text.startswith("Sorry, /transcript is for")
        asked = house.local.says(house.anna, house.group, "/transcript", in_name_of=house.group)
        assert "write as yourself" in (await answer_to(house, asked)).text
    [sent] = alone.of_bots()
    assert sent.document.startswith(b"<!doctype html>")
    assert b"goulash &amp; &lt;b&gt;soup" in sent.document


def test_every_command_of_the_show_has_somebody_who_may() -> None:
    """Or a command could be given to the show that nobody has looked at."""
    assert set(HELP) <= set(desk.COMMANDS)


@pytest.mark.parametrize("access", ["admins", 5, [], [0], ["Anna"], [True]])
def test_somebody_unknown_in_the_settings_is_said_in_one_sentence(access: object) -> None:
    with pytest.raises(ValueError, match="1 validation error") as error:
        TelegramStage.model_validate({"chat": -5, "commands": {"steering": access}})
    assert "'everyone', 'administrators', 'nobody', or the ids of people" in str(error.value)
