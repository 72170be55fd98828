"""The web page as a stage: says lines to all pages that are open, and hears what people type.

Knows nothing of headers, cookies and sockets; those are the site's.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence

from aiohttp import web

from orchestrator.backstage import Backstage
from orchestrator.cast import Show
from orchestrator.errors import SettingsError
from orchestrator.platforms import Capability, Event, past_message
from orchestrator.platforms.web import limits, shapes
from orchestrator.platforms.web.doors import Doors, problem
from orchestrator.platforms.web.guard import Guard, is_loopback
from orchestrator.platforms.web.listening import address, listen
from orchestrator.platforms.web.live import Live, line_id_of
from orchestrator.platforms.web.pages import Pages, frame
from orchestrator.platforms.web.reading import Reading
from orchestrator.platforms.web.settings import WebStage
from orchestrator.platforms.web.shapes import OWN_STAGE, Json
from orchestrator.platforms.web.site import Site, number
from orchestrator.tokens import Tokens
from orchestrator.transcript.file import transcript_path
from orchestrator.transcript.shown import ShownLine

MINUTE_SECONDS = 60.0


class WebPlatform:
    """Pages in browsers. Whatever happens is in the transcript before it is told here, so pages
    that come later, or come back, read it there."""

    capabilities: frozenset[Capability] = frozenset(
        {"typing", "edit", "delete", "relay", "echo", "past"}
    )

    def __init__(self, stage: WebStage, show: Show, tokens: Tokens) -> None:
        """Raises SettingsError if others than this machine's users could come in unasked."""
        self.name = _name_among(stage, show.settings.stages)
        self.where = ""
        self.ready = asyncio.Event()
        self._stage = stage
        token = tokens.read(stage.token_env, stage.token_file, "the web page")
        if token is None and not is_loopback(stage.host):
            raise SettingsError(
                f"Anybody who reaches {stage.host} could see the web page and join in; name a "
                'file with a token for it (token_file), or take host = "127.0.0.1".'
            )
        if token is not None and len(token.get_secret_value()) < limits.SHORTEST_TOKEN:
            raise SettingsError(
                "The token of the web page is soon guessed; take one of "
                f"{limits.SHORTEST_TOKEN} letters or more."
            )
        self._guard = Guard(token)
        self._pages = Pages()
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._said_at: deque[float] = deque()
        self._told_state: Json = {}
        self._is_state_due = False
        self._last_notice = 0
        self._runner: web.AppRunner | None = None
        self._reading: Reading | None = None

    @property
    def is_read(self) -> bool:
        return self._pages.is_any_visible

    async def open(self, backstage: Backstage) -> None:
        """Listens. Raises StageLost if that cannot be."""
        self._backstage = backstage
        conversation = self._stage.conversation
        path = transcript_path(backstage.show.home, conversation)
        self._reading = Reading(path, backstage.transcript.conversation)
        self._live = Live(
            backstage, self.name, self._pages, self._reading, self._state, self._hand_over,
        )  # fmt: skip
        doors = Doors(self._guard)
        site = Site(backstage, self.name, conversation, self._reading)
        app = web.Application(middlewares=[doors.middleware], client_max_size=limits.FORM_BYTES)
        app.add_routes([*site.routes(), *doors.routes()])
        app.router.add_get("/api/live", self._come_in, allow_head=False)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=limits.CLOSING_SECONDS
        )  # fmt: skip
        await self._runner.setup()
        self._guard.port = await listen(self._runner, self._stage.host, self._stage.port)
        here = address(self._stage.host, self._guard.port)
        self.where = f"on {self._stage.address or here}"
        backstage.watch(self._state_may_differ)
        self.ready.set()

    async def _come_in(self, request: web.Request) -> web.StreamResponse:
        """A page opens its socket."""
        self._guard.check_origin(request)
        if not web.WebSocketResponse().can_prepare(request):
            raise web.HTTPBadRequest(
                text="This address is for the sockets of pages; open / instead."
            )
        if len(self._pages) >= limits.PAGES:
            return problem(
                503, f"{limits.PAGES} pages are open; close one.", retry_after_seconds=10
            )
        return await self._live.handle(request, number(request, "after"))

    async def close(self) -> None:
        """Takes leave of all pages. May be called again."""
        self.ready.clear()
        self._events.put_nowait(None)
        self._pages.close()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
        if self._reading is not None:
            await self._reading.close()

    # --- what people do -------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[Event]:
        while (event := await self._events.get()) is not None:
            yield event

    def _hand_over(self, event: Event) -> bool:
        if self._events.qsize() >= limits.EVENTS_WAITING:
            return False
        self._events.put_nowait(event)
        return True

    # --- what pages are told --------------------------------------------------------------------

    async def say(self, line_id: int, friend: str, text: str) -> str:
        self._said_at.append(time.monotonic())
        self._tell_of(line_id)
        return past_message(line_id)

    async def relay(self, line_id: int, author: str, text: str, stage: str) -> str:
        return await self.say(line_id, author, text)

    async def notice(self, text: str) -> None:
        """A notice that stands in the transcript is a line of its own, which pages that come later
        see, too."""
        for line in self._backstage.transcript.lines(kind="notice", limit=1):
            if line.text == text and line.id > self._last_notice:
                self._tell_of(line.id)
                self._last_notice = line.id
                return
        self._pages.tell(frame({"type": "notice", "text": text}))

    async def typing(self, friend: str) -> None:
        self._pages.tell(frame({"type": "typing", "friend": friend}))

    async def edit(self, message_id: str, speaker: str, text: str) -> None:
        if (line_id := self._line_of(message_id)) is not None:
            self._tell_of(line_id, is_edited=True)

    async def delete(self, message_id: str) -> None:
        if (line_id := self._line_of(message_id)) is not None:
            self._pages.tell(frame({"type": "unsay", "id": line_id}))

    def _line_of(self, message: str) -> int | None:
        """The line of a message: of ours, or of one that a page sent."""
        known = line_id_of(message)
        return self._backstage.transcript.line_of(self.name, message) if known is None else known

    def _tell_of(self, line_id: int, *, is_edited: bool = False) -> None:
        """Tells of a new line, or of a line in its new wording."""
        transcript = self._backstage.transcript
        line = transcript.line(line_id)
        if line is None:  # somebody had it forgotten meanwhile
            return
        reactions: dict[str, int] = {}
        for reaction in transcript.reactions(line_id) if is_edited else ():
            reactions[reaction.emoji] = reactions.get(reaction.emoji, 0) + 1
        shown = shapes.line(ShownLine(line, reactions, is_edited), self.name)
        if is_edited:
            self._pages.tell(frame({"type": "edit", "line": shown}))
        else:
            self._pages.tell(frame({"type": "line", "line": shown}, new_line=line_id))

    # --- what goes on ---------------------------------------------------------------------------

    def _state(self) -> Json:
        while self._said_at and self._said_at[0] < time.monotonic() - MINUTE_SECONDS:
            self._said_at.popleft()
        return shapes.state(self._backstage, len(self._said_at))

    def _state_may_differ(self) -> None:
        if not self._is_state_due:
            self._is_state_due = True
            asyncio.get_running_loop().call_later(limits.STATE_SECONDS, self._tell_state)

    def _tell_state(self) -> None:
        self._is_state_due = False
        if self._runner is None or self._told_state == (state := self._state()):
            return
        self._told_state = state
        self._pages.tell(frame({"type": "state", "state": state}))


def _name_among(stage: WebStage, stages: Sequence[object]) -> str:
    """The same after every start, and no other stage's."""
    if sum(isinstance(other, WebStage) for other in stages) < 2:
        return OWN_STAGE
    return f"{OWN_STAGE} {stage.conversation if stage.port is None else stage.port}"
