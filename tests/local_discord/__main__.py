"""Our Discord as a process: one JSON line that says where it is, then every message as one more;
lines on standard input are said by a person in the first channel. It ends with its input's end
or a signal. For trying a bot by hand, and for bots that are no Python."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import threading

from . import Bot, Channel, LocalDiscord, Message, Person
from .rate_limits import Limits


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.local_discord", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--guild", default="Friends")
    parser.add_argument("--channel", default="general")
    parser.add_argument("--bot", default="BotConvo")
    parser.add_argument("--person", default="anna", help="who says what comes on standard input")
    parser.add_argument("--without-intent", action="append", default=[],
                        choices=["members", "message_content"], metavar="NAME",
                        help="switch a privileged intent off (again for more)")  # fmt: skip
    parser.add_argument("--no-limits", action="store_true", help="no rate limits")
    return parser.parse_args()


def show(**told: object) -> None:
    """One JSON line for whoever reads."""
    print(json.dumps(told, ensure_ascii=False), flush=True)


def introduce(local: LocalDiscord, channel: Channel, bot: Bot, person: Person) -> None:
    """Say where everything is."""
    show(api_base=local.api_base, gateway_url=local.gateway_url, token=bot.token,
         bot_id=str(bot.id), guild_id=str(channel.guild_id), channel_id=str(channel.id),
         person_id=str(person.id))  # fmt: skip


class Screen:
    """Shows every message of a channel once."""

    def __init__(self, local: LocalDiscord, channel: Channel) -> None:
        self._local, self._channel = local, channel
        self._last: Message | None = None

    def show_new(self) -> None:
        """Print what was posted since the last time."""
        for each in self._local.messages(self._channel, after=self._last):
            reply_to = None if each.reference_id is None else str(each.reference_id)
            show(id=str(each.id), name=each.shown_name, text=each.content, reply_to=reply_to)
            self._last = each

    async def show_all(self) -> None:
        """Print messages as they come, for ever."""
        while True:
            await self._local.when_posted(self._channel, 1, after=self._last, timeout_s=1e9)
            self.show_new()


def read_lines(loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[str | None]) -> None:
    """Hand the lines of standard input to the loop; None at their end."""
    for line in sys.stdin:
        loop.call_soon_threadsafe(lines.put_nowait, line.strip())
    loop.call_soon_threadsafe(lines.put_nowait, None)


async def run(options: argparse.Namespace) -> None:
    """Serve until the input ends or a signal comes."""
    limits = None if options.no_limits else Limits()
    async with LocalDiscord(limits=limits, port=options.port) as local:
        guild = local.add_guild(options.guild)
        channel = local.add_channel(guild, options.channel)
        privileged = {"members", "message_content"} - set(options.without_intent)
        bot = local.add_bot(options.bot, guild, privileged=privileged)
        person = local.add_person(options.person, guild)
        introduce(local, channel, bot, person)
        lines: asyncio.Queue[str | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        # Windows has no signal handlers in its loop; there Ctrl+C raises by itself.
        with contextlib.suppress(NotImplementedError):
            for each in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(each, lines.put_nowait, None)
        threading.Thread(target=read_lines, args=(loop, lines), daemon=True).start()
        screen = Screen(local, channel)
        showing = asyncio.create_task(screen.show_all())
        while (line := await lines.get()) is not None:
            if line:
                person.says(channel, line)
        showing.cancel()
        screen.show_new()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(arguments()))
