"""settings.toml: frozen, strict, and plain about what is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from model_server.checkpoint_format import Manifest
from orchestrator.errors import SettingsError
from orchestrator.settings import Settings, find_settings, read_settings, read_show
from tests.conftest import ROOT


def write(text: str) -> Path:
    path = Path("settings.toml")
    path.write_text(text, encoding="utf-8")
    return path


FRIEND = '[[friends]]\nname = "{name}"\nurl = "http://127.0.0.1:1"\nport = {port}\n'


def test_the_shipped_file_is_the_defaults() -> None:
    assert read_settings(ROOT / "settings.toml") == Settings()


TOKEN = "A" * 24 + "." + "b" * 6 + "." + "c" * 27
"""Of the form of Discord's."""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[conversation]\nchaoss = 1", "there is no key conversation.chaoss"),
        ("[[friends]]\nname='A'\nurl='u'\nnick='x'", "there is no key friends[0].nick"),
        ("[conversation]\nchaos = 3", "conversation.chaos: Input should be less than or equal"),
        (
            "[[stages]]\nplatform = 'terminal'\nconversation = 'a b'",
            "stages[0].conversation: 'a b' should be one word of letters, digits, - and _",
        ),
        ("schema = 2", "schema: Input should be 1"),
        ("[servers]\nengine = 'warp'", "servers.engine: Input should be 'auto'"),
        ("[[stages]]\nplatform = 'icq'", "stages[0].platform should be one of terminal, web"),
        ("[[stages]]\nport = 1", "stages[0].platform should be one of terminal, web, discord"),
        ("[[stages]]\nplatform = 'web'\nport = 'x'", "stages[0].port: Input should be a valid"),
        ("[[stages]]\nplatform = 'web'\nwidth = 1", "there is no key stages[0].width;"),
        (
            "[[stages]]\nplatform = 'discord'\nchannel = 1\ntoken = 'abc'",
            "stages[0]: the token itself does not belong here: put it into a file",
        ),
        (
            f"[[stages]]\nplatform = 'web'\ntoken_file = '{TOKEN}'",
            "stages[0].token_file: that looks like the token itself; put it into a file",
        ),
        (
            f"[[stages]]\nplatform = 'web'\ntoken_env = '{TOKEN}'",
            "stages[0].token_env: that is no name of an environment variable",
        ),
        (
            "[[stages]]\nplatform = 'discord'\nchannel = 1\n"
            "[[stages]]\nplatform = 'discord'\nchannel = 2",
            "stages[0] and stages[1] are two chats, and what is said in one would be shown in",
        ),
        ("[[friends]]\nname = 'A'", "friends[0]: give either checkpoint or url"),
        ("x = ", "is no valid TOML"),
        (
            FRIEND.format(name="A", port=8001) + FRIEND.format(name="B", port=8001),
            "friends[1].port 8001 is already used by 'A'",
        ),
        (
            FRIEND.format(name="Bo", port=1) + FRIEND.format(name="bo", port=2),
            "two friends are called 'bo'",
        ),
    ],
)
def test_a_mistake_is_named_by_its_key(text: str, sentence: str) -> None:
    path = write(text)
    with pytest.raises(SettingsError) as caught:
        read_settings(path)
    assert str(caught.value).startswith("settings.toml")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value) or "TOML" in sentence


def test_a_checkpoint_that_is_not_there_is_named() -> None:
    path = write("[[friends]]\nname = 'Bort'\ncheckpoint = 'checkpoints/bort'")
    with pytest.raises(SettingsError, match=r"friends\[0\]\.checkpoint: there is no folder"):
        read_show(path)


def test_the_file_is_found_by_option_environment_and_place(tmp_path: Path) -> None:
    assert find_settings(None, {}) is None
    write("")
    assert find_settings(None, {}) == Path("settings.toml")
    other = tmp_path / "other.toml"
    other.write_text("", encoding="utf-8")
    assert find_settings(None, {"BOTCONVO_SETTINGS": str(other)}) == other
    assert find_settings(Path("settings.toml"), {"BOTCONVO_SETTINGS": "x"}) == Path("settings.toml")
    with pytest.raises(SettingsError, match=r"nowhere\.toml: there is no such settings file"):
        find_settings(Path("nowhere.toml"), {})


def test_trained_friends_speak_without_being_named_in_the_settings(checkpoints: Path) -> None:
    path = write("")
    shutil.copytree(checkpoints, "checkpoints")
    show = read_show(path)
    assert [friend.name for friend in show.friends] == ["Marlow", "Priya"]
    assert not show.is_demo
    assert show.friends[0].manifest.statistics["follows"]


def set_in_training(folder: Path) -> None:
    """As a run leaves the manifest at every save before its last."""
    Manifest.read(folder).model_copy(update={"in_training": True, "step": 12}).write(folder)


def test_a_friend_still_in_training_is_left_out_unless_asked_for(checkpoints: Path) -> None:
    path = write("")
    shutil.copytree(checkpoints, "checkpoints")
    set_in_training(Path("checkpoints/priya"))
    show = read_show(path)
    assert ([friend.name for friend in show.friends], show.learning) == (["Marlow"], ("Priya",))
    asked = read_show(path, also_learning=True)
    assert ([friend.name for friend in asked.friends], asked.learning) == (["Marlow", "Priya"], ())
    assert asked.friends[1].manifest.step == 12
    # Beside finished weights of the same friend, an unfinished run is nobody's news.
    shutil.copytree("checkpoints/priya", "checkpoints/another try")
    shutil.copytree(checkpoints / "priya", "checkpoints/priya", dirs_exist_ok=True)
    asked = read_show(path, also_learning=True)
    assert [friend.manifest.in_training for friend in asked.friends] == [False, False]
    assert read_show(path).learning == ()


def test_while_nobody_is_done_the_demo_speaks_and_the_learners_are_named(
    checkpoints: Path,
) -> None:
    path = write("")
    shutil.copytree(checkpoints / "priya", "checkpoints/priya")
    set_in_training(Path("checkpoints/priya"))
    show = read_show(path)
    assert (show.is_demo, show.learning) == (True, ("Priya",))
    assert [friend.name for friend in read_show(path, also_learning=True).friends] == ["Priya"]


def test_without_any_the_demo_speaks() -> None:
    show = read_show(write(""))
    assert {friend.name for friend in show.friends} == {"Marlow", "Priya", "Dex", "Juno"}
    assert show.is_demo


@pytest.mark.parametrize(
    ("friends", "sentence"),
    [
        ("name = 'Al'\naliases = ['']", "friends[0].aliases[0]: "),
        ("name = ' '", "' ' is no name"),
        ('name = "A\\nB"', "is no name: it is empty, or has ends of lines in it"),
        ("name = 'Al'\naliases = ['bo']", "two friends are called 'bo'"),
    ],
)
def test_a_name_by_which_nobody_can_be_called_is_refused(friends: str, sentence: str) -> None:
    text = f"[[friends]]\n{friends}\nurl = 'http://a'\n[[friends]]\nname = 'Bo'\nurl = 'http://b'\n"
    with pytest.raises(SettingsError) as caught:
        read_settings(write(text))
    assert sentence in str(caught.value)


def test_names_may_have_spaces_emoji_and_themselves_as_an_alias() -> None:
    text = "[[friends]]\nname = 'Zoë 👩‍🚀'\naliases = ['zoë 👩‍🚀', 'Zoë']\nurl = 'http://a'\n"
    [friend] = read_settings(write(text)).friends
    assert friend.name == "Zoë 👩‍🚀"
