"""Commands that people use in the group: how Telegram is told of them, and how they are answered.

What changes the show goes to it as a `Command`, so that it is recorded. Knows nothing of how
messages are sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from telegram import BotCommand, InlineKeyboardButton, InlineKeyboardMarkup

from orchestrator.backstage import Backstage
from orchestrator.platforms import Answer, Command
from orchestrator.platforms.telegram.hearing import Asked
from orchestrator.settings import Show

TOO_OLD = timedelta(minutes=5)
"""A command that was given so long ago, while the show was away, is no longer meant."""
COMMANDS = {
    "ask": "a friend speaks next: /ask Dex pizza",
    "topic": "what they talk about: /topic pizza, /topic off",
    "friends": "who is here, with buttons",
    "why": "why the last line was said; as a reply: that one",
    "again": "the last line is said anew; as a reply: that one",
    "oops": "the last line is taken back; as a reply: that one",
    "pause": "nobody speaks until /resume",
    "resume": "goes on after /pause",
    "mute": "a friend is silent: /mute Dex",
    "unmute": "a friend may speak again: /unmute Dex",
    "pace": "how fast: /pace 2 is twice as fast, /pace 0.5 half",
    "status": "who is there and what is going on",
    "help": "this list",
}
ABOUT_A_LINE = frozenset({"why", "again", "oops"})
HINT = (
    "Name a friend, or reply to a line of theirs, to have that one answer. I hear only what "
    "Telegram shows me; if friends do not react to plain messages, ask who runs this bot to look "
    "at: botconvo doctor telegram"
)
ASK_BUTTON = "ask:"
BUTTONS_IN_A_ROW = 2
MOST_BUTTONS = 90
"""Telegram takes a hundred."""


def bot_commands() -> list[BotCommand]:
    """For setMyCommands, so that Telegram completes them."""
    return [BotCommand(name, text) for name, text in COMMANDS.items()]


def help_text() -> str:
    return "\n".join([*(f"/{name}: {text}" for name, text in COMMANDS.items()), "", HINT])


def friends_text(backstage: Backstage) -> str:
    """A line for each friend: how they are, and what they learned from."""
    return "\n".join(_friends(backstage))


def _friends(backstage: Backstage) -> Iterator[str]:
    muted = backstage.control.conversation.muted
    for friend in backstage.show.friends:
        state = backstage.friends.state(friend.name)
        parts = [state.kind if state.kind == "ready" else state.text]
        if count := backstage.friends.manifest_of(friend.name).trained_on.messages:
            parts.append(f"learned from {count:,} messages")
        if friend.name in muted:
            parts.append("muted")
        called = f" ({', '.join(friend.aliases)})" if friend.aliases else ""
        yield f"{friend.name}{called}: {'; '.join(parts)}"


def friend_buttons(show: Show, action: str) -> InlineKeyboardMarkup:
    """A button for each friend; pressed, it tells the action and the friend's place in the list
    (names may be longer than the 64 bytes that a button keeps)."""
    buttons = [
        InlineKeyboardButton(friend.name, callback_data=f"{action}{place}")
        for place, friend in enumerate(show.friends[:MOST_BUTTONS])
    ]
    rows = range(0, len(buttons), BUTTONS_IN_A_ROW)
    return InlineKeyboardMarkup([buttons[row : row + BUTTONS_IN_A_ROW] for row in rows])


def friend_of_button(show: Show, action: str, data: str | None) -> str | None:
    """The friend whose button was pressed; None for a button of something else, or of a show that
    had other friends."""
    number = (data or "").removeprefix(action)
    if not (data or "").startswith(action) or not number.isdecimal():
        return None
    place = int(number) if len(number) < 4 else len(show.friends)
    return show.friends[place].name if place < len(show.friends) else None


def is_too_old(given_at: datetime, now: datetime) -> bool:
    return now - given_at > TOO_OLD


def command(asked: Asked, author: str, pointed_at: str | None, answer: Answer) -> Command | None:
    """What the show is to do; None for a command of some other bot."""
    if asked.name not in COMMANDS and not asked.is_for_us:
        return None
    line = pointed_at if asked.name in ABOUT_A_LINE and not asked.argument else None
    return Command(author, asked.name, asked.argument, answer, line)
