"""Containers, as far as they can be looked at without an engine: what goes into an image, whether
compose.yaml and the settings beside it fit together, and its very commands on this machine's
loopback. `scripts/containers/prove` does the rest."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.settings import DEMO, read_settings
from tests.conftest import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
FRIENDS = {name: s for name, s in SERVICES.items() if (s.get("command") or [""])[0] == "serve"}
SETTINGS = ROOT / "scripts" / "containers" / "settings.toml"
START = ROOT / "scripts" / "containers" / "start"
SECRETS = Path("/run/secrets")
KEY = "a-key-of-this-test"


def instructions() -> list[tuple[str, str]]:
    """The Containerfile's instructions with their values, continued lines joined."""
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(i, v.strip()) for i, _, v in (li.partition(" ") for li in joined.splitlines() if li)]


def is_let_in(path: str) -> bool:
    """Whether .dockerignore lets a path into the build: the last rule that fits decides
    (https://docs.docker.com/build/concepts/context/#dockerignore-files)."""
    is_in = True
    for rule in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = rule.removeprefix("!")
        parts = [path, *map(str, Path(path).parents)]
        fits = any(fnmatch(p, pattern) or fnmatch(p, pattern.removeprefix("**/")) for p in parts)
        if rule and not rule.startswith("#") and fits:
            is_in = rule.startswith("!")
    return is_in


# --- the image ----------------------------------------------------------------------------------


def test_all_that_is_copied_into_the_image_is_there_and_let_in() -> None:
    copied = [
        source
        for instruction, value in instructions()
        if instruction == "COPY" and not value.startswith("--from")
        for source in shlex.split(value)[:-1]
    ]
    assert {"pyproject.toml", "orchestrator", "model_server", "finetune"} <= set(copied)
    for source in copied:
        assert (ROOT / source).exists()
        assert is_let_in(source), source
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert is_let_in(project["project"]["readme"])
    assert "train" in project["project"]["optional-dependencies"]


@pytest.mark.parametrize(
    "private",
    ["data/corpus.sqlite", "data/secrets/server-key", "checkpoints/ana/model-9.index", "chat.json",
     "settings.toml", "models/124M/vocab.bpe", ".venv/bin/python", ".git/config", ".env"],
)  # fmt: skip
def test_nothing_private_gets_into_an_image(private: str) -> None:
    assert not is_let_in(private)


def test_the_image_runs_as_nobody_special_and_tells_of_its_health() -> None:
    last: dict[str, str] = dict(instructions())
    assert last["USER"] == "10001:10001"
    assert last["HEALTHCHECK"].endswith('timeout=4)"]')
    assert json.loads(last["ENTRYPOINT"]) == ["tini", "--", "botconvo"]
    stages = [value for instruction, value in instructions() if instruction == "FROM"]
    assert len({stage.split()[0] for stage in stages}) == 1  # or the environment would not fit


# --- compose.yaml -------------------------------------------------------------------------------


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_is_walled_in(service: str) -> None:
    told = SERVICES[service]
    assert told["read_only"] is True
    assert told["cap_drop"] == ["ALL"]
    assert told["security_opt"] == ["no-new-privileges:true"]
    assert told["restart"] == ("no" if service == "train" else "unless-stopped")
    assert not told.get("privileged")
    for port in told.get("ports", []):
        assert port.startswith("127.0.0.1:")


def test_what_services_name_is_declared() -> None:
    for told in SERVICES.values():
        assert set(told.get("networks", [])) <= set(COMPOSE["networks"])
        assert set(told.get("secrets", [])) <= set(COMPOSE["secrets"])
        assert set(told.get("depends_on", {})) <= set(SERVICES)
        for volume in told.get("volumes", []):
            source = volume.split(":")[0]
            is_there = (ROOT / source).exists() if source.startswith(".") else None
            assert source in COMPOSE["volumes"] or is_there, volume


def test_only_the_show_reaches_a_friend_and_a_friend_reaches_nobody() -> None:
    (network,) = {n for told in FRIENDS.values() for n in told["networks"]}
    assert COMPOSE["networks"][network] == {"internal": True}
    others = set(SERVICES) - set(FRIENDS)
    assert [name for name in others if network in SERVICES[name].get("networks", [])] == ["show"]


def test_the_settings_name_every_service_of_a_friend_by_its_address() -> None:
    settings = read_settings(SETTINGS)
    assert {friend.url for friend in settings.friends} == {f"http://{n}:8001" for n in FRIENDS}
    assert [friend.name.casefold() for friend in settings.friends] == list(FRIENDS)
    assert set(SERVICES["show"]["depends_on"]) == set(FRIENDS)
    for name, told in FRIENDS.items():
        command = told["command"]
        assert command[command.index("--allow-host") + 1] == name
        assert command[command.index("--host") + 1] == "0.0.0.0"
        assert (DEMO / "friends" / Path(command[1]).name).is_dir()


def test_the_page_and_its_token_are_where_the_settings_look_for_them() -> None:
    (page,) = [stage for stage in read_settings(SETTINGS).stages if stage.platform == "web"]
    show = SERVICES["show"]
    (published,) = show["ports"]
    assert published.endswith(f":{page.port}")
    assert page.token_file is not None
    assert page.token_file.parent == SECRETS
    assert page.token_file.name in show["secrets"]


