"""Looks at everything that a stage in a Discord channel needs, by Discord's REST interface alone:
the bot does not appear online, and a show that runs meanwhile is not disturbed.

Nothing of the token is ever in what comes out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

import aiohttp
import discord

from orchestrator.cast import Show
from orchestrator.checks import Finding
from orchestrator.checks.chat_stages import NotWell, token_of
from orchestrator.platforms.discord.asking import PORTAL, logged_in
from orchestrator.platforms.discord.command_settings import NOBODY
from orchestrator.platforms.discord.invitation import SPEAKING, invitation, wanted
from orchestrator.platforms.discord.listening import may_listen
from orchestrator.platforms.discord.requirements import (
    IN_WORDS,
    WRITABLE,
    Writable,
    needed,
    sending,
)
from orchestrator.platforms.discord.settings import DiscordStage
from orchestrator.sections import TokenSource
from orchestrator.tokens import Tokens

PATIENCE_SECONDS = 60.0
"""For all questions about one stage; discord.py asks up to five times where Discord has trouble."""
TEST_LINE = "BotConvo's doctor was here; this line goes away at once."
WITHOUT_CONTENT = (
    "Message Content Intent is off, so the friends hear only who mentions the bot or replies to "
    "one of their lines"
)
UNREACHABLE = (OSError, aiohttp.ClientError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Place:
    """The stage's channel, and the bot there."""

    channel: Writable
    home: discord.abc.GuildChannel
    """Where the permissions are set: of a thread, the channel that it is in."""
    me: discord.Member
    guild: discord.Guild


async def inspected(
    show: Show, stages: Sequence[DiscordStage], *, is_posting: bool
) -> list[Finding]:
    """What was found on each stage, in order."""
    found: list[Finding] = []
    tokens = Tokens(show.home)
    for stage in stages:
        subject = "discord" if len(stages) == 1 else f"discord {stage.channel}"
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                async for finding in _stage(subject, show, stage, tokens, is_posting):
                    found.append(finding)
        except NotWell as error:
            found.append(Finding("problem", subject, error.text, error.remedy))
        except (discord.HTTPException, *UNREACHABLE) as error:
            found.append(Finding("problem", subject, _trouble(error), "look at your network, and "
                                 "at https://discordstatus.com; then try again"))  # fmt: skip
    return found


def _trouble(error: Exception) -> str:
    if isinstance(error, discord.HTTPException):
        return f"Discord answers {error.status} ({error.text or 'no reason given'})"
    why = "it takes too long" if isinstance(error, TimeoutError) else str(error)
    return f"Discord cannot be reached ({why or type(error).__name__})"


async def _stage(
    subject: str, show: Show, stage: DiscordStage, tokens: Tokens, is_posting: bool
) -> AsyncIterator[Finding]:
    token = token_of(tokens, stage, "the Discord bot")
    async with logged_in(token, stage.api_base, "the token") as client:
        application = await client.application_info()
        name, number = application.name, application.id
        yield Finding("ok", subject, f"the token is accepted; the application is {name}")
        webhooks = stage.appearance in ("auto", "webhook")
        link = invitation(number, wanted(webhooks=webhooks))
        yield Finding("ok", subject, f"{link} invites the bot, and gives it what it lacks")
        flags = application.flags
        if flags.gateway_message_content or flags.gateway_message_content_limited:
            yield Finding("ok", subject, "Message Content Intent is on")
        else:
            yield Finding("warning", subject, WITHOUT_CONTENT, "switch it on under Bot at "
                          f"{PORTAL}/{number}/bot and save")  # fmt: skip
        place = await _place(client, stage, link)
        yield Finding("ok", subject, f"the bot is in {place.guild.name}, and the stage is "
                      f"#{place.channel.name} there")  # fmt: skip
        for finding in _permissions(subject, stage, place, number, link):
            yield finding
        async for finding in _elsewhere(subject, show, stage, client, place):
            yield finding
        if is_posting:
            yield await _posted(subject, place)
    async for finding in _friends_bots(subject, show, stage, tokens, place):
        yield finding


