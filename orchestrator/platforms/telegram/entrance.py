"""The first look at the group, before anything is shown there: is the bot in it, may it hear, and
which friends' own bots are there, too."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import NamedTuple

from telegram import (
    BotCommandScope,
    BotCommandScopeChat,
    BotCommandScopeChatAdministrators,
    BotCommandScopeChatMember,
    Chat,
    ChatMember,
    User,
)

from orchestrator.errors import StageLost
from orchestrator.platforms.command_settings import EVERYONE, NOBODY, CommandName
from orchestrator.platforms.telegram import desk
from orchestrator.platforms.telegram.account import Account
from orchestrator.platforms.telegram.command_settings import CommandSettings
from orchestrator.platforms.telegram.errors import Withheld, outcome

log = logging.getLogger(__name__)

IN_GROUP = (ChatMember.OWNER, ChatMember.ADMINISTRATOR, ChatMember.MEMBER, ChatMember.RESTRICTED)
DEAF = (
    "@%s hears only commands and replies to its own lines in the group, as its privacy mode is on. "
    "To have plain messages heard, make it an administrator of the group; or send /setprivacy to "
    "@BotFather, choose the bot and Disable, then remove the bot from the group and add it again."
)
NEEDS_SUPERGROUP = (
    "Friends with bots of their own need a supergroup: in the group's settings set Chat History "
    "for New Members to Visible, put the group's new id into settings.toml, or take friend_tokens "
    "out of it."
)
NO_GROUP = (
    "The bot is in no group with the id {chat} ({reason}): add it to the group, send /start@{bot} "
    "there, and put the id that it tells into settings.toml as chat."
)


class Group(NamedTuple):
    """The group as it was found, and friends whose own bots are not in it."""

    title: str
    absent: frozenset[str]


async def enter(
    main: Account, friends: Mapping[str, Account], chat_id: int, commands: CommandSettings
) -> Group:
    """Has Telegram complete to everybody there the commands that they may use. Raises StageLost for
    what the settings must mend, and RequestFailed: Withheld if the bot was put out of the group."""
    me = main.me
    assert me is not None
    try:
        with outcome(main.what):
            chat = await main.bot.get_chat(chat_id)
            member = await main.bot.get_chat_member(chat_id, me.id)
        await _register(main, chat_id, commands)
    except Withheld as error:
        if "not found" not in str(error):
            raise
        reason = NO_GROUP.format(chat=chat_id, reason=error, bot=me.username)
        raise StageLost(reason) from error
    if friends and chat.type != Chat.SUPERGROUP:
        # In a small group each bot has numbers of its own for the same messages.
        raise StageLost(NEEDS_SUPERGROUP)
    _tell_if_deaf(me, member)
    absent = [name for name, own in friends.items() if not await _is_in(own, chat_id)]
    return Group(chat.title or str(chat_id), frozenset(absent))


async def _register(main: Account, chat_id: int, commands: CommandSettings) -> None:
    whom = {command: commands.access(command) for command in desk.COMMANDS}
    of_all = {command for command, access in whom.items() if access == EVERYONE}
    of_administrators = {command for command, access in whom.items() if access != NOBODY}
    scopes: list[tuple[BotCommandScope, set[CommandName]]] = [
        (BotCommandScopeChat(chat_id), of_all),
        (BotCommandScopeChatAdministrators(chat_id), of_administrators),
    ]
    for scope, allowed in scopes:
        with outcome(main.what):
            await main.bot.set_my_commands(desk.bot_commands(allowed), scope=scope)
    people = {person for access in whom.values() if isinstance(access, tuple) for person in access}
    for person in sorted(people):
        own = {c for c, access in whom.items() if isinstance(access, tuple) and person in access}
        scope = BotCommandScopeChatMember(chat_id, person)
        try:
            with outcome(main.what):
                await main.bot.set_my_commands(desk.bot_commands(of_all | own), scope=scope)
        except Withheld as error:
            log.warning("commands names %d, who is not in the group (%s).", person, error)


def _tell_if_deaf(me: User, member: ChatMember) -> None:
    if not me.can_read_all_group_messages and member.status != ChatMember.ADMINISTRATOR:
        log.warning(DEAF, me.username)


async def _is_in(account: Account, chat_id: int) -> bool:
    """A bot cannot see a group that it is not in."""
    assert account.me is not None
    try:
        with outcome(account.what):
            member = await account.bot.get_chat_member(chat_id, account.me.id)
    except Withheld:
        is_in = False
    else:
        is_in = member.status in IN_GROUP
    if not is_in:
        log.warning(
            "%s, @%s, is not in the group; the show's bot speaks in its place until the next "
            "start. Add it to the group.", account.what, account.me.username,
        )  # fmt: skip
    return is_in
