"""`scripts/install-service`: a unit that systemd takes, in paths of any name, that starts the show,
and that nobody's mistake makes into something else. It was tried under a real user's systemd, too,
which not every machine has."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.needs import needs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")

MOST_EXPOSED = {"with walls": 22, "without": 65}
"""In tenths of systemd's score, which goes from 0 (safe) to 10."""

SETTINGS = Path('with "quotes", ${ODD} and \\', "settings.toml")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """BotConvo and its settings in folders whose names mean something to systemd."""
    home = tmp_path / "a 100%d path with $HOME"
    shutil.copytree(ROOT / "scripts", home / "scripts")
    (home / ".venv" / "bin").mkdir(parents=True)
    (home / ".venv" / "bin" / "python").symlink_to(sys.executable)
    settings = home / SETTINGS
    settings.parent.mkdir()
    settings.write_text('servers.engine = "echo"\nservers.first_port = 0\n')
    return home


def service(
    project: Path, *arguments: object, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(project / "scripts" / "install-service"), *map(str, arguments)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "XDG_CONFIG_HOME": str(project / "config"), **(environment or {})},
    )  # fmt: skip


def written(project: Path, *arguments: object) -> str:
    done = service(project, "--print", "--settings", project / SETTINGS, *arguments)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def value(unit: str, key: str) -> str:
    (found,) = re.findall(rf"^{key}=(.*)$", unit, re.MULTILINE)
    return str(found)


def secret(project: Path, mode: int = 0o600) -> Path:
    path = project / "a token"
    path.write_text("abc\n", encoding="ascii")
    path.chmod(mode)
    return path


def analysed(verb: str, unit: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What systemd itself says of a unit."""
    needs("systemd")
    file, runtime = folder / "botconvo.service", folder / "runtime"
    file.write_text(unit, encoding="utf-8")
    runtime.mkdir(mode=0o700)
    return subprocess.run(
        ["systemd-analyze", verb, "--user", "--no-pager", *options, str(file)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
    )  # fmt: skip


def test_systemd_takes_the_unit(project: Path, tmp_path: Path) -> None:
    unit = written(project, "--credential", f"discord={secret(project)}", "--memory", "3G")
    done = analysed("verify", unit, tmp_path, "--man=no")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("walls", MOST_EXPOSED)
def test_systemd_finds_little_to_blame(project: Path, tmp_path: Path, walls: str) -> None:
    unit = written(project, *(["--without-namespaces"] if walls == "without" else []))
    limit = f"--threshold={MOST_EXPOSED[walls]}"
    done = analysed("security", unit, tmp_path, "--offline=true", limit)
    assert done.returncode == 0, done.stdout


def test_its_command_starts_the_show(project: Path, tmp_path: Path) -> None:
    unit = written(project)
    # Quotes and backslashes as a shell has them; percent and dollar are doubled.
    command = shlex.split(value(unit, "ExecStart").replace("%%", "%"))
    words = [command[0], *(word.replace("$$", "$") for word in command[1:])]
    settings = project / SETTINGS
    python = str(project / ".venv" / "bin" / "python")
    assert words == [python, "-m", "orchestrator", "run", "--settings", str(settings)]
    done = subprocess.run(
        [sys.executable, *words[1:], "--platform", "terminal", "--lines", "3", "--fast"],
        cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 3), done.stderr
    assert (settings.parent / "data" / "transcript.sqlite").is_file()
    (writable,) = shlex.split(value(unit, "ReadWritePaths").replace("%%", "%"))
    assert writable == str(settings.parent / "data")


def test_secrets_memory_and_restarts_are_as_asked(project: Path) -> None:
    path = secret(project)
    unit = written(project, "--credential", f"discord={path}", "--memory", "2.5G")
    assert value(unit, "LoadCredential") == f"discord:{path}".replace("%", "%%")
    assert value(unit, "MemoryMax") == "2.5G"
    assert value(unit, "Restart") == "on-failure"
    assert "RestartPrevent" not in unit  # a server that starts too slowly ends the show with 2
    assert "abc" not in unit


def test_a_folder_in_tmp_is_not_hidden_from_the_service(project: Path) -> None:
    assert str(project).startswith(("/tmp/", "/var/tmp/")) != ("PrivateTmp=" in written(project))


MISTAKES = {
    "no settings": (["--settings", "none.toml"], "none.toml: there is no such settings file."),
    "no file": (["--credential", "a=none"], "there is no such file for --credential a"),
    "no name": (["--credential", "=x"], "write it as NAME=FILE"),
    "a path as name": (["--credential", "a/b=x"], "write it as NAME=FILE"),
    "no equals sign": (["--credential", "token"], "write it as NAME=FILE"),
    "odd memory": (["--memory", "lots"], "write it as 3G or 75%"),
    "odd name": (["--name", "../x"], "letters, digits"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_said_in_one_sentence(project: Path, mistake: str) -> None:
    arguments, sentence = MISTAKES[mistake]
    done = service(project, "--print", "--settings", project / SETTINGS, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_secret_that_others_may_read_is_refused(project: Path) -> None:
    token = secret(project, 0o644)
    done = service(
        project, "--print", "--settings", project / SETTINGS, "--credential", f"a={token}"
    )
    assert done.returncode == 2
    assert "may be read by others; mend that with: chmod 600" in done.stderr


def test_a_path_that_systemd_does_not_run_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "Ana's"
    shutil.copytree(ROOT / "scripts", home / "scripts")
    done = service(home, "--print")
    assert (done.returncode, done.stdout) == (2, "")
    assert "rename it" in done.stderr


def test_an_end_of_line_in_a_path_is_refused(project: Path) -> None:
    odd = project / "two\nlines"
    odd.mkdir()
    (odd / "settings.toml").touch()
    done = service(project, "--print", "--settings", odd / "settings.toml")
    assert done.returncode == 2
    assert "no unit can hold" in done.stderr


def test_it_removes_what_it_wrote_and_nothing_else(project: Path) -> None:
    folder = project / "config" / "systemd" / "user"
    folder.mkdir(parents=True)
    (folder / "botconvo.service").write_text(written(project), encoding="utf-8")
    (folder / "other.service").write_text("[Service]\nExecStart=/bin/true\n", encoding="utf-8")
    done = service(project, "--remove")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Removed: " in done.stdout
    assert not (folder / "botconvo.service").exists()
    for action in ("--remove", None):
        refused = service(project, "--name", "other", *([action] if action else []))
        assert refused.returncode == 2
        assert "was not written by BotConvo" in refused.stderr or not shutil.which("systemctl")
    assert (folder / "other.service").exists()
    again = service(project, "--remove")
    assert (again.returncode, "There is no service called" in again.stderr) == (2, True)


def test_without_systemd_it_says_so(project: Path, tmp_path: Path) -> None:
    done = service(project, "--settings", project / SETTINGS, environment={"PATH": str(tmp_path)})
    assert (done.returncode, done.stdout) == (2, "")
    assert "There is no systemd here" in done.stderr


def test_with_sudo_it_is_refused(project: Path) -> None:
    done = service(
        project, "--settings", project / SETTINGS, environment={"SUDO_UID": str(os.getuid() + 1)}
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "Run this without sudo" in done.stderr or not shutil.which("systemctl")
