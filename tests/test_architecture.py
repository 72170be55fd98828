"""The borders between the packages, read from their imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGES = ("orchestrator", "model_server", "finetune")
DOORS = {"model_server.wire", "model_server.checkpoint_format", "finetune.markup"}
HOMES = {
    "discord": "orchestrator/platforms/discord",
    "telegram": "orchestrator/platforms/telegram",
    "prompt_toolkit": "orchestrator/platforms/live_terminal",
}
"""Libraries with a folder of their own, outside of which nobody knows them."""
HEAVY = {"tensorflow", "gpt_2_simple", "gguf", "xllamacpp", "spacy", *HOMES}


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def package_of(name: str) -> str:
    return name.partition(".")[0]


def is_behind_a_door(name: str) -> bool:
    return any(name == door or name.startswith(door + ".") for door in DOORS)


def test_packages_reach_each_other_only_through_the_three_doors() -> None:
    crossings = [
        (path.relative_to(ROOT).as_posix(), name)
        for path in modules()
        for name in imports(path)
        if package_of(name) in PACKAGES
        and package_of(name) != path.relative_to(ROOT).parts[0]
        and not is_behind_a_door(name)
        and name not in ("model_server", "finetune")
    ]
    assert crossings == []


def test_a_heavy_library_is_imported_from_one_place_of_a_package_only() -> None:
    users: dict[tuple[str, str], set[str]] = defaultdict(set)
    for path in modules():
        for name in map(package_of, imports(path)):
            if name in HEAVY:
                place = path.relative_to(ROOT)
                home = HOMES.get(name, "")
                is_at_home = home and place.is_relative_to(home)
                users[place.parts[0], name].add(home if is_at_home else place.as_posix())
    assert {key: files for key, files in users.items() if len(files) > 1} == {}
    assert users, "the test looks at nothing"


def test_every_importer_is_in_the_list_and_has_a_sample() -> None:
    from finetune.importers import FORMATS

    files = {p.stem for p in (ROOT / "finetune/importers").glob("*.py")} - {"__init__"}
    assert {type(importer).__module__.rpartition(".")[2] for importer in FORMATS} == files
    for name in files:
        assert list((ROOT / "tests/exports" / name).glob("*.expected.json")), name


@pytest.mark.parametrize(
    "command", ["--help", "run --help", "train --help", "serve --help", "import --help"]
)
def test_help_loads_nothing_heavy(command: str) -> None:
    code = (
        "import sys; sys.argv = ['botconvo', *sys.argv[1:]]\n"
        "from orchestrator.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        f"print('LOADED', sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command.split()], capture_output=True, text=True, check=True
    )
    assert "usage: botconvo" in done.stdout
    assert done.stdout.splitlines()[-1] == "LOADED []"
