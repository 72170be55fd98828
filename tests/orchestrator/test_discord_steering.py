"""What people write and do in the channel reaches the show as they meant it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.platforms import Deletion, Edit, PersonLine, Reaction
from orchestrator.platforms.discord.reading import Names, mentioned, readable
from tests.local_discord import LocalDiscord
from tests.orchestrator.discord_house import Ears, House, quick

__all__ = ["quick"]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with LocalDiscord(limits=None) as local:
        yield House(local, tmp_path)


@pytest.mark.parametrize("appearance", ["single", "webhook"])
async def test_a_reply_names_the_line_that_it_answers(house: House, appearance: str) -> None:
    async with house.opened(appearance=appearance) as platform:
        ears = Ears(platform)
        message_id = await platform.say(1, "Dex", "pizza?")
        [shown] = await house.shown(1)
        house.anna.says(house.channel, "yes", reply_to=shown)
        [line] = await ears.when(PersonLine)
    assert (line.text, line.reply_to) == ("yes", message_id)


async def test_a_mention_of_the_bot_means_everybody(house: House) -> None:
    async with house.opened() as platform:
        ears = Ears(platform)
        house.anna.says(house.channel, f"{house.bot.mention}, what now?")
        house.anna.says(house.channel, house.bot.mention)
        first, second = await ears.when(PersonLine, 2)
    assert (first.text, first.addressed) == ("what now?", ())
    assert second.text == "@BotConvo"


async def test_a_friends_role_means_the_friend_and_others_roles_nobody(house: House) -> None:
    dex = house.local.add_role(house.guild, "Dex", mentionable=True)
    powerful = house.local.add_role(house.guild, "Bort", permissions=8, mentionable=True)
    other = house.local.add_role(house.guild, "chess", mentionable=True)
    async with house.opened() as platform:
        ears = Ears(platform)
        house.anna.says(house.channel, f"{dex.mention} {powerful.mention} {other.mention} hi")
        [line] = await ears.when(PersonLine)
    assert (line.text, line.addressed) == ("@Dex @Bort @chess hi", ("Dex",))


async def test_marks_become_the_words_that_people_see(house: House) -> None:
    sam = house.local.add_person("sam", house.guild, nick="Sammy")
    async with house.opened() as platform:
        ears = Ears(platform)
        house.anna.says(
            house.channel, f"{sam.mention} come to {house.channel.mention} <a:pizza:123> <:x:9>"
        )
        [line] = await ears.when(PersonLine)
    assert line.text == "@Sammy come to #bots :pizza: :x:"


async def test_what_is_no_persons_line_here_is_not_told(house: House) -> None:
    elsewhere = house.local.add_channel(house.guild, "elsewhere")
    other = house.local.add_bot("other", house.guild)
    async with house.opened(appearance="webhook") as platform:
        ears = Ears(platform)
        await platform.say(1, "Dex", "by a webhook of ours")
        await platform.notice("by the bot itself")
        house.anna.says(house.channel, files={"a.png": b"x"})
        house.anna.says(elsewhere, "not here")
        house.anna.says_privately(house.bot, "psst")
        await _says_as_bot(house, other.token, "I am a bot")
        house.anna.says(house.channel, "**Dex:** by a webhook of ours")
        lines = await ears.when(PersonLine)
    assert [line.text for line in lines] == ["**Dex:** by a webhook of ours"]
    assert len(ears.heard) == 1


async def _says_as_bot(house: House, token: str, text: str) -> None:
    import aiohttp

    url = f"{house.local.api_base}/channels/{house.channel.id}/messages"
    headers = {"Authorization": f"Bot {token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(url, json={"content": text}) as answer,
    ):
        assert answer.status == 200


async def test_edits_deletions_and_reactions_are_told(house: House) -> None:
    async with house.opened() as platform:
        ears = Ears(platform)
        shown = await platform.say(1, "Dex", "hello")
        [ours] = await house.shown(1)
        line = house.anna.says(house.channel, "helo")
        house.anna.edits(line, "hello <:x:9>")
        house.anna.reacts(ours, "👍")
        house.anna.takes_back(ours, "👍")
        house.anna.deletes(line)
        house.local.delete_message(ours)
        await ears.when(Deletion, 2)
    assert ears.heard[1:] == [
        Edit(str(line.id), "hello :x:"),
        Reaction(shown, "anna", "👍"),
        Reaction(shown, "anna", "👍", removed=True),
        Deletion(str(line.id)),
        Deletion(shown),
    ]


async def test_without_the_message_content_intent_mentions_and_replies_are_heard(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.local.set_privileged(house.bot, ())
    async with house.opened() as platform:
        ears = Ears(platform)
        house.anna.says(house.channel, "nobody hears this")
        house.anna.says(house.channel, f"{house.bot.mention} but this")
        [line] = await ears.when(PersonLine)
        await platform.say(1, "Dex", "I speak all the same")
        [_, _, shown] = await house.shown(3)
        house.anna.says(house.channel, "and this", reply_to=shown)
        [_, reply] = await ears.when(PersonLine, 2)
    assert (line.text, reply.text) == ("but this", "and this")
    assert caplog.text.count("Message Content Intent is off") == 1


async def test_a_channel_that_is_listened_to_is_heard_while_all_may_view_it(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    lounge = house.local.add_channel(house.guild, "lounge")
    async with house.opened(listen=[lounge.id]) as platform:
        ears = Ears(platform)
        house.anna.says(lounge, "from the lounge")
        [line] = await ears.when(PersonLine)
        assert line.text == "from the lounge"
        staff = house.local.add_role(house.guild, "staff")
        house.local.join(house.anna, house.guild, roles=[staff])
        house.local.set_permissions(lounge, house.guild.everyone, deny=1 << 10)
        house.local.set_permissions(lounge, staff, allow=1 << 10)
        house.local.set_permissions(lounge, house.bot, allow=1 << 10)
        house.anna.says(lounge, "among us")
        house.anna.says(lounge, "still among us")
        house.anna.says(house.channel, "for all")
        lines = await ears.when(PersonLine, 2)
    assert [line.text for line in lines] == ["from the lounge", "for all"]
    assert caplog.text.count("#lounge is not listened to") == 1


# --- words ----------------------------------------------------------------------------------------

NOBODY = Names(lambda _: None, lambda _: None, lambda _: None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<@1> <@!1>", "@somebody @somebody"),
        ("<@&2> in <#3>", "@role in #channel"),
        ("see <t:0:F> and <t:0>", "see 1970-01-01 00:00 UTC and 1970-01-01 00:00 UTC"),
        ("<t:999999999999>", "<t:999999999999>"),
        ("use </friends roles:123>", "use /friends roles"),
        ("1 < 2 and <b>3</b> <:nothing> <@>", "1 < 2 and <b>3</b> <:nothing> <@>"),
    ],
)
def test_marks_of_what_nobody_knows_are_words_all_the_same(text: str, shown: str) -> None:
    assert readable(text, NOBODY) == shown


@given(st.text(st.sampled_from("<>@!&#:at/ 17é🍕"), max_size=60))
def test_any_text_can_be_read(text: str) -> None:
    words = readable(text, NOBODY, me=17)
    assert "<@" not in words or not mentioned(words)[0]
    users, roles = mentioned(text)
    assert len(set(users)) == len(users)
    assert len(set(roles)) == len(roles)
