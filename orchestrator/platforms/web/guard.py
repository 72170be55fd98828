"""Who may see the page, and what browsers may do with it: host names, origins, the token, headers.

Knows nothing of the show.
"""

from __future__ import annotations

import hmac
import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from hashlib import sha256
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import SecretStr

from orchestrator.platforms.web import limits

COOKIE_PURPOSE = b"botconvo page"


class Stranger(Exception):
    """Somebody who may not see this; `status` and the message say why."""

    def __init__(self, status: int, message: str, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class Guard:
    """Looks at requests. `token` None: whoever is on this machine may come in."""

    def __init__(
        self, token: SecretStr | None, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._token = token
        self._now = now
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()
        self.port = 0
        """Cookies do not tell ports apart, so that their name has to."""

    @property
    def asks_for_token(self) -> bool:
        return self._token is not None

    @property
    def cookie_name(self) -> str:
        return f"botconvo-{self.port}"

    def cookie(self) -> str:
        """What a browser keeps in place of the token: nobody can tell the token from it."""
        assert self._token is not None
        secret = self._token.get_secret_value().encode()
        return hmac.new(secret, COOKIE_PURPOSE, sha256).hexdigest()

    def check_host(self, request: web.Request) -> None:
        """A page of another site may have its name point to this machine (DNS rebinding), and
        then ask us as if it were ours; the name gives it away. Raises Stranger."""
        if self._token is None and not _is_this_machine(request.headers.get("Host", "")):
            raise Stranger(403, "This page answers only to localhost; open it under that address.")

    def check_cookie(self, request: web.Request) -> None:
        """Raises Stranger to whoever has not shown the token yet."""
        if self._token is None:
            return
        shown = request.cookies.get(self.cookie_name, "")
        if not _is_same(shown, self.cookie()):
            raise Stranger(401, "This page asks for a token; open / and enter it.")

    def check_origin(self, request: web.Request) -> None:
        """Pages of other sites may open sockets to us, and send forms; browsers say where from.
        Raises Stranger."""
        origin = request.headers.get("Origin")
        # Whoever is no browser sends none, and has no cookies of anybody to misuse.
        if origin is not None and not _same_host(origin, request.headers.get("Host", "")):
            raise Stranger(403, "Another site asks; only this one may.")

    def check_token(self, shown: str, address: str) -> None:
        """Raises Stranger if the token is wrong, or too many were from that address."""
        assert self._token is not None
        now = self._now()
        tries = self._wrong.get(address, deque())
        while tries and tries[0] <= now - limits.WRONG_TOKEN_SECONDS:
            tries.popleft()
        if len(tries) >= limits.WRONG_TOKENS:
            wait_seconds = int(tries[0] + limits.WRONG_TOKEN_SECONDS - now) + 1
            raise Stranger(429, f"Too many wrong tokens; wait {wait_seconds} s.", wait_seconds)
        if _is_same(shown, self._token.get_secret_value()):
            self._wrong.pop(address, None)
            return
        tries.append(now)
        self._wrong[address] = tries
        self._wrong.move_to_end(address)
        while len(self._wrong) > limits.ADDRESSES_KEPT:
            self._wrong.popitem(last=False)
        raise Stranger(401, "That is not the token.")


def _is_same(shown: str, secret: str) -> bool:
    """In the same time wherever they differ. Headers may hold what is no text."""
    return hmac.compare_digest(shown.encode(errors="replace"), secret.encode())


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address that is listened on."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.casefold() == "localhost"


def _is_this_machine(host_header: str) -> bool:
    try:
        host = urlsplit(f"//{host_header}").hostname or ""
    except ValueError:
        return False
    return is_loopback(host.removesuffix("."))


def _same_host(origin: str, host_header: str) -> bool:
    try:
        # The scheme may differ: a proxy before us may speak https.
        parts = urlsplit(origin)
        return (
            parts.scheme in ("http", "https") and parts.netloc.casefold() == host_header.casefold()
        )
    except ValueError:
        return False
