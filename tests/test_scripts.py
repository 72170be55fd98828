"""`scripts/run` on a machine that has nothing: real pip, in a path with spaces, on a project
in miniature, since the whole one takes minutes to install."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT

PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "miniature"
"""
# Builds what pip installs, with the standard library: setuptools would come from the network.
BACKEND = """
import zipfile
from pathlib import Path

INFO = "miniature-1.dist-info"
FILES = {
    "miniature.pth": str(Path(__file__).parent),
    f"{INFO}/METADATA": "Metadata-Version: 2.1\\nName: miniature\\nVersion: 1\\n"
    "Provides-Extra: train\\n",
    f"{INFO}/WHEEL": "Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: true\\n"
    "Tag: py3-none-any\\n",
    f"{INFO}/RECORD": "",
}

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "miniature-1-py3-none-any.whl"
    with zipfile.ZipFile(Path(folder) / name, "w") as wheel:
        for path, text in FILES.items():
            wheel.writestr(path, text)
    return name
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    home = tmp_path / "a path with spaces"
    shutil.copytree(ROOT / "scripts", home / "scripts")
    (home / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    (home / "backend.py").write_text(BACKEND, encoding="utf-8")
    (home / "orchestrator").mkdir()
    (home / "orchestrator" / "__init__.py").touch()
    (home / "orchestrator" / "__main__.py").write_text(
        "import os, sys\nprint(sys.argv[1:], sys.prefix, os.environ['BOTCONVO_COMMAND'], sep='|')\n"
        "sys.exit(7)\n",
        encoding="utf-8",
    )
    return home


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    base_python = Path(sys.base_prefix) / "bin" / "python3"
    return subprocess.run(
        [str(base_python), str(project / "scripts" / "run"), *arguments],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def test_it_installs_once_passes_arguments_on_and_adds_what_a_command_needs(project: Path) -> None:
    first = run(project)
    # How it is called is told to the command, quoted as it can be typed again.
    known = f"{project / '.venv'}|{shlex.quote(str(project / 'scripts' / 'run'))}"
    assert (first.returncode, first.stdout) == (7, f"['run']|{known}\n"), first.stderr
    assert "Installing BotConvo into .venv, once" in first.stderr
    second = run(project, "chat", "a b")
    assert (second.stdout, second.stderr) == (f"['chat', 'a b']|{known}\n", "")
    assert "train" in run(project, "train", "x").stderr
    assert run(project, "train", "x").stderr == ""
    assert run(project, "chat").stderr == ""


def test_who_only_looks_waits_for_no_gigabytes_of_tensorflow(project: Path) -> None:
    run(project)
    for light in (
        "base", "base list", "base --models m list", "base download 124M", "base scratch --help",
        "train -h", "train x --estimate", "clone --help", "stats", "stats --help --plot x.png",
    ):  # fmt: skip
        assert run(project, *light.split()).stderr == "", light
    stamp = project / ".venv" / "botconvo-installed"
    as_installed = stamp.read_text(encoding="utf-8")
    for heavy in ("base --models m scratch text --name x", "train -- -h", "clone chats"):
        assert "once ... train\n" in run(project, *heavy.split()).stderr, heavy
        stamp.write_text(as_installed, encoding="utf-8")


# A backend that says where it is and then takes its time, as a big download would.
SLOW_BACKEND = """
import os, time

def build_editable(folder, config_settings=None, metadata_directory=None):
    with open(os.environ["BEGUN"], "w") as pipe:
        print(os.getpid(), file=pipe)
    time.sleep(60)
"""


def test_ctrl_c_while_it_installs_says_how_to_go_on_and_leaves_nothing_running(
    project: Path, tmp_path: Path
) -> None:
    (project / "backend.py").write_text(SLOW_BACKEND, encoding="utf-8")
    os.mkfifo(tmp_path / "begun")
    running = subprocess.Popen(
        [Path(sys.base_prefix) / "bin" / "python3", project / "scripts" / "run"],
        stderr=subprocess.PIPE, text=True, process_group=0,
        env={**os.environ, "BEGUN": str(tmp_path / "begun")},
    )  # fmt: skip
    installing = psutil.Process(int((tmp_path / "begun").read_text(encoding="utf-8")))
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=300)
    assert running.returncode == 130
    assert "Stopped; the same command goes on where it was." in said
    assert "Traceback" not in said
    installing.wait(timeout=300)
    (project / "backend.py").write_text(BACKEND, encoding="utf-8")
    assert run(project).returncode == 7


def test_a_failed_install_is_said_and_tried_again(project: Path) -> None:
    good = (project / "pyproject.toml").read_text(encoding="utf-8")
    (project / "pyproject.toml").write_text(good + "[", encoding="utf-8")
    failed = run(project)
    assert failed.returncode == 1
    assert "pip could not install BotConvo" in failed.stderr
    (project / "pyproject.toml").write_text(good, encoding="utf-8")
    assert run(project).returncode == 7
