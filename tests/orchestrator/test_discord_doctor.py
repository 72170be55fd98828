"""`botconvo doctor discord` on a local Discord: what is in order, and each thing that is not."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import discord
import pytest

from orchestrator.checks import Finding
from orchestrator.checks import discord as discord_check
from orchestrator.doctor import checks_of, examined, line_of
from orchestrator.platforms.discord.invitation import invitation, wanted
from tests.conftest import run_botconvo
from tests.local_discord import BOT_PERMISSIONS, Channel, LocalDiscord
from tests.local_discord.permissions import (
    MANAGE_ROLES,
    MANAGE_WEBHOOKS,
    READ_MESSAGE_HISTORY,
    SEND_MESSAGES,
    VIEW_CHANNEL,
)


class Scene:
    """A server with a channel and a bot, and settings that name them."""

    def __init__(self, local: LocalDiscord) -> None:
        self.local = local
        self.guild = local.add_guild("Friends")
        self.channel = local.add_channel(self.guild, "bots")
        self.bot = local.add_bot("BotConvo", self.guild)
        self.allow(self.guild.everyone, 0)

    def allow(self, role: object, permissions: int) -> None:
        """What a role may on the whole server."""
        self.local.set_role_permissions(role, permissions)  # type: ignore[arg-type]

    def write(
        self, more: str = "", *, token: str | None = None, channel: int | None = None
    ) -> None:
        """Settings with one stage."""
        self.keep("discord.token", self.bot.token if token is None else token)
        Path("settings.toml").write_text(
            '[[stages]]\nplatform = "discord"\ntoken_file = "discord.token"\n'
            f'channel = {channel or self.channel.id}\napi_base = "{self.local.api_base}"\n{more}'
        )

    def reword(self, old: str, new: str) -> None:
        file = Path("settings.toml")
        file.write_text(file.read_text().replace(old, new))

    def keep(self, name: str, token: str) -> None:
        Path(name).write_text(token)
        Path(name).chmod(0o600)

    async def found(self, *, is_posting: bool = False) -> list[Finding]:
        """What the doctor finds, in a thread, as the doctor has an event loop of its own."""

        def look() -> list[Finding]:
            checks = [discord_check.discord]
            return list(examined(None, is_deep=False, checks=checks, is_posting=is_posting))

        found = await asyncio.to_thread(look)
        assert not any(self.bot.token in line_of(finding) for finding in found)
        return found

    async def amiss(self) -> list[Finding]:
        """Only what is not in order."""
        return [finding for finding in await self.found() if finding.kind != "ok"]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with LocalDiscord(limits=None) as local:
        yield Scene(local)


async def test_a_stage_in_order_is_told_step_by_step(scene: Scene) -> None:
    scene.write()
    found = await scene.found()
    link = invitation(scene.bot.id, wanted(webhooks=True))
    roles = invitation(scene.bot.id, wanted(webhooks=True, roles=True))
    assert [(finding.kind, finding.text) for finding in found] == [
        ("ok", "the token is accepted; the application is BotConvo"),
        ("ok", f"{link} invites the bot, and gives it what it lacks"),
        ("ok", "Message Content Intent is on"),
        ("ok", "the bot is in Friends, and the stage is #bots there"),
        ("ok", "it may View Channel, Send Messages, Read Message History"),
    ]
    assert "scope=bot+applications.commands" in link
    assert roles != link


async def test_the_command_prints_all_that_and_never_the_token(scene: Scene) -> None:
    scene.write()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orchestrator", "doctor", "discord", "--post", "--json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, err) == (0, b"")
    findings = json.loads(out)["findings"]
    assert {finding["subject"] for finding in findings} == {"settings", "secrets", "discord"}
    assert findings[-1]["text"] == "a test line was posted in #bots and deleted"
    assert scene.bot.token not in out.decode()
    assert scene.local.messages(scene.channel) == []
    assert scene.local.requests["POST /channels/{channel_id}/messages"] == 1


async def test_without_post_nothing_is_posted(scene: Scene) -> None:
    scene.write()
    await scene.found()
    assert scene.local.requests["POST /channels/{channel_id}/messages"] == 0
    found = await scene.found(is_posting=True)
    assert found[-1].text == "a test line was posted in #bots and deleted"
    assert scene.local.requests["POST /channels/{channel_id}/messages"] == 1


# --- each mistake -----------------------------------------------------------------------------


async def test_a_wrong_token_is_told(scene: Scene) -> None:
    scene.write(token="MTIzNDU2.wrong.token")
    [finding] = await scene.amiss()
    assert (finding.kind, finding.text) == ("problem", "Discord does not take the token")
    assert "Reset Token" in finding.remedy


@pytest.mark.parametrize(
    ("line", "said"),
    [("", "the settings do not say where the token"), ('token_env = "NO_SUCH"\n', "NO_SUCH"),
     ('token_file = "none.token"\n', "cannot be read from none.token")],
)  # fmt: skip
async def test_a_token_that_is_not_there_is_told(scene: Scene, line: str, said: str) -> None:
    scene.write()
    scene.reword('token_file = "discord.token"\n', line)
    [finding] = await scene.amiss()
    assert finding.kind == "problem"
    assert said in finding.text


async def test_an_intent_that_is_off_is_told_with_what_it_means(scene: Scene) -> None:
    scene.local.set_privileged(scene.bot, [])
    scene.write()
    [finding] = await scene.amiss()
    assert finding.kind == "warning"
    assert "the friends hear only who mentions the bot or replies" in finding.text
    assert f"/{scene.bot.id}/bot" in finding.remedy


async def test_a_bot_on_no_server_is_told_how_to_be_invited(scene: Scene) -> None:
    scene.local.kick(scene.bot, scene.guild)
    scene.write()
    [finding] = await scene.amiss()
    assert finding.text == "the bot is on no server yet"
    link = invitation(scene.bot.id, wanted(webhooks=True))
    assert finding.remedy == f"open {link} to invite it"


async def test_a_channel_that_is_not_there_or_hidden_is_told(scene: Scene) -> None:
    scene.write(channel=12345)
    [finding] = await scene.amiss()
    assert finding.text == "there is no channel 12345"
    scene.write()
    scene.local.set_permissions(scene.channel, scene.bot, deny=VIEW_CHANNEL)
    [finding] = await scene.amiss()
    assert finding.text == (
        f"the bot may not view the channel {scene.channel.id}; it is on Friends"
    )


async def test_a_channel_of_a_kind_without_lines_is_told(scene: Scene) -> None:
    scene.channel.kind = discord.ChannelType.category.value
    scene.write()
    [finding] = await scene.amiss()
    assert "is one of the kind category, which cannot be written to" in finding.text


@pytest.mark.parametrize(
    ("permission", "name", "kind"),
    [
        (SEND_MESSAGES, "Send Messages", "problem"),
        (READ_MESSAGE_HISTORY, "Read Message History", "problem"),
        (MANAGE_WEBHOOKS, "Manage Webhooks", "warning"),
    ],
)
async def test_each_missing_permission_is_named_as_discord_names_it(
    scene: Scene, permission: int, name: str, kind: str
) -> None:
    scene.allow(scene.local.bot_role(scene.bot, scene.guild), BOT_PERMISSIONS & ~permission)
    scene.write()
    [finding] = await scene.amiss()
    assert finding.kind == kind
    assert finding.text.startswith(f"the bot lacks {name} in #bots")
    assert "in the settings of #bots under Permissions" in finding.remedy


async def test_webhooks_that_the_settings_ask_for_are_a_problem_if_they_cannot_be(
    scene: Scene,
) -> None:
    scene.allow(scene.local.bot_role(scene.bot, scene.guild), BOT_PERMISSIONS & ~MANAGE_WEBHOOKS)
    scene.write('appearance = "webhook"\n')
    [finding] = await scene.amiss()
    assert finding.kind == "problem"
    scene.write('appearance = "single"\n')
    assert await scene.amiss() == []


async def test_manage_roles_is_only_for_roles(scene: Scene) -> None:
    scene.allow(scene.local.bot_role(scene.bot, scene.guild), BOT_PERMISSIONS & ~MANAGE_ROLES)
    scene.write()
    [finding] = [f for f in await scene.found() if "Manage Roles" in f.text]
    assert finding.kind == "ok"
    scene.write('[stages.commands]\nroles = "nobody"\n')
    assert not any("Manage Roles" in finding.text for finding in await scene.found())


async def test_a_thread_is_judged_by_the_channel_that_it_is_in(scene: Scene) -> None:
    thread = scene.local.add_thread(scene.channel, "show")
    scene.write(channel=thread.id)
    found = await scene.found(is_posting=True)
    assert [f.text for f in found if f.kind != "ok"] == []
    assert "it may View Channel, Send Messages in Threads, Read Message History" in [
        f.text for f in found
    ]
    assert found[-1].text == "a test line was posted in #show and deleted"


async def test_a_discord_that_is_down_is_told(scene: Scene) -> None:
    scene.write()
    await scene.local.go_down()
    [finding] = await scene.amiss()
    assert finding.text.startswith("Discord cannot be reached (")


# --- friends' bots and other channels -----------------------------------------------------------


async def test_friends_bots_are_looked_at_one_by_one(scene: Scene) -> None:
    dex, juno = scene.local.add_bot("DexBot", scene.guild), scene.local.add_bot("JunoBot")
    for name, token in (("dex", dex.token), ("juno", juno.token), ("priya", "wrong")):
        scene.keep(f"{name}.token", token)
    scene.write('appearance = "bots"\n' + "".join(
        f'[stages.friend_tokens.{name}]\ntoken_file = "{name.lower()}.token"\n'
        for name in ("Dex", "Juno", "Priya", "Bob")
    ))  # fmt: skip
    found = {finding.text: finding for finding in await scene.found()}
    assert found["Dex's bot is DexBot"].kind == "ok"
    gone = found["Juno's bot, JunoBot, is not on Friends"]
    assert (gone.kind, f"client_id={juno.id}" in gone.remedy) == ("problem", True)
    assert found["Discord does not take the token of Priya's bot"].kind == "problem"
    assert found["friend_tokens names Bob, who is no friend of the show"].kind == "warning"
    assert found["Marlow have no bots of their own, and appear by the show's"].kind == "warning"
    assert not any(token in text for text in found for token in (dex.token, juno.token))


async def test_a_token_that_was_pasted_twice_is_told(scene: Scene) -> None:
    scene.write('[stages.friend_tokens.Dex]\ntoken_file = "discord.token"\n')
    [finding] = await scene.amiss()
    assert finding.text == "the token of Dex's bot is that of the show's bot"


async def test_a_friends_bot_that_may_not_speak_is_told(scene: Scene) -> None:
    dex = scene.local.add_bot("DexBot", scene.guild)
    scene.keep("dex.token", dex.token)
    scene.local.set_permissions(scene.channel, dex, deny=SEND_MESSAGES)
    scene.write('[stages.friend_tokens.Dex]\ntoken_file = "dex.token"\n')
    [finding] = await scene.amiss()
    assert finding.text == "Dex's bot, DexBot, lacks Send Messages in #bots"


def listening(scene: Scene, *channels: Channel) -> None:
    scene.write(f"listen = {[channel.id for channel in channels]}\n")


async def test_channels_to_listen_to_are_judged_and_names_are_told(scene: Scene) -> None:
    scene.allow(scene.guild.everyone, VIEW_CHANNEL)
    open_one = scene.local.add_channel(scene.guild, "general")
    hidden = scene.local.add_channel(scene.guild, "secret")
    anna = scene.local.add_person("anna", scene.guild)
    scene.local.set_permissions(hidden, anna, deny=VIEW_CHANNEL)
    elsewhere = scene.local.add_channel(scene.local.add_guild("Elsewhere"), "far")
    listening(scene, open_one, hidden, elsewhere)
    found = await scene.found()
    assert ("ok", "#general is listened to") in [(f.kind, f.text) for f in found]
    refused, unknown = [finding for finding in found if finding.kind != "ok"]
    assert refused.text == (
        "#secret is not listened to: the member anna may view #bots and perhaps not #secret, and "
        "would read there what was said here"
    )
    assert refused.remedy == "let them view both, or neither"
    assert unknown.text.startswith(f"there is no channel {elsewhere.id} to listen to")


async def test_stages_that_share_what_is_heard_are_told(scene: Scene) -> None:
    other = scene.local.add_channel(scene.guild, "general")
    listening(scene, other)
    scene.reword("[[stages]]", '[[stages]]\nplatform = "web"\n[[stages]]')
    texts = [finding.text for finding in await scene.amiss()]
    assert any("also shown on the other stages" in text and "(web)" in text for text in texts)


# --- from nothing -------------------------------------------------------------------------------


def test_without_a_stage_the_way_to_one_is_told(tmp_path: Path) -> None:
    done = run_botconvo("doctor", "discord")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert "problem: discord: the settings have no stage there yet; take these steps." in lines
    assert [line.split(":")[0] for line in lines if line.startswith("step ")] == [
        f"step {number}" for number in range(1, len(discord_check.STEPS) + 1)
    ]
    block = done.stdout.partition("[[stages]]")[2].partition("step")[0]
    (tmp_path / "settings.toml").write_text("[[stages]]" + block)
    (tmp_path / "discord.token").touch(mode=0o600)
    checked = run_botconvo("doctor", "discord").stdout
    assert "ok: settings: settings.toml" in checked, "what is to be pasted are good settings"
    assert "the settings have no stage" not in checked


def test_the_invitation_of_the_steps_asks_for_what_the_stage_needs() -> None:
    needed = discord.Permissions(**dict.fromkeys(wanted(webhooks=True), True))
    assert needed.value == discord_check.PERMISSIONS


def test_a_doctor_for_nobody_in_particular_is_silent_without_a_stage(tmp_path: Path) -> None:
    assert list(examined(None, is_deep=False, checks=[discord_check.discord])) == []
    assert discord_check.discord in checks_of("")
    assert len(checks_of("discord")) == 3


def test_a_platform_that_is_none_is_refused() -> None:
    done = run_botconvo("doctor", "irc")
    assert done.returncode == 2
    assert "invalid choice: 'irc'" in done.stderr
