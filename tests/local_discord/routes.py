"""Every route of our Discord in one table."""

from __future__ import annotations

from aiohttp import web

from . import (
    rest_answers,
    rest_commands,
    rest_guilds,
    rest_messages,
    rest_webhooks,
)
from .errors import NOT_FOUND, Refused
from .rest import API, Call, Handler, front
from .service import Service

UPLOAD_LIMIT_BYTES = 32 * 1024 * 1024

CHANNEL = "/channels/{channel_id}"
MESSAGE = CHANNEL + "/messages/{message_id}"
REACTION = MESSAGE + "/reactions/{emoji}"
GUILD = "/guilds/{guild_id}"
HOOK = "/webhooks/{webhook_id}"
HOOK_TOKEN = HOOK + "/{webhook_token}"
LINE = HOOK_TOKEN + "/messages/{message_id}"
COMMANDS = "/applications/{application_id}/commands"
GUILD_COMMANDS = "/applications/{application_id}/guilds/{guild_id}/commands"

ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/gateway/bot", rest_guilds.get_bot_gateway),
    ("GET", "/users/@me", rest_guilds.get_me),
    ("GET", "/users/@me/guilds", rest_guilds.get_my_guilds),
    ("DELETE", "/users/@me/guilds/{guild_id}", rest_guilds.leave_guild),
    ("POST", "/users/@me/channels", rest_messages.open_private_chat),
    ("GET", "/users/{user_id}", rest_guilds.get_user),
    ("GET", "/applications/@me", rest_guilds.get_application),
    ("GET", "/oauth2/applications/@me", rest_guilds.get_application),
    ("GET", GUILD, rest_guilds.get_guild),
    ("GET", GUILD + "/channels", rest_guilds.get_channels),
    ("GET", GUILD + "/threads/active", rest_guilds.get_active_threads),
    ("GET", GUILD + "/webhooks", rest_webhooks.get_guild_webhooks),
    ("GET", GUILD + "/members", rest_guilds.get_members),
    ("PATCH", GUILD + "/members/@me", rest_guilds.edit_me),
    ("GET", GUILD + "/members/{user_id}", rest_guilds.get_member),
    ("PUT", GUILD + "/members/{user_id}/roles/{role_id}", rest_guilds.give_role),
    ("DELETE", GUILD + "/members/{user_id}/roles/{role_id}", rest_guilds.take_role),
    ("GET", GUILD + "/roles", rest_guilds.get_roles),
    ("POST", GUILD + "/roles", rest_guilds.create_role),
    ("PATCH", GUILD + "/roles/{role_id}", rest_guilds.edit_role),
    ("DELETE", GUILD + "/roles/{role_id}", rest_guilds.delete_role),
    ("GET", CHANNEL, rest_messages.get_channel),
    ("DELETE", CHANNEL, rest_messages.delete_channel),
    ("POST", CHANNEL + "/typing", rest_messages.start_typing),
    ("GET", CHANNEL + "/messages", rest_messages.get_messages),
    ("POST", CHANNEL + "/messages", rest_messages.create_message),
    ("GET", MESSAGE, rest_messages.get_message),
    ("PATCH", MESSAGE, rest_messages.edit_message),
    ("DELETE", MESSAGE, rest_messages.delete_message),
    ("GET", REACTION, rest_messages.get_reactions),
    ("PUT", REACTION + "/@me", rest_messages.add_reaction),
    ("DELETE", REACTION + "/@me", rest_messages.remove_own_reaction),
    ("DELETE", REACTION + "/{user_id}", rest_messages.remove_reaction),
    ("GET", CHANNEL + "/webhooks", rest_webhooks.get_channel_webhooks),
    ("POST", CHANNEL + "/webhooks", rest_webhooks.create_webhook),
    ("GET", HOOK, rest_webhooks.get_webhook),
    ("PATCH", HOOK, rest_webhooks.edit_webhook),
    ("DELETE", HOOK, rest_webhooks.delete_webhook),
    ("GET", COMMANDS, rest_commands.get_all),
    ("POST", COMMANDS, rest_commands.create),
    ("PUT", COMMANDS, rest_commands.put_all),
    ("GET", COMMANDS + "/{command_id}", rest_commands.get),
    ("PATCH", COMMANDS + "/{command_id}", rest_commands.edit),
    ("DELETE", COMMANDS + "/{command_id}", rest_commands.delete),
    ("GET", GUILD_COMMANDS + "/permissions", rest_commands.get_permissions),
    ("GET", GUILD_COMMANDS + "/{command_id}/permissions", rest_commands.get_one_permissions),
    ("GET", GUILD_COMMANDS, rest_commands.get_all),
    ("POST", GUILD_COMMANDS, rest_commands.create),
    ("PUT", GUILD_COMMANDS, rest_commands.put_all),
    ("GET", GUILD_COMMANDS + "/{command_id}", rest_commands.get),
    ("PATCH", GUILD_COMMANDS + "/{command_id}", rest_commands.edit),
    ("DELETE", GUILD_COMMANDS + "/{command_id}", rest_commands.delete),
]

OPEN_ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/gateway", rest_guilds.get_gateway),
    ("POST", HOOK_TOKEN, rest_webhooks.execute),
    ("GET", HOOK_TOKEN, rest_webhooks.get_webhook),
    ("PATCH", HOOK_TOKEN, rest_webhooks.edit_webhook),
    ("DELETE", HOOK_TOKEN, rest_webhooks.delete_webhook),
    ("GET", LINE, rest_webhooks.get_line),
    ("PATCH", LINE, rest_webhooks.edit_line),
    ("DELETE", LINE, rest_webhooks.delete_line),
    ("POST", "/interactions/{webhook_id}/{webhook_token}/callback", rest_answers.callback),
]
"""Routes that no token in a header protects."""


async def unknown(call: Call) -> None:
    """Any other path."""
    raise Refused(NOT_FOUND)


def make_app(service: Service) -> web.Application:
    """An aiohttp application that serves everything."""
    app = web.Application(client_max_size=UPLOAD_LIMIT_BYTES)
    for is_open, routes in ((False, ROUTES), (True, OPEN_ROUTES)):
        for method, template, handler in routes:
            wrapped = front(service, f"{method} {template}", handler, is_open)
            app.router.add_route(method, API + template, wrapped)
    files = "/attachments/{channel_id}/{attachment_id}/{filename}"
    app.router.add_get(files, front(service, f"GET {files}", rest_messages.get_attachment, True))
    app.router.add_get("/gateway", service.gateway.serve)
    app.router.add_get("/gateway/", service.gateway.serve)
    app.router.add_route("*", "/{anything:.*}", front(service, "* unknown", unknown, True))
    return app
