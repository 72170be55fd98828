"""Our Discord over many lines, and as a process of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp
import pytest

from tests.conftest import ROOT
from tests.local_discord.ears import Scene, connected, text_channel
from tests.local_discord.history import History


async def test_a_thousand_lines_pass_in_seconds(scene: Scene) -> None:
    scene.local.limiter.limits = None
    async with connected(scene.bot) as client:
        webhook = await text_channel(client, scene.channel).create_webhook(name="hook")
        start = time.monotonic()
        for number in range(500):
            scene.anna.says(scene.channel, str(number))
            if number % 2:
                await webhook.send(f"answer {number}", username="Marlow", wait=True)
        for _ in range(750):
            await client.hears()
        assert time.monotonic() - start < 7.5  # a hundred a second


def test_history_is_found_by_id_after_deletions() -> None:
    @dataclass
    class Numbered:
        id: int

    history: History[Numbered] = History()
    for number in range(0, 100, 2):
        history.add(Numbered(number))
    assert history.remove(50) is not None and history.remove(51) is None
    assert [each.id for each in history.after(47, 2)] == [48, 52]
    assert [each.id for each in history.before(51, 2)] == [46, 48]
    assert [each.id for each in history.around(52, 2)] == [48, 52]
    assert len(history) == 49


BOT = """
import asyncio, sys, aiohttp, discord, yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

class Echo(discord.Client):
    async def on_message(self, message):
        if message.author.id != self.user.id:
            await message.channel.send("echo: " + message.content)

async def main(api_base, token):
    Route.BASE = api_base
    async with aiohttp.ClientSession() as http, http.get(api_base + "/gateway") as answer:
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL((await answer.json())["url"])
    intents = discord.Intents(guilds=True, guild_messages=True, message_content=True)
    async with Echo(intents=intents) as client:
        await client.start(token)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_bot_in_a_process_of_its_own_is_killed_and_another_takes_over(scene: Scene) -> None:
    for times in (1, 2):
        arguments = (sys.executable, "-c", BOT, scene.local.api_base, scene.bot.token)
        process = await asyncio.create_subprocess_exec(*arguments)
        try:
            await scene.local.when_ready(scene.bot, times)
            said = scene.anna.says(scene.channel, f"hello {times}")
            [answer] = await scene.local.when_posted(scene.channel, 1, after=said)
            assert answer.content == f"echo: hello {times}"
        finally:
            process.kill()
            await process.wait()
    assert scene.local.pings == []


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, "-m", "tests.local_discord", "--port", "0", "--person", "anna"],
        cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with started:
        yield started
        started.terminate()


async def test_as_a_process_it_says_where_it_is_and_shows_what_is_posted(
    process: subprocess.Popen[str],
) -> None:
    assert process.stdout is not None and process.stdin is not None
    told = json.loads(process.stdout.readline())
    headers = {"Authorization": f"Bot {told['token']}"}
    async with aiohttp.ClientSession(told["api_base"] + "/", headers=headers) as http:
        async with http.get("users/@me") as response:
            assert (await response.json())["id"] == told["bot_id"]
        path = f"channels/{told['channel_id']}/messages"
        async with http.post(path, json={"content": "hello"}) as response:
            assert response.status == 200
        process.stdin.write("hi bot\n")
        process.stdin.flush()
        shown = [json.loads(process.stdout.readline()) for _ in range(2)]
    assert [(each["name"], each["text"]) for each in shown] == [
        ("BotConvo", "hello"), ("anna", "hi bot")]  # fmt: skip
