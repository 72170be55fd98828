"""How the friends appear: by webhooks, as bots of their own, or by names before their lines."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import SettingsError, StageFailed
from orchestrator.platforms import PersonLine
from tests.local_discord import BOT_PERMISSIONS, LocalDiscord, rest_webhooks
from tests.orchestrator.discord_house import (
    SMALL_PICTURE,
    Ears,
    House,
    Told,
    announced,
    friend,
    quick,
    ready,
)

MANAGE_WEBHOOKS = 1 << 29


__all__ = ["announced", "quick"]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with LocalDiscord(limits=None) as local:
        yield House(local, tmp_path)


def names(house: House) -> list[str]:
    return [message.shown_name for message in house.local.messages(house.channel)]


def picture(house: House, name: str, more: bytes = b"") -> Path:
    path = house.home / name
    path.write_bytes(SMALL_PICTURE + more)
    return path


async def test_by_webhooks_each_friend_has_a_name_and_a_picture(house: House) -> None:
    async with house.opened(appearance="webhook") as platform:
        await platform.say(1, "Dex", "one")
        await platform.say(2, "Bort", "two")
        await platform.relay(3, "Sam", "three", "web")
    first, second, third = house.local.messages(house.channel)
    assert names(house) == ["Dex", "Bort", "Sam (web)"]
    assert first.avatar_url == second.avatar_url == "https://example.org/face.png"
    assert third.avatar_url is None
    assert len(house.local.webhooks(house.channel)) == 1


async def test_a_picture_that_only_this_machine_has_lives_in_a_webhook_of_its_own(
    house: House,
) -> None:
    house.friends = [friend("Dex", picture(house, "dex.png")), friend("Bort", ""), friend("Mo")]
    async with house.opened(appearance="webhook") as platform:
        for name in ("Dex", "Bort", "Mo", "Dex"):
            await platform.say(1, name, "hi")
    messages = house.local.messages(house.channel)
    assert names(house) == ["Dex", "Bort", "Mo", "Dex"]
    dex, bort, mo, dex_again = (message.webhook_id for message in messages)
    assert len({dex, bort, mo}) == 3
    assert dex == dex_again


async def test_a_restart_finds_its_webhooks_again_and_puts_a_new_picture_in(house: House) -> None:
    house.friends = [friend("Dex", picture(house, "dex.png")), friend("Bort")]
    for more in (b"", b"", b"changed"):
        picture(house, "dex.png", more)
        async with house.opened(appearance="webhook") as platform:
            await platform.say(1, "Dex", "hi")
            await platform.say(2, "Bort", "hi")
    assert len(house.local.webhooks(house.channel)) == 2
    [first, second, third] = [
        message.webhook_id for message in house.local.messages(house.channel)[::2]
    ]
    assert first == second == third


async def test_friends_share_a_webhook_where_there_is_no_room_for_one_each(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    for count in range(14):
        house.local.add_webhook(house.channel, f"other bot {count}")
    house.friends = [friend("Mo"), friend("Dex", picture(house, "dex.png"))]
    async with house.opened(appearance="webhook") as platform:
        await platform.say(1, "Mo", "hi")
        await platform.say(2, "Dex", "hi")
        await platform.say(3, "Dex", "ho")
    assert names(house) == ["Mo", "Dex", "Dex"]
    assert caplog.text.count("Dex has no picture of their own on Discord") == 1


async def test_names_that_discord_refuses_are_made_lawful_and_stay_apart(house: House) -> None:
    house.friends = [friend(name) for name in ("Clyde", "clyde ", "Discord Dan", "\u200b")]
    async with house.opened(appearance="webhook") as platform:
        for one in house.friends:
            await platform.say(1, one.name, "hi")
    assert names(house) == ["Cly·de", "cly·de (2)", "Dis·cord Dan", "Friend"]


async def test_names_that_discord_keeps_for_itself_are_changed_as_whole_names_only(
    house: House,
) -> None:
    house.friends = [friend("here"), friend("Everyone"), friend("Sphere", "")]
    async with house.opened(appearance="webhook") as platform:
        for one in house.friends:
            await platform.say(1, one.name, "hi")
        await platform.relay(2, "here", "hi", "web")
    assert names(house) == ["he·re", "Every·one", "Sphere", "he·re (web)"]


async def test_a_name_that_discord_refuses_for_no_known_reason_gets_another(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest_webhooks, "FORBIDDEN_NAMES", {"dex", "bort", "mo (web)"})
    async with house.opened(appearance="webhook") as platform:
        for name in ("Dex", "Bort", "Dex"):
            message_id = await platform.say(1, name, "hi")
        await platform.relay(2, "Mo", "hi", "web")
        await platform.edit(message_id, "Dex", "hello")
    assert names(house) == ["Friend 1", "Friend 2", "Friend 1", "Friend 3"]
    assert house.texts == ["hi", "hi", "hello", "hi"]
    assert caplog.text.count("Discord takes no lines of Dex") == 1


async def test_auto_comes_back_to_webhooks_when_a_withdrawn_permission_is_given_back(
    house: House, announced: Told
) -> None:
    role = house.local.bot_role(house.bot, house.guild)
    full = role.permissions
    async with house.opened(appearance="auto") as platform:
        # Refused before Discord has told the bot that the permission is gone.
        house.local.faults.lose_dispatches(1, "GUILD_ROLE_UPDATE")
        house.local.set_role_permissions(role, full & ~MANAGE_WEBHOOKS)
        with pytest.raises(StageFailed, match="does not allow it"):
            await platform.say(1, "Dex", "one")
        await announced.wait("webhooks are refused")
        house.local.set_role_permissions(role, full & ~MANAGE_WEBHOOKS)
        house.anna.says(house.channel, "is the bot there?")
        await Ears(platform).when(PersonLine)  # and so of the role, of which it was told before
        announced.lines.clear()
        house.local.set_role_permissions(role, full)
        await announced.wait("by webhooks")
        await platform.say(2, "Dex", "two")
    assert names(house) == ["anna", "Dex"]


async def test_two_bots_with_one_token_are_refused(house: House) -> None:
    main = {"token_file": house.home / "bot.token"}
    with pytest.raises(SettingsError, match="is the token of the Discord bot: Dex's bot needs"):
        house.platform(friend_tokens={"Dex": main})
    own = {"token_file": house.token_file("own.token", "own")}
    with pytest.raises(SettingsError, match="Bort is the token of Dex's"):
        house.platform(friend_tokens={"Dex": own, "Bort": own})


async def test_a_webhook_that_somebody_removed_is_made_anew_and_the_line_said_once(
    house: House,
) -> None:
    async with house.opened(appearance="webhook") as platform:
        await platform.say(1, "Dex", "one")
        house.local.delete_webhook(house.local.webhooks(house.channel)[0])
        await platform.say(2, "Dex", "two")
    assert house.texts == ["one", "two"]
    assert len(house.local.webhooks(house.channel)) == 1


async def test_as_bots_friends_speak_and_are_mentioned_by_their_own_accounts(house: House) -> None:
    dex = house.local.add_bot("Dex bot", house.guild)
    token = house.token_file("dex.token", dex.token)
    async with house.opened(
        appearance="bots", friend_tokens={"Dex": {"token_file": token}}
    ) as platform:
        await house.local.when_ready(dex)
        ears = Ears(platform)
        await platform.say(1, "Dex", "I am me")
        await platform.say(2, "Bort", "I am not")
        first, second = house.local.messages(house.channel)
        assert (first.author.id, first.content) == (dex.id, "I am me")
        assert (second.author.id, second.content) == (house.bot.id, "**Bort:** I am not")
        house.anna.says(house.channel, f"{dex.mention} pizza?")
        [line] = await ears.when(PersonLine)
        assert (line.text, line.addressed) == ("@Dex pizza?", ("Dex",))
        await platform.typing("Dex")
        await house.local.when(lambda: house.local.typings[house.channel.id, dex.id])
        await platform.edit(str(first.id), "Dex", "I was me")
        await platform.delete(str(second.id))
    assert house.texts == ["I was me", f"{dex.mention} pizza?"]
    assert len([event for event in ears.heard if isinstance(event, PersonLine)]) == 1


@pytest.mark.parametrize("trouble", ["revoked", "not invited", "may not write"])
async def test_a_friend_whose_own_bot_cannot_speak_does_so_through_the_main_one(
    house: House, trouble: str
) -> None:
    guilds = [] if trouble == "not invited" else [house.guild]
    dex = house.local.add_bot("Dex bot", *guilds)
    token = house.token_file("dex.token", dex.token)
    if trouble == "revoked":
        house.local.revoke_token(dex)
    elif trouble == "may not write":
        house.local.set_role_permissions(house.local.bot_role(dex, house.guild), 0)
        house.local.set_permissions(house.channel, dex, deny=1 << 11)
    async with house.opened(friend_tokens={"Dex": {"token_file": token}},
                            appearance="auto") as platform:  # fmt: skip
        await ready(platform)
        await platform.say(1, "Dex", "still here")
    assert house.texts == ["**Dex:** still here"]


@pytest.mark.parametrize(
    ("permissions", "expected"),
    [
        (BOT_PERMISSIONS, "by webhooks"),
        (BOT_PERMISSIONS & ~MANAGE_WEBHOOKS, "with the permission Manage Webhooks"),
    ],
)
async def test_auto_takes_the_best_that_is_allowed_and_says_why(
    house: House, permissions: int, expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    house.local.set_role_permissions(house.local.bot_role(house.bot, house.guild), permissions)
    async with house.opened(appearance="auto") as platform:
        await platform.say(1, "Dex", "hi")
        assert expected in platform.appearance
    assert caplog.text.count(f"the friends appear {platform.appearance}") == 1
    assert house.texts == ["hi" if permissions & MANAGE_WEBHOOKS else "**Dex:** hi"]


async def test_auto_takes_webhooks_as_soon_as_they_are_allowed(house: House) -> None:
    role = house.local.bot_role(house.bot, house.guild)
    house.local.set_role_permissions(role, BOT_PERMISSIONS & ~MANAGE_WEBHOOKS)
    async with house.opened(appearance="auto") as platform:
        await platform.say(1, "Dex", "one")
        house.local.set_role_permissions(role, BOT_PERMISSIONS)
        for count in range(50):
            await platform.say(count, "Dex", "two")
            if house.texts[-1] == "two":
                break
    assert house.texts[0] == "**Dex:** one"
    assert house.texts[-1] == "two"


async def test_auto_goes_on_with_names_where_all_webhooks_are_taken(house: House) -> None:
    for count in range(15):
        house.local.add_webhook(house.channel, f"other bot {count}")
    async with house.opened(appearance="auto") as platform:
        with pytest.raises(StageFailed, match="15 webhooks"):
            await platform.say(1, "Dex", "one")
        await platform.notice("ping")
        await platform.say(2, "Dex", "two")
    assert house.texts == ["ping", "**Dex:** two"]


async def test_a_server_without_webhooks_gets_names_before_lines(house: House) -> None:
    house.local.faults.switch_off("*", "/channels/*/webhooks", 404)
    async with house.opened(appearance="auto") as platform:
        await platform.say(1, "Dex", "hi")
    assert house.texts == ["**Dex:** hi"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"friend_tokens": {"Nobody": {"token_env": "X"}}}, "no such friend; there are Dex"),
        ({"friend_tokens": {"Dex": {}}}, "friend_tokens.Dex says nothing"),
        ({"token_file": None}, "needs the token of its bot"),
    ],
)
async def test_tokens_that_are_not_there_are_named(
    house: House, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        house.platform(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"appearance": "bots"}, "needs the token of at least one friend's own bot"),
        ({"api_base": "chat.example"}, "no such thing as"),
        ({"api_base": "http://chat.example.org/api/v10"}, "would send the token for all to read"),
        ({"friend_tokens": {"Dex": {"token": "abc"}}}, "does not belong here"),
    ],
)
async def test_settings_that_cannot_work_are_refused(
    house: House, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        house.settings(**changes)


async def test_lines_go_into_a_thread_too(house: House) -> None:
    thread = house.local.add_thread(house.channel, "chatter")
    async with house.opened(appearance="webhook", channel=thread.id) as platform:
        await platform.say(1, "Dex", "in here")
        assert platform.where == "in #chatter of Friends"
    assert [message.content for message in house.local.messages(thread)] == ["in here"]
    assert house.texts == []


def test_a_friend_with_a_drawn_face_has_one() -> None:
    from orchestrator.platforms.discord.webhooks import faces

    [face] = faces([replace(friend("Dex"), avatar="")]).values()
    assert face.picture is not None
    assert face.picture().startswith(b"\x89PNG")
