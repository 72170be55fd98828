"""Tokens come from the environment or a private file, and go nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import SettingsError
from orchestrator.tokens import Tokens


def test_a_variable_is_taken_out_of_the_environment_and_known_to_all_stages() -> None:
    environment = {"BOT": " abc \n"}
    tokens = Tokens(Path(), environment)
    for _ in range(2):
        token = tokens.read("BOT", None, "Discord")
        assert token is not None
        assert token.get_secret_value() == "abc"
        assert "abc" not in repr(token) + str(token)
    assert environment == {}


def test_without_a_source_there_is_none(tmp_path: Path) -> None:
    assert Tokens(tmp_path, {}).read("", None, "the page") is None


def test_a_missing_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="set the environment variable BOT"):
        Tokens(tmp_path, {"BOT": " "}).read("BOT", None, "Discord")


def test_a_file_is_read_if_only_its_owner_may_read_it(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("abc\n")
    file.chmod(0o600)
    token = Tokens(tmp_path, {}).read("", Path("token"), "Discord")
    assert token is not None
    assert token.get_secret_value() == "abc"
    file.chmod(0o640)
    with pytest.raises(SettingsError, match=r"others on this machine may read it; run: chmod 600"):
        Tokens(tmp_path, {}).read("", Path("token"), "Discord")
    guarded = Tokens(tmp_path, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert guarded.read("", Path("token"), "Discord") == token


@pytest.mark.parametrize("content", ["", " \n", "one\ntwo\n"])
def test_a_file_that_holds_no_token_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(SettingsError, match="should hold the token of Discord, and nothing else"):
        Tokens(tmp_path, {}).read("", Path("token"), "Discord")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot be read from .*: No such file"):
        Tokens(tmp_path, {}).read("", Path("token"), "Discord")
