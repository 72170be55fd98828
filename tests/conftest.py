"""Fixtures that several packages' tests share. Models are trained by the real commands, once
per run; nothing is mocked."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.needs import needs

if TYPE_CHECKING:  # Playwright takes its time, and few tests want it
    from playwright.async_api import Page

    from tests.browser import Complaints, NewPage
    from tests.tmux import Terminal

ROOT = Path(__file__).parent.parent
SAMPLE_CHAT = ROOT / "orchestrator" / "demo" / "sample_chat.json"

HANGS_AFTER_SECONDS = 600.0
"""So long nothing takes that does not hang, however busy the machine is."""
AT_ONCE_SECONDS = 8.0 if "PYTEST_XDIST_WORKER" in os.environ else 2.0
"""So long nothing takes that waits for nothing: longer where workers of pytest-xdist share the
processors. Alone, a test holds the program to what it promises."""

Command = Callable[..., subprocess.CompletedProcess[str]]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "needs(program): skipped where the machine lacks it; with CI=true a failure"
    )
    # A shell starts what runs in the background with Ctrl-C ignored, and every command that a
    # test starts would inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        needs(*mark.args)


@pytest.fixture(autouse=True)
def _isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works in a folder of its own and sees none of the user's settings."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("BOTCONVO_")]:
        monkeypatch.delenv(name)
    for name in ("COLUMNS", "LINES"):  # pytest-xdist's workers have them
        monkeypatch.delenv(name, raising=False)


def run_botconvo(
    *arguments: object,
    cwd: Path | None = None,
    timeout: float = HANGS_AFTER_SECONDS,
    **options: object,
) -> subprocess.CompletedProcess[str]:
    """The real console command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "orchestrator", *map(str, arguments)],
        cwd=cwd, timeout=timeout, text=True, capture_output=True, check=False,
        stdin=subprocess.DEVNULL, **options,
    )  # type: ignore[call-overload,no-any-return]  # options pass through  # fmt: skip


def botconvo_here(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command in this process, where one of its own would show nothing more: what it prints,
    and its exit code. Python's start and the imports take longer than most commands."""
    from orchestrator.cli import main

    words = [str(argument) for argument in arguments]
    shown, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(said):
        try:
            code = main(words)
        except SystemExit as left:  # argparse
            code = int(left.code or 0)
    return subprocess.CompletedProcess(words, code, shown.getvalue(), said.getvalue())


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that `make` fills, for all workers of pytest-xdist: the first that needs it makes
    it, the others wait. Nobody may write into it."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        folder = factory.mktemp(name)
        make(folder)
        return folder
    import fcntl

    folder = factory.getbasetemp().parent / name  # that of the whole run
    done = folder.with_suffix(".done")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # another worker's attempt, that failed
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def dialogue_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hundred small dialogues in the JSON lines that `base scratch` reads."""
    path = tmp_path_factory.mktemp("text") / "talk.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(300):
            turns = [
                {"speaker": "A", "text": f"did you feed cat number {number}?"},
                {"speaker": "B", "text": "no, the cat fed me. it was soup."},
                {"speaker": "A", "text": "was the soup good?"},
                {"speaker": "B", "text": f"i would give it {number % 10} of 10."},
            ]
            file.write(json.dumps({"source": "talk", "turns": turns}) + "\n")
    return path


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, dialogue_file: Path) -> Path:
    """A models folder with the base model `tiny`, trained from scratch."""

    def make(folder: Path) -> None:
        done = run_botconvo(
            "base", "--models", folder, "scratch", dialogue_file, "--name", "tiny",
            "--vocabulary", 500, "--window", 64, "--width", 64, "--layers", 2, "--heads", 2,
            "--tokens", 0.06, "--threads", 1,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    return made_once(tmp_path_factory, "models", make)


@pytest.fixture(scope="session")
def corpus_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample chat, imported."""
    path = tmp_path_factory.mktemp("corpus") / "corpus.sqlite"
    done = run_botconvo("import", SAMPLE_CHAT, "--corpus", path)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory, models: Path, corpus_file: Path) -> Path:
    """A checkpoints folder with two dialogue friends, `marlow` and `priya`."""

    def make(folder: Path) -> None:
        done = run_botconvo(
            "train", "Marlow", "Priya", "--base", "tiny", "--models", models, "--steps", 20,
            "--corpus", corpus_file, "--checkpoints", folder, "--threads", 1,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    return made_once(tmp_path_factory, "checkpoints", make)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One headless Chromium for all; the address of its DevTools."""
    program = needs("chromium")
    from tests.browser import chromium_running

    with chromium_running(program, tmp_path_factory.mktemp("chromium")) as devtools:
        yield devtools


@pytest.fixture
def complaints() -> Complaints:
    """What goes wrong in this test's pages; `complaints.expect("pattern")` allows it."""
    from tests.browser import Complaints

    return Complaints()


@pytest.fixture
async def new_page(chromium: str, complaints: Complaints) -> AsyncIterator[NewPage]:
    """`await new_page(viewport=..., color_scheme="dark")` opens a page that shares nothing with
    others. At the end any error on a console, or request to another machine, is a failure."""
    from tests.browser import connected, pages_of

    async with connected(chromium) as browser, pages_of(browser, complaints) as new:
        yield new
    complaints.check()


@pytest.fixture
async def page(new_page: NewPage) -> Page:
    """A page in Chromium that nobody used before; see `new_page`."""
    return await new_page()


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Terminal]]]:
    """`await terminal(command, columns=80, rows=24, environ=...)` starts it in a real terminal."""
    program = needs("tmux")
    from tests.tmux import Terminal

    numbers = itertools.count()
    async with AsyncExitStack() as started:

        async def start(command: Sequence[str], **options: Any) -> Terminal:
            folder = tmp_path / f"terminal-{next(numbers)}"
            folder.mkdir()
            return await started.enter_async_context(Terminal(program, folder, command, **options))

        yield start
