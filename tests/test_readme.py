"""The README says what the code does."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
from pydantic import BaseModel

from orchestrator.platforms.discord.command_settings import CommandSettings
from orchestrator.platforms.discord.settings import DiscordStage
from orchestrator.platforms.telegram.command_settings import (
    CommandSettings as TelegramCommandSettings,
)
from orchestrator.platforms.telegram.settings import TelegramStage
from orchestrator.platforms.terminal_settings import TerminalStage
from orchestrator.platforms.web.settings import WebStage
from orchestrator.sections import TokenStage
from orchestrator.settings import (
    ConversationSettings,
    FriendSettings,
    GenerationSettings,
    LimitSettings,
    PhraseSettings,
    ServerSettings,
)
from tests.conftest import ROOT, run_botconvo

README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTIONS: list[tuple[str, type[BaseModel]]] = [
    ("conversation", ConversationSettings),
    ("limits", LimitSettings),
    ("generation", GenerationSettings),
    ("phrases", PhraseSettings),
    ("servers", ServerSettings),
    ("friends", FriendSettings),
    ("stages", TerminalStage),
    ("stages", WebStage),
    ("stages", DiscordStage),
    ("stages", TelegramStage),
    ("stages.commands", CommandSettings),
    ("stages.commands", TelegramCommandSettings),
]


def default_of(field: Any) -> str:
    if field.is_required():
        return "must be given"
    if field.default in (None, "", (), {}) or isinstance(field.default, BaseModel):
        return "none"
    return f"`{field.default}`"


def settings_table() -> str:
    rows = ["| key | default | meaning |", "|---|---|---|"]
    for section, model in SECTIONS:
        for name, field in model.model_fields.items():
            key = f"`{section}.{name}`"
            if section == "stages" and name not in TokenStage.model_fields:
                key += f" ({model.model_fields['platform'].default})"
            row = f"| {key} | {default_of(field)} | {field.description} |"
            if name != "platform" and row not in rows:
                rows.append(row)
    return "\n".join(rows)


def test_the_settings_table_is_that_of_the_code() -> None:
    assert settings_table() in README, "the table should be:\n" + settings_table()


def test_the_help_block_is_that_of_the_program() -> None:
    shown = run_botconvo("--help").stdout.strip()
    assert f"```\n{shown}\n```" in README


def test_the_tree_names_every_file_and_no_other() -> None:
    block = README.partition("<!-- tree -->")[2].partition("```\n")[2].partition("```")[0]
    named = set(re.findall(r"[\w.]+\.(?:py|toml|md|json)\b", block))
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    code = {
        path for path in tracked if path.startswith(("orchestrator", "model_server", "finetune"))
    }
    files = {p.rpartition("/")[2] for p in code if p.endswith(".py")} - {
        "__init__.py",
        "__main__.py",
    }
    assert files - named == set()
    known = {p.rpartition("/")[2] for p in tracked}
    assert {name for name in named if name not in known} == set()


@pytest.mark.parametrize("command", re.findall(r"\./scripts/run ([a-z]+)", README))
def test_every_command_in_it_exists(command: str) -> None:
    assert run_botconvo(command, "--help").returncode == 0
