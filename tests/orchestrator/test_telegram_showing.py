"""How lines appear in a Telegram group: a real client against the local Bot API server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import SettingsError, StageFailed, StageLost
from orchestrator.platforms.fitting import units
from orchestrator.platforms.telegram import delivery, pace, typing_sign
from orchestrator.platforms.telegram.pace import Pace
from orchestrator.platforms.telegram.wording import LONGEST_MESSAGE, fitted, named
from tests.local_telegram import LocalTelegram
from tests.orchestrator.telegram_house import House, Told, house, local, quick, told

__all__ = ["house", "local", "quick", "told"]  # fixtures


async def test_one_bot_speaks_for_all_with_the_name_in_bold(house: House) -> None:
    async with house.opened() as platform:
        await platform.say(1, "Dex", "soup is *wet* <b>& _cold_</b>")
        await platform.say(2, "Big Al", "so 👍 it is")
    first, second = house.group.of_bots()
    assert first.text == "Dex: soup is *wet* <b>& _cold_</b>"
    assert (first.bold, second.bold) == ("Dex", "Big Al")
    assert platform.where == "in the Telegram group Friends"


async def test_a_friend_with_a_bot_of_their_own_speaks_by_it(house: House) -> None:
    dex = house.local.add_bot("Dexter")
    house.group.bots[dex] = "member"
    tokens = {"Dex": {"token_file": house.token_file(dex)}}
    async with house.opened(friend_tokens=tokens) as platform:
        of_dex = await house.say(platform, "Dex", "soup")
        of_juno = await house.say(platform, "Juno", "stew")
        assert [(m.sender, m.text) for m in house.group.of_bots()] == [
            (dex, "soup"), (house.bot, "Juno: stew"),
        ]  # fmt: skip
        await platform.edit(of_dex, "Dex", "broth")
        await platform.edit(of_juno, "Juno", "goulash")
        assert house.group.texts == ["broth", "Juno: goulash"]
        await platform.delete(of_dex)
        await platform.delete(of_juno)
    assert house.group.texts == []


async def test_bots_of_friends_want_a_supergroup(house: House) -> None:
    dex = house.local.add_bot("Dexter")
    house.group = house.local.add_group("Few", house.anna, house.bot, dex, kind="group")
    with pytest.raises(StageLost, match="need a supergroup"):
        async with house.opened(friend_tokens={"Dex": {"token_file": house.token_file(dex)}}):
            pass


async def test_for_a_bot_that_is_not_in_the_group_the_shows_bot_speaks(
    house: House, told: Told
) -> None:
    dex = house.local.add_bot("Dexter")
    async with house.opened(friend_tokens={"Dex": {"token_file": house.token_file(dex)}}) as stage:
        message_id = await house.say(stage, "Dex", "soup")
        await stage.edit(message_id, "Dex", "stew")
    assert house.group.texts == ["Dex: stew"]
    [warning] = told.warnings
    assert "Add it to the group" in warning


async def test_a_token_for_nobody_is_said_before_anything_starts(house: House) -> None:
    with pytest.raises(SettingsError, match="there are Dex, Juno, Big Al"):
        house.platform(friend_tokens={"Dexx": {"token_file": house.token_file(house.bot)}})
    with pytest.raises(SettingsError, match="is the token of the Telegram bot: Dex's bot needs"):
        house.platform(friend_tokens={"Dex": {"token_file": house.token_file(house.bot)}})
    with pytest.raises(SettingsError, match="botconvo doctor telegram"):
        house.platform(token_file=None)


async def test_a_line_said_elsewhere_tells_where(house: House) -> None:
    async with house.opened() as platform:
        await platform.relay(1, "Sam", "hello there", "discord 12")
    assert house.group.texts == ["Sam (discord): hello there"]


async def test_talk_makes_no_sound_and_an_answer_to_a_person_does(house: House) -> None:
    async with house.opened() as platform:
        asked = house.local.says(house.anna, house.group, "what is soup?")
        person = house.add_line("Anna", "what is soup?", "person")
        house.transcript.posted(person, platform.name, f"{house.group.id}/{asked.id}")
        answer = house.add_line("Dex", "wet", reply_to=person)
        await platform.say(answer, "Dex", "wet")
        await platform.say(house.add_line("Juno", "no"), "Juno", "no https://example.org")
    answer_shown, chatter = house.group.of_bots()
    assert answer_shown.reply_to is asked
    assert (answer_shown.silent, chatter.silent) == (False, True)
    assert not chatter.has_preview


async def test_sound_is_a_setting(house: House) -> None:
    async with house.opened(silent=False) as platform:
        await platform.say(1, "Dex", "loud")
    assert not house.group.of_bots()[0].silent


async def test_an_edit_and_a_deletion_that_are_made_already_are_no_errors(house: House) -> None:
    async with house.opened() as platform:
        message_id = await house.say(platform, "Dex", "soup")
        await platform.edit(message_id, "Dex", "stew")
        await platform.edit(message_id, "Dex", "stew")
        assert house.group.texts == ["Dex: stew"]
        await platform.delete(message_id)
        await platform.delete(message_id)
        with pytest.raises(StageFailed, match="not found"):
            await platform.edit(message_id, "Dex", "gone")
        assert platform.ready.is_set()


async def test_a_line_of_nothing_is_not_shown(house: House) -> None:
    async with house.opened() as platform:
        with pytest.raises(StageFailed):
            await platform.notice(" \n ")


async def test_typing_is_shown_until_the_line_comes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typing_sign, "AGAIN_SECONDS", 0.05)
    async with house.opened() as platform:
        await platform.typing("Dex")
        await house.local.when(lambda: len(house.group.actions) >= 3, "typing that goes on")
        await platform.say(1, "Dex", "soup")
        assert platform._showing is not None
        assert not platform._showing.is_typing


async def test_no_more_messages_a_minute_than_telegram_takes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "MINUTE_SECONDS", 0.6)
    async with house.opened(messages_per_minute=3) as platform:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(7):
            await platform.say(number, "Dex", f"soup {number}")
        assert loop.time() - began >= 1.2
    assert len(house.group.texts) == 7


async def test_many_who_send_at_once_get_no_more_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "MINUTE_SECONDS", 0.4)
    turns = Pace(2)
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(turns.turn(is_answer=True) for _ in range(5)))
    assert asyncio.get_running_loop().time() - began >= 0.8


async def test_an_answer_to_a_person_goes_before_what_friends_say_by_themselves() -> None:
    turns = Pace(4)
    for _ in range(3):
        await turns.turn(is_answer=False)
    talk = asyncio.create_task(turns.turn(is_answer=False))
    await asyncio.wait_for(turns.turn(is_answer=True), 20)
    assert not talk.done()
    talk.cancel()


async def test_what_had_to_wait_too_long_for_its_turn_is_not_shown(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house.opened(messages_per_minute=1) as platform:
        await platform.say(1, "Dex", "soup")
        monkeypatch.setattr(delivery, "STALE_SECONDS", 0.2)
        with pytest.raises(StageFailed, match="too much is said"):
            await platform.say(2, "Dex", "stew")
    assert house.group.texts == ["Dex: soup"]


async def test_the_token_is_seen_nowhere(house: House, told: Told, local: LocalTelegram) -> None:
    async with house.opened(private=True, people=(house.anna.id,)) as platform:
        await platform.say(1, "Dex", "soup")
        seen = [repr(platform), repr(platform._connection)]
        assert platform._connection is not None
        seen += [repr(platform._connection.account.bot)]
        house.bot.is_revoked = True
        with pytest.raises(StageLost) as lost:
            await platform.say(2, "Dex", "stew")
        seen += [str(lost.value), *told.lines]
    assert told.lines
    assert [line for line in seen if "AAsecret" in line] == []


@given(st.text(), st.text(min_size=1))
def test_every_line_fits_into_a_message_and_its_bold_part_into_the_line(
    name: str, text: str
) -> None:
    words = named(name, text * 300)
    assert units(words.text) <= LONGEST_MESSAGE
    assert 0 < words.bold_units < units(words.text)
    words.text.encode()


def test_a_long_line_ends_at_a_word_and_says_so() -> None:
    line = fitted("👍 soup " * 1000)
    assert units(line) <= LONGEST_MESSAGE
    assert line.endswith(("soup…", "👍…"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"chat": 12}, "begin with a minus"),
        ({"chat": None}, "private = true"),
        ({"private": True}, "people"),
        ({"private": True, "people": [-5]}, "greater than 0"),
        ({"webhook": "http://a.example"}, "https://"),
        ({"webhook_listen": "everywhere"}, "127.0.0.1:8443"),
        ({"api_base": "http://example.org"}, "https://"),
        ({"token": "123:abc"}, "does not belong here"),
    ],
)
def test_settings_that_cannot_be_say_so(changes: dict[str, Any], words: str) -> None:
    from orchestrator.platforms.telegram.settings import TelegramStage

    with pytest.raises(ValueError, match=words):
        TelegramStage.model_validate({"chat": -5} | changes)