async def _place(client: discord.Client, stage: DiscordStage, link: str) -> Place:
    """Raises NotWell if there is no such channel, or the bot is not there."""
    servers = [guild async for guild in client.fetch_guilds(limit=200)]
    if not servers:
        raise NotWell("the bot is on no server yet", f"open {link} to invite it")
    names = ", ".join(guild.name for guild in servers)
    try:
        seen = await client.fetch_channel(stage.channel)
    except discord.NotFound as error:
        raise NotWell(f"there is no channel {stage.channel}", "copy its id anew (Copy Channel ID "
                      "in its menu)") from error  # fmt: skip
    except discord.Forbidden as error:
        raise NotWell(
            f"the bot may not view the channel {stage.channel}; it is on {names}",
            f"give it View Channel in that channel, or open {link} to invite it to that server",
        ) from error
    if not isinstance(seen, WRITABLE):
        kind = str(getattr(seen, "type", "private")).replace("_", " ")
        raise NotWell(f"the channel {stage.channel} is one of the kind {kind}, which cannot be "
                      "written to", "take a text channel")  # fmt: skip
    assert client.user is not None
    guild = await client.fetch_guild(seen.guild.id)
    me = await guild.fetch_member(client.user.id)
    channels = {channel.id: channel for channel in await guild.fetch_channels()}
    parent_id = seen.parent_id if isinstance(seen, discord.Thread) else seen.id
    if (home := channels.get(parent_id)) is None:
        raise NotWell(f"{guild.name} does not list the channel {parent_id}", "take another one")
    return Place(seen, home, me, guild)


def _permissions(
    subject: str, stage: DiscordStage, place: Place, application_id: int, link: str
) -> Iterator[Finding]:
    has = place.home.permissions_for(place.me)
    names = needed(place.channel)
    lacking = [IN_WORDS[name] for name in names if not getattr(has, name)]
    where = (
        f"in the settings of #{place.home.name} under Permissions, or on the whole server: {link}"
    )
    for name in lacking:
        yield Finding("problem", subject, f"the bot lacks {name} in #{place.channel.name}",
                      f"give it that {where}")  # fmt: skip
    if not lacking:
        yield Finding("ok", subject, f"it may {', '.join(IN_WORDS[name] for name in names)}")
    if stage.appearance in ("auto", "webhook") and not has.manage_webhooks:
        yield Finding(
            "problem" if stage.appearance == "webhook" else "warning", subject,
            f"the bot lacks Manage Webhooks in #{place.home.name}, without which the friends have "
            "no names and faces of their own", f"give it that {where}",
        )  # fmt: skip
    if not has.manage_roles and stage.commands.access("roles") != NOBODY:
        more = invitation(application_id, wanted(webhooks=True, roles=True))
        yield Finding("ok", subject, "without Manage Roles nobody can make a role per friend with "
                      f"/friends; {more} gives it that")  # fmt: skip


async def _elsewhere(
    subject: str, show: Show, stage: DiscordStage, client: discord.Client, place: Place
) -> AsyncIterator[Finding]:
    """Channels that are listened to besides."""
    if not stage.listen:
        return
    others = [s for s in show.settings.stages if s.conversation == stage.conversation]
    if len(others) > 1:
        platforms = ", ".join(dict.fromkeys(s.platform for s in others if s is not stage))
        yield Finding("warning", subject, f"what is heard in other channels is also shown on the "
                      f"other stages of the conversation {stage.conversation!r} ({platforms}), and "
                      "who sees those is not known", "make sure that they may")  # fmt: skip
    here = {channel.id: channel for channel in await place.guild.fetch_channels()}
    for number in stage.listen:
        try:
            other = here.get(number) or await client.fetch_channel(number)
        except (discord.NotFound, discord.Forbidden):
            yield Finding("warning", subject, f"there is no channel {number} to listen to that the "
                          "bot may view", "copy its id anew, or take it out of listen")  # fmt: skip
            continue
        names = await _names(place.guild, place.home, other)
        refusal = may_listen(place.home, other, me=place.me, names=names)
        if refusal is None:
            yield Finding("ok", subject, f"#{other} is listened to")
        else:
            yield Finding("warning", subject, refusal.text, refusal.remedy)


