"""`scripts/run` on a machine that has nothing: real pip, in a path with spaces, on a project
in miniature, since the whole one takes minutes to install."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

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
        "import sys\nprint(sys.argv[1:], sys.prefix)\nsys.exit(7)\n", encoding="utf-8"
    )
    return home


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    base_python = Path(sys.base_prefix) / "bin" / "python3"
    return subprocess.run(
        [str(base_python), str(project / "scripts" / "run"), *arguments],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_it_installs_once_passes_arguments_on_and_adds_what_a_command_needs(project: Path) -> None:
    first = run(project)
    assert (first.returncode, first.stdout) == (7, f"['run'] {project / '.venv'}\n"), first.stderr
    assert "Installing BotConvo into .venv, once" in first.stderr
    second = run(project, "chat", "a b")
    assert (second.stdout, second.stderr) == (f"['chat', 'a b'] {project / '.venv'}\n", "")
    assert "train" in run(project, "train", "x").stderr
    assert run(project, "train", "x").stderr == ""
    assert run(project, "chat").stderr == ""


def test_a_failed_install_is_said_and_tried_again(project: Path) -> None:
    good = (project / "pyproject.toml").read_text(encoding="utf-8")
    (project / "pyproject.toml").write_text(good + "[", encoding="utf-8")
    failed = run(project)
    assert failed.returncode == 1
    assert "pip could not install BotConvo" in failed.stderr
    (project / "pyproject.toml").write_text(good, encoding="utf-8")
    assert run(project).returncode == 7
