"""The link by which somebody who runs a server lets the bot in, with the permissions that it needs
and no others. To open it again later adds what is missing."""

from __future__ import annotations

from collections.abc import Iterable

import discord

SCOPES = ("bot", "applications.commands")
SPEAKING = ("view_channel", "send_messages", "send_messages_in_threads", "read_message_history")


def wanted(*, webhooks: bool, roles: bool = False) -> tuple[str, ...]:
    """Names of the permissions, as discord.py has them."""
    return (*SPEAKING, *(("manage_webhooks",) * webhooks), *(("manage_roles",) * roles))


def invitation(application_id: int, permissions: Iterable[str] = ()) -> str:
    """The link, for the browser. Source:
    https://docs.discord.com/developers/topics/oauth2#bot-authorization-flow"""
    names = tuple(permissions) or wanted(webhooks=True)
    bits = discord.Permissions(**dict.fromkeys(names, True))
    return discord.utils.oauth_url(application_id, permissions=bits, scopes=SCOPES)
