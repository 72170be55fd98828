"""Rate limits, and every fault that our Discord can have, at least once."""

from __future__ import annotations

import asyncio
import contextlib
import time

import aiohttp
import discord
import pytest

from tests.local_discord import (
    Fault,
    FaultPlan,
    Limits,
)
from tests.local_discord.ears import Scene, connected, text_channel

Request = contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]


async def test_the_client_keeps_to_the_limits_that_it_is_told(scene: Scene) -> None:
    scene.local.limiter.limits = Limits(
        {"POST /channels/{channel_id}/messages": (3, 0.4)}, default=(100, 1.0)
    )
    async with connected(scene.bot) as client:
        channel, start = text_channel(client, scene.channel), time.monotonic()
        await asyncio.gather(*(channel.send(str(each)) for each in range(7)))
        assert time.monotonic() - start > 0.7
        assert len(scene.local.messages(scene.channel)) == 7
        assert sum(scene.local.limiter.exceeded.values()) == 0


def posting(http: aiohttp.ClientSession, scene: Scene, text: str) -> Request:
    return http.post(f"channels/{scene.channel.id}/messages", json={"content": text})


async def test_too_many_requests_get_a_429_that_says_when_to_come_back(
    scene: Scene, http: aiohttp.ClientSession
) -> None:
    for number in range(5):
        async with posting(http, scene, str(number)) as response:
            assert response.status == 200
            assert response.headers["X-RateLimit-Remaining"] == str(4 - number)
    async with posting(http, scene, "one too many") as response:
        body = await response.json()
        assert response.status == 429
        assert response.headers["X-RateLimit-Scope"] == "user"
        assert 0 < body["retry_after"] <= 5 and body["global"] is False
    assert scene.local.refused_requests[429] == 1


async def test_a_429_on_command_is_obeyed_by_the_client(scene: Scene) -> None:
    async with connected(scene.bot) as client:
        channel, start = text_channel(client, scene.channel), time.monotonic()
        scene.local.faults.answer("POST", "/channels/*/messages", 429, retry_after_s=0.3)
        await channel.send("late")
        assert time.monotonic() - start > 0.3
        scene.local.faults.global_limit(0.3)
        await channel.send("later")
        assert time.monotonic() - start > 0.6
        scene.local.faults.cloudflare()
        with pytest.raises(discord.HTTPException) as banned:
            await channel.send("never")
        assert banned.value.status == 429
        assert [each.content for each in scene.local.messages(scene.channel)] == ["late", "later"]


@pytest.mark.parametrize("accepted", [False, True])
@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_server_error_strikes_before_or_after_the_request_was_accepted(
    scene: Scene, http: aiohttp.ClientSession, status: int, accepted: bool
) -> None:
    scene.local.faults.answer("POST", "/channels/*/messages", status, accepted=accepted)
    async with posting(http, scene, "one") as response:
        assert response.status == status
    async with posting(http, scene, "two") as response:
        assert response.status == 200
    shown = [each.content for each in scene.local.messages(scene.channel)]
    assert shown == (["one", "two"] if accepted else ["two"])
    assert sum(scene.local.faults.struck.values()) == 1


@pytest.mark.parametrize("accepted", [False, True])
@pytest.mark.parametrize("reset", [False, True])
async def test_a_connection_is_cut_before_or_after_the_request_was_accepted(
    scene: Scene, http: aiohttp.ClientSession, accepted: bool, reset: bool
) -> None:
    scene.local.faults.cut("POST", "/channels/**", accepted=accepted, reset=reset)
    with pytest.raises(aiohttp.ClientConnectionError):
        async with posting(http, scene, "one"):
            pass
    assert len(scene.local.messages(scene.channel)) == accepted


async def test_an_answer_can_be_late_and_fields_can_be_missing(
    scene: Scene, http: aiohttp.ClientSession
) -> None:
    scene.local.faults.delay("POST", "/channels/*/messages", 0.2)
    scene.local.faults.leave_out("flags", "mention_roles")
    start = time.monotonic()
    async with posting(http, scene, "one") as response:
        assert time.monotonic() - start >= 0.2
        body = await response.json()
    assert "content" in body and "flags" not in body and "mention_roles" not in body


async def test_an_endpoint_that_is_switched_off_is_not_there(scene: Scene) -> None:
    async with connected(scene.bot) as client:
        guild = client.get_guild(scene.guild.id)
        assert guild is not None
        scene.local.faults.switch_off("*", "/guilds/*/roles", 501)
        scene.local.faults.switch_off("PUT", "/applications/**", 404)
        with pytest.raises(discord.DiscordServerError):
            await guild.create_role(name="x")
        with pytest.raises(discord.NotFound):
            await client.tree.sync()
        scene.local.faults.switch_on("*", "/guilds/*/roles")
        await guild.create_role(name="x")


async def test_the_server_goes_down_and_comes_back_with_the_world_as_it_was(scene: Scene) -> None:
    async with connected(scene.bot) as client:
        port = scene.local.port
        await scene.local.go_down()
        scene.anna.says(scene.channel, "while you were out")
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.ClientConnectorError):
                await http.get(scene.local.api_base + "/gateway")
        await scene.local.come_up()
        assert scene.local.port == port
        assert await client.hears() == "while you were out"
        await text_channel(client, scene.channel).send("here again")


async def test_channels_and_roles_that_people_delete_are_gone_for_the_bot(scene: Scene) -> None:
    role = scene.local.add_role(scene.guild, "Marlow")
    async with connected(scene.bot) as client:
        channel = text_channel(client, scene.channel)
        scene.local.delete_role(role)
        scene.local.delete_channel(scene.channel)
        with pytest.raises(discord.NotFound) as gone:
            await channel.send("anybody?")
        assert gone.value.code == 10003
        assert client.get_channel(scene.channel.id) is None
        guild = client.get_guild(scene.guild.id)
        assert guild is not None and guild.get_role(role.id) is None


def test_the_same_seed_gives_the_same_faults() -> None:
    def drawn(seed: int) -> list[tuple[Fault | None, str | None]]:
        plan = FaultPlan(seed, request_rate=0.5, gateway_rate=0.2)
        return [(plan.for_request(), plan.for_event()) for _ in range(400)]

    assert drawn(1) == drawn(1) != drawn(2)
    struck = [fault for fault, _ in drawn(1) if fault is not None]
    assert 150 < len(struck) < 250  # 200 are expected; five standard deviations are 50
    # One of nine kinds missing among 150: once in five million.
    assert {each.kind for each in struck} == {each.kind for each in FaultPlan.KINDS}


async def test_under_random_faults_every_line_is_either_heard_or_in_the_history(
    scene: Scene,
) -> None:
    quick = (Fault("429", status=429, retry_after_s=0.01), Fault("delay", delay_s=0.01))
    async with connected(scene.bot) as client:
        channel, said = text_channel(client, scene.channel), [f"line {each}" for each in range(200)]
        scene.local.faults.plan = FaultPlan(3, 0.3, 0.03, quick, ("abruptly", "reconnect"))
        for line in said:
            scene.anna.says(scene.channel, line)
            await asyncio.sleep(0)
        assert [await client.hears() for _ in said] == said
        for _ in range(10):
            await channel.fetch_message(scene.local.messages(scene.channel)[0].id)
        struck = scene.local.faults.struck
        assert struck["drop abruptly"] + struck["drop reconnect"] > 0
        assert struck["429"] + struck["delay"] > 0
