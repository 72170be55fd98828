"""Looks at everything that a stage in a Telegram group needs. A show that runs meanwhile is not
disturbed: the bot's news are looked at only if no group is found, and stay where they are.

Nothing of the token is ever in what comes out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing

from telegram import Chat, ChatFullInfo, ChatMember, ChatMemberRestricted

from orchestrator.cast import Show
from orchestrator.checks import Finding
from orchestrator.checks.chat_stages import NotWell, token_of
from orchestrator.errors import StageLost
from orchestrator.platforms.telegram.account import Account
from orchestrator.platforms.telegram.entrance import IN_GROUP
from orchestrator.platforms.telegram.errors import Moved, RequestFailed, Withheld, outcome
from orchestrator.platforms.telegram.settings import TelegramStage
from orchestrator.sections import TokenSource
from orchestrator.tokens import Tokens

PATIENCE_SECONDS = 60.0
TEST_LINE = "BotConvo's doctor was here; this line goes away at once."


async def inspected(
    show: Show, stages: Sequence[TelegramStage], *, is_posting: bool
) -> list[Finding]:
    """What was found on each stage, in order."""
    found: list[Finding] = []
    tokens = Tokens(show.home)
    for stage in stages:
        subject = "telegram" if len(stages) == 1 else f"telegram {stage.chat or 'private'}"
        try:
            async with (
                asyncio.timeout(PATIENCE_SECONDS),
                aclosing(_stage(subject, show, stage, tokens, is_posting)) as findings,
            ):
                async for finding in findings:
                    found.append(finding)
        except NotWell as error:
            found.append(Finding("problem", subject, error.text, error.remedy))
        except StageLost as error:
            found.append(Finding("problem", subject, str(error).rstrip("."), ""))
        except (RequestFailed, TimeoutError) as error:
            text = str(error) or "Telegram takes too long to answer"
            found.append(Finding("problem", subject, text, "look at your network; then try again"))
    return found


async def _stage(
    subject: str, show: Show, stage: TelegramStage, tokens: Tokens, is_posting: bool
) -> AsyncGenerator[Finding, None]:
    account = _account(tokens, stage, "the Telegram bot", stage)
    try:
        me = await account.introduce()
        yield Finding("ok", subject, f"the token is accepted; the bot is @{me.username}")
        yield await _receiving(subject, account, stage)
        if stage.private:
            yield Finding("ok", subject, f"{len(stage.people)} may talk with it in private")
        if stage.chat is None:
            return
        chat = await _chat(account, stage.chat)
        yield Finding("ok", subject, f"the stage is the {chat.type} {chat.title}")
        yield await _membership(subject, account, chat)
        if is_posting:
            yield await _posted(subject, account, chat)
        async for finding in _friends_bots(subject, show, stage, tokens, account, chat):
            yield finding
    finally:
        await account.close()


def _account(tokens: Tokens, source: TokenSource, what: str, stage: TelegramStage) -> Account:
    return Account(token_of(tokens, source, what), what, stage.api_base)


async def _receiving(subject: str, account: Account, stage: TelegramStage) -> Finding:
    with outcome(account.what):
        hook = await account.bot.get_webhook_info()
    if not hook.url:
        return Finding("ok", subject, "no webhook is set: a show asks for news itself")
    if hook.url != stage.webhook:
        return Finding("warning", subject, "another program has set a webhook for this bot, which "
                       "a show takes over", "give every program a bot of its own")  # fmt: skip
    if hook.last_error_message:
        return Finding("warning", subject, f"Telegram could not reach the webhook: "
                       f"{hook.last_error_message}", "look at the proxy in front of "
                       f"{stage.webhook_listen}")  # fmt: skip
    return Finding("ok", subject, f"the webhook is set; {hook.pending_update_count} news wait")


async def _chat(account: Account, chat_id: int) -> ChatFullInfo:
    """Raises NotWell if there is no such chat, or the bot is not in it."""
    try:
        with outcome(account.what):
            return await account.bot.get_chat(chat_id)
    except Moved as error:
        raise NotWell("the group has become a supergroup, which has another id",
                      f"put it into settings.toml: chat = {error.chat_id}") from error  # fmt: skip
    except Withheld as error:
        groups = await _groups(account)
        known = ", ".join(f"{title} is {number}" for number, title in groups.items())
        raise NotWell(
            f"the bot is in no group with the id {chat_id} ({error})",
            f"these have just written to it: {known}; put the right id into settings.toml as chat"
            if known
            else "add the bot to the group, send /start there, and run this again",
        ) from error


async def _groups(account: Account) -> Mapping[int, str]:
    """Groups in which something happened of which no program has heard yet."""
    try:
        with outcome(account.what):
            # Without an offset nothing is confirmed: a show will hear it all the same.
            updates = await account.bot.get_updates(timeout=0)
    except RequestFailed:  # a show asks for them at the moment
        return {}
    chats = [update.effective_chat for update in updates]
    return {c.id: c.title or "" for c in chats if c and c.type in (Chat.GROUP, Chat.SUPERGROUP)}


async def _membership(subject: str, account: Account, chat: ChatFullInfo) -> Finding:
    assert account.me is not None
    with outcome(account.what):
        member = await account.bot.get_chat_member(chat.id, account.me.id)
    may_send = not isinstance(member, ChatMemberRestricted) or member.can_send_messages
    if member.status not in IN_GROUP or not may_send:
        return Finding("problem", subject, f"{account.what} may not write in {chat.title}",
                       "add it to the group, and let it write there")  # fmt: skip
    if member.status == ChatMember.ADMINISTRATOR:
        return Finding("ok", subject, "it is an administrator, and hears all that is written")
    if account.me.can_read_all_group_messages:
        return Finding("ok", subject, "its privacy mode is off: it hears all that is written; "
                       "reactions it would see as an administrator")  # fmt: skip
    return Finding(
        "warning", subject, "its privacy mode is on, so the friends hear only commands and replies "
        "to their own lines", "make it an administrator of the group; or send /setprivacy to "
        "@BotFather, choose Disable, then remove the bot from the group and add it again",
    )  # fmt: skip


async def _posted(subject: str, account: Account, chat: ChatFullInfo) -> Finding:
    try:
        with outcome(account.what):
            message = await account.bot.send_message(chat.id, TEST_LINE, disable_notification=True)
            await account.bot.delete_message(chat.id, message.message_id)
    except RequestFailed as error:
        return Finding("problem", subject, f"a test line in {chat.title} failed ({error})",
                       "let the bot write there")  # fmt: skip
    return Finding("ok", subject, f"a test line was posted in {chat.title} and deleted")


async def _friends_bots(
    subject: str, show: Show, stage: TelegramStage, tokens: Tokens, main: Account,
    chat: ChatFullInfo,
) -> AsyncGenerator[Finding, None]:  # fmt: skip
    if stage.friend_tokens and chat.type != Chat.SUPERGROUP:
        yield Finding("problem", subject, "friends with bots of their own need a supergroup",
                      "set Chat History for New Members to Visible in the group's settings, then "
                      "put its new id into settings.toml")  # fmt: skip
    known = {friend.name for friend in show.friends}
    for friend, source in stage.friend_tokens.items():
        if friend not in known:
            yield Finding("problem", subject, f"friend_tokens names {friend}, who is no friend of "
                          "the show", f"there are {', '.join(sorted(known))}")  # fmt: skip
            continue
        yield await _friends_bot(subject, friend, source, stage, tokens, main, chat)


async def _friends_bot(
    subject: str, friend: str, source: TokenSource, stage: TelegramStage, tokens: Tokens,
    main: Account, chat: ChatFullInfo,
) -> Finding:  # fmt: skip
    whose = f"{friend}'s Telegram bot"
    try:
        account = _account(tokens, source, whose, stage)
    except NotWell as error:
        return Finding("problem", subject, error.text, error.remedy)
    try:
        me = await account.introduce()
        if me == main.me:
            return Finding("problem", subject, f"{whose} is the show's own bot, @{me.username}",
                           f"make {friend} another one (/newbot at @BotFather)")  # fmt: skip
        with outcome(whose):
            member = await account.bot.get_chat_member(chat.id, me.id)
        if member.status in IN_GROUP:
            return Finding("ok", subject, f"{whose} is @{me.username}")
        reason = f"{whose}, @{me.username}, is not in {chat.title}"
        return Finding("problem", subject, reason, "add it to the group")
    except Withheld:
        return Finding("problem", subject, f"{whose} is not in {chat.title}", "add it to the group")
    except StageLost as error:
        return Finding("problem", subject, str(error).rstrip("."), "")
    finally:
        await account.close()
