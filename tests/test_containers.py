"""Containers, as far as they can be looked at without an engine: what goes into an image, whether
compose.yaml and the settings beside it fit together, and its very commands on this machine's
loopback. `scripts/containers/prove` does the rest."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
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

from orchestrator.cast import DEMO
from orchestrator.settings import read_settings
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


def test_the_image_is_built_once_and_never_fetched() -> None:
    assert "build" in SERVICES["show"]
    for told in FRIENDS.values():
        assert (told["image"], told["pull_policy"]) == (SERVICES["show"]["image"], "never")
        assert "build" not in told


def test_old_composes_read_it_too() -> None:
    """docker-compose 1.29, which Debian 12 has, knows no others."""
    known = {"services", "networks", "volumes", "secrets"}
    assert {key for key in COMPOSE if not key.startswith("x-")} == known


def test_no_shell_stands_between_a_service_and_its_secrets() -> None:
    for told in SERVICES.values():
        assert "entrypoint" not in told
        assert "environment" not in told
    key_file = read_settings(SETTINGS).servers.key_file
    assert key_file is not None
    for name in ("show", *FRIENDS):
        assert key_file.parent == SECRETS
        assert key_file.name in SERVICES[name]["secrets"]


@pytest.mark.parametrize("platform", ["discord", "telegram"])
def test_a_stage_elsewhere_takes_nothing_but_marks_of_comments(
    platform: str, tmp_path: Path
) -> None:
    token = f"{platform}-token"
    text = SETTINGS.read_text(encoding="utf-8")
    stage = re.search(
        rf'^# \[\[stages\]\]\n# platform = "{platform}"\n(# .*\n)+', text, re.MULTILINE
    )
    assert stage is not None
    written = text.replace(stage[0], re.sub("^# ", "", stage[0], flags=re.MULTILINE))
    (tmp_path / "settings.toml").write_text(written, encoding="utf-8")
    added = read_settings(tmp_path / "settings.toml").stages[-1]
    assert (added.platform, added.token_file) == (platform, SECRETS / token)  # type: ignore[union-attr]  # the two that have one
    compose = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    told = yaml.safe_load(re.sub(rf"# (.*{token})", r"\1", compose).replace(
        "# " + "  file: ./data/secrets/" + token, "  file: ./data/secrets/" + token))  # fmt: skip
    assert told["secrets"][token] == {"file": f"./data/secrets/{token}"}
    assert token in told["services"]["show"]["secrets"]


def test_the_page_and_its_token_are_where_the_settings_look_for_them() -> None:
    (page,) = [stage for stage in read_settings(SETTINGS).stages if stage.platform == "web"]
    show = SERVICES["show"]
    (published,) = show["ports"]
    assert published.endswith(f":{page.port}")
    # What the show tells its readers is what they can open, and not the container's own address.
    host, _, rest = published.partition(":")
    assert page.address == f"http://{host}:{rest.partition(':-')[2].partition('}')[0]}"
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
            process.wait(timeout=30)
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
    assert text.count(str(SECRETS / "server-key")) == 1
    text = text.replace(str(SECRETS / "server-key"), str(key_file))
    (home / "settings.toml").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "orchestrator", *SERVICES["show"]["command"]]
    return subprocess.run(
        [*command, "--platform", "terminal", *options],
        cwd=home, capture_output=True, text=True, check=False, timeout=120,
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
    wrong.chmod(0o600)
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

posix = pytest.mark.skipif(os.name == "nt", reason="a shell script stands for the engine")


class Machine:
    """A folder with the scripts that stand for the engines, and a copy of `start`."""

    def __init__(self, home: Path) -> None:
        self.home = home / "a path with spaces"
        self.programs = home / "bin"
        self.programs.mkdir()
        self._log = home / "asked"
        self._start = self.home / "scripts" / "containers" / "start"
        self._start.parent.mkdir(parents=True)
        self._start.write_bytes(START.read_bytes())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = str(probe.getsockname()[1])

    def install(self, engine: str, answers: str = "") -> None:
        """An engine that writes down what it is asked, and then does as `answers` says in `sh`."""
        script = self.programs / engine
        script.write_text(f'#!/bin/sh\necho "$@" >> "{self._log}"\n{answers}\n')
        script.chmod(0o755)

    def start(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(self._start), *arguments], capture_output=True, text=True,
            check=False, timeout=120,
            env={"PATH": f"{self.programs}", "BOTCONVO_PORT": self.port, **variables},
        )  # fmt: skip

    def refuses(self) -> str:
        """The sentence with which `start` refuses, having made nothing."""
        done = self.start()
        assert (done.returncode, done.stdout) == (2, "")
        assert len(done.stderr.splitlines()) == 1
        assert not (self.home / "data").exists()
        return done.stderr

    def asked(self) -> list[str]:
        return self._log.read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@posix
def test_start_makes_the_secrets_once_and_brings_everything_up(machine: Machine) -> None:
    machine.install("docker")
    first = machine.start("--detach")
    assert first.returncode == 0, first.stderr
    files = {COMPOSE["secrets"][name]["file"] for name in COMPOSE["secrets"]}
    words = {file: (machine.home / file).read_text() for file in files}
    assert all(len(word) > 40 for word in words.values())
    assert len(set(words.values())) == len(words) == 2
    assert stat.S_IMODE((machine.home / "data" / "secrets").stat().st_mode) == 0o700
    assert f"http://127.0.0.1:{machine.port}" in first.stdout
    assert machine.start("--detach").returncode == 0
    assert {file: (machine.home / file).read_text() for file in files} == words
    assert machine.asked() == ["compose version", "info", "compose up --build --detach"] * 2


@posix
def test_a_token_that_its_owner_put_there_is_readable_in_the_container(machine: Machine) -> None:
    machine.install("docker")
    token = machine.home / "data" / "secrets" / "telegram-token"
    token.parent.mkdir(parents=True)
    token.write_text("1:a")
    token.chmod(0o600)
    assert machine.start().returncode == 0
    assert stat.S_IMODE(token.stat().st_mode) == 0o444
    assert stat.S_IMODE(token.parent.stat().st_mode) == 0o700


@posix
@pytest.mark.parametrize("name", ["server-key", "telegram-token"])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_among_the_secrets_is_refused_and_what_it_names_is_left_alone(
    machine: Machine, name: str, is_there: bool
) -> None:
    machine.install("docker")
    named = machine.home / "elsewhere"
    if is_there:
        named.write_text("mine")
        named.chmod(0o600)
    link = machine.home / "data" / "secrets" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(named)
    done = machine.start()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{link} is a link; put a copy of what it names in its place.\n"
    assert link.is_symlink()
    assert named.exists() == is_there
    if is_there:
        assert stat.S_IMODE(named.stat().st_mode) == 0o600


@posix
def test_an_empty_secret_is_made_anew(machine: Machine) -> None:
    machine.install("docker")
    key = machine.home / "data" / "secrets" / "server-key"
    key.parent.mkdir(parents=True)
    key.touch(0o444)
    assert machine.start().returncode == 0
    assert len(key.read_text()) > 40
    assert stat.S_IMODE(key.stat().st_mode) == 0o444


@posix
def test_without_an_engine_start_says_what_to_install(machine: Machine) -> None:
    assert "neither Docker nor Podman here; install one" in machine.refuses()


@posix
@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ('[ "$1" != compose ]', "Docker is here, but its compose is not, or is too old"),
        ('[ "$1" = compose ] || { echo "Cannot connect to the Docker daemon"; exit 1; }',
         "Docker is not running: start Docker Desktop or run `sudo systemctl start docker`"),
        ('[ "$1" = compose ] || { echo "dial unix: connect: permission denied" >&2; exit 1; }',
         "You may not use Docker: run `sudo usermod --append --groups docker $USER`"),
        ('[ "$1" = compose ] || { echo "it"; echo "is broken" >&2; exit 1; }',
         "Docker does not work: is broken"),
    ],
)  # fmt: skip
def test_an_engine_that_cannot_be_used_is_told_with_its_remedy(
    machine: Machine, answers: str, sentence: str
) -> None:
    machine.install("docker", answers)
    assert sentence in machine.refuses()


@posix
def test_podman_takes_dockers_place_only_where_that_is_said(machine: Machine) -> None:
    machine.install("docker", '[ "$1" = compose ] || { echo "Cannot connect"; exit 1; }')
    machine.install("podman", '[ "$1" != compose ]')
    machine.install("podman-compose")
    assert "Docker is not running" in (told := machine.refuses())
    assert "BOTCONVO_ENGINE=podman ./scripts/containers/start" in told
    assert machine.start("--detach", BOTCONVO_ENGINE="podman").returncode == 0
    assert machine.asked()[-1] == "up --build --detach"
    assert "should be one of: docker, podman" in machine.start(BOTCONVO_ENGINE="lxc").stderr


@posix
def test_a_compose_that_is_too_old_is_none(machine: Machine) -> None:
    machine.install("podman", '[ "$1" != compose ]')
    machine.install("podman-compose", "echo 'podman-composer version  1.0.3'")
    assert "podman-compose of 1.1 or newer" in machine.refuses()
    machine.install("podman-compose", "echo 'podman-compose version 1.3.0'")
    assert machine.start().returncode == 0


@posix
def test_a_port_that_is_taken_is_told_before_anything_is_built(machine: Machine) -> None:
    machine.install("docker")
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(machine.port)))
        other.listen()
        assert f"BOTCONVO_PORT={int(machine.port) + 1}" in machine.refuses()
        machine.install(
            "docker", '[ "$1" != ps ] || echo "127.0.0.1:' + machine.port + '->8080/tcp"'
        )  # it is this very show
        assert machine.start("--detach").returncode == 0
    assert machine.asked()[-1] == "compose up --build --detach"
    machine.port = "eighty"
    assert machine.start().stderr.startswith("BOTCONVO_PORT is 'eighty'; it should be a number")


@posix
def test_when_something_does_not_start_it_is_told_where_to_read_why(machine: Machine) -> None:
    machine.install("docker", '[ "$2" != up ] || exit 7')
    done = machine.start()
    assert done.returncode == 7
    assert "docker compose logs NAME" in done.stderr
