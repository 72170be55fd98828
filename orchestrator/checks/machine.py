"""Is this computer up to it: Python, packages, memory, disk, ports."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator

import psutil

from orchestrator.cast import Show
from orchestrator.checks import Finding, Patient
from orchestrator.servers import launches
from orchestrator.servers.memory import Room, cost_of, gigabytes

DISTRIBUTION = "botconvo"
PIP_SECONDS = 60
ENGINE_SECONDS = 60
ENGINE = "from model_server.engines import problem_with; print(problem_with('llama'))"
"""Where a server would load the engine, too: in a process of its own, which it may crash."""
MOST_WORDS_CHARS = 200
LITTLE_DISK_BYTES = 1_000_000_000
"""A friend's checkpoint of the 124M base takes half of it."""
NO_DISK_BYTES = 50_000_000
HIGHEST_PORT = 65535


def versions(patient: Patient) -> Iterator[Finding]:
    """Python, and the packages that BotConvo asks for."""
    yield Finding("ok", "Python", f"{platform.python_version()} at {sys.executable}")
    try:
        wanted = importlib.metadata.requires(DISTRIBUTION) or []
        own = importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        yield Finding(
            "warning", "packages", "BotConvo runs from its folder without being installed, so "
            "nothing says which packages it needs", "install it with: pip install -e ."
        )  # fmt: skip
        return
    names = [re.split(r"[^\w.-]", line)[0] for line in wanted if "extra ==" not in line]
    found = [f"{name} {version}" for name in names if (version := _version(name))]
    complaints = _pip_complaints()
    for complaint in complaints:
        remedy = "install that with pip, or start BotConvo with scripts/run, which does"
        yield Finding("problem", "packages", complaint, remedy)
    if not complaints:
        yield Finding("ok", "packages", f"BotConvo {own} with {', '.join(found)}")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _pip_complaints() -> list[str]:
    """What pip says against the installed versions; nothing if there is no pip here."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "check", "--disable-pip-version-check"],
            capture_output=True, text=True, check=False, timeout=PIP_SECONDS,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = done.stdout.splitlines()
    return [line.rstrip(".") for line in lines if line.startswith(f"{DISTRIBUTION} ")]


def engine(patient: Patient) -> Iterator[Finding]:
    """Whether the fast engine can be loaded, if a friend who speaks here has need of it."""
    if patient.show is None or patient.show.settings.servers.engine not in ("auto", "llama"):
        return
    folders = [friend.checkpoint for friend in patient.show.friends if friend.checkpoint]
    if not any(path for folder in folders for path in folder.glob("*.gguf")):
        return
    try:
        done = subprocess.run(
            [sys.executable, "-c", ENGINE], capture_output=True, text=True, check=False,
            timeout=ENGINE_SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        yield Finding("warning", "engine", f"it cannot be tried ({error})", "try again later")
        return
    problem, _, remedy = done.stdout.strip().partition("; ")
    if problem:
        yield Finding("problem", "engine", problem, remedy)
    elif done.returncode == 0:
        yield Finding("ok", "engine", "the fast one can be loaded")
    else:
        said = " ".join(done.stderr.split())[-MOST_WORDS_CHARS:] or "no word why"
        yield Finding("problem", "engine", f"the fast one cannot be loaded (exit code "
                      f"{done.returncode}: {said})", "serve with --engine tensorflow")  # fmt: skip


def memory(patient: Patient) -> Iterator[Finding]:
    """Whether all friends that run here fit into memory together."""
    if patient.show is None or not (started := launches(patient.show)):
        return
    room = Room()
    free = room.free()
    needs = {one.name: cost_of(one.checkpoint, one.engine).memory_bytes for one in started}
    fitting = [name for name, need in needs.items() if room.take(name, need)]
    whole = (
        f"{len(fitting)} of {len(needs)} friends fit into {gigabytes(free)} of free memory; "
        f"together they need {gigabytes(sum(needs.values()))}"
    )
    if len(fitting) == len(needs):
        yield Finding("ok", "memory", whole)
    else:
        yield Finding(
            "warning" if fitting else "problem", "memory", whole,
            "end a show that is running, close programs, name fewer friends in settings.toml, or "
            "train on a smaller base model",
        )  # fmt: skip


def disk(patient: Patient) -> Iterator[Finding]:
    """Room for data/, which grows with every line."""
    folder = patient.home.absolute() / "data"
    while not folder.exists():
        folder = folder.parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield Finding("problem", "disk", f"{folder} cannot be looked at: {error}",
                      "mend its permissions")  # fmt: skip
        return
    text = f"{gigabytes(free)} free for {patient.home / 'data'}"
    if free < NO_DISK_BYTES:
        yield Finding("problem", "disk", text, "make room, or the next line cannot be kept")
    elif free < LITTLE_DISK_BYTES:
        yield Finding("warning", "disk", text, "make room before you train a friend")
    else:
        yield Finding("ok", "disk", text)


def ports(patient: Patient) -> Iterator[Finding]:
    """Whether the ports that the friends' servers take are free, and who has them if not."""
    if patient.show is None:
        return
    is_quiet = True
    for port, friend, is_fixed in _wanted_ports(patient.show):
        if _is_free(port):
            continue
        is_quiet = False
        text = f"{port}, which is {friend}'s, is taken by {_owner(port)}"
        if is_fixed:
            remedy = (
                "end that program (a show that is running has these ports itself), or give the "
                "friend another port in settings.toml"
            )
            yield Finding("problem", "ports", text, remedy)
        else:
            remedy = "leave it, as the friend gets another one, or move servers.first_port"
            yield Finding("warning", "ports", text, remedy)
    if is_quiet:
        yield Finding("ok", "ports", "all that the friends' servers take are free")


def _wanted_ports(show: Show) -> Iterator[tuple[int, str, bool]]:
    """Each port, whose it is, and whether the settings insist on it."""
    first = show.settings.servers.first_port
    local = [friend for friend in show.friends if friend.checkpoint]
    for place, friend in enumerate(local):
        if friend.port:
            yield friend.port, friend.name, True
        elif first and first + place <= HIGHEST_PORT:
            yield first + place, friend.name, False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        if sys.platform != "win32":  # there it would share a port that is taken
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _owner(port: int) -> str:
    """The program that listens on a port, as far as this user may know."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status != psutil.CONN_LISTEN or not connection.laddr:
                continue
            if connection.laddr.port == port and connection.pid is not None:
                process = psutil.Process(connection.pid)
                words = " ".join(process.cmdline()) or process.name()
                return f"process {connection.pid} ({words[:80]})"
    except (psutil.Error, OSError):  # macOS tells only root
        pass
    return "another program"
