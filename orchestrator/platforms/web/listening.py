"""Where the page is found: takes a port, and says its address."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket

import psutil
from aiohttp import web

from orchestrator.errors import StageLost
from orchestrator.platforms.web.limits import FIRST_PORT, PORTS_TRIED


async def listen(runner: web.AppRunner, host: str, port: int | None) -> int:
    """Begins to listen and returns the port. None: the usual one, or the next that is free; 0: any.
    Raises StageLost."""
    ports = range(FIRST_PORT, FIRST_PORT + PORTS_TRIED) if port is None else (port,)
    for number in ports:
        site = web.TCPSite(runner, host, number)
        try:
            await site.start()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise StageLost(_cannot(host, number, error)) from error
        else:
            return int(runner.addresses[0][1])
    if port is None:
        raise StageLost(
            f"ports {ports[0]} to {ports[-1]} are all in use; name a free one for the web stage."
        )
    raise StageLost(
        f"another program uses port {port}; end it, or give the web stage another port, or none."
    )


def _cannot(host: str, port: int, error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f'{host!r} is no address of this machine; take host = "127.0.0.1".'
    if error.errno == errno.EACCES:
        return f"port {port} is kept for the system; take one from 1024 on."
    why = os.strerror(error.errno).lower() if error.errno else str(error)
    return f"{host}, port {port}, cannot be listened on ({why}); take another."


def address(host: str, port: int) -> str:
    """As it is typed into a browser; of a machine that listens everywhere, one of its addresses in
    the network at home."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host}:{port}"
    if ip.is_unspecified:
        ip = _own_address() or ip
    return f"http://[{ip}]:{port}" if ip.version == 6 else f"http://{ip}:{port}"


def _own_address() -> ipaddress.IPv4Address | None:
    """Known without asking anybody."""
    found = [
        ipaddress.IPv4Address(entry.address)
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family == socket.AF_INET
    ]
    outside = [ip for ip in found if not ip.is_loopback and not ip.is_link_local]
    return next(iter(sorted(outside, key=lambda ip: not ip.is_private)), None)