async def _names(guild: discord.Guild, *channels: object) -> dict[int, str]:
    """Those of members with overwrites of their own."""
    numbers = {
        target.id
        for channel in channels
        if isinstance(channel, discord.abc.GuildChannel) and channel.guild.id == guild.id
        for target in channel.overwrites
        if not isinstance(target, discord.Role)
    }
    names: dict[int, str] = {}
    for number in sorted(numbers)[:20]:
        try:
            names[number] = (await guild.fetch_member(number)).display_name
        except discord.HTTPException:
            continue  # left the server; the number must do
    return names


async def _posted(subject: str, place: Place) -> Finding:
    try:
        # By the channel itself: the one that came with the guild knows no threads.
        message = await place.channel.send(
            TEST_LINE, allowed_mentions=discord.AllowedMentions.none(), silent=True
        )
        await message.delete()
    except discord.HTTPException as error:
        return Finding("problem", subject, f"a test line in #{place.channel.name} failed: "
                       f"{_trouble(error)}", "see the permissions above")  # fmt: skip
    return Finding("ok", subject, f"a test line was posted in #{place.channel.name} and deleted")


async def _friends_bots(
    subject: str, show: Show, stage: DiscordStage, tokens: Tokens, place: Place
) -> AsyncIterator[Finding]:
    """Bots that friends have for themselves."""
    known = {friend.name for friend in show.friends}
    bots = {place.me.id: "the show"}
    for friend, source in stage.friend_tokens.items():
        if friend not in known:
            yield Finding("warning", subject, f"friend_tokens names {friend}, who is no friend of "
                          "the show", f"there are {', '.join(sorted(known))}")  # fmt: skip
            continue
        try:
            yield await _friends_bot(subject, friend, source, stage, tokens, place, bots)
        except NotWell as error:
            yield Finding("problem", subject, error.text, error.remedy)
    if stage.appearance == "bots" and (rest := sorted(known - set(stage.friend_tokens))):
        yield Finding("warning", subject, f"{', '.join(rest)} have no bots of their own, and "
                      "appear by the show's", "add them under [stages.friend_tokens]")  # fmt: skip


async def _friends_bot(
    subject: str, friend: str, source: TokenSource, stage: DiscordStage, tokens: Tokens,
    place: Place, bots: dict[int, str],
) -> Finding:  # fmt: skip
    """`bots`: whose the bots are that were seen so far, by their ids; this one is put in."""
    whose = f"{friend}'s bot"
    token = token_of(tokens, source, whose)
    async with logged_in(token, stage.api_base, f"the token of {whose}") as client:
        assert client.user is not None
        if (other := bots.setdefault(client.user.id, friend)) != friend:
            raise NotWell(
                f"the token of {whose} is that of {other}'s bot",
                f"make an application of its own at {PORTAL}, and give its token there",
            )
        link = invitation(client.application_id or 0, SPEAKING)
        try:
            guild = await client.fetch_guild(place.guild.id)
            me = await guild.fetch_member(client.user.id)
        except (discord.NotFound, discord.Forbidden) as error:
            text = f"{whose}, {client.user.name}, is not on {place.guild.name}"
            raise NotWell(text, f"open {link} to invite it") from error
        channels = {channel.id: channel for channel in await guild.fetch_channels()}
        home = channels.get(place.home.id)
        has = home.permissions_for(me) if home else discord.Permissions.none()
        wanted_there = ("view_channel", sending(place.channel))
        lacking = [IN_WORDS[name] for name in wanted_there if not getattr(has, name)]
        if lacking:
            text = (
                f"{whose}, {client.user.name}, lacks {' and '.join(lacking)} in #{place.home.name}"
            )
            raise NotWell(text, f"give it that in the channel's settings, or open {link} again")
        return Finding("ok", subject, f"{whose} is {client.user.name}")