# --- its commands, on this machine ---------------------------------------------------------------


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("secrets") / "server-key"
    path.write_text(f"{KEY}\n", encoding="ascii")
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def urls(key_file: Path) -> Iterator[dict[str, str]]:
    """The friends' servers, started with compose.yaml's own commands but for what is the
    container's: address, port, and where demo and secrets lie."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BOTCONVO_")}
    running: dict[str, subprocess.Popen[str]] = {}
    try:
        for name, told in FRIENDS.items():
            serve, folder, *options = told["command"]
            options[options.index("0.0.0.0")] = "127.0.0.1"
            options[options.index(str(SECRETS / "server-key"))] = str(key_file)
            checkpoint = DEMO / "friends" / Path(folder).name
            running[name] = subprocess.Popen(
                [sys.executable, "-m", "orchestrator", serve, checkpoint, *options, "--port", "0"],
                stdout=subprocess.PIPE, text=True, env=environment,
            )  # fmt: skip
        yield {name: _ready(process) for name, process in running.items()}
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            assert process.wait(timeout=30) == 0
            assert process.stdout is not None
            process.stdout.close()


def _ready(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    told: str = json.loads(process.stdout.readline())["ready"]["url"]
    return told


def _show(
    urls: dict[str, str], key_file: Path, home: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    """The show as compose.yaml starts it, on the settings beside it, in a terminal's place."""
    text = SETTINGS.read_text(encoding="utf-8")
    for name, url in urls.items():
        assert f"http://{name}:8001" in text
        text = text.replace(f"http://{name}:8001", url)
    (home / "settings.toml").write_text(text, encoding="utf-8")
    tini, dashes, *entrypoint = SERVICES["show"]["entrypoint"]
    assert (tini, dashes) == ("tini", "--")
    script = entrypoint[2].replace("$$", "$").replace(str(SECRETS / "server-key"), str(key_file))
    entrypoint[2] = script.replace("exec botconvo", f"exec {sys.executable} -m orchestrator")
    assert entrypoint[2].count(str(key_file)) == entrypoint[2].count(sys.executable) == 1
    return subprocess.run(
        [*entrypoint, *SERVICES["show"]["command"], "--platform", "terminal", *options],
        cwd=home, capture_output=True, text=True, check=False, timeout=60,
        stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_the_services_talk_to_each_other(
    urls: dict[str, str], key_file: Path, tmp_path: Path
) -> None:
    done = _show(urls, key_file, tmp_path, "--lines", "6", "--seed", "3", "--fast")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 6
    assert {line.partition(":")[0].casefold() for line in lines} <= set(FRIENDS)


def test_with_another_key_nobody_talks(urls: dict[str, str], tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("another-key\n", encoding="ascii")
    done = _show(urls, wrong, tmp_path, "--lines", "1", "--fast")
    assert done.returncode != 0
    assert (done.stdout, "Traceback" in done.stderr) == ("", False)
    assert "key" in done.stderr


def test_the_health_check_says_yes_to_a_server_and_no_to_none(urls: dict[str, str]) -> None:
    for told in FRIENDS.values():
        kind, _, *command = told["healthcheck"]["test"]
        assert kind == "CMD"
        for url, code in ((urls["dex"], 0), ("http://127.0.0.1:1", 1)):
            words = [word.replace("http://127.0.0.1:8001", url) for word in command]
            assert url in words[-1]
            asked = subprocess.run([sys.executable, *words], capture_output=True, check=False)
            assert asked.returncode == code


# --- scripts/containers/start --------------------------------------------------------------------


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """A folder with a `docker` that writes down what it is asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "docker").write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/asked"\n')
    (folder / "docker").chmod(0o755)
    return folder


def _start(home: Path, path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    place = home / "scripts" / "containers" / "start"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(START.read_bytes())
    return subprocess.run(
        [sys.executable, str(place), *arguments],
        capture_output=True, text=True, check=False, env={"PATH": f"{path}"},
    )  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands for the engine")
def test_start_makes_the_secrets_once_and_brings_everything_up(
    tmp_path: Path, engine: Path
) -> None:
    home = tmp_path / "a path with spaces"
    first = _start(home, engine, "--detach")
    assert first.returncode == 0, first.stderr
    files = {COMPOSE["secrets"][name]["file"] for name in COMPOSE["secrets"]}
    words = {file: (home / file).read_text() for file in files}
    assert all(len(word) > 40 for word in words.values())
    assert len(set(words.values())) == len(words) == 2
    assert stat.S_IMODE((home / "data" / "secrets").stat().st_mode) == 0o700
    assert "http://127.0.0.1:8080" in first.stdout
    assert _start(home, engine, "--detach").returncode == 0
    assert {file: (home / file).read_text() for file in files} == words
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == ["compose version", "compose up --build --detach"] * 2


def test_without_an_engine_start_says_what_to_install(tmp_path: Path) -> None:
    done = _start(tmp_path, tmp_path / "nothing")
    assert (done.returncode, done.stdout) == (2, "")
    assert "install one of them" in done.stderr
    assert not (tmp_path / "data").exists()
