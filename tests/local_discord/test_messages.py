"""Messages, permissions, roles and webhooks of our Discord, by the real discord.py."""

from __future__ import annotations

import io

import discord
import pytest

from tests.local_discord import (
    BOT_PERMISSIONS,
    Overwrite,
)
from tests.local_discord.ears import Scene, connected, text_channel
from tests.local_discord.permissions import MANAGE_WEBHOOKS, SEND_MESSAGES, VIEW_CHANNEL


async def test_a_reply_refers_to_its_message_and_pings_only_if_asked(scene: Scene) -> None:
    async with connected(scene.bot) as client:
        scene.anna.says(scene.channel, "hello")
        heard = await client.heard.get()
        answer = await heard.reply("hey", mention_author=False)
        assert answer.reference is not None and answer.reference.message_id == heard.id
        assert isinstance(answer.reference.resolved, discord.Message)
        assert scene.local.pings == []
        await heard.reply("you!")
        assert [(each.kind, each.target_id) for each in scene.local.pings] == [
            ("user", scene.anna.id)
        ]


async def test_pings_are_counted_on_create_and_edit_after_allowed_mentions(scene: Scene) -> None:
    role = scene.local.add_role(scene.guild, "chess", mentionable=True)
    text = f"@everyone {role.mention} {scene.anna.mention}"
    async with connected(scene.bot) as client:
        channel = text_channel(client, scene.channel)
        sent = await channel.send(text, allowed_mentions=discord.AllowedMentions.none())
        assert (sent.mentions, sent.role_mentions, sent.mention_everyone) == ([], [], False)
        assert scene.local.pings == []
        await sent.edit(content=text + "!")  # nothing is forbidden any more
        told = {(each.kind, each.target_id, each.when) for each in scene.local.pings}
        # the bot has no right to mention everyone
        assert told == {("user", scene.anna.id, "edit"), ("role", role.id, "edit")}
        webhook = await channel.create_webhook(name="hook")
        count = len(scene.local.pings)
        await webhook.send("@here")  # webhooks mention only users, if nothing else is said
        assert len(scene.local.pings) == count
        await webhook.send("@here", allowed_mentions=discord.AllowedMentions.all())
        assert scene.local.pings[-1].kind == "everyone"


async def test_the_same_nonce_makes_one_message(scene: Scene) -> None:
    async with connected(scene.bot) as client:
        channel = text_channel(client, scene.channel)
        first = await channel.send("once", nonce="n1")
        second = await channel.send("once", nonce="n1")
        third = await channel.send("once", nonce="n2")
        assert first.id == second.id != third.id
        assert len(scene.local.messages(scene.channel)) == 2
        await third.delete()
        with pytest.raises(discord.NotFound) as gone:
            await channel.send("once", nonce="n2")
        assert gone.value.code == 10008


async def test_history_is_cut_as_asked(scene: Scene) -> None:
    said = [scene.anna.says(scene.channel, str(number)) for number in range(120)]
    async with connected(scene.bot) as client:
        channel = text_channel(client, scene.channel)

        async def read(**cut: object) -> list[str]:
            return [each.content async for each in channel.history(**cut)]  # type: ignore[arg-type]

        at = discord.Object(said[60].id)
        assert await read(limit=None) == [str(each) for each in reversed(range(120))]
        assert await read(after=at, limit=3) == ["61", "62", "63"]
        assert await read(before=at, limit=3) == ["59", "58", "57"]
        assert await read(around=at, limit=5) == ["62", "61", "60", "59", "58"]
        assert (await channel.fetch_message(said[7].id)).content == "7"


async def test_what_discord_refuses_is_refused_with_its_codes(scene: Scene) -> None:
    async with connected(scene.bot) as client:
        channel = text_channel(client, scene.channel)
        theirs = await channel.fetch_message(scene.anna.says(scene.channel, "mine").id)
        webhook = await channel.create_webhook(name="hook")
        refusals = [
            (channel.send("x" * 2_001), 50035), (channel.send(" "), 50006),
            (channel.fetch_message(1), 10008), (client.fetch_channel(1), 10003),
            (client.fetch_webhook(1), 10015), (theirs.edit(content="yours"), 50005),
            (channel.create_webhook(name="my discord hook"), 50035),
            (webhook.send("x", username="Clyde 2"), 50035),
            (webhook.send("x", username="n" * 81), 50035),
        ]  # fmt: skip
        for request, code in refusals:
            with pytest.raises(discord.HTTPException) as refused:
                await request
            assert refused.value.code == code


