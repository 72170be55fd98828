"""Rate limits: fixed windows per bucket and major parameter, and one over everything. It counts
and says no; it refuses to know what is asked for.

Source: https://docs.discord.com/developers/topics/rate-limits
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from .shapes import bucket_hash

Window = tuple[int, float]
"""So many requests in so many seconds."""

BUCKETS: dict[str, Window] = {
    "POST /channels/{channel_id}/messages": (5, 5.0),
    "PATCH /channels/{channel_id}/messages/{message_id}": (5, 5.0),
    "DELETE /channels/{channel_id}/messages/{message_id}": (5, 1.0),
    "PUT /channels/{channel_id}/messages/{message_id}/reactions/{emoji}/@me": (1, 0.25),
    "POST /channels/{channel_id}/typing": (5, 5.0),
    "POST /channels/{channel_id}/webhooks": (5, 5.0),
    "POST /webhooks/{webhook_id}/{webhook_token}": (5, 2.0),
    "PATCH /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}": (5, 2.0),
    "DELETE /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}": (5, 2.0),
}
"""Windows seen on Discord by those who measured; Discord publishes none and changes them."""

MAJOR = ("channel_id", "guild_id", "webhook_id", "webhook_token")


@dataclass
class Limits:
    """What is allowed; change it at any time. `Limits(buckets={})` leaves only the default."""

    buckets: dict[str, Window] = field(default_factory=lambda: dict(BUCKETS))
    default: Window = (50, 1.0)
    per_second: int = 50
    """Requests of one bot, interactions' answers and webhooks' lines aside."""
    now: Callable[[], float] = time.monotonic


@dataclass(slots=True)
class Verdict:
    """What a bucket says of one request: None in `retry_after_s` lets it pass."""

    headers: dict[str, str]
    retry_after_s: float | None = None
    is_global: bool = False

    def body(self) -> dict[str, object]:
        """The JSON of a 429."""
        return {"message": "You are being rate limited.", "retry_after": self.retry_after_s,
                "global": self.is_global}  # fmt: skip


class RateLimiter:
    """Counts requests in windows."""

    FORGET_ABOVE = 5_000
    """Windows kept before those that are over are swept out."""

    def __init__(self, limits: Limits | None) -> None:
        """`limits` of None: everything passes and no header is sent."""
        self.limits = limits
        self.exceeded: Counter[str] = Counter()
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}
        self._closed_until = 0.0

    def close_for(self, seconds: float) -> None:
        """Answer every request with a global 429 for a while."""
        now = self.limits.now() if self.limits else time.monotonic()
        self._closed_until = now + seconds

    def ask(self, route: str, parts: dict[str, str], who: str | None) -> Verdict:
        """Count a request against its bucket and say whether it passes.

        `route`: method and template, as in BUCKETS; `parts`: the values in the template;
        `who`: the token that counts for the global limit, None for requests without.
        """
        now = self.limits.now() if self.limits else time.monotonic()
        if now < self._closed_until:
            return self._over_all(self._closed_until - now)
        if self.limits is None:
            return Verdict({})
        if who is not None:
            left, wait_s = self._count(("global", who), (self.limits.per_second, 1.0), now)
            if left < 0:
                self.exceeded["global"] += 1
                return self._over_all(wait_s)
        window = self.limits.buckets.get(route, self.limits.default)
        major = "+".join(parts[name] for name in MAJOR if name in parts)
        left, wait_s = self._count((route, f"{major}+{who}"), window, now)
        headers = {
            "X-RateLimit-Limit": str(window[0]), "X-RateLimit-Remaining": str(max(left, 0)),
            "X-RateLimit-Reset": f"{time.time() + wait_s:.3f}",
            "X-RateLimit-Reset-After": f"{wait_s:.3f}", "X-RateLimit-Bucket": bucket_hash(route),
        }  # fmt: skip
        if left >= 0:
            return Verdict(headers)
        self.exceeded[route] += 1
        return Verdict(refusal_headers(wait_s, "user") | headers, round(wait_s, 3))

    def _over_all(self, wait_s: float) -> Verdict:
        headers = refusal_headers(wait_s, "global") | {"X-RateLimit-Global": "true"}
        return Verdict(headers, round(wait_s, 3), is_global=True)

    def _count(self, key: tuple[str, str], window: Window, now: float) -> tuple[int, float]:
        """How many are left after this one (negative: too many), and the window's rest in s."""
        start, used = self._windows.get(key, (now, 0))
        if now >= start + window[1]:
            start, used = now, 0
        left = window[0] - used - 1
        if left >= 0:
            used += 1
        self._windows[key] = (start, used)
        if len(self._windows) > self.FORGET_ABOVE:
            self._windows = {
                each: value for each, value in self._windows.items() if now < value[0] + 60
            }
        return left, max(start + window[1] - now, 0.001)


def refusal_headers(wait_s: float, scope: str) -> dict[str, str]:
    """The headers that only a 429 has. `scope`: user, global or shared."""
    return {"Retry-After": str(int(wait_s) + 1), "X-RateLimit-Scope": scope}
