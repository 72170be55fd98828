"""Fixtures that several packages' tests share. Models are trained by the real commands, once
per run; nothing is mocked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SAMPLE_CHAT = ROOT / "orchestrator" / "demo" / "sample_chat.json"

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def _isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works in a folder of its own and sees none of the user's settings."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("BOTCONVO_")]:
        monkeypatch.delenv(name)


def run_botconvo(
    *arguments: object, cwd: Path | None = None, timeout: float = 120, **options: object
) -> subprocess.CompletedProcess[str]:
    """The real console command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "orchestrator", *map(str, arguments)],
        cwd=cwd, timeout=timeout, text=True, capture_output=True, check=False,
        stdin=subprocess.DEVNULL, **options,
    )  # type: ignore[call-overload,no-any-return]  # options pass through  # fmt: skip


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
    folder = tmp_path_factory.mktemp("models")
    done = run_botconvo(
        "base", "--models", folder, "scratch", dialogue_file, "--name", "tiny",
        "--vocabulary", 500, "--window", 64, "--width", 64, "--layers", 2, "--heads", 2,
        "--tokens", 0.06, "--threads", 1,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


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
    folder = tmp_path_factory.mktemp("checkpoints")
    done = run_botconvo(
        "train", "Marlow", "Priya", "--base", "tiny", "--models", models, "--steps", 20,
        "--corpus", corpus_file, "--checkpoints", folder, "--threads", 1,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder
