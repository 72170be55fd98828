"""The server's log: a JSON object a line on stderr, for people and for programs."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """Time, level, what happened, and the record's `fields`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=sys.stderr.encoding != "utf-8")


def without_what_was_sent(record: logging.LogRecord) -> bool:
    """A filter for aiohttp, which quotes what it could not read as HTTP: the prompt of an address
    with a space in it, or a key."""
    from aiohttp import web
    from aiohttp.http_exceptions import HttpProcessingError

    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, (HttpProcessingError, web.RequestPayloadError)):
        _say_instead(record, logging.WARNING, f"no HTTP request: {type(error).__name__}")
    elif isinstance(error, ConnectionError):
        # It closed the connection while it was answered, which is its right.
        _say_instead(record, logging.INFO, "the client went away")
    return True


def _say_instead(record: logging.LogRecord, level: int, text: str) -> None:
    record.msg, record.args = text, ()
    record.exc_info, record.exc_text = None, None
    record.levelno, record.levelname = level, logging.getLevelName(level)


def log_as_json() -> None:
    """Sends everything from INFO on to stderr."""
    logging.getLogger("aiohttp.server").addFilter(without_what_was_sent)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
