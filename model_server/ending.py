"""When a server is to end, and how its process does."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import NoReturn


class Ending:
    """Set by SIGTERM, SIGINT or, if asked for, the end of standard input."""

    def __init__(self, with_stdin: bool) -> None:
        self.event = asyncio.Event()
        self.parent_is_gone = False
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                loop.add_signal_handler(number, self.event.set)
            except NotImplementedError:  # Windows: Ctrl-C arrives as KeyboardInterrupt
                break
        if with_stdin:
            threading.Thread(target=self._watch, args=(loop,), daemon=True).start()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        # Raw reads: a daemon thread that holds the lock of sys.stdin would make the
        # interpreter abort at its end.
        while os.read(0, 4096):
            pass
        self.parent_is_gone = True
        with suppress(RuntimeError):  # the loop is closed: the server ends already
            loop.call_soon_threadsafe(self.event.set)


def leave(code: int) -> NoReturn:
    """Ends the process as it stands, which an engine's threads must not delay: neither a load nor
    a generation can be interrupted, the interpreter's own end waits for both, and llama.cpp's
    threads may crash in it. What they hold is the system's to take back."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # whoever read along has left
            stream.flush()
    os._exit(code)
