"""Our gateway held against the real discord.py: sessions, resuming, intents."""

from __future__ import annotations

import asyncio

import aiohttp
import discord
import pytest

from tests.local_discord.ears import Ear, Scene, connected, text_channel


async def test_a_client_connects_compressed_and_sees_the_guild(scene: Scene) -> None:
    async with connected(scene.bot) as client:
        [session] = scene.local.gateway.sessions_of(scene.bot)
        assert session.connection is not None
        # zlib-stream, or zstd-stream where Python can do that
        asked_for = discord.utils._ActiveDecompressionContext.COMPRESSION_TYPE
        assert session.connection.compression == asked_for
        guild = client.get_guild(scene.guild.id)
        assert guild is not None and guild.name == "Friends"
        assert {each.name for each in guild.members} == {"anna", "BotConvo"}
        channel = text_channel(client, scene.channel)
        assert channel.permissions_for(guild.me).manage_webhooks
        await client.change_presence(activity=discord.Game("chess"))
        told = await scene.local.when(lambda: scene.local.presences.get(scene.bot.id))
        assert told is not None and told["activities"][0]["name"] == "chess"
        await scene.local.when(lambda: scene.local.gateway.heartbeats[scene.bot.id] > 1)


async def test_lines_edits_deletions_and_reactions_of_people_reach_the_bot(scene: Scene) -> None:
    async with connected(scene.bot) as client:
        hello = scene.anna.says(scene.channel, "hello", files={"a.txt": b"inside"})
        message = await client.heard.get()
        assert (message.content, message.author.name) == ("hello", "anna")
        assert await message.attachments[0].read() == b"inside"
        scene.anna.edits(hello, "hello all")
        scene.anna.reacts(hello, "👍")
        scene.anna.takes_back(hello, "👍")
        scene.anna.deletes(hello)
        seen = [await client.events.get() for _ in range(4)]
        assert seen == [("edit", "hello all"), ("add", "👍"), ("remove", "👍"),
                        ("delete", hello.id)]  # fmt: skip


async def test_a_dropped_connection_is_resumed_and_nothing_is_lost(scene: Scene) -> None:
    async with connected(scene.bot) as client:
        said = []
        for number, how in enumerate(("abruptly", "close", "reconnect", "invalid_resumable"), 1):
            assert scene.local.faults.drop(scene.bot, how) == 1  # type: ignore[arg-type]
            said += [f"{how} {each}" for each in range(3)]
            for line in said[-3:]:
                scene.anna.says(scene.channel, line)
            await scene.local.when_resumed(scene.bot, number)
        assert [await client.hears() for _ in said] == said
        assert client.heard.empty()
        assert scene.local.gateway.identified[scene.bot.id] == 1


@pytest.mark.parametrize("refuse", [False, True])
async def test_an_invalid_session_makes_the_client_identify_anew(
    scene: Scene, refuse: bool
) -> None:
    async with connected(scene.bot) as client:
        if refuse:
            scene.local.faults.refuse_resume()
        scene.local.faults.drop(scene.bot, "abruptly" if refuse else "invalid")
        scene.anna.says(scene.channel, "said to nobody")
        await scene.local.when_ready(scene.bot, 2)
        scene.anna.says(scene.channel, "said again")
        assert await client.hears() == "said again"
        assert scene.local.faults.struck["resume refused"] == refuse


async def test_a_silent_gateway_is_left_and_its_events_come_with_the_resume(scene: Scene) -> None:
    async with connected(scene.bot, heartbeat_timeout=0.6) as client:
        assert scene.local.faults.silence(scene.bot) == 1
        scene.anna.says(scene.channel, "is anybody there?")
        assert await client.hears() == "is anybody there?"
        assert scene.local.gateway.resumed[scene.bot.id] > 0


async def test_lost_events_are_gone_and_late_ones_come_with_a_resume(scene: Scene) -> None:
    async with connected(scene.bot) as client:
        scene.local.faults.lose_dispatches(1)
        scene.anna.says(scene.channel, "lost")
        scene.anna.says(scene.channel, "heard")
        scene.local.faults.lose_dispatches(1, resumable=True)
        scene.anna.says(scene.channel, "late")
        scene.local.faults.drop(scene.bot)
        assert [await client.hears(), await client.hears()] == ["heard", "late"]
        history = [each.content async for each in text_channel(client, scene.channel).history()]
        assert history == ["late", "heard", "lost"]


async def test_an_endless_absence_ends_the_session(scene: Scene) -> None:
    scene.local.gateway.rules.events_kept = 5
    async with connected(scene.bot) as client:
        scene.local.faults.drop(scene.bot)
        for number in range(10):
            scene.anna.says(scene.channel, str(number))
        await scene.local.when_ready(scene.bot, 2)
        scene.anna.says(scene.channel, "back")
        assert await client.hears() == "back"


@pytest.mark.parametrize(
    ("privileged", "error", "code"),
    [(["members"], discord.PrivilegedIntentsRequired, 1), ([], discord.LoginFailure, 0)],
)
async def test_wrong_tokens_and_forbidden_intents_are_refused(
    scene: Scene, privileged: list[str], error: type[Exception], code: int
) -> None:
    scene.local.set_privileged(scene.bot, privileged)
    async with Ear() as client:
        with pytest.raises(error):
            await client.start(scene.bot.token if code else "wrong")
    assert scene.local.gateway.close_codes[4014] == code


async def test_a_revoked_token_ends_the_client(scene: Scene) -> None:
    client = Ear()
    running = asyncio.create_task(client.start(scene.bot.token))
    await client.ready.wait()
    scene.local.revoke_token(scene.bot)
    with pytest.raises(discord.ConnectionClosed) as closed:
        await running
    assert closed.value.code == 4004


async def test_a_client_without_a_heart_is_dropped(scene: Scene) -> None:
    async with aiohttp.ClientSession() as http, http.ws_connect(scene.local.gateway_url) as socket:
        assert (await socket.receive_json())["d"] == {"heartbeat_interval": 200}
        closed = await socket.receive()
    assert closed.data == 4009


async def test_text_is_hidden_without_the_intent_but_for_mentions_and_private_lines(
    scene: Scene,
) -> None:
    scene.local.set_privileged(scene.bot, ["members"])
    intents = discord.Intents.default()
    intents.members = True
    async with connected(scene.bot, intents=intents) as client:
        own = await text_channel(client, scene.channel).send("my own")
        said = scene.local.messages(scene.channel)[0]
        scene.anna.says(scene.channel, "hidden", files={"a.png": b"x"})
        scene.anna.says(scene.channel, f"{scene.bot.mention} come")
        scene.anna.says(scene.channel, "a reply that mentions", reply_to=said)
        scene.anna.says(scene.channel, "a quiet reply", reply_to=said, ping=False)
        scene.anna.says_privately(scene.bot, "private")
        heard = [await client.hears() for _ in range(6)]
        assert heard == ["my own", "", f"<@{scene.bot.id}> come", "a reply that mentions", "",
                         "private"]  # fmt: skip
        history = [each.content async for each in own.channel.history(oldest_first=True)]
        assert history == heard[:5]


async def test_too_many_identifies_cost_the_token(scene: Scene) -> None:
    scene.local.gateway.rules.identifies_a_day = 1
    async with Ear() as client:
        running = asyncio.create_task(client.start(scene.bot.token))
        await client.ready.wait()
        scene.local.faults.drop(scene.bot, "invalid")
        with pytest.raises(discord.ConnectionClosed):
            await running
    assert scene.local.gateway.close_codes[4004] == 1


async def test_an_identify_too_soon_after_another_has_to_wait(scene: Scene) -> None:
    scene.local.gateway.rules.identify_pause_s = 0.3
    async with connected(scene.bot) as client:
        scene.local.faults.drop(scene.bot, "invalid")
        await scene.local.when_ready(scene.bot, 2)
        scene.anna.says(scene.channel, "at last")
        assert await client.hears() == "at last"


async def test_a_kicked_bot_hears_no_more_and_may_come_back(scene: Scene) -> None:
    async with connected(scene.bot) as client:
        channel = text_channel(client, scene.channel)
        scene.local.kick(scene.bot, scene.guild)
        with pytest.raises(discord.Forbidden) as refused:
            await channel.send("hello?")
        assert refused.value.code == 50001
        assert client.get_guild(scene.guild.id) is None
        scene.anna.says(scene.channel, "is it gone?")
        scene.local.join(scene.bot, scene.guild)
        scene.anna.says(scene.channel, "is it back?")
        assert await client.hears() == "is it back?"
