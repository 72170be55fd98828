"""What one IDENTIFY began, the numbers that hold for it, and the intents that choose its events.

Source: https://docs.discord.com/developers/events/gateway
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from .connection import Connection
from .world import Bot, Json

INTENTS = {
    "guilds": 1 << 0, "members": 1 << 1, "webhooks": 1 << 5, "presences": 1 << 8,
    "messages": 1 << 9, "reactions": 1 << 10, "typing": 1 << 11, "dm_messages": 1 << 12,
    "dm_reactions": 1 << 13, "dm_typing": 1 << 14, "message_content": 1 << 15,
}  # fmt: skip
SESSIONS_KEPT = 20
PRIVILEGED = ("members", "presences", "message_content")


@dataclass(slots=True)
class GatewayRules:
    """Numbers that Discord fixes and a test may shrink."""

    heartbeat_interval_s: float = 41.25
    heartbeat_grace_s: float = 20.0
    """How late a heartbeat may be before the connection is closed with 4009."""
    events_kept: int = 1_000
    """Events kept for a RESUME; after more than these the session is invalid ..."""
    resume_within_s: float = 300.0
    """... and after this time without a connection."""
    identifies_a_day: int = 1_000
    """After these the bot's token is reset, as Discord does."""
    identify_pause_s: float = 0.0
    """Between two IDENTIFYs of a bot; Discord wants 5 s, which discord.py waits by itself."""
    sends_a_minute: int = 120
    largest_payload_bytes: int = 4_096


@dataclass(eq=False, slots=True)
class Session:
    """What one IDENTIFY began; it outlives its connection."""

    id: str
    bot: Bot
    intents: int
    number: int = 0
    events: deque[tuple[int, Json]] = field(default_factory=deque)
    connection: Connection | None = None
    alone_since: float = field(default_factory=time.monotonic)

    def wants(self, intent: str | None) -> bool:
        """Whether events of this intent (None: of no intent) go to it."""
        return intent is None or bool(self.intents & INTENTS[intent])
