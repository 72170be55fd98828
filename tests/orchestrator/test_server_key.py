"""The key that friends' servers ask for: from a file that the settings name, or the environment."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.checks import Finding
from orchestrator.checks import files as file_checks
from orchestrator.checks import friends as friend_checks
from orchestrator.doctor import examined
from orchestrator.servers.client import KEY_VARIABLE
from tests.conftest import ROOT, run_botconvo
from tests.model_server.running import running

DEX = ROOT / "orchestrator" / "demo" / "friends" / "dex"
KEY = "a-key-of-this-test"
WITH_FILE = "[servers]\nkey_file = 'server.key'\n"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server that asks for the key."""
    home = tmp_path_factory.mktemp("server")
    (home / "key").write_text(KEY)
    (home / "key").chmod(0o600)
    options = ("--engine", "echo", "--key-file", str(home / "key"))
    with running(home / "log", DEX, *options) as server:
        yield server.url


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """Beside settings.toml, which is in the current folder."""
    path = tmp_path / "server.key"
    path.write_text(f"{KEY}\n")
    path.chmod(0o600)
    return path


def examine(url: str, servers: str = "") -> Finding:
    """What `botconvo doctor` finds about the server."""
    text = f"{servers}[[friends]]\nname = 'Dex'\nurl = '{url}'\n"
    Path("settings.toml").write_text(text, encoding="utf-8")
    [finding] = examined(None, is_deep=False, checks=[friend_checks.remote_servers])
    return finding


def test_a_key_in_a_file_opens_the_server(url: str, key_file: Path) -> None:
    assert examine(url, WITH_FILE).kind == "ok"
    [finding] = examined(None, is_deep=False, checks=[file_checks.secrets])
    assert (finding.kind, finding.subject) == ("ok", "secrets")
    key_file.chmod(0o644)
    [finding] = examined(None, is_deep=False, checks=[file_checks.secrets])
    assert finding.kind == "problem"


def test_so_does_a_key_in_the_environment(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, f"{KEY}\n")
    assert examine(url).kind == "ok"


def test_without_the_key_both_ways_to_give_it_are_named(url: str) -> None:
    finding = examine(url)
    assert finding.kind == "problem"
    assert "servers.key_file in settings.toml" in finding.text
    assert f"${KEY_VARIABLE}" in finding.text


def test_two_keys_are_one_too_many(
    url: str, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    finding = examine(url, WITH_FILE)
    assert (finding.kind, finding.subject) == ("problem", "key")
    assert "There are two keys for the friends' servers" in finding.text


def test_a_file_that_is_no_good_ends_every_command_with_a_sentence(
    url: str, key_file: Path
) -> None:
    key_file.chmod(0o604)
    assert "others on this machine may read it" in examine(url, WITH_FILE).text
    for command in (["run", "--lines", "1", "--fast"], ["chat", "Dex"]):
        done = run_botconvo(*command)
        assert (done.returncode, done.stdout) == (2, "")
        assert "holds the key for the friends' servers, and others" in done.stderr
        assert "Traceback" not in done.stderr


def test_whoever_talks_with_one_friend_sends_the_key_too(url: str, key_file: Path) -> None:
    assert examine(url, WITH_FILE).kind == "ok"
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", "chat", "Dex"],
        input="Hello?\n", capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_show_sends_it_and_keeps_it_to_itself(url: str, key_file: Path) -> None:
    assert examine(url, WITH_FILE).kind == "ok"
    done = run_botconvo("run", "--platform", "terminal", "--lines", "2", "--seed", "1", "--fast")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
    told = run_botconvo("transcript", "--jsonl").stdout
    assert KEY not in told + done.stderr
    assert "/help lists" in done.stderr
    assert "curl" not in done.stderr  # it would be refused, and may not even be reached from here
    assert json.loads(told.splitlines()[0])
