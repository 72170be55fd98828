"""What people write and do in the channel, as events of the show: each once, in order, and those
of a gap from the channel's history.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import discord

from orchestrator.platforms import Edit, PersonLine, Reaction
from orchestrator.platforms.discord.errors import outcome
from orchestrator.platforms.discord.reading import Names, mentioned, readable
from orchestrator.platforms.discord.requirements import Writable
from orchestrator.platforms.discord.roles import friend_of_role

log = logging.getLogger(__name__)

MOST_MISSED_LINES = 200
LONGEST_GAP = timedelta(hours=24)
"""Of what people wrote during a gap no more lines and no older ones are told."""
MOST_MISSED_MESSAGES = 2000
"""Messages of anybody that are looked through for them."""
REMEMBERED = 2000
"""Ids of messages that are known to have been told."""
MARGIN = timedelta(minutes=10)
"""After a restart the history is read from so long before the last line that is known: a line may
have been posted while the connection was dead and people were not heard. What is known already
is not told again."""
KINDS = (discord.MessageType.default, discord.MessageType.reply)

Tell = Callable[[PersonLine], None]


class Hearing:
    """Tells the lines of people in one channel. `accounts` are the ids of bots that stand for a
    friend; `me` is the bot's own id."""

    def __init__(
        self,
        friends: Sequence[str],
        accounts: Callable[[], Mapping[int, str]],
        me: Callable[[], int | None],
        tell: Tell,
    ) -> None:
        self._friends = friends
        self._accounts = accounts
        self._me = me
        self._tell = tell
        self._told: OrderedDict[int, None] = OrderedDict()
        self._names: OrderedDict[int, str] = OrderedDict()
        self._waiting: deque[discord.Message] | None = deque(maxlen=REMEMBERED)
        self.known_until = 0
        """Up to this message all is told."""
        self.ignored: Counter[str] = Counter()

    # --- live -----------------------------------------------------------------------------------

    def gap(self) -> None:
        """From now on messages may be missed: those that come wait until `read_missed`."""
        if self._waiting is None:
            self._waiting = deque(maxlen=REMEMBERED)

    def heard(self, message: discord.Message) -> None:
        """Some message of the channel came."""
        if self._waiting is not None:
            self._waiting.append(message)
        else:
            self._take(message, at=None)

    def line(self, message: discord.Message, at: datetime | None = None) -> PersonLine | None:
        """The message as a line; None, and counted, for what is none of a person."""
        if reason := _no_line(message):
            self.ignored[reason] += 1
            return None
        assert message.guild is not None
        self._remember_name(message.author.id, message.author.display_name)
        users, roles = mentioned(message.content)
        accounts, guild = self._accounts(), message.guild
        meant = [accounts.get(user) for user in users]
        meant += [friend_of_role(guild, role, self._friends) for role in roles]
        is_reply = message.type is discord.MessageType.reply and message.reference is not None
        answered = message.reference.message_id if is_reply and message.reference else None
        return PersonLine(
            str(message.id), message.author.display_name, self._text(message),
            reply_to=str(answered) if answered else None,
            addressed=tuple(dict.fromkeys(filter(None, meant))), at=at,
        )  # fmt: skip

    def edited(self, message: discord.Message) -> Edit | None:
        """The new wording of a person's message; None for others' messages."""
        return None if _no_line(message) else Edit(str(message.id), self._text(message))

    def reacted(self, event: discord.RawReactionActionEvent, removed: bool) -> Reaction | None:
        """A person's reaction; None for a bot's."""
        if event.member is not None:
            if event.member.bot:
                return None
            self._remember_name(event.user_id, event.member.display_name)
        if event.user_id == self._me():
            return None
        # Discord does not say the name of who takes an emoji away.
        author = self._names.get(event.user_id, str(event.user_id))
        emoji = f":{event.emoji.name}:" if event.emoji.is_custom_emoji() else event.emoji.name
        return Reaction(str(event.message_id), author, emoji, removed)

    # --- after a gap ----------------------------------------------------------------------------

    async def read_missed(self, channel: Writable) -> None:
        """Tells what was written since `known_until`, then what came meanwhile. Raises
        RequestFailed; nothing is told then, and it may be called again."""
        since = max(
            self.known_until,
            discord.utils.time_snowflake(discord.utils.utcnow() - LONGEST_GAP),
        )
        missed: list[discord.Message] = []
        rest = 0
        if not self.known_until:
            self.known_until = await newest(channel)
        else:
            async with outcome():
                async for message in channel.history(limit=MOST_MISSED_MESSAGES):
                    if message.id <= self.known_until:
                        break
                    is_wanted = message.id not in self._told and not _no_line(message)
                    if is_wanted and message.id > since and len(missed) < MOST_MISSED_LINES:
                        missed.append(message)
                    else:
                        rest += is_wanted
        for message in reversed(missed):
            self._take(message, at=message.created_at)
        waiting, self._waiting = self._waiting or deque(), None
        for message in waiting:
            # They may have waited for long, as for a permission that the bot lacked.
            self._take(message, at=message.created_at)
        if missed or rest:
            log.info("#%s: %d lines of people were said during a gap.", channel.name, len(missed))
        if rest:
            log.warning(
                "#%s: %d more lines of people, older ones, are left out.", channel.name, rest
            )

    def _take(self, message: discord.Message, at: datetime | None) -> None:
        self.known_until = max(self.known_until, message.id)
        if message.id in self._told:
            return
        self._told[message.id] = None
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        if line := self.line(message, at):
            self._tell(line)

    # --- words ----------------------------------------------------------------------------------

    def _text(self, message: discord.Message) -> str:
        guild = message.guild
        assert guild is not None
        people = {user.id: user.display_name for user in message.mentions} | dict(self._accounts())

        def role(role_id: int) -> str | None:
            found = guild.get_role(role_id)
            return found.name if found else None

        def channel(channel_id: int) -> str | None:
            found = guild.get_channel_or_thread(channel_id)
            return found.name if found else None

        return readable(message.content, Names(people.get, role, channel), self._me())

    def _remember_name(self, user_id: int, name: str) -> None:
        self._names[user_id] = name
        self._names.move_to_end(user_id)
        if len(self._names) > REMEMBERED:
            self._names.popitem(last=False)


async def newest(channel: Writable) -> int:
    """Id of the newest message, which not every server tells of itself; 1 if there is none.
    Raises RequestFailed."""
    if channel.last_message_id is not None:
        return channel.last_message_id
    async with outcome():
        return max([message.id async for message in channel.history(limit=1)], default=1)


def _no_line(message: discord.Message) -> str:
    """Why a message is no person's line; "" if it is one. Our own are bots' and webhooks', known
    by Discord's word for it and never by their text."""
    if message.guild is None:
        return "private"
    if message.webhook_id is not None:
        return "of a webhook"
    if message.author.bot:
        return "of a bot"
    if message.type not in KINDS:
        return "of Discord itself"
    return "" if message.content.strip() else "without text"
