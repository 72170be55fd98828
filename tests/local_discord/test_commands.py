"""Slash commands, menus and buttons of our Discord, by the real discord.py."""

from __future__ import annotations

import asyncio
import io

import discord
import pytest
from discord import app_commands

from tests.local_discord import (
    EVERYONE_PERMISSIONS,
)
from tests.local_discord.ears import Scene, connected, text_channel


async def test_a_slash_command_completes_and_answers_only_the_one_who_asked(scene: Scene) -> None:
    ben = scene.local.add_person("ben", scene.guild)
    async with connected(scene.bot) as client:
        group = app_commands.Group(name="friend", description="Friends")

        @group.command(description="Mute one")
        async def mute(interaction: discord.Interaction, name: str, who: discord.Member) -> None:
            await interaction.response.send_message(f"{name} {who.name}", ephemeral=True)
            await interaction.followup.send("for all to see")
            await interaction.edit_original_response(content=f"{name}: quiet")

        @mute.autocomplete("name")
        async def names(
            interaction: discord.Interaction, typed: str
        ) -> list[app_commands.Choice[str]]:
            found = [each for each in ("Marlow", "Priya") if each.startswith(typed)]
            return [app_commands.Choice(name=each, value=each) for each in found]

        client.tree.add_command(group)
        await client.tree.sync()
        await scene.local.when_commands(scene.bot)
        proposed = await scene.anna.completes(scene.channel, "friend mute", "name", "Ma")
        assert [each["value"] for each in proposed] == ["Marlow"]
        with pytest.raises(ValueError, match="needs the option who"):
            scene.anna.uses(scene.channel, "friend mute", name="Marlow")
        asked = scene.anna.uses(scene.channel, "friend mute", name="Marlow", who=ben)
        assert (await asked.answered()).content == "Marlow ben"
        await scene.local.when(lambda: asked.messages[0].content == "Marlow: quiet")
        read = [each.content for each in scene.anna.reads(scene.channel)]
        assert read == ["Marlow: quiet", "for all to see"]
        assert [each.content for each in ben.reads(scene.channel)] == ["for all to see"]
        assert not asked.failed


async def test_a_menu_entry_gets_the_message_and_a_slow_answer_takes_the_waiting_ones_place(
    scene: Scene,
) -> None:
    async with connected(scene.bot) as client:

        @client.tree.context_menu(name="Who said this?")
        async def who(interaction: discord.Interaction, message: discord.Message) -> None:
            await interaction.response.defer(ephemeral=True)
            file = discord.File(io.BytesIO(b"why"), "why.txt")
            await interaction.followup.send(f"not {message.author.name}", file=file)

        @client.tree.error
        async def fail(interaction: discord.Interaction, error: Exception) -> None:
            raise error

        await client.tree.sync(guild=None)
        said = scene.anna.says(scene.channel, "guess")
        answer = await scene.anna.uses_on(said, "Who said this?").answered()
        assert (answer.content, answer.ephemeral) == ("not anna", True)
        assert answer.attachments[0].body == b"why"
        assert len(scene.local.messages(scene.channel)) == 1


async def test_an_answer_after_three_seconds_comes_too_late(scene: Scene) -> None:
    async with connected(scene.bot) as client:
        go_on, ended = asyncio.Event(), asyncio.Event()
        codes = []

        @client.tree.command(description="Slow")
        async def slow(interaction: discord.Interaction) -> None:
            await go_on.wait()
            try:
                await interaction.response.send_message("here I am")
            except discord.NotFound as refused:
                codes.append(refused.code)
            ended.set()

        await client.tree.sync()
        asked = scene.anna.uses(scene.channel, "slow")
        asked.asked_at -= 4.0  # as if so many seconds had passed
        go_on.set()
        await ended.wait()
        assert codes == [10062] and asked.failed and asked.messages == []


async def test_a_button_changes_its_message(scene: Scene) -> None:
    class Yes(discord.ui.View):
        @discord.ui.button(label="Yes", custom_id="yes")
        async def yes(self, interaction: discord.Interaction, button: object) -> None:
            await interaction.response.edit_message(content="pressed", view=None)

    async with connected(scene.bot) as client:
        await text_channel(client, scene.channel).send("press", view=Yes())
        [message] = scene.local.messages(scene.channel)
        await scene.anna.clicks(message, "yes").answered()
        assert message.content == "pressed"


async def test_commands_keep_to_their_rules(scene: Scene) -> None:
    async with connected(scene.bot) as client:

        @client.tree.command(description="For the chosen")
        @app_commands.default_permissions(manage_guild=True)
        async def reset(interaction: discord.Interaction) -> None:
            await interaction.response.send_message("done")

        client.tree.copy_global_to(guild=discord.Object(scene.guild.id))
        await client.tree.sync(guild=discord.Object(scene.guild.id))
        with pytest.raises(PermissionError):
            scene.anna.uses(scene.channel, "reset")
        with pytest.raises(LookupError):
            scene.anna.uses(scene.channel, "unheard of")
        scene.local.set_role_permissions(scene.guild.everyone, EVERYONE_PERMISSIONS | 1 << 5)
        await scene.anna.uses(scene.channel, "reset").answered()
