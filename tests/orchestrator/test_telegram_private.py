"""Private chats on Telegram: one person and one friend, at a real model server's interface."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.platforms import PersonLine
from orchestrator.platforms.telegram import typing_sign
from tests.local_telegram import Chat
from tests.local_telegram.faults import CUT_ACCEPTED
from tests.orchestrator.telegram_house import Ears, House, Told, house, local, quick, told

__all__ = ["house", "local", "quick", "told"]  # fixtures


def alone(house: House) -> Chat:
    return house.local.private(house.anna, house.bot)


def who_may(house: House) -> dict[str, object]:
    return {"private": True, "people": (house.anna.id,)}


async def test_a_friend_answers_in_private_without_the_show(house: House) -> None:
    chat = alone(house)
    async with house.opened(**who_may(house)) as platform:
        ears = Ears(platform)
        house.local.says(house.anna, chat, "hi <there>")
        await house.local.when_posted(chat, 1)
        house.local.says(house.anna, chat, "and more")
        first, second = await house.local.when_posted(chat, 2)
        assert ears.heard == []
    assert (first.text, second.text) == ("Dex heard hi <there> as 1", "Dex heard and more as 2")
    said = [message.content for message in house.server.asked[1].messages]
    assert said == ["hi <there>", "Dex heard hi <there> as 1", "and more"]
    assert house.server.asked[1].messages[0].name == "Anna"
    assert house.group.texts == []


async def test_a_chat_alone_needs_no_group(house: House) -> None:
    chat = alone(house)
    async with house.opened(chat=None, **who_may(house)) as platform:
        house.local.says(house.anna, chat, "hello")
        await house.local.when_posted(chat, 1)
        assert not platform.ready.is_set()  # there is no show to be seen


async def test_switch_swaps_the_personality_at_once(house: House) -> None:
    chat = alone(house)
    async with house.opened(**who_may(house)):
        house.server.may_answer.clear()
        house.local.says(house.anna, chat, "are you there?")
        await asyncio.wait_for(house.server.was_asked.wait(), 20)
        house.local.says(house.anna, chat, "/switch big al")
        [switched] = await house.local.when_posted(chat, 1)  # while Dex would still think
        house.server.may_answer.set()
        house.local.says(house.anna, chat, "and you?")
        await house.local.when_posted(chat, 2)
        house.local.says(house.anna, chat, "/switch Nobody")
        shown = await house.local.when_posted(chat, 3)
    assert switched.text == "You talk with Big Al now."
    assert shown[1].text.startswith("Big Al heard and you?")
    assert [b["text"] for row in shown[2].buttons for b in row] == ["Dex", "Juno", "Big Al"]


async def test_a_command_that_is_none_here_says_so(house: House) -> None:
    chat = alone(house)
    async with house.opened(**who_may(house)):
        house.local.says(house.anna, chat, "/pause")
        house.local.says(house.anna, chat, "/switch @Juno")
        none_such, switched = await house.local.when_posted(chat, 2)
    assert none_such.text == "There is no /pause in private; /help lists what there is."
    assert switched.text == "You talk with Juno now."


async def test_each_friend_remembers_their_own_talk(house: House) -> None:
    chat = alone(house)
    async with house.opened(**who_may(house)):
        for count, text in enumerate(["to dex", "/switch Juno", "to juno", "/switch Dex", "x"], 1):
            house.local.says(house.anna, chat, text)
            await house.local.when_posted(chat, count)
    of_juno, again_dex = house.server.asked[1:]
    assert [message.content for message in of_juno.messages] == ["to juno"]
    assert again_dex.messages[0].content == "to dex"


async def test_a_button_switches_too(house: House) -> None:
    chat = alone(house)
    async with house.opened(**who_may(house)):
        house.local.says(house.anna, chat, "/friends")
        [listed] = await house.local.when_posted(chat, 1)
        await house.local.presses(house.anna, listed, "Juno")
        shown = await house.local.when_posted(chat, 2)
    assert shown[1].text == "You talk with Juno now."


async def test_the_last_line_can_be_had_in_other_words_explained_and_forgotten(
    house: House,
) -> None:
    chat = alone(house)
    async with house.opened(**who_may(house)):
        house.server.next_texts = ["a bowl of soup", "goulash, and plenty"]
        for count, text in enumerate(["/again", "soup?", "/again", "/why", "/forget", "new"], 1):
            house.local.says(house.anna, chat, text)
            await house.local.when_posted(chat, count)
    texts = [message.text for message in chat.of_bots()]
    assert texts[0] == "There is no line yet that could be said anew."
    assert texts[1:3] == ["a bowl of soup", "goulash, and plenty"]
    assert "Dex said" in texts[3]
    assert [m.content for m in house.server.asked[-1].messages] == ["new"]


async def test_a_changed_line_is_what_the_friend_sees_from_then_on(house: House) -> None:
    chat = alone(house)
    async with house.opened(**who_may(house)):
        message = house.local.says(house.anna, chat, "sop")
        await house.local.when_posted(chat, 1)
        house.local.edits(message, "soup")
        house.local.says(house.anna, chat, "well?")
        await house.local.when_posted(chat, 2)
    assert house.server.asked[-1].messages[0].content == "soup"


async def test_typing_is_shown_while_the_friend_thinks(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typing_sign, "AGAIN_SECONDS", 0.05)
    chat = alone(house)
    async with house.opened(**who_may(house)):
        house.server.may_answer.clear()
        house.local.says(house.anna, chat, "hm?")
        await house.local.when(lambda: len(chat.actions) >= 3, "typing that goes on")
        house.server.may_answer.set()
        await house.local.when_posted(chat, 1)


async def test_people_who_are_not_listed_reach_no_friend(house: House) -> None:
    eve = house.local.add_person("Eve")
    chat = house.local.private(eve, house.bot)
    async with house.opened(**who_may(house)):
        house.local.says(eve, chat, "hello?")
        [line] = await house.local.when_posted(chat, 1)
    assert "my owner" in line.text
    assert house.server.asked == []


async def test_a_friend_whose_server_is_down_says_so(house: House) -> None:
    chat = alone(house)
    async with house.opened(**who_may(house)):
        house.friends.is_down = True
        house.local.says(house.anna, chat, "hello?")
        [line] = await house.local.when_posted(chat, 1)
    assert line.text == "Dex has no answer: its server is down."


async def test_whoever_writes_too_fast_is_answered_to_what_fits(house: House, told: Told) -> None:
    chat = alone(house)
    async with house.opened(**who_may(house)) as platform:
        ears = Ears(platform)
        house.server.may_answer.clear()
        for number in range(30):
            house.local.says(house.anna, chat, f"line {number}")
        house.local.says(house.anna, house.group, "all is heard")
        await ears.when(PersonLine)
        house.server.may_answer.set()
        await house.local.when(
            lambda: any("One at a time" in text for text in chat.texts), "a word about it"
        )
    assert len(house.server.asked) < 10


async def test_an_answer_that_may_have_arrived_does_not_come_twice(house: House) -> None:
    chat = alone(house)
    async with house.opened(**who_may(house)):
        house.local.faults.next("sendMessage", CUT_ACCEPTED)
        house.local.says(house.anna, chat, "one")
        await house.local.when_posted(chat, 1)
        house.local.says(house.anna, chat, "two")
        await house.local.when_posted(chat, 2)
    assert [m.text for m in chat.of_bots()] == ["Dex heard one as 1", "Dex heard two as 2"]


async def test_a_person_who_blocks_the_bot_does_not_stop_it(house: House, told: Told) -> None:
    chat = alone(house)
    async with house.opened(**who_may(house)) as platform:
        house.server.may_answer.clear()
        house.local.says(house.anna, chat, "one")
        await asyncio.wait_for(house.server.was_asked.wait(), 20)
        chat.bots[house.bot] = "blocked"
        house.server.may_answer.set()
        await told.wait("blocked by the user")
        await platform.say(1, "Dex", "the show goes on")
        chat.bots[house.bot] = "member"
        house.local.says(house.anna, chat, "two")
        await house.local.when_posted(chat, 1)
