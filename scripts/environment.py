"""Makes `.venv` and installs the project with the extras asked for. Standard library only,
since it runs before anything is installed."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

OLDEST_PYTHON = (3, 11)
OLDEST_PIP = (22, 3)  # the first with --python
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = "botconvo-installed"


def prepare(extras: set[str]) -> Path:
    """The Python of the environment, with the project and the extras installed in it.

    Ends the program with one sentence if that cannot be done.
    """
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:2]))
        sys.exit(f"BotConvo needs Python 3.11 or newer and this is {found}; install a newer one.")
    python = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = VENV / STAMP
    digest, installed = _read(stamp)
    wanted = _digest()
    if digest == wanted and extras <= installed and python.exists():
        return python
    extras |= installed
    began = time.monotonic()
    _say(" ".join(["Installing BotConvo into .venv, once ...", *sorted(extras)]))
    _make_venv(python)
    _install(python, extras)
    stamp.write_text("\n".join([wanted, *sorted(extras)]), encoding="utf-8")
    _say(f"Installed in {time.monotonic() - began:.0f} s.")
    return python


def _digest() -> str:
    """Changes with the project's requirements, with its place and with the Python."""
    data = (ROOT / "pyproject.toml").read_bytes() + f"{ROOT}{sys.version}".encode()
    return hashlib.sha256(data).hexdigest()


def _read(stamp: Path) -> tuple[str, set[str]]:
    try:
        digest, *extras = stamp.read_text(encoding="utf-8").split("\n")
    except OSError:
        return "", set()
    return digest, set(extras)


def _make_venv(python: Path) -> None:
    if python.exists() and _works(python):
        return
    shutil.rmtree(VENV, ignore_errors=True)
    # Debian leaves ensurepip out of Python, so pip from outside has to be enough.
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(VENV)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        sys.exit(f"Python cannot make {VENV}: {made.stderr.strip() or made.stdout.strip()}")


def _works(python: Path) -> bool:
    return subprocess.run([str(python), "-c", ""], check=False).returncode == 0


def _install(python: Path, extras: set[str]) -> None:
    target = str(ROOT) + (f"[{','.join(sorted(extras))}]" if extras else "")
    # gpt-2-simple has no pyproject.toml, of which an old pip warns at length.
    command = [*_pip(python), "install", "--quiet", "--no-input",
               "--disable-pip-version-check", "--no-warn-script-location", "--use-pep517",
               "--editable", target]  # fmt: skip
    if _run_apart(command):
        sys.exit(
            "pip could not install BotConvo; see above for why, mend it (is there a network?), "
            "and run the same command again."
        )


def _run_apart(command: list[str]) -> int:
    """The exit code of a program that Ctrl-C does not reach, since pip answers with tracebacks; it
    ends when this one is stopped."""
    if os.name == "nt":
        return subprocess.run(command, check=False).returncode
    with subprocess.Popen(command, process_group=0) as running:
        try:
            return running.wait()
        except KeyboardInterrupt:
            os.killpg(running.pid, signal.SIGTERM)
            raise


def _pip(python: Path) -> list[str]:
    """A pip that installs into the environment: the outer one, or one made inside."""
    outer = subprocess.run(
        [sys.executable, "-m", "pip", "--version"], capture_output=True, text=True, check=False
    )
    if outer.returncode == 0:
        version = tuple(int(part) for part in outer.stdout.split()[1].split(".")[:2])
        if version >= OLDEST_PIP:
            return [sys.executable, "-m", "pip", "--python", str(python)]
    inner = subprocess.run(
        [str(python), "-m", "ensurepip"], capture_output=True, text=True, check=False
    )
    if inner.returncode:
        sys.exit("Python has no pip; install it (Debian: apt install python3-pip), then try again.")
    return [str(python), "-m", "pip"]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
