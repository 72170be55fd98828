"""A Discord of our own on the loopback: the part of gateway v10 and REST that a bot built on the
unmodified discord.py uses. For tests; it knows nothing about BotConvo.

    async with LocalDiscord() as local:             # with Discord's rate limits; limits=None: none
        guild = local.add_guild("Friends")
        channel = local.add_channel(guild, "general")
        anna = local.add_person("anna", guild)
        bot = local.add_bot("BotConvo", guild)          # bot.token; its privileged intents are on
        with local.pointed():                           # discord.py of this process; or hand
            ...                                         # local.api_base to a process of its own
        hello = anna.says(channel, "hello")             # at once, no await: Discord has it
        shown = await local.when_posted(channel, 2)     # waits for events, never polls

**Where the client looks.** `local.api_base` ("http://127.0.0.1:PORT/api/v10") is for
`discord.http.Route.BASE`, which the webhook half of discord.py uses too. A plain `discord.Client`
never asks `/gateway/bot`: its first connection, and every one after INVALID_SESSION, goes to
`discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY`, so set that to `yarl.URL(local.gateway_url)`, or
to what `GET {api_base}/gateway` answers as `url`. `local.pointed()` sets both, and
`discord.asset.Asset.BASE`, and puts them back. discord.py waits 5 s before every IDENTIFY but its
first: a test overrides `before_identify_hook` of its client, and gives it a short
`guild_ready_timeout` (2 s of waiting before `on_ready`).

**The world** (methods of LocalDiscord; done at once, and told to the bots through the gateway):
    add_guild(name), add_channel(guild, name, overwrites=[Overwrite(...)])
    add_thread(channel, name), add_webhook(channel, name)    made by hand, of no bot
    add_role(guild, name, permissions=0, mentionable=False)
    add_person(name, *guilds, nick=None, roles=())
    add_bot(name, *guilds, permissions=BOT_PERMISSIONS, privileged={"members", "message_content"})
    join(who, guild), kick(who, guild), set_privileged(bot, names)
    revoke_token(bot), new_token(bot)                        both end its sessions with 4004
    set_permissions(channel, target, allow=, deny=)   an overwrite; target a Role, Person or Bot
    set_role_permissions(role, permissions), bot_role(bot, guild)
    delete_channel(channel), delete_role(role), delete_webhook(webhook), delete_message(message)
    messages(channel, after=None), webhooks(channel), roles(guild), commands(bot, guild=None)
    pings            list of Ping(message_id, kind, target_id, when): who would have been notified
    presences        bot id -> the last presence the bot sent
    typings          how often (channel id, user id) was typing
    requests         how often "POST /channels/{channel_id}/messages" ... was asked for
    refused_requests how often 401, 403 and 429 were answered;  limiter.exceeded: 429 by route
    gateway.identified, .resumed, .heartbeats    by bot id;  gateway.close_codes

**People** (`Person`): says(channel, text, reply_to=None, ping=True, files={"a.png": bytes})
    -> Message, with `anna.mention`, `bot.mention`, `role.mention` in the text; edits(message, text)
    deletes(message), reacts(message, emoji), takes_back(message, emoji), types(channel)
    says_privately(bot, text), private_chat(bot) -> Channel
    uses(channel, "name sub", bot=None, **options) -> Interaction      a slash command
    uses_on(message, "Menu entry") -> Interaction                      a message context menu
    clicks(message, custom_id) -> Interaction                          a button
    await completes(channel, "name", "option", "typed so far", **others) -> [{"name", "value"}]
    reads(channel) -> list of Message as this person sees it, ephemeral answers to others left out
    await interaction.answered(timeout_s=5) -> Message; .messages: all; .failed: no answer in 3 s

**Waiting**: when_posted(channel, count, after=None, by=None, timeout_s=10) -> messages;
    when(predicate, timeout_s=10): any condition, looked at again at each change of the world;
    when_ready(bot, sessions=1): IDENTIFYs done so far; when_resumed(bot, times=1);
    when_commands(bot, count=1, guild=None).      A wait that is over in vain raises TimeoutError.

A mistake of this server itself (an exception in a route) is answered with a 500 and raised again
at the end of `async with LocalDiscord()`, so that no test takes it for a fault on command.

**Faults** (`local.faults`; `path` is without /api/v10, `*` is one part, `**` any rest; every fault
that struck is counted in `local.faults.struck[kind]`):
    answer(method, path, status, times=1, accepted=False, retry_after_s=1.0)  500, 502, 503, 429 ...
    cut(method, path, times=1, accepted=False, reset=False), delay(method, path, seconds, times=1)
        accepted=True: the server does what was asked and then fails to say so
    cloudflare(times=1): 429 without Discord's headers;  global_limit(seconds)
    switch_off(method, path, status=404), switch_on(method, path): an endpoint that isn't there
    leave_out(*names): optional fields missing from every body (other servers' shapes)
    drop(bot=None, how="abruptly", code=4000); how: one of DROPS ("close", "reconnect", "invalid",
        "invalid_resumable"); a bot of None means all
    silence(bot=None): the connection stays open, nothing comes and no ACK
    refuse_resume(times=1), lose_dispatches(times, event="MESSAGE_CREATE", resumable=False)
    plan = FaultPlan(seed, request_rate, gateway_rate)      random faults for an endurance run;
        the gateway may also be struck by "silence" and "lose": mishaps=(*DROPS, "silence")
    await local.go_down(); await local.come_up()            the listening socket closed; same port

Run as a process: `python -m tests.local_discord --port 0` prints one JSON line (api_base, tokens,
ids) and then each message as a JSON line; lines on its standard input are said by a person. Tests
that need faults hold the server in their own process and run the *bot* as a process of its own,
by `asyncio.create_subprocess_exec`: `subprocess.run` would stop the server too.

Not here: voice, threads made by bots, pins, bulk deletion, modals, editing of channels, invites.
Webhooks' lines cannot be replies and have no nonce, and mention no roles and not everyone unless
`allowed_mentions` says so; all that as on Discord.

`tests.local_discord.ears` has a client on the real discord.py that keeps what it hears.
"""

from .faults import DROPS, Fault, FaultPlan, Faults
from .interactions import Interaction
from .mentions import Ping
from .people import Person
from .permissions import BOT_PERMISSIONS, EVERYONE_PERMISSIONS
from .rate_limits import BUCKETS, Limits
from .server import LocalDiscord
from .sessions import GatewayRules
from .world import Bot, Channel, Guild, Message, Overwrite, Role, Webhook

__all__ = [
    "BOT_PERMISSIONS", "BUCKETS", "DROPS", "EVERYONE_PERMISSIONS", "Bot", "Channel", "Fault",
    "FaultPlan", "Faults", "GatewayRules", "Guild", "Interaction", "Limits", "LocalDiscord",
    "Message", "Overwrite", "Person", "Ping", "Role", "Webhook",
]  # fmt: skip
