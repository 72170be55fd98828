"""The page's addresses, and what each answers.

Everything but the page's own files is JSON: text of models and people is never taken for anything
else. Who may come in is the guard's business.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from aiohttp import web

from model_server.checkpoint_format import Manifest
from orchestrator import avatars
from orchestrator.backstage import Backstage
from orchestrator.cast import Friend
from orchestrator.cli import worded
from orchestrator.control import HELP
from orchestrator.errors import ModelServerError
from orchestrator.platforms.web import files, limits, shapes, stats
from orchestrator.platforms.web.doors import PICTURE_POLICY, SANDBOX_POLICY, as_json
from orchestrator.platforms.web.reading import Reading
from orchestrator.platforms.web.shapes import Json
from orchestrator.transcript.explain import explain
from orchestrator.transcript.reason import Reason
from orchestrator.transcript.shown import Scroll, ShownPage

EVALUATION_FOLDER = ("data", "evaluation")
"""Beside the settings, where `evaluate` writes."""
PICTURE_SECONDS = 3600
"""So long a browser shows a face without asking whether it is another one."""
SPEED_SECONDS = 2.0
"""For a friend's server to tell how fast it is; a card can do without."""


class Site:
    """The show as pages ask for it, on one conversation."""

    def __init__(
        self, backstage: Backstage, stage: str, conversation: str, reading: Reading
    ) -> None:
        self._backstage = backstage
        self._stage = stage
        self._conversation = conversation
        self._reading = reading
        self._files = files.PageFiles()
        self._friends: Mapping[str, Friend] = {f.name: f for f in backstage.show.friends}
        self._evaluation = backstage.show.home.joinpath(*EVALUATION_FOLDER)
        self._stats: tuple[float, Json] = (-limits.STATS_SECONDS, {})
        self._counting = asyncio.Lock()

    def routes(self) -> list[web.RouteDef]:
        """Names of friends may have slashes in them, as may be nothing else."""
        return [
            web.get("/", self.index),
            web.get("/stats", self.stats_page),
            web.get("/page/{name}", self.page_file),
            web.get("/favicon.ico", self.icon),
            web.get(r"/avatars/{name:.+}.svg", self.avatar),
            web.get(r"/evaluation/{name:.+}", self.evaluation),
            web.get("/api/show", self.show),
            web.get("/api/lines", self.lines),
            web.get(r"/api/lines/{id}/why", self.why),
            web.get("/api/search", self.search),
            web.get(r"/api/friends/{name:.+}", self.friend),
            web.get("/api/stats", self.stats),
        ]

    # --- files --------------------------------------------------------------------------------

    async def index(self, request: web.Request) -> web.StreamResponse:
        return self._file(request, "index.html")

    async def stats_page(self, request: web.Request) -> web.StreamResponse:
        return self._file(request, "stats.html")

    async def icon(self, request: web.Request) -> web.StreamResponse:
        return self._file(request, "icon.svg")

    async def page_file(self, request: web.Request) -> web.StreamResponse:
        return self._file(request, request.match_info["name"])

    def _file(self, request: web.Request, name: str) -> web.StreamResponse:
        if (found := self._files.find(name)) is None:
            raise web.HTTPNotFound(text="There is no such file.")
        return found.response(request)

    async def avatar(self, request: web.Request) -> web.StreamResponse:
        """A friend's own picture, or a face drawn for the name; people have faces, too."""
        name = request.match_info["name"]
        if len(name) > limits.NAME_CHARS and name not in self._friends:
            raise web.HTTPNotFound(text=f"Names have at most {limits.NAME_CHARS} letters.")
        friend = self._friends.get(name)
        own = friend.avatar if friend is not None else ""
        # What lies on another machine would tell that machine who watches.
        found = files.picture(own) if own and not isinstance(own, str) else None
        if found is None:
            found = files.drawing(avatars.svg(name, friend.color if friend else ""))
        response = found.response(request, max_age_seconds=PICTURE_SECONDS)
        response.headers["Content-Security-Policy"] = PICTURE_POLICY
        return response

    async def evaluation(self, request: web.Request) -> web.StreamResponse:
        """The page that `evaluate` has written, which tells of all friends."""
        page = self._evaluation / stats.EVALUATION_PAGE
        name = self._friend_named(request).name
        if await asyncio.to_thread(stats.evaluation_of, name, self._evaluation) is None:
            raise web.HTTPNotFound(
                text=worded(f"Nobody has evaluated {name} yet; do so with: botconvo evaluate")
            )
        headers = {"Content-Security-Policy": SANDBOX_POLICY, "Cache-Control": "no-cache"}
        return web.FileResponse(page, headers=headers)

    # --- the show -----------------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.StreamResponse:
        first, last = await self._reading.ask(Scroll.ends)
        show = self._backstage.show
        return as_json(
            {
                "version": _version(),
                "conversation": self._conversation,
                "stage": shapes.OWN_STAGE,
                "is_demo": show.is_demo,
                "friends": [shapes.friend(friend, self._backstage) for friend in show.friends],
                "commands": [shapes.command(name, text) for name, text in HELP.items()],
                "first_line": first,
                "last_line": last,
                "limits": {
                    "text": limits.TEXT_CHARS,
                    "name": limits.NAME_CHARS,
                    "argument": limits.ARGUMENT_CHARS,
                    "search": limits.SEARCH_CHARS,
                },
            }
        )

    async def lines(self, request: web.Request) -> web.StreamResponse:
        wished = number(request, "limit")
        limit = limits.USUAL_PAGE_LINES if wished is None else wished
        if not 1 <= limit <= limits.PAGE_LINES:
            raise web.HTTPBadRequest(text=f"limit is a number from 1 to {limits.PAGE_LINES}.")
        asked = {name: number(request, name) for name in ("before", "after", "around")}
        known = {name: id_ for name, id_ in asked.items() if id_ is not None}
        if len(known) > 1:
            raise web.HTTPBadRequest(text="Give one of before, after and around.")

        def ask(read: Scroll) -> ShownPage:
            if "after" in known:
                return read.after(known["after"], limit)
            if "around" in known:
                return read.around(known["around"], limit)
            return read.before(known.get("before"), limit)

        return as_json(self._page(await self._reading.ask(ask)))

    async def search(self, request: web.Request) -> web.StreamResponse:
        wanted = request.query.get("q", "").strip()
        if not wanted or len(wanted) > limits.SEARCH_CHARS:
            raise web.HTTPBadRequest(
                text=f"Search for something, of {limits.SEARCH_CHARS} letters at most: ?q=pizza"
            )
        before = number(request, "before")
        found = await self._reading.ask(
            lambda read: read.before(before, limits.USUAL_PAGE_LINES, wanted)
        )
        page = self._page(found)
        return as_json({"lines": page["lines"], "more_before": page["more_before"]})

    def _page(self, page: ShownPage) -> Json:
        return {
            "lines": [shapes.line(line, self._stage) for line in page.lines],
            "more_before": page.more_before,
            "more_after": page.more_after,
        }

    async def why(self, request: web.Request) -> web.StreamResponse:
        line_id = number_of(request.match_info["id"], "The line")
        found = await self._reading.ask(lambda read: self._why(read, line_id))
        if found is None:
            raise web.HTTPNotFound(text=f"There is no line {line_id}.")
        return as_json(found)

    def _why(self, read: Scroll, line_id: int) -> Json | None:
        line = read.transcript.line(line_id)
        if line is None or line.unsaid or line.conversation != read.conversation:
            return None
        origin = shapes.origin_of_phrase(Reason.of(line.why))
        shown = read.lines([line_id, *([origin] if origin is not None else [])])
        return shapes.why(
            line,
            {id_: shapes.line(of, self._stage) for id_, of in shown.items()},
            explain(read.transcript, line).split("\n"),
            read.transcript.edits(line_id),
        )

    # --- friends and figures ------------------------------------------------------------------

    async def friend(self, request: web.Request) -> web.StreamResponse:
        friend = self._friend_named(request)
        manifest = self._backstage.friends.manifest_of(friend.name)
        engine = self._backstage.show.settings.servers.engine
        card = await asyncio.to_thread(stats.card, friend, manifest, engine, self._evaluation)
        return as_json(
            shapes.friend(friend, self._backstage)
            | card
            | {"tokens_per_second": await self._speed(friend)}
        )

    async def _speed(self, friend: Friend) -> float | None:
        """Of the last line, as the friend's server tells it; None if it does not."""
        if self._backstage.friends.state(friend.name).kind != "ready":
            return None
        try:
            async with asyncio.timeout(SPEED_SECONDS):
                client = await self._backstage.friends.client_of(friend.name)
                return await client.tokens_per_second()
        except (ModelServerError, TimeoutError):
            return None

    async def stats(self, request: web.Request) -> web.StreamResponse:
        async with self._counting:
            if time.monotonic() - self._stats[0] >= limits.STATS_SECONDS:
                found = await self._reading.ask(stats.counted)
                liked = [shapes.line(line, self._stage) for line, _ in found.liked]
                figures = stats.stats(found, self._exported(), liked)
                self._stats = (time.monotonic(), figures)
        return as_json(self._stats[1])

    def _exported(self) -> dict[str, int]:
        known: dict[str, Manifest] = {
            name: self._backstage.friends.manifest_of(name) for name in self._friends
        }
        return {name: manifest.trained_on.messages for name, manifest in known.items()}

    def _friend_named(self, request: web.Request) -> Friend:
        name = request.match_info["name"]
        if (friend := self._friends.get(name)) is None:
            names = ", ".join(self._friends)
            raise web.HTTPNotFound(text=f"There is no friend of that name; there are {names}.")
        return friend


def number(request: web.Request, name: str) -> int | None:
    """A number of the query; None if it is not there. Raises HTTPBadRequest."""
    text = request.query.get(name)
    return None if text is None else number_of(text, name)


def number_of(text: str, what: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > limits.ID_DIGITS:
        raise web.HTTPBadRequest(text=f"{what} is a number of {limits.ID_DIGITS} digits at most.")
    return int(text)


def _version() -> str:
    try:
        return version("botconvo")
    except PackageNotFoundError:  # run from its folder without having been installed
        return ""
