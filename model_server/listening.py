"""A server's port, taken before anything is loaded that could answer there. Knows no HTTP."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from model_server.errors import ModelServerError

BACKLOG = 128
"""Connections that may wait to be accepted."""


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen at every address of the host, all on one port, which is any for 0.
    Whoever connects waits until somebody accepts. Raises ModelServerError."""
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    try:
        for family, address in _addresses(host, port):
            if sockets and port == 0:
                address = (address[0], port_of(sockets), *address[2:])
            try:
                sockets.append(socket.create_server(address, family=family, backlog=BACKLOG))
            except OSError as error:
                # "localhost" may have an address of a protocol that this machine does not speak.
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                failure = error
        if not sockets and failure:
            raise failure
    except (OSError, UnicodeError) as error:
        for taken in sockets:
            taken.close()
        raise ModelServerError(_sentence(host, port, error)) from error
    return sockets


def _addresses(host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((entry[0], entry[4]) for entry in found))


def port_of(sockets: list[socket.socket]) -> int:
    port: int = sockets[0].getsockname()[1]
    return port


def url_of(sockets: list[socket.socket]) -> str:
    """Of the first address."""
    address = str(sockets[0].getsockname()[0])
    shown = f"[{address}]" if ":" in address else address
    return f"http://{shown}:{port_of(sockets)}"


def _sentence(host: str, port: int, error: OSError | UnicodeError) -> str:
    if isinstance(error, UnicodeError | socket.gaierror):
        return f"--host: there is no address of the name {host!r}; use one of this machine's."
    number = error.errno or 0
    why = os.strerror(number)
    if number in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return f"--host: {host} is no address of this machine ({why}); use one that it has."
    if number in (errno.EACCES, errno.EPERM):
        return f"Port {port} on {host} cannot be used ({why}); choose one above 1023 with --port."
    return (
        f"Port {port} on {host} cannot be used ({why}); is another program using it? Choose "
        "another with --port."
    )
