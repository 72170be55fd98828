"""Which permissions a stage needs in its channel, by the names that Discord's interface shows."""

from __future__ import annotations

import discord

IN_WORDS = {
    "view_channel": "View Channel",
    "send_messages": "Send Messages",
    "send_messages_in_threads": "Send Messages in Threads",
    "read_message_history": "Read Message History",
    "manage_webhooks": "Manage Webhooks",
}
SEND, SEND_IN_THREADS = "send_messages", "send_messages_in_threads"
Writable = discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.Thread
WRITABLE = (discord.TextChannel, discord.VoiceChannel, discord.StageChannel, discord.Thread)


def sending(channel: Writable) -> str:
    """Name of the permission to write there, as discord.py has it."""
    return SEND_IN_THREADS if isinstance(channel, discord.Thread) else SEND


def needed(channel: Writable) -> list[str]:
    """Names of the permissions without which the bot cannot do its work in a channel."""
    return ["view_channel", sending(channel), "read_message_history"]


def missing(channel: Writable, *, webhooks: bool = False) -> list[str]:
    """The permissions that the bot lacks to speak and hear in a channel, in words. Read Message
    History is one: without it nobody knows what was said during a gap, nor whether a line whose
    answer was lost stands there already."""
    me = _own_member(channel.guild)
    if me is None:
        return []
    has = channel.permissions_for(me)
    lacking = [IN_WORDS[name] for name in needed(channel) if not getattr(has, name)]
    if webhooks and not may_manage_webhooks(channel):
        lacking.append(IN_WORDS["manage_webhooks"])
    return lacking


def may_manage_webhooks(channel: Writable) -> bool:
    """Whether the bot may make webhooks for the channel; a thread shows those of its parent."""
    home = home_of(channel)
    if home is None:
        return False
    me = _own_member(home.guild)
    return me is None or home.permissions_for(me).manage_webhooks


def _own_member(guild: discord.Guild) -> discord.Member | None:
    """The bot as a member; None where a server tells bots nothing of themselves: there it is tried
    instead of foreseen."""
    return guild.me


def home_of(
    channel: Writable,
) -> (
    discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.ForumChannel | None
):
    """The channel that the webhooks of this one belong to."""
    return channel.parent if isinstance(channel, discord.Thread) else channel