async def test_permissions_of_roles_and_overwrites_decide(scene: Scene) -> None:
    local = scene.local
    hidden = local.add_channel(
        scene.guild, "secret", [Overwrite(scene.guild.id, True, deny=VIEW_CHANNEL)]
    )
    async with connected(scene.bot) as client:
        for channel, code in ((hidden, 50001), (scene.channel, 50013)):
            local.set_permissions(scene.channel, scene.bot, deny=SEND_MESSAGES)
            with pytest.raises(discord.Forbidden) as refused:
                await text_channel(client, channel).send("may I?")
            assert refused.value.code == code
        local.set_permissions(scene.channel, scene.bot)
        local.set_permissions(hidden, local.bot_role(scene.bot, scene.guild), allow=VIEW_CHANNEL)
        await text_channel(client, hidden).send("now I may")
        assert scene.anna.reads(hidden) == []
        with pytest.raises(PermissionError):
            scene.anna.says(hidden, "me too")
        role = local.bot_role(scene.bot, scene.guild)
        local.set_role_permissions(role, BOT_PERMISSIONS & ~MANAGE_WEBHOOKS)
        with pytest.raises(discord.Forbidden):
            await text_channel(client, scene.channel).create_webhook(name="hook")


async def test_the_bot_types_reacts_uploads_and_deletes(scene: Scene) -> None:
    async with connected(scene.bot) as client:
        channel = text_channel(client, scene.channel)
        async with channel.typing():
            pass
        assert scene.local.typings[scene.channel.id, scene.bot.id] == 1
        sent = await channel.send(file=discord.File(io.BytesIO(b"bytes"), "a.bin"))
        assert scene.local.messages(scene.channel)[0].attachments[0].body == b"bytes"
        assert await sent.attachments[0].read() == b"bytes"
        await sent.add_reaction("🎉")
        [reaction] = (await channel.fetch_message(sent.id)).reactions
        assert (str(reaction.emoji), reaction.count, reaction.me) == ("🎉", 1, True)
        await sent.delete()
        assert scene.local.messages(scene.channel) == []


async def test_roles_are_made_changed_and_deleted_by_the_bot(scene: Scene) -> None:
    async with connected(scene.bot) as client:
        guild = client.get_guild(scene.guild.id)
        assert guild is not None
        role = await guild.create_role(name="Marlow", mentionable=True)
        await role.edit(name="Marlow 2")
        assert [each.name for each in scene.local.roles(scene.guild)] == ["BotConvo", "Marlow 2"]
        with pytest.raises(discord.Forbidden):
            await guild.self_role.edit(name="above itself")  # type: ignore[union-attr]
        await role.delete()
        assert [each.name for each in scene.local.roles(scene.guild)] == ["BotConvo"]


async def test_webhook_lines_have_names_and_can_be_changed(scene: Scene) -> None:
    thread = scene.local.add_thread(scene.channel, "aside")
    async with connected(scene.bot) as client:
        channel = text_channel(client, scene.channel)
        webhook = await channel.create_webhook(name="friends")
        line = await webhook.send(
            "hi", username="Marlow", avatar_url="https://example.org/a.png", wait=True
        )
        heard = await client.heard.get()
        assert (heard.author.name, heard.webhook_id) == ("Marlow", webhook.id)
        await line.edit(content="hi!")
        assert scene.local.messages(scene.channel)[0].content == "hi!"
        await webhook.send("in the thread", username="Priya", thread=discord.Object(thread.id))
        [shown] = await scene.local.when_posted(thread, 1, by="Priya")
        assert shown.shown_name == "Priya"
        await line.delete()
        assert scene.local.messages(scene.channel) == []
        [found] = await channel.webhooks()
        assert found.token == webhook.token
        scene.local.delete_webhook(scene.local.webhooks(scene.channel)[0])
        with pytest.raises(discord.NotFound) as gone:
            await webhook.send("anybody?")
        assert gone.value.code == 10015


async def test_a_channel_has_fifteen_webhooks_at_most(scene: Scene) -> None:
    for number in range(15):
        scene.local.add_webhook(scene.channel, f"hook {number}")
    async with connected(scene.bot) as client:
        channel = text_channel(client, scene.channel)
        assert {each.token for each in await channel.webhooks()} == {None}  # not the bot's own
        with pytest.raises(discord.HTTPException) as refused:
            await channel.create_webhook(name="one more")
        assert refused.value.code == 30007


async def test_a_private_chat_is_open_until_the_person_closes_it(scene: Scene) -> None:
    async with connected(scene.bot) as client:
        anna = await client.fetch_user(scene.anna.id)
        await anna.send("psst")
        [shown] = scene.anna.reads(scene.anna.private_chat(scene.bot))
        assert shown.content == "psst"
        scene.anna.user.takes_private_messages = False
        with pytest.raises(discord.Forbidden) as closed:
            await anna.send("psst")
        assert closed.value.code == 50007
