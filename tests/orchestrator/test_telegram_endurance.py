"""What becomes of lines when Telegram, the network or the group gives trouble."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import SecretStr
from telegram.constants import ChatAction

from orchestrator.errors import StageFailed, StageLost
from orchestrator.platforms import Command, PersonLine
from orchestrator.platforms.telegram import delivery
from orchestrator.platforms.telegram.account import CONNECTIONS, Account
from tests.local_telegram.faults import (
    BAD_GATEWAY,
    BAD_GATEWAY_ACCEPTED,
    CUT,
    CUT_ACCEPTED,
    HANGS,
    KICKED,
    OTHER_COPY,
    Fault,
    flood,
)
from tests.orchestrator.telegram_house import Ears, House, Told, house, local, quick, ready, told

__all__ = ["house", "local", "quick", "told"]  # fixtures


async def test_an_outage_is_told_once_and_the_line_comes_after_it(house: House, told: Told) -> None:
    async with house.opened() as platform:
        ears = Ears(platform)
        await house.local.when_called("getUpdates")
        await house.local.goes_away()
        saying = asyncio.create_task(platform.say(1, "Dex", "patience"))
        await told.wait("It goes on by itself")
        assert not platform.ready.is_set()
        await house.local.comes_back()
        await asyncio.wait_for(saying, 20)
        house.local.says(house.anna, house.group, "back?")
        await ears.when(PersonLine)
        assert platform.ready.is_set()
    assert house.group.texts[:1] == ["Dex: patience"]
    assert sum("It goes on by itself" in line for line in told.warnings) == 1
    assert platform.uncertain == 0


async def test_a_show_that_starts_without_a_network_begins_when_there_is_one(
    house: House, told: Told
) -> None:
    await house.local.goes_away()
    async with house.opened() as platform:
        assert not platform.ready.is_set()
        with pytest.raises(StageFailed):
            await platform.notice("nobody can read this")
        await house.local.comes_back()
        await ready(platform)
        await platform.say(1, "Dex", "at last")
    assert house.group.texts == ["Dex: at last"]


@pytest.mark.parametrize("fault", [CUT_ACCEPTED, BAD_GATEWAY_ACCEPTED])
async def test_a_message_whose_answer_was_lost_is_never_sent_again(
    house: House, fault: Fault, told: Told
) -> None:
    async with house.opened() as platform:
        house.local.faults.next("sendMessage", fault)
        lost = await house.say(platform, "Dex", "once")
        await ready(platform)
        await house.say(platform, "Juno", "then")
        assert house.group.texts == ["Dex: once", "Juno: then"]
        assert platform.uncertain == 1
        with pytest.raises(StageFailed, match="by hand"):
            await platform.delete(lost)
        with pytest.raises(StageFailed, match="by hand"):
            await platform.edit(lost, "Dex", "twice")
        assert any("It is uncertain" in line for line in told.warnings)
    assert any("of 1 messages nobody knows" in line for line in told.warnings)


async def test_a_reply_tells_the_number_of_a_message_whose_answer_was_lost(house: House) -> None:
    async with house.opened() as platform:
        ears = Ears(platform)
        house.local.faults.next("sendMessage", CUT_ACCEPTED)
        lost = await house.say(platform, "Dex", "once")
        [message] = house.group.of_bots()
        house.local.says(house.anna, house.group, "really?", reply_to=message)
        [line] = await ears.when(PersonLine)
        assert line.reply_to == lost
        await platform.edit(lost, "Dex", "twice")
        assert message.text == "Dex: twice"


async def test_a_line_cut_off_before_telegram_took_it_is_not_risked_twice(house: House) -> None:
    # From here nobody can tell it from one that was taken.
    async with house.opened() as platform:
        house.local.faults.next("sendMessage", CUT)
        await platform.say(1, "Dex", "perhaps")
        assert platform.uncertain == 1
    assert house.group.texts == []


async def test_flood_control_is_obeyed(house: House) -> None:
    async with house.opened() as platform:
        house.local.faults.next("sendMessage", flood(1))
        loop = asyncio.get_running_loop()
        began = loop.time()
        await platform.say(1, "Dex", "slowly")
        assert loop.time() - began >= 1.0
        assert platform.ready.is_set()
    assert house.group.texts == ["Dex: slowly"]
    assert platform.uncertain == 0


async def test_a_line_is_not_shown_any_more_once_it_is_old(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "STALE_SECONDS", 0.3)
    async with house.opened() as platform:
        house.local.faults.next("sendMessage", flood(2))
        with pytest.raises(StageFailed, match="too old"):
            await platform.say(1, "Dex", "late")
        await ready(platform)
        await platform.say(2, "Dex", "in time")
    assert house.group.texts == ["Dex: in time"]


async def test_a_revoked_token_ends_the_stage_with_a_sentence(house: House) -> None:
    async with house.opened() as platform:
        ears = Ears(platform)
        await house.local.when_called("getUpdates")
        house.bot.is_revoked = True
        await house.local.goes_away()
        await house.local.comes_back()
        assert "@BotFather" in await ears.when_lost()
        with pytest.raises(StageLost):
            await platform.say(1, "Dex", "soup")


async def test_a_wrong_token_or_group_is_said_at_once(house: House) -> None:
    with pytest.raises(StageLost, match="add it to the group"):
        async with house.opened(chat=-12):
            pass
    house.bot.token = "1:wrong"
    with pytest.raises(StageLost, match="does not take the token"):
        async with house.opened():
            pass


async def test_a_bot_that_is_put_out_waits_to_be_let_in_again(house: House, told: Told) -> None:
    async with house.opened() as platform:
        await house.local.when_called("getUpdates")
        house.local.makes(house.group, house.bot, "kicked")
        await told.wait("put out of the group")
        assert not platform.ready.is_set()
        saying = asyncio.create_task(platform.say(1, "Dex", "I am back"))
        house.local.makes(house.group, house.bot, "member")
        await asyncio.wait_for(saying, 20)
        house.local.faults.next("sendMessage", KICKED)
        with pytest.raises(StageFailed, match="kicked"):
            await platform.say(2, "Dex", "not shown")
        await ready(platform)
    assert house.group.texts == ["Dex: I am back"]


async def test_a_bot_that_may_not_write_waits_until_it_may(house: House, told: Told) -> None:
    async with house.opened() as platform:
        await house.local.when_called("getUpdates")
        house.group.bots[house.bot] = "restricted"
        with pytest.raises(StageFailed, match="rights"):
            await platform.say(1, "Dex", "soup")
        assert not platform.ready.is_set()
        house.group.bots[house.bot] = "member"  # without a word to the bot
        await ready(platform)


@pytest.mark.parametrize("silently", [False, True])
async def test_a_group_that_becomes_a_supergroup_is_followed(
    house: House, told: Told, *, silently: bool
) -> None:
    old = house.group = house.local.add_group("Few", house.anna, house.bot, kind="group")
    async with house.opened() as platform:
        ears = Ears(platform)
        before = await house.say(platform, "Dex", "one")
        new = house.local.upgrades(old, silently=silently)
        await house.say(platform, "Dex", "two")
        house.local.says(house.anna, new, "three")
        await ears.when(PersonLine)
        with pytest.raises(StageFailed, match="before the group became"):
            await platform.delete(before)
    assert (old.texts, new.texts) == (["Dex: one"], ["Dex: two", "three"])
    assert any(f"chat = {new.id}" in line for line in told.warnings)
    # A start with the old id in the settings goes on in the new group.
    async with house.opened(chat=old.id) as platform:
        await house.say(platform, "Dex", "four")
    assert new.texts[-1] == "Dex: four"


async def test_another_copy_that_polls_is_told_of_once(house: House, told: Told) -> None:
    house.local.faults.next("getUpdates", OTHER_COPY, times=3)
    async with house.opened() as platform:
        ears = Ears(platform)
        [notice] = await house.shown(1)
        house.local.says(house.anna, house.group, "still heard")
        await ears.when(PersonLine)
        assert len(house.group.of_bots()) == 1
    assert "end the other copy" in notice.text
    assert sum("end the other copy" in line for line in told.warnings) == 1


async def test_two_stages_of_one_bot_do_not_take_news_from_each_other(
    house: House, told: Told
) -> None:
    other = house.local.add_group("Others", house.sam, house.bot)
    async with house.opened() as first, house.opened(chat=other.id) as second:
        in_first, in_second = Ears(first), Ears(second)
        house.local.says(house.anna, house.group, "here")
        house.local.says(house.sam, other, "there")
        [here] = await in_first.when(PersonLine)
        [there] = await in_second.when(PersonLine)
    assert (here.text, there.text) == ("here", "there")
    assert told.warnings == []


async def test_news_come_in_order_and_once_whatever_happens_to_polls(house: House) -> None:
    async with house.opened() as platform:
        ears = Ears(platform)
        house.local.faults.by_chance("getUpdates", (CUT, CUT_ACCEPTED, BAD_GATEWAY), 0.3, seed=3)
        for number in range(40):
            house.local.says(house.anna, house.group, f"line {number}")
            await ears.when(PersonLine, number + 1)
        house.local.says(house.anna, house.group, "/status")
        await ears.when(Command)
    assert [line.text for line in ears.of(PersonLine)] == [f"line {n}" for n in range(40)]
    assert house.local.faults.struck["cut"] > 0


async def test_what_waits_behind_a_command_when_the_show_ends_is_heard_by_the_next(
    house: House,
) -> None:
    house.group.administrators = [house.anna]
    house.local.faults.next("getChatAdministrators", HANGS)
    async with house.opened() as platform:
        before = Ears(platform)
        house.local.says(house.anna, house.group, "/pause")
        house.local.says(house.anna, house.group, "please answer me, Dex")
        await house.local.when_called("getChatAdministrators")
    assert before.heard == []
    async with house.opened() as platform:
        ears = Ears(platform)
        await ears.when(PersonLine)
    assert [type(event) for event in ears.heard] == [Command, PersonLine]


async def test_stages_of_one_bot_that_end_together_leave_what_waits_to_the_next(
    house: House,
) -> None:
    other = house.local.add_group("Others", house.sam, house.bot)
    house.group.administrators = [house.anna]
    house.local.faults.next("getChatAdministrators", HANGS)
    async with house.opened() as first, house.opened(chat=other.id) as second:
        house.local.says(house.anna, house.group, "/pause")
        house.local.says(house.anna, house.group, "please answer me, Dex")
        house.local.says(house.sam, other, "and me")
        await house.local.when_called("getChatAdministrators")
        await asyncio.gather(first.close(), second.close())
    async with house.opened() as first, house.opened(chat=other.id) as second:
        in_first, in_second = Ears(first), Ears(second)
        await in_first.when(PersonLine)
        await in_second.when(PersonLine)
    assert [type(event) for event in in_first.heard] == [Command, PersonLine]
    assert [event.text for event in in_second.of(PersonLine)] == ["and me"]


async def test_requests_that_nobody_waits_for_any_longer_leave_room_for_others(
    house: House,
) -> None:
    account = Account(SecretStr(house.bot.token), "the Telegram bot", house.local.base)
    for moments in range(40):  # further each time, so that they are cut short at every point
        signs = [
            asyncio.create_task(account.bot.send_chat_action(house.group.id, ChatAction.TYPING))
            for _ in range(2 * CONNECTIONS)
        ]
        for _ in range(moments):
            await asyncio.sleep(0)
        for sign in signs:
            sign.cancel()
        await asyncio.gather(*signs, return_exceptions=True)
    async with asyncio.timeout(10):
        await account.introduce()
    await account.close()
