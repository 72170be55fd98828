"""The gateway: sessions that outlive their connections, events with numbers, and resuming. It
carries events and refuses to know what they are about.

Source: https://docs.discord.com/developers/events/gateway
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable

from aiohttp import WSMsgType, web

from .connection import Connection, GatewayClosed
from .faults import Drop, Faults
from .sessions import INTENTS, PRIVILEGED, SESSIONS_KEPT, GatewayRules, Session
from .waiting import Changes
from .world import Bot, Json

DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, VOICE, RESUME = 0, 1, 2, 3, 4, 6
RECONNECT, REQUEST_MEMBERS, INVALID_SESSION, HELLO, HEARTBEAT_ACK = 7, 8, 9, 10, 11


class Gateway:
    """All sessions of all bots."""

    def __init__(
        self, rules: GatewayRules, changes: Changes,
        find_bot: Callable[[str], Bot | None], guilds_of: Callable[[Bot], Iterable[Json]],
        ready_of: Callable[[Session], Json], members: Callable[[Session, Json], Iterable[Json]],
    ) -> None:  # fmt: skip
        """The callables give what only the world knows: the bot of a token, the bodies of
        GUILD_CREATE, of READY, and of GUILD_MEMBERS_CHUNK for a request."""
        self.rules = rules
        self.sessions: dict[str, Session] = {}
        self.faults: Faults | None = None
        self.presences: dict[int, Json] = {}
        self.identified: Counter[int] = Counter()
        self.resumed: Counter[int] = Counter()
        self.heartbeats: Counter[int] = Counter()
        self.close_codes: Counter[int] = Counter()
        self.own_errors: list[Exception] = []
        self.token_is_spent: Callable[[Bot], None] = lambda bot: None
        self._changes = changes
        self._find_bot, self._guilds_of = find_bot, guilds_of
        self._ready_of, self._members = ready_of, members
        self._connections: set[Connection] = set()
        self._identified_at: dict[int, float] = {}

    # -- events out ---------------------------------------------------------------------------

    def dispatch(self, session: Session, event: str, data: Json) -> None:
        """Number an event and send it, or keep it for the RESUME where nobody is connected."""
        fate = self.faults.loses(event) if self.faults else "kept"
        if fate == "for good":
            return
        session.number += 1
        payload = {"op": DISPATCH, "t": event, "s": session.number, "d": data}
        session.events.append((session.number, payload))
        if len(session.events) > self.rules.events_kept:
            session.events.popleft()
        if session.connection is not None and fate == "kept":
            session.connection.send(payload)
            if self.faults is not None and event not in ("READY", "GUILD_CREATE"):
                self.faults.after_event(session.bot)

    def sessions_of(self, bot: Bot | None) -> list[Session]:
        """The sessions of a bot, or all."""
        return [each for each in self.sessions.values() if bot is None or each.bot is bot]

    # -- breaking -----------------------------------------------------------------------------

    def drop(self, bot: Bot | None, how: Drop, code: int) -> int:
        """Break the connections of a bot (None: of all); gives back how many."""
        count = 0
        for session in self.sessions_of(bot):
            connection = session.connection
            if connection is None:
                continue
            count += 1
            session.connection, session.alone_since = None, time.monotonic()
            if how == "abruptly":
                connection.abort()
            elif how == "close":
                connection.close(code)
            elif how == "reconnect":
                connection.send({"op": RECONNECT, "d": None})
            else:
                if how == "invalid":
                    self.sessions.pop(session.id, None)
                connection.send({"op": INVALID_SESSION, "d": how == "invalid_resumable"})
        return count

    def silence(self, bot: Bot | None) -> int:
        """Send nothing more on the connections of a bot; its sessions wait for a RESUME."""
        found = [each for each in self.sessions_of(bot) if each.connection is not None]
        for session in found:
            if session.connection is not None:
                session.connection.silent = True
                session.connection = None
        return len(found)

    def end_sessions(self, bot: Bot, code: int) -> None:
        """Close a bot's connections with a code and forget its sessions."""
        self.drop(bot, "close", code)
        for session in self.sessions_of(bot):
            del self.sessions[session.id]

    def abort_all(self) -> None:
        """Tear every connection, as when the machine goes down; sessions stay."""
        for session in self.sessions.values():
            session.connection = None
        for connection in list(self._connections):
            connection.abort()

    # -- one connection -----------------------------------------------------------------------

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Hold one gateway connection from HELLO to its end."""
        socket = web.WebSocketResponse(timeout=1.0, compress=False, max_msg_size=0)
        await socket.prepare(request)
        connection = Connection(socket, request, request.query.get("compress"))
        self._connections.add(connection)
        interval_ms = int(self.rules.heartbeat_interval_s * 1000)
        connection.send({"op": HELLO, "d": {"heartbeat_interval": interval_ms}})
        writing = asyncio.create_task(connection.write())
        try:
            await self._read(connection, socket)
        except GatewayClosed as closed:
            self.close_codes[closed.code] += 1
            connection.close(closed.code)
        except Exception as error:
            self.own_errors.append(error)
            raise
        finally:
            await connection.finish(writing)
            self._connections.discard(connection)
            self._detach(connection, socket.close_code)
        return socket

    async def _read(self, connection: Connection, socket: web.WebSocketResponse) -> None:
        patience_s = self.rules.heartbeat_interval_s + self.rules.heartbeat_grace_s
        last_beat, sent = time.monotonic(), deque[float]()
        while True:
            rest_s = last_beat + patience_s - time.monotonic()
            try:
                frame = await socket.receive(timeout=max(rest_s, 0.001))
            except TimeoutError:
                raise GatewayClosed(4009) from None
            if frame.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            if connection.silent:
                last_beat = time.monotonic()
                continue
            payload = self._decoded(frame.data)
            sent.append(time.monotonic())
            while sent[0] < sent[-1] - 60:
                sent.popleft()
            if len(sent) > self.rules.sends_a_minute:
                raise GatewayClosed(4008)
            if payload["op"] == HEARTBEAT:
                last_beat = time.monotonic()
            self._obey(connection, payload)

    def _decoded(self, data: str | bytes) -> Json:
        if len(data) > self.rules.largest_payload_bytes:
            raise GatewayClosed(4002)
        try:
            payload = json.loads(data)
        except ValueError:
            raise GatewayClosed(4002) from None
        if not isinstance(payload, dict) or not isinstance(payload.get("op"), int):
            raise GatewayClosed(4002)
        return payload

    def _obey(self, connection: Connection, payload: Json) -> None:
        op, data = payload["op"], payload.get("d")
        session = connection.session
        if op == HEARTBEAT:
            connection.send({"op": HEARTBEAT_ACK})
            if session is not None:
                self.heartbeats[session.bot.id] += 1
                self._changes.notify()
        elif op == IDENTIFY:
            self._identify(connection, data or {})
        elif op == RESUME:
            self._resume(connection, data or {})
        elif session is None:
            raise GatewayClosed(4003)
        elif op == PRESENCE:
            self.presences[session.bot.id] = data or {}
            self._changes.notify()
        elif op == REQUEST_MEMBERS:
            for chunk in self._members(session, data or {}):
                self.dispatch(session, "GUILD_MEMBERS_CHUNK", chunk)
        elif op != VOICE:
            raise GatewayClosed(4001)

    def _identify(self, connection: Connection, data: Json) -> None:
        if connection.session is not None:
            raise GatewayClosed(4005)
        bot = self._find_bot(str(data.get("token", "")))
        if bot is None:
            raise GatewayClosed(4004)
        intents = data.get("intents")
        if not isinstance(intents, int) or intents < 0 or intents >= 1 << 31:
            raise GatewayClosed(4013)
        if any(intents & INTENTS[name] and name not in bot.privileged for name in PRIVILEGED):
            raise GatewayClosed(4014)
        if self.identified[bot.id] >= self.rules.identifies_a_day:
            self.token_is_spent(bot)
            raise GatewayClosed(4004)
        now = time.monotonic()
        if now < self._identified_at.get(bot.id, 0.0) + self.rules.identify_pause_s:
            connection.send({"op": INVALID_SESSION, "d": False})
            return
        self._identified_at[bot.id] = now
        self.identified[bot.id] += 1
        self._forget_old(bot)
        session = Session(secrets.token_hex(16), bot, intents)
        self.sessions[session.id] = session
        self._attach(session, connection)
        if isinstance(data.get("presence"), dict):
            self.presences[bot.id] = data["presence"]
        self.dispatch(session, "READY", self._ready_of(session))
        if session.wants("guilds"):
            for guild in self._guilds_of(bot):
                self.dispatch(session, "GUILD_CREATE", guild)
        self._changes.notify()

    def _resume(self, connection: Connection, data: Json) -> None:
        if connection.session is not None:
            raise GatewayClosed(4005)
        bot = self._find_bot(str(data.get("token", "")))
        if bot is None:
            raise GatewayClosed(4004)
        self._forget_old(bot)
        session, number = self.sessions.get(str(data.get("session_id"))), data.get("seq")
        if self.faults is not None and self.faults.resume_is_refused() and session is not None:
            del self.sessions[session.id]
            session = None
        if session is None or session.bot is not bot or not isinstance(number, int):
            connection.send({"op": INVALID_SESSION, "d": False})
            return
        if number > session.number:
            raise GatewayClosed(4007)
        if session.events and number < session.events[0][0] - 1:
            del self.sessions[session.id]
            connection.send({"op": INVALID_SESSION, "d": False})
            return
        self._attach(session, connection)
        for each, payload in session.events:
            if each > number:
                connection.send(payload)
        self.dispatch(session, "RESUMED", {"_trace": []})
        self.resumed[bot.id] += 1
        self._changes.notify()

    def _forget_old(self, bot: Bot) -> None:
        """Forget sessions that nobody resumed in time, and all but the newest few of them."""
        alone = [each for each in self.sessions_of(bot) if each.connection is None]
        oldest = time.monotonic() - self.rules.resume_within_s
        for number, each in enumerate(reversed(alone)):
            if number >= SESSIONS_KEPT or each.alone_since < oldest:
                del self.sessions[each.id]

    def _attach(self, session: Session, connection: Connection) -> None:
        if session.connection is not None:
            session.connection.close(4000)
        session.connection, connection.session = connection, session

    def _detach(self, connection: Connection, code: int | None) -> None:
        """The connection is over; a client that said goodbye with 1000 or 1001 ends its session,
        and so do the codes after which no RESUME is allowed."""
        session = connection.session
        if session is None or session.connection not in (connection, None):
            return
        session.connection, session.alone_since = None, time.monotonic()
        if connection.ended_by_client and code in (1000, 1001):
            self.sessions.pop(session.id, None)
        self._changes.notify()
