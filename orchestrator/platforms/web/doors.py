"""The way in and out of the site: what strangers get, the token, and what every answer carries."""

from __future__ import annotations

import json
import logging
from html import escape
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from orchestrator.platforms.web import limits
from orchestrator.platforms.web.guard import Guard, Stranger
from orchestrator.platforms.web.reading import TooMuchToRead

log = logging.getLogger(__name__)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Nothing from elsewhere, and no script but our own files, whatever a model says."""
SANDBOX_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; sandbox"
)
"""For the page of `evaluate`, which has its style and pictures in itself, and no script."""
PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "Server": "BotConvo",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
ENTRANCE = "/enter"
FORM = f"""\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>BotConvo</title>
<link rel="icon" href="/page/icon.svg">
<link rel="stylesheet" href="/page/page.css">
<main class="entrance">
<h1>BotConvo</h1>
<p>{{problem}}</p>
<form method="post" action="{ENTRANCE}">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Enter</button>
</form>
</main>
</html>
"""
RETRY_SECONDS = 1


def as_json(data: Any, status: int = 200) -> web.Response:
    """Never kept by browsers: what was said may be taken back."""
    return web.json_response(
        data, status=status, headers={"Cache-Control": "no-store"},
        dumps=lambda data: json.dumps(data, ensure_ascii=False, separators=(",", ":")),
    )  # fmt: skip


def problem(status: int, sentence: str, retry_after_seconds: int | None = None) -> web.Response:
    """One sentence on what went wrong."""
    response = as_json({"error": sentence}, status)
    if retry_after_seconds is not None:
        response.headers["Retry-After"] = str(retry_after_seconds)
    return response


class Doors:
    """Everything that comes to the site goes through here."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def routes(self) -> list[web.RouteDef]:
        return [web.post(ENTRANCE, self.enter)]

    @property
    def middleware(self) -> Middleware:
        @web.middleware
        async def through(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await self._answered(request, handler)
            if not response.prepared:  # as sockets are
                for name, value in HEADERS.items():
                    response.headers.setdefault(name, value)
            return response

        return through

    async def _answered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            self._guard.check_host(request)
            if request.path == "/" and "token" in request.query:
                return self._let_in(request, request.query["token"])
            # The page's files are no secret, and the form looks like the page.
            if request.path != ENTRANCE and not request.path.startswith("/page/"):
                self._guard.check_cookie(request)
            return await handler(request)
        except Stranger as error:
            return self._turned_away(request, error)
        except web.HTTPException as error:
            response = problem(error.status, _sentence(error))
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
            return response
        except TooMuchToRead:
            return problem(503, "The transcript is busy; try again soon.", RETRY_SECONDS)
        except ConnectionError:
            raise
        except Exception:
            log.exception("%s %s", request.method, request.path)
            return problem(500, "Something went wrong here; the show's log says what.")

    async def enter(self, request: web.Request) -> web.StreamResponse:
        """The form's."""
        self._guard.check_origin(request)
        form = (await request.read()).decode(errors="replace")
        try:
            fields = parse_qs(form, max_num_fields=1, errors="replace")
        except ValueError as error:
            raise web.HTTPBadRequest(text="Send the token as a form does.") from error
        return self._let_in(request, fields.get("token", [""])[0])

    def _let_in(self, request: web.Request, token: str) -> web.StreamResponse:
        """A redirection, so that the token stays neither in the address nor in the history."""
        response = web.Response(status=303, headers={"Location": "/", "Cache-Control": "no-store"})
        if self._guard.asks_for_token:
            self._guard.check_token(token.strip(), request.remote or "")
            response.set_cookie(
                self._guard.cookie_name, self._guard.cookie(), httponly=True, samesite="Strict",
                path="/", max_age=limits.COOKIE_DAYS * 24 * 3600, secure=request.secure,
            )  # fmt: skip
        return response

    def _turned_away(self, request: web.Request, error: Stranger) -> web.Response:
        asks = self._guard.asks_for_token and error.status in (401, 429)
        if not asks or request.path.startswith(("/api/", "/avatars/")):
            return problem(error.status, str(error), error.retry_after_seconds)
        response = web.Response(
            status=error.status, text=FORM.format(problem=escape(str(error))),
            content_type="text/html", headers={"Cache-Control": "no-store"},
        )  # fmt: skip
        if error.retry_after_seconds is not None:
            response.headers["Retry-After"] = str(error.retry_after_seconds)
        return response


SENTENCES = {
    404: "There is nothing at this address.",
    405: "That cannot be done at this address.",
    413: f"That is too much; {limits.FORM_BYTES} bytes are the most.",
}


def _sentence(error: web.HTTPException) -> str:
    """Ours, or one in place of aiohttp's "404: Not Found"."""
    usual = f"{error.status}: {error.reason}"
    if error.text and not error.text.startswith(usual) and error.status not in (405, 413):
        return error.text
    return SENTENCES.get(error.status, f"{error.reason}.")
