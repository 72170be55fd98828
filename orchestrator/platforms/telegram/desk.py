"""Commands that people use in the group: how Telegram is told of them, and what they are about.

Knows nothing of how messages are sent, and of who may.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from telegram import BotCommand, InlineKeyboardButton, InlineKeyboardMarkup

from orchestrator.cast import Show
from orchestrator.platforms.command_settings import CommandName

TOO_OLD = timedelta(minutes=5)
"""A command that was given so long ago, while the show was away, is no longer meant."""
COMMANDS: Mapping[CommandName, str] = {
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
    "transcript": "what was said, as a file: /transcript 2 days",
    "help": "this list",
}
ALSO_CALLED: Mapping[str, CommandName] = {"start": "help"}
"""Telegram itself sends it when somebody presses Start."""
ABOUT_A_LINE = frozenset[CommandName]({"why", "again", "oops"})
NO_LINE = "That message is no line of a friend. Reply to one of theirs, or send /{command} alone."
UNKNOWN = "There is no /{command}; /help lists what there is."
HINT = (
    "Name a friend, or reply to a line of theirs, to have that one answer. If the friends do not "
    "react to plain messages, Telegram does not show me them: who runs this bot finds out why with "
    "botconvo doctor telegram"
)
ASK_BUTTON = "ask:"
BUTTONS_IN_A_ROW = 2
MOST_BUTTONS = 90
"""Telegram takes a hundred."""


def named(word: str) -> CommandName | None:
    """The command that is meant by what stands after the slash."""
    return next((name for name in COMMANDS if name == word), ALSO_CALLED.get(word))


def rights(command: CommandName, argument: str) -> tuple[CommandName, ...]:
    """The commands that somebody must be allowed to use for this one. A line that is named by its
    number may have been said before they were there."""
    names_a_line = command == "why" and argument.casefold() not in ("", "last")
    return (command, "transcript") if names_a_line else (command,)


def bot_commands(allowed: Collection[CommandName]) -> list[BotCommand]:
    """For setMyCommands, so that Telegram completes them."""
    return [BotCommand(name, text) for name, text in COMMANDS.items() if name in allowed]


def help_text(allowed: Collection[CommandName]) -> str:
    """What somebody can do who may use these commands."""
    known = (f"/{name}: {text}" for name, text in COMMANDS.items() if name in allowed)
    return "\n".join([*known, "", HINT])


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
