"""The socket of a page: greets it, takes what it says to the show, and answers.

Knows nothing of who may come in.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable

from aiohttp import WSMsgType, web

from orchestrator.backstage import Backstage
from orchestrator.platforms import Command, Event, PersonLine, past_message
from orchestrator.platforms.web import incoming, limits, shapes
from orchestrator.platforms.web.incoming import Allowance, Order, Say, Unreadable, Visible
from orchestrator.platforms.web.pages import (
    HEARTBEAT_SECONDS,
    TOO_MUCH,
    UNREADABLE,
    Frame,
    Page,
    Pages,
    frame,
)
from orchestrator.platforms.web.reading import Reading, TooMuchToRead

BUSY = "The show has too much to read at the moment; try again."
POINTED_AT = frozenset({"why", "again", "oops"})
"""Commands that a line can be named to."""


class Live:
    """All sockets. `hand_over` takes an event to the show and returns whether it had room for
    it."""

    def __init__(
        self,
        backstage: Backstage,
        stage: str,
        pages: Pages,
        reading: Reading,
        state: Callable[[], shapes.Json],
        hand_over: Callable[[Event], bool],
    ) -> None:
        self._transcript = backstage.transcript
        self._stage = stage
        self._pages = pages
        self._reading = reading
        self._state = state
        self._hand_over = hand_over
        self._keys: OrderedDict[str, None] = OrderedDict()
        self._names = frozenset(
            name for friend in backstage.show.friends for name in (friend.name, *friend.aliases)
        )

    async def handle(self, request: web.Request, after: int | None) -> web.WebSocketResponse:
        """One page, from its coming to its going. `after`: the last line that it has."""
        # Compressing would cost each page a quarter of a megabyte, for frames of 300 bytes.
        socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT_SECONDS, max_msg_size=limits.FRAME_BYTES, compress=False
        )
        await socket.prepare(request)
        page = Page(socket, request.transport)
        self._pages.enter(page)
        try:
            await self._greet(page, after)
            await self._listen(page, socket)
        finally:
            self._pages.leave(page)
            await page.gone()
        return socket

    # --- what the page is sent ----------------------------------------------------------------

    async def _greet(self, page: Page, after: int | None) -> None:
        """The page is told already whatever is said from now on, which waits for the greeting; so
        nothing is lost between the two, and what is in both is sent once."""
        lines = await self._missed(after)
        greeting = {"type": "hello", "state": self._state(), "lines": lines or []}
        page.greet(
            frame(greeting | ({"reload": True} if lines is None else {})),
            [line["id"] for line in lines or ()],
        )

    async def _missed(self, after: int | None) -> list[shapes.Json] | None:
        """The lines since this one; None if there are too many to send."""
        if after is None:
            return []
        try:
            found = await self._reading.ask(lambda read: read.after(after, limits.MISSED_LINES))
        except TooMuchToRead:
            return None
        if found.more_after:
            return None
        return [shapes.line(line, self._stage) for line in found.lines]

    # --- what the page sends ------------------------------------------------------------------

    async def _listen(self, page: Page, socket: web.WebSocketResponse) -> None:
        allowance, odd = Allowance(), 0
        async for message in socket:
            if not allowance.take():
                page.dismiss(TOO_MUCH, "too many frames; slower")
                continue
            try:
                if message.type is not WSMsgType.TEXT:
                    raise Unreadable("A frame is text.")
                self._take(page, incoming.read(message.data))
            except Unreadable as error:
                page.tell(_problem(error))
                odd += error.to is None
                if odd > limits.ODD_FRAMES:
                    page.dismiss(UNREADABLE, "too many frames that cannot be read")

    def _take(self, page: Page, said: incoming.Incoming) -> None:
        if isinstance(said, Visible):
            page.is_visible = said.visible
            return
        if objection := incoming.objection(said, self._names):
            page.tell(_answer(said.to, False, objection))
            return
        if said.key is not None and said.key in self._keys:
            page.tell(_answer(said.to, True, ""))  # it came here before the connection was lost
            return
        event = self._line(said) if isinstance(said, Say) else self._command(page, said)
        if not self._hand_over(event):
            page.tell(_answer(said.to, False, BUSY))
            return
        if said.key is not None:
            self._keys[said.key] = None
            while len(self._keys) > limits.KEYS_KEPT:
                self._keys.popitem(last=False)
        if isinstance(said, Say):
            page.tell(_answer(said.to, True, ""))

    def _line(self, said: Say) -> PersonLine:
        """Lines of friends are answered by them, also those that were said before there was a
        page, and so are no message of this stage."""
        replied = self._transcript.line(said.reply_to) if said.reply_to is not None else None
        known = replied is not None and replied.conversation == self._transcript.conversation
        return PersonLine(
            f"said-{said.key or secrets.token_hex(8)}",
            said.author,
            said.text,
            reply_to=past_message(replied.id) if known and replied else None,
            addressed=(replied.speaker,) if known and replied and replied.kind == "friend" else (),
        )

    def _command(self, page: Page, said: Order) -> Command:
        async def answer(text: str, is_done: bool = True) -> None:
            page.tell(_answer(said.to, is_done, text))

        argument = said.argument
        if said.line is not None and not argument and said.name.casefold() in POINTED_AT:
            argument = str(said.line)
        return Command(said.author, said.name.casefold(), argument, answer)


def line_id_of(message: str) -> int | None:
    """The line of a message that `past_message` named."""
    number = message.removeprefix("line-")
    return int(number) if number.isascii() and number.isdigit() else None


def _answer(to: int, ok: bool, text: str) -> Frame:
    return frame({"type": "answer", "to": to, "ok": ok, "text": text})


def _problem(error: Unreadable) -> Frame:
    if error.to is not None:
        return _answer(error.to, False, str(error))
    return frame({"type": "error", "text": str(error)})
