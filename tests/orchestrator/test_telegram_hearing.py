"""What the stage tells the show of what people do in a Telegram group."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import aiohttp
from hypothesis import given
from hypothesis import strategies as st
from telegram import Message, MessageEntity

from orchestrator.platforms import Command, Edit, PersonLine, Reaction
from orchestrator.platforms.telegram.hearing import command_in
from tests.orchestrator.telegram_house import Ears, House, Told, house, local, quick, told

__all__ = ["house", "local", "quick", "told"]  # fixtures


async def test_a_line_is_heard_with_its_author_and_what_it_replies_to(house: House) -> None:
    async with house.opened() as platform:
        ears = Ears(platform)
        said = await house.say(platform, "Dex", "soup")
        reply = house.local.says(
            house.anna, house.group, "*why* <soup>?", reply_to=house.group.of_bots()[0]
        )
        [line] = await ears.when(PersonLine)
        assert platform.is_read
    assert line == PersonLine(f"{house.group.id}/{reply.id}", "Anna", "*why* <soup>?", said)


async def test_a_call_of_the_bot_is_answered_by_whoever_spoke_last(house: House) -> None:
    async with house.opened() as platform:
        ears = Ears(platform)
        await house.say(platform, "Juno", "soup")
        house.local.says(house.anna, house.group, "what do you think, @ConvoBot")
        house.local.says(house.anna, house.group, "Dex, or @convobot?")
        first, second = await ears.when(PersonLine, 2)
    assert (first.text, first.addressed) == ("what do you think,", ("Juno",))
    assert second.addressed == ()  # the conversation finds Dex in the text


async def test_a_friends_own_bot_is_called_by_its_name_or_a_reply(house: House) -> None:
    dex = house.local.add_bot("Dexter")
    house.group.bots[dex] = "member"
    tokens = {"Dex": {"token_file": house.token_file(dex)}}
    async with house.opened(friend_tokens=tokens) as platform:
        ears = Ears(platform)
        await house.say(platform, "Dex", "soup")
        house.local.says(house.anna, house.group, "hi @DexterBot")
        house.local.says(house.anna, house.group, "no", reply_to=house.group.of_bots()[0])
        first, second = await ears.when(PersonLine, 2)
    assert (first.text, first.addressed) == ("hi Dex", ("Dex",))
    assert second.addressed == ("Dex",)


async def test_a_changed_line_is_heard(house: House) -> None:
    async with house.opened() as platform:
        ears = Ears(platform)
        message = house.local.says(house.anna, house.group, "sop")
        house.local.edits(message, "soup")
        [edit] = await ears.when(Edit)
    assert edit == Edit(f"{house.group.id}/{message.id}", "soup")


async def test_an_administrator_sees_reactions(house: House) -> None:
    house.group.bots[house.bot] = "administrator"
    async with house.opened() as platform:
        ears = Ears(platform)
        said = await house.say(platform, "Dex", "soup")
        [message] = house.group.of_bots()
        await house.local.when_called("getUpdates")
        house.local.reacts(house.anna, message, "", "🔥")
        house.local.reacts(house.anna, message, "🔥", "👍")
        heard = await ears.when(Reaction, 3)
    assert heard == [
        Reaction(said, "Anna", "🔥"), Reaction(said, "Anna", "🔥", removed=True),
        Reaction(said, "Anna", "👍"),
    ]  # fmt: skip


async def test_what_was_written_while_the_show_was_away_says_when(house: House) -> None:
    house.local.says(house.anna, house.group, "anybody?", seconds_ago=4000)
    house.local.says(house.anna, house.group, "/oops", seconds_ago=4000)
    async with house.opened() as platform:
        ears = Ears(platform)
        house.local.says(house.anna, house.group, "here now")
        old, new = await ears.when(PersonLine, 2)
    assert old.at is not None
    assert new.at is None
    assert ears.of(Command) == []  # nobody means it any more


async def test_what_was_heard_is_not_told_again_after_a_restart(house: House) -> None:
    async with house.opened() as platform:
        ears = Ears(platform)
        house.local.says(house.anna, house.group, "one")
        await ears.when(PersonLine)
    async with house.opened() as platform:
        ears = Ears(platform)
        house.local.says(house.anna, house.group, "two")
        [line] = await ears.when(PersonLine)
    assert line.text == "two"


# --- commands -------------------------------------------------------------------------------------


async def test_commands_are_completed_by_telegram(house: House) -> None:
    async with house.opened(private=True, people=(house.anna.id,)):
        pass
    in_group = [command["command"] for command in house.bot.commands["chat"]]
    assert set(in_group) == {"ask", "topic", "why", "again", "status", "help", "friends"}
    of_administrators = [c["command"] for c in house.bot.commands["chat_administrators"]]
    assert set(of_administrators) - set(in_group) == {
        "pause", "resume", "mute", "unmute", "pace", "oops", "transcript",
    }  # fmt: skip
    in_private = [command["command"] for command in house.bot.commands["all_private_chats"]]
    assert {"switch", "friends", "again"} <= set(in_private)


async def test_a_command_goes_to_the_show_and_its_answer_back_to_whoever_asked(
    house: House,
) -> None:
    async with house.opened() as platform:
        ears = Ears(platform)
        asked = house.local.says(house.anna, house.group, "/ask@ConvoBot  Big Al\npizza")
        house.local.says(house.anna, house.group, "/ask@OtherBot Dex")
        house.local.says(house.anna, house.group, "/roll 6")  # some other bot's, for all we know
        unknown = house.local.says(house.anna, house.group, "/roll@ConvoBot 6")
        [first] = await ears.when(Command)
        [none_such] = await house.shown(1)
        assert first.answer is not None
        await first.answer("Big Al speaks next. " + "x" * 5000)
        _, answer = await house.shown(2)
    assert (first.author, first.name, first.argument) == ("Anna", "ask", "Big Al pizza")
    assert none_such.text == "There is no /roll; /help lists what there is."
    assert none_such.reply_to is unknown
    assert answer.reply_to is asked
    assert answer.text.startswith("Big Al speaks next.")


async def test_the_show_does_not_wait_until_telegram_takes_an_answer(house: House) -> None:
    async with house.opened(messages_per_minute=1) as platform:
        ears = Ears(platform)
        await platform.say(1, "Dex", "soup")
        house.local.says(house.anna, house.group, "/topic\npizza  and soup")
        [command] = await ears.when(Command)
        assert command.answer is not None
        await asyncio.wait_for(command.answer("Next: pizza and soup."), 20)
        assert house.group.texts[0] == house.group.of_bots()[-1].text == "Dex: soup"
    assert (command.name, command.argument) == ("topic", "pizza and soup")


async def test_a_command_as_a_reply_is_about_that_line(house: House) -> None:
    async with house.opened() as platform:
        ears = Ears(platform)
        said = await house.say(platform, "Dex", "soup")
        [message] = house.group.of_bots()
        house.local.says(house.anna, house.group, "/why", reply_to=message)
        house.local.says(house.anna, house.group, "/topic soup", reply_to=message)
        why, topic = await ears.when(Command, 2)
        own = house.local.says(house.anna, house.group, "soup!")
        house.local.says(house.anna, house.group, "/why", reply_to=own)
        _, answer = await house.shown(2)
    assert (why.message_id, topic.message_id) == (said, None)
    assert answer.text.startswith("That message is no line of a friend.")
    assert len(ears.of(Command)) == 2


async def test_somebody_elses_words_are_no_command(house: House) -> None:
    house.group.administrators = [house.sam]
    helper = house.local.add_bot("Helper")
    async with house.opened() as platform:
        ears = Ears(platform)
        for text in ("/oops", "/oops@ConvoBot", "/roll@ConvoBot"):
            house.local.says(house.sam, house.group, text, forwarded_from=house.anna)
            house.local.says(house.sam, house.group, text, via_bot=helper)
        house.local.says(house.sam, house.group, "read this", forwarded_from=house.anna)
        house.local.says(house.sam, house.group, "/status")
        await ears.when(Command)
    assert [line.text for line in ears.of(PersonLine)] == ["read this"]
    assert [command.name for command in ears.of(Command)] == ["status"]
    assert house.group.of_bots() == []


async def test_in_a_topic_of_a_forum_all_is_as_anywhere(house: House) -> None:
    house.group.administrators = [house.anna]
    topic = house.local.begins_topic(house.anna, house.group, "Soup")
    async with house.opened() as platform:
        ears = Ears(platform)
        said = await house.say(platform, "Dex", "soup")
        [message] = house.group.of_bots()
        for text in ("/why", "/again", "/oops"):
            house.local.says(house.anna, house.group, text, reply_to=topic)
        plain = house.local.says(house.anna, house.group, "hello", reply_to=topic)
        house.local.says(house.anna, house.group, "/why", reply_to=message)
        *commands, last = await ears.when(Command, 4)
        [line] = await ears.when(PersonLine)
    assert [(c.name, c.message_id) for c in commands] == [
        ("why", None), ("again", None), ("oops", None),
    ]  # fmt: skip
    assert last.message_id == said
    assert line == PersonLine(f"{house.group.id}/{plain.id}", "Anna", "hello")
    assert house.group.of_bots() == [message]


async def test_friends_are_listed_with_buttons_that_have_them_speak(house: House) -> None:
    async with house.opened() as platform:
        ears = Ears(platform)
        house.local.says(house.anna, house.group, "/friends")
        [listed] = await house.shown(1)
        assert "Big Al: ready" in listed.text
        pressing = asyncio.create_task(house.local.presses(house.anna, listed, "Big Al"))
        [ask] = await ears.when(Command)
        assert ask.answer is not None
        await ask.answer("Big Al speaks next.")
        assert await pressing == "Big Al speaks next."
    assert (ask.name, ask.argument) == ("ask", "Big Al")


async def test_help_says_what_one_may_use(house: House) -> None:
    house.group.administrators = [house.sam]
    async with house.opened():
        house.local.says(house.anna, house.group, "/help")
        house.local.says(house.sam, house.group, "/start@ConvoBot")
        of_anna, of_sam = await house.shown(2)
    assert "/topic" in of_anna.text
    assert "/pause" not in of_anna.text
    assert "/unmute" in of_sam.text


# --- who may, and who cannot be heard -------------------------------------------------------------


async def test_strangers_get_one_polite_line(house: House) -> None:
    eve = house.local.add_person("Eve")
    elsewhere = house.local.add_group("Elsewhere", eve, house.bot)
    alone = house.local.private(eve, house.bot)
    async with house.opened(private=True, people=(house.anna.id,)) as platform:
        ears = Ears(platform)
        for text in ("hello", "hello?"):
            house.local.says(eve, elsewhere, text)
            house.local.says(eve, alone, text)
        house.local.says(house.anna, house.group, "all is heard by now")
        await ears.when(PersonLine)
        [in_group] = await house.local.when_posted(elsewhere, 1)
        [in_private] = await house.local.when_posted(alone, 1)
    assert f"chat = {elsewhere.id}" in in_group.text
    assert f"people = [{eve.id}]" in in_private.text
    assert len(ears.heard) == 1


async def test_privacy_mode_is_seen_and_explained(house: House, told: Told) -> None:
    house.bot.reads_all = False
    async with house.opened() as platform:
        ears = Ears(platform)
        house.local.says(house.anna, house.group, "not heard")
        house.local.says(house.anna, house.group, "/status")
        await ears.when(Command)
    assert ears.of(PersonLine) == []
    [warning] = told.warnings
    assert "/setprivacy" in warning


async def test_an_administrator_hears_all_in_privacy_mode(house: House, told: Told) -> None:
    house.bot.reads_all = False
    house.group.bots[house.bot] = "administrator"
    async with house.opened() as platform:
        ears = Ears(platform)
        house.local.says(house.anna, house.group, "heard")
        await ears.when(PersonLine)
    assert told.warnings == []


# --- webhook --------------------------------------------------------------------------------------


async def test_a_webhook_brings_news_and_takes_them_from_telegram_only(
    house: House, unused_tcp_port: int, told: Told
) -> None:
    address = "https://show.example/telegram"
    end = house.local.webhook_ends[address] = f"http://127.0.0.1:{unused_tcp_port}/telegram"
    changes = {"webhook": address, "webhook_listen": f"127.0.0.1:{unused_tcp_port}"}
    async with house.opened(**changes) as platform:
        ears = Ears(platform)
        await house.local.when_called("setWebhook")
        await house.local.when(lambda: house.bot.webhook, "the webhook")
        house.local.says(house.anna, house.group, "by webhook")
        await ears.when(PersonLine)
        async with aiohttp.ClientSession() as session:
            forged = await session.post(end, json={"update_id": 1})
            assert forged.status == 401
            headers = {"X-Telegram-Bot-Api-Secret-Token": house.bot.webhook_secret}
            odd = await session.post(end, data="no news", headers=headers)
            assert odd.status == 200
    assert house.local.given("getUpdates") == []
    async with house.opened() as platform:  # later again without one
        ears = Ears(platform)
        house.local.says(house.anna, house.group, "by polling")
        await ears.when(PersonLine)


# --- small parts ----------------------------------------------------------------------------------


@given(st.text(alphabet="/@ask_Bot \nü👍", max_size=30))
def test_any_text_is_a_command_or_none(text: str) -> None:
    entities = [MessageEntity(MessageEntity.BOT_COMMAND, 0, 1)] if text.startswith("/") else []
    message = Message.de_json(
        {"message_id": 1, "date": 0, "chat": {"id": -1, "type": "group", "title": "x"},
         "text": text, "entities": [entity.to_dict() for entity in entities]}, None,
    )  # fmt: skip
    asked = command_in(message, "SomeBot")
    assert (asked is not None) == text.startswith("/")
    if asked:
        assert "\n" not in asked.argument


def test_the_program_starts_without_loading_the_library(tmp_path: Path) -> None:
    program = (
        "import sys, orchestrator.cli, orchestrator.settings, orchestrator.doctor;"
        "print('telegram' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60,
        env={**os.environ},
    )  # fmt: skip
    assert found.stdout.strip() == "False"
