"""The server itself: HTTP, long polling, webhooks, and what people do."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
from aiohttp import web

from tests.local_discord.waiting import Changes

from .answers import error_answer, failing_answer, value_of
from .faults import OTHER_COPY, REVOKED, Faults
from .methods import IS_THERE, Methods, Refusal, member
from .world import JSON, Bot, Chat, Kind, Message, Person, entities_of

PATIENCE_SECONDS = 20.0
T = TypeVar("T")


class LocalTelegram:
    """A Bot API server on a port of loopback while it is entered."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.calls: list[tuple[str, JSON]] = []
        """Methods with what was given, in order, whatever became of them."""
        self.keeps_calls = True
        self.webhook_ends: dict[str, str] = {}
        """Where a public address leads, as a proxy would: "https://..." to "http://127..."."""
        self._bots: dict[str, Bot] = {}
        self._chats: dict[int, Chat] = {}
        self._changes = Changes()
        self._methods = Methods(self._chats, self._changes.notify)
        self._numbers = itertools.count(1)
        self._transports: set[asyncio.Transport] = set()
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._port = 0

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/bot{token}/{method}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await self._runner.setup()
        self._session = aiohttp.ClientSession()
        await self.comes_back()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        await self.goes_away()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()
        await self._runner.cleanup()

    async def goes_away(self) -> None:
        """An outage: connections break, and new ones are refused."""
        await self._site.stop()
        for transport in self._transports:
            transport.abort()
        self._transports.clear()

    async def comes_back(self) -> None:
        self._site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await self._site.start()
        if not self._port:
            self._port = self._runner.addresses[0][1]

    # --- the world ------------------------------------------------------------------------------

    def add_bot(self, name: str, *, reads_all: bool = True) -> Bot:
        number = 7000 + next(self._numbers)
        bot = Bot(number, name, f"{name}Bot", f"{number}:AAsecret{name}", reads_all)
        self._bots[bot.token] = bot
        return bot

    def add_person(self, name: str) -> Person:
        return Person(100 + next(self._numbers), name)

    def add_group(self, title: str, *members: Person | Bot, kind: Kind = "supergroup") -> Chat:
        number = -(1000 + next(self._numbers))
        if kind == "supergroup":
            number -= 1_000_000_000_000
        chat = Chat(number, kind, title)
        chat.people = [m for m in members if isinstance(m, Person)]
        chat.bots = {m: "member" for m in members if isinstance(m, Bot)}
        self._chats[number] = chat
        return chat

    def private(self, person: Person, bot: Bot) -> Chat:
        """The private chat of these two."""
        chat = self._chats.setdefault(person.id, Chat(person.id, "private", person.name))
        chat.bots.setdefault(bot, "member")
        return chat

    # --- what people do -------------------------------------------------------------------------

    def says(
        self, person: Person, chat: Chat, text: str, *, reply_to: Message | None = None,
        seconds_ago: int = 0, in_name_of: Chat | None = None,
        forwarded_from: Person | None = None, via_bot: Bot | None = None,
    ) -> Message:  # fmt: skip
        at = int(time.time()) - seconds_ago
        message = Message(chat.next_id(), chat, person, text, at, entities_of(text), reply_to)
        message.in_name_of = in_name_of
        message.forwarded_from, message.via_bot = forwarded_from, via_bot
        chat.messages.append(message)
        for bot, status in chat.bots.items():
            if status in IS_THERE and _may_read(bot, status, message):
                self._update(bot, "message", message.as_json())
        return message

    def begins_topic(self, person: Person, chat: Chat, title: str) -> Message:
        """A topic of a forum, which bots are not asked about here. What people write there replies
        to this message, if to no other: https://core.telegram.org/bots/api#forumtopiccreated"""
        message = Message(chat.next_id(), chat, person, "", topic=title)
        chat.messages.append(message)
        return message

    def edits(self, message: Message, text: str) -> None:
        message.text, message.is_edited = text, True
        message.entities = entities_of(text)
        for bot, status in message.chat.bots.items():
            if status in IS_THERE and _may_read(bot, status, message):
                self._update(bot, "edited_message", message.as_json())

    async def presses(self, person: Person, message: Message, label: str) -> str:
        """Presses a button; gives back what the bot tells about it."""
        button = next(b for row in message.buttons for b in row if b["text"] == label)
        number = str(next(self._numbers))
        assert isinstance(message.sender, Bot)
        self._update(message.sender, "callback_query", {
            "id": number, "from": person.as_json(), "chat_instance": "1",
            "message": message.as_json(), "data": button["callback_data"],
        })  # fmt: skip
        await self.when(lambda: number in self._methods.toasts, "an answer to the button")
        return self._methods.toasts[number]

    def reacts(self, person: Person, message: Message, old: str, new: str) -> None:
        for bot, status in message.chat.bots.items():
            if status == "administrator":
                self._update(bot, "message_reaction", {
                    "chat": message.chat.as_json(), "message_id": message.id,
                    "user": person.as_json(), "date": int(time.time()),
                    "old_reaction": _emoji(old), "new_reaction": _emoji(new),
                })  # fmt: skip

    def makes(self, chat: Chat, bot: Bot, status: str) -> None:
        """Somebody changes the bot's standing: "kicked", "member", "administrator" ..."""
        by = (chat.people or [Person(1, "Owner")])[0]
        old, chat.bots[bot] = chat.bots[bot], status
        self._update(bot, "my_chat_member", {
            "chat": chat.as_json(), "from": by.as_json(), "date": int(time.time()),
            "old_chat_member": member(bot, old), "new_chat_member": member(bot, status),
        })  # fmt: skip

    def upgrades(self, chat: Chat, *, silently: bool = False) -> Chat:
        """The group becomes a supergroup with another id; `silently`: the bot is not told."""
        new = self.add_group(chat.title, *chat.people, *chat.bots)
        chat.moved_to = new.id
        for bot in chat.bots:
            if not silently:
                note = Message(chat.next_id(), chat, chat.people[0], "").as_json()
                self._update(bot, "message", note | {"migrate_to_chat_id": new.id})
        return new

    # --- waiting --------------------------------------------------------------------------------

    async def when(
        self, condition: Callable[[], T], what: str, timeout_s: float = PATIENCE_SECONDS
    ) -> T:
        return await self._changes.when(condition, timeout_s, what)

    async def when_posted(self, chat: Chat, count: int) -> list[Message]:
        """Waits until bots have so many messages in the chat."""
        await self.when(lambda: len(chat.of_bots()) >= count, f"{count} messages in {chat.title}")
        return chat.of_bots()

    async def when_called(self, method: str, count: int = 1) -> list[JSON]:
        """Waits until a method was called so often; what was given each time."""
        await self.when(lambda: len(self.given(method)) >= count, f"{count} calls of {method}")
        return self.given(method)

    def given(self, method: str) -> list[JSON]:
        return [given for called, given in self.calls if called == method]

    # --- HTTP -----------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        assert isinstance(request.transport, asyncio.Transport)
        self._transports.add(request.transport)
        method = request.match_info["method"]
        given = {key: value_of(key, text) for key, text in (await request.post()).items()}
        if self.keeps_calls:
            self.calls.append((method, given))
        self._changes.notify()
        bot = self._bots.get(request.match_info["token"])
        if bot is None:
            return error_answer(Refusal(404, "Not Found"))
        if bot.is_revoked:
            return failing_answer(REVOKED, request)
        fault = self.faults.for_request(method)
        if fault is not None and fault.hangs:
            await asyncio.Event().wait()  # until whoever asked goes away
        if fault is not None and not fault.accepted:
            return failing_answer(fault, request)
        try:
            result = await self._result(bot, method, given)
        except Refusal as refusal:
            return error_answer(refusal)
        if fault is not None:
            return failing_answer(fault, request)
        return web.json_response({"ok": True, "result": result})

    async def _result(self, bot: Bot, method: str, given: JSON) -> Any:
        if method == "getUpdates":
            return await self._get_updates(bot, given)
        return self._methods.call(bot, method, given)

    async def _get_updates(self, bot: Bot, given: JSON) -> list[JSON]:
        if bot.webhook:
            raise Refusal(
                409, "Conflict: can't use getUpdates method while webhook is active; use "
                "deleteWebhook to delete the webhook first",
            )  # fmt: skip
        bot.polls += 1
        this = bot.polls
        self._news.set()
        bot.allowed = given.get("allowed_updates", bot.allowed)
        offset, end = given.get("offset", 0), time.monotonic() + given.get("timeout", 0)
        bot.updates = [u for u in bot.updates if u["update_id"] >= offset]
        while not bot.updates and (left := end - time.monotonic()) > 0:
            self._news = news = asyncio.Event() if self._news.is_set() else self._news
            try:
                await asyncio.wait_for(news.wait(), left)
            except TimeoutError:
                break
            if this != bot.polls:
                raise Refusal(OTHER_COPY.status, OTHER_COPY.description)
        return bot.updates[: given.get("limit", 100)]

    def _update(self, bot: Bot, kind: str, content: JSON) -> None:
        if bot.allowed and kind not in bot.allowed:
            return
        update = {"update_id": next(self._numbers), kind: content}
        if bot.webhook:
            task = asyncio.create_task(self._call_back(bot, update))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        bot.updates.append(update)
        self._news.set()

    async def _call_back(self, bot: Bot, update: JSON) -> None:
        headers = {"X-Telegram-Bot-Api-Secret-Token": bot.webhook_secret}
        url = self.webhook_ends[bot.webhook]
        try:
            async with self._session.post(url, json=update, headers=headers) as response:
                await response.read()
        except aiohttp.ClientError:  # kept until the webhook answers, or there is none any more
            bot.updates.append(update)
            self._news.set()


def _may_read(bot: Bot, status: str, message: Message) -> bool:
    """Privacy mode: https://core.telegram.org/bots/features#privacy-mode"""
    if bot.reads_all or status == "administrator" or message.chat.kind == "private":
        return True
    if message.reply_to is not None and message.reply_to.sender is bot:
        return True
    command = message.text.split()[0] if message.text.split() else ""
    return command.startswith("/") and command.partition("@")[2] in ("", bot.username)


def _emoji(text: str) -> list[JSON]:
    return [{"type": "emoji", "emoji": text}] if text else []
