"""Lines reach the channel exactly once, harm nobody, and fit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import StageFailed
from orchestrator.platforms import PersonLine
from orchestrator.platforms.discord.wording import fitted, lawful, lawful_names, prefixed
from orchestrator.platforms.fitting import units
from tests.local_discord import LocalDiscord
from tests.local_discord.rest_webhooks import check_name
from tests.orchestrator import discord_house
from tests.orchestrator.discord_house import Ears, House, quick, typing_sign

POST = ("POST", "/channels/*/messages")
EXECUTE = ("POST", "/webhooks/*/*")
SUPPRESSES_EMBEDS = 1 << 2


__all__ = ["quick"]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with LocalDiscord() as local:
        yield House(local, tmp_path)


async def test_a_line_is_shown_and_a_person_is_heard(house: House) -> None:
    async with house.opened() as platform:
        ears = Ears(platform)
        assert platform.where == "in #bots of Friends"
        message_id = await platform.say(1, "Dex", "hello there")
        [shown] = await house.shown(1)
        assert (shown.content, str(shown.id)) == ("**Dex:** hello there", message_id)
        said = house.anna.says(house.channel, "hello Dex")
        [line] = await ears.when(PersonLine)
    assert line == PersonLine(str(said.id), "anna", "hello Dex")
    assert len(ears.heard) == 1, "the bot's own line was told as a person's"


async def test_an_empty_line_is_never_sent(house: House) -> None:
    async with house.opened() as platform:
        with pytest.raises(StageFailed, match="nothing to show"):
            await platform.say(1, "Dex", " \n ")
        message_id = await platform.say(2, "Dex", "hm")
        with pytest.raises(StageFailed, match="nothing to show"):
            await platform.edit(message_id, "Dex", "")
    assert house.texts == ["**Dex:** hm"]


@pytest.mark.parametrize("appearance", ["single", "webhook"])
async def test_a_line_that_is_too_long_ends_at_a_word(house: House, appearance: str) -> None:
    async with house.opened(appearance=appearance) as platform:
        await platform.say(1, "Dex", "walrus " * 400)
    [text] = house.texts
    assert len(text) <= 2000
    assert text.endswith("walrus…")


@pytest.mark.parametrize("appearance", ["single", "webhook"])
async def test_nobody_is_pinged_and_no_link_is_unfolded(house: House, appearance: str) -> None:
    role = house.local.add_role(house.guild, "all", mentionable=True)
    loud = f"@everyone @here {house.anna.mention} {role.mention} https://example.org"
    async with house.opened(appearance=appearance) as platform:
        message_id = await platform.say(1, "Dex", loud)
        await platform.relay(2, "Sam", loud, "web")
        await platform.notice(loud)
        await platform.edit(message_id, "Dex", loud + "!")
    messages = house.local.messages(house.channel)
    assert len(messages) == 3
    assert house.local.pings == []
    assert all(message.flags & SUPPRESSES_EMBEDS for message in messages)


@pytest.mark.parametrize(("appearance", "name"), [("single", "**Dex:** "), ("webhook", "")])
async def test_a_line_stands_there_with_the_marks_that_a_person_would_have_typed(
    house: House, appearance: str, name: str
) -> None:
    text = r"**bold** _x_ ||spoiler|| ¯\_(ツ)_/¯ > 2*3*4"
    async with house.opened(appearance=appearance) as platform:
        await platform.say(1, "Dex", text)
    assert house.texts == [name + text]


@pytest.mark.parametrize("appearance", ["single", "webhook"])
async def test_a_line_is_reworded_and_taken_back(house: House, appearance: str) -> None:
    async with house.opened(appearance=appearance) as platform:
        first = await platform.say(1, "Dex", "one")
        second = await platform.relay(2, "Sam", "two", "web")
        await platform.edit(first, "Dex", "uno")
        await platform.edit(second, "Sam", "due")
        assert [text.endswith(end) for text, end in zip(house.texts, ("uno", "due"), strict=True)]
        await platform.delete(first)
        with pytest.raises(StageFailed, match="deleted"):
            await platform.edit(first, "Dex", "again")
    expected = {"single": ["**Sam** (web): due"], "webhook": ["due"]}
    assert house.texts == expected[appearance]


async def test_typing_shows_until_the_line_is_said(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typing_sign, "AGAIN_SECONDS", 0.05)
    local, key = house.local, (house.channel.id, house.bot.id)
    async with house.opened() as platform:
        await platform.typing("Dex")
        await local.when(lambda: local.typings[key] >= 3)
        await platform.say(1, "Dex", "done")
        seen = local.typings[key]
        # The line after it takes longer than a refresh would.
        local.faults.delay(*POST, 0.3)
        await platform.say(2, "Bort", "well")
        assert local.typings[key] == seen


@pytest.mark.parametrize(("appearance", "route"), [("single", POST), ("webhook", EXECUTE)])
@pytest.mark.parametrize("accepted", [True, False])
@pytest.mark.parametrize("fault", ["503", "cut", "reset"])
async def test_a_line_stands_there_once_whatever_becomes_of_the_request(
    house: House, appearance: str, route: tuple[str, str], accepted: bool, fault: str
) -> None:
    faults = house.local.faults
    async with house.opened(appearance=appearance) as platform:
        ids = [await platform.say(1, "Dex", "first")]
        if fault.isdigit():
            faults.answer(*route, int(fault), accepted=accepted)
        else:
            faults.cut(*route, accepted=accepted, reset=fault == "reset")
        ids.append(await platform.say(2, "Dex", "ahoy"))
        ids.append(await platform.say(3, "Bort", "third"))
        assert platform.ready.is_set()
    shown = house.local.messages(house.channel)
    assert [str(message.id) for message in shown] == ids
    assert [text[-5:].strip() for text in house.texts] == ["first", "ahoy", "third"]


async def test_the_same_words_said_twice_are_two_lines_also_after_a_lost_answer(
    house: House,
) -> None:
    async with house.opened(appearance="webhook") as platform:
        first = await platform.say(1, "Dex", "haha")
        house.local.faults.answer(*EXECUTE, 502)
        second = await platform.say(2, "Dex", "haha")
        house.local.faults.cut(*EXECUTE, accepted=True)
        third = await platform.say(3, "Dex", "haha")
    assert len({first, second, third}) == 3
    assert house.texts == ["haha"] * 3


async def test_a_line_that_people_wrote_like_a_lost_one_is_not_taken_for_it(house: House) -> None:
    async with house.opened() as platform:
        await platform.say(1, "Dex", "first")
        house.local.faults.answer(*POST, 503)
        house.anna.says(house.channel, "**Dex:** second")
        await platform.say(2, "Dex", "second")
    assert house.texts == ["**Dex:** first", "**Dex:** second", "**Dex:** second"]


async def test_discords_limits_are_obeyed_and_all_lines_come_in_order(house: House) -> None:
    async with house.opened(appearance="webhook") as platform:
        for count in range(8):
            await platform.say(count, "Dex", f"line {count}")
    assert house.texts == [f"line {count}" for count in range(8)]
    assert not house.local.limiter.exceeded


@pytest.mark.parametrize("strike", ["global", "cloudflare"])
async def test_a_line_waits_while_discord_is_too_busy_for_it(house: House, strike: str) -> None:
    async with house.opened(appearance="webhook") as platform:
        await platform.say(1, "Dex", "one")
        if strike == "global":
            house.local.faults.global_limit(0.5)
        else:
            house.local.faults.cloudflare(method="POST")
        await asyncio.wait_for(platform.say(2, "Dex", "two"), discord_house.PATIENCE_SECONDS)
    assert house.texts == ["one", "two"]


# --- words ----------------------------------------------------------------------------------------


@given(st.text(st.characters(exclude_categories=())), st.integers(10, 100))
def test_a_fitted_text_is_what_it_was_or_ends_early(text: str, longest: int) -> None:
    cut = fitted(text, longest)
    assert units(cut) <= longest
    whole = text.encode("utf-8", "replace").decode().strip()
    assert cut == whole or whole.startswith(cut.removesuffix("…"))


@given(st.text(st.characters(exclude_categories=())))
def test_a_lawful_name_is_taken_by_discord(name: str) -> None:
    shown = lawful(name)
    assert 1 <= units(shown) <= 80
    assert shown == shown.strip()
    assert check_name(shown, "username") == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Clyde", "Cly·de"),
        ("my DisCord friend", "my Dis·Cord friend"),
        ("  ", "Friend"),
        ("@everyone", "@everyone"),
        ("HERE", "HE·RE"),
        (" system  message", "system·message"),
        ("\u3164\u200b", "Friend"),
        ("\U0001f468\u200d\U0001f33e", "\U0001f468\u200d\U0001f33e"),
    ],
)
def test_a_name_that_discord_refuses_stays_readable(name: str, shown: str) -> None:
    assert lawful(name) == shown


@given(st.lists(st.sampled_from(["Dex", "dex", "Clyde", "Cly·de", "\u200b", " ", "x" * 90]),
                unique=True, min_size=2))  # fmt: skip
def test_friends_stay_apart_under_lawful_names(names: list[str]) -> None:
    shown = lawful_names(names)
    assert len({name.casefold() for name in shown.values()}) == len(names)
    assert all(lawful(name) == name for name in shown.values())


def test_a_name_before_a_line_is_only_a_name() -> None:
    assert prefixed("**x** `y`", "hi") == r"**\*\*x\*\* \`y\`:** hi"
