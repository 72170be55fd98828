"""Standard output and error of a program that has an input line on its terminal: what anybody
prints or logs comes out above that line, not in the middle of it."""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

Show = Callable[[str], None]
"""Takes a whole line, from any thread."""


class LinesAbove(io.TextIOBase):
    """A text stream that hands over whole lines. Safe for threads."""

    def __init__(self, original: TextIO, show: Show) -> None:
        self._original = original
        self._show = show
        self._rest = ""
        self._lock = threading.Lock()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a property in typeshed's parent, too
        return self._original.encoding

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._original.fileno()

    def write(self, text: str) -> int:
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._show(line)
        return len(text)

    def finish(self) -> None:
        """Hands over a last line that has no end."""
        with self._lock:
            rest, self._rest = self._rest, ""
        if rest:
            self._show(rest)


@contextmanager
def lines_above(show: Show) -> Iterator[None]:
    """Inside it `sys.stdout` and `sys.stderr`, and what logs to them, go to `show`, as far as they
    are a terminal: what is redirected to a file stays there."""
    ours = {
        name: LinesAbove(stream, show)
        for name in ("stdout", "stderr")
        if (stream := getattr(sys, name)) is not None and stream.isatty()
    }
    originals = {name: getattr(sys, name) for name in ours}
    logging_to = {
        handler: name
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler)
        for name, stream in originals.items()
        if handler.stream is stream
    }
    for handler, name in logging_to.items():
        handler.setStream(ours[name])
    for name, stream in ours.items():
        setattr(sys, name, stream)
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(sys, name, original)
        for handler, name in logging_to.items():
            handler.setStream(originals[name])
        for stream in ours.values():
            stream.finish()
