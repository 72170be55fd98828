"""settings.toml: frozen, strict, and plain about what is wrong."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_server.checkpoint_format import Manifest
from orchestrator.cast import read_show
from orchestrator.errors import SettingsError
from orchestrator.settings import Settings, find_settings, read_settings
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
        ("[conversation]\nchaos = 3", "conversation.chaos should be at most 1"),
        (
            "[[stages]]\nplatform = 'terminal'\nconversation = 'a b'",
            "stages[0].conversation: 'a b' should be one word of letters, digits, - and _",
        ),
        ("schema = 2", "schema should be 1"),
        ("[servers]\nengine = 'warp'", "servers.engine should be 'auto', 'llama'"),
        ("[[stages]]\nplatform = 'icq'", "stages[0].platform should be one of discord, "),
        ("[[stages]]\nport = 1", "stages[0].platform should be one of discord, "),
        ("[[stages]]\nplatform = 'web'\nport = 'x'", "stages[0].port should be a whole number"),
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
        ("x = ", "this is no TOML"),
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
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "[conversation]\nchoas = 1",
            "line 2: there is no key conversation.choas; chaos is probably meant.",
        ),
        ("chaos = 1", "line 1: there is no key chaos; it belongs below [conversation]."),
        ("\n\nxyz = 1", "line 3: there is no key xyz; take it out or mend its spelling."),
        ("[limits]\n# so\nphrase_rounds = 0", "line 3: limits.phrase_rounds should be at least 1."),
        ("[generation]\ntop_p = 0", "line 2: generation.top_p should be above 0."),
        ("[generation]\ntop_k = 1.5", "line 2: generation.top_k should be a whole number."),
        ("[generation]\ntemperature = inf", "line 2: generation.temperature should be a number."),
        # Python counts true as 1.
        ("[generation]\ntop_k = true", "line 2: generation.top_k should be a whole number."),
        (
            "[generation]\nno_repeat_ngram = false",
            "line 2: generation.no_repeat_ngram should be a whole number.",
        ),
        (
            "[conversation]\npause_seconds = true",
            "line 2: conversation.pause_seconds should be a number.",
        ),
        ("[conversation]\nchaos = false", "line 2: conversation.chaos should be a number."),
        (
            "[[stages]]\nplatform = 'web'\nport = true",
            "line 3: stages[0].port should be a whole number.",
        ),
        (
            "[[stages]]\nplatform = 'discord'\nchannel = 1\nlisten = [2, true]",
            "line 4: stages[0].listen[1] should be a whole number.",
        ),
        ("[generation]\nbanned_words = 'x'", "line 2: generation.banned_words should be a list in"),
        ("language = 'English'", "line 1: language: 'English' is no such thing as 'en' or 'de'."),
        (
            "conversation = 3",
            "line 1: conversation should be a section, begun with [conversation].",
        ),
        (
            "[friends]\nname = 'A'",
            "line 1: friends should have two brackets on each side: [[friend",
        ),
        ("[[friends]]\nname = 3\nurl = 'u'", "line 2: friends[0].name should be text in quotes."),
        (
            FRIEND.format(name="A", port=1) + FRIEND.format(name="B", port="'x'"),
            "line 8: friends[1].port should be a whole number.",
        ),
        (
            '[[friends]]\nurl = "u"\nname = "A"\naliases = [\n  "a",\n  3,\n]',
            "line 4: friends[0].aliases[1] should be text in quotes.",
        ),
        (
            '[[friends]]\nname = "A"\ncheckpoint = "checkpoints\\bort"',
            "line 3: friends[0].checkpoint: write it with / in place of \\",
        ),
        ("\n[[stages]]\nplatform = 'discord'", "line 2: stages[0].channel is missing."),
        (
            "[[stages]]\nplatform = 'discord'\nchannel = 1\n[stages.commands]\nsteerin = 'x'",
            "line 5: there is no key stages[0].commands.steerin; steering is probably meant.",
        ),
        (
            "[[stages]]\nplatform = 'discord'\nchannel = 1\n[stages.friend_tokens.D]\nfile = 'x'",
            "line 5: there is no key stages[0].friend_tokens.D.file; ",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_is_meant(text: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(write(text))
    assert str(caught.value).startswith(f"settings.toml, {sentence}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("\n[conversation]\nchaos = 0,3", "line 3: {}; a number has a point in it and no comma"),
        (
            '[[friends]]\ncheckpoint = "C:\\Users"',
            "line 2: {}; write a folder with / in place of \\",
        ),
        ("[servers]\nengine = llama\n", "line 2: {}; text needs quotes around it"),
        ('language = "en\n', "line 1: {}; its text has no second quotation mark"),
        ("[conversation", "line 1: {}."),
        ("a = 1\na = 2", "line 2: {}."),
        ("", None),
    ],
)
def test_what_is_no_toml_is_told_with_its_line_and_what_is_meant(
    text: str, sentence: str | None
) -> None:
    path = write(text)
    if sentence is None:
        assert read_settings(path) == Settings()
        return
    with pytest.raises(SettingsError) as caught:
        read_settings(path)
    said = re.sub(r"this is no TOML \([^()]+\)", "{}", str(caught.value))
    assert said.startswith(f"settings.toml, {sentence}")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 40), st.sampled_from(["", "# [x]", "a = [", "b = 'c", "]"]))
def test_any_beginning_of_a_file_is_read_or_refused_in_one_line(lines: int, last: str) -> None:
    shipped = (ROOT / "settings.toml").read_text(encoding="utf-8").splitlines()
    path = write("\n".join([*shipped[:lines], last]))
    try:
        read_settings(path)
    except SettingsError as error:
        assert re.match(rf"settings\.toml, line {lines + 1}: this is no TOML ", str(error))
        assert "\n" not in str(error)


def test_a_file_that_windows_wrote_is_read() -> None:
    path = Path("settings.toml")
    text = "[conversation]\r\nchaos = 0.5\r\n"
    path.write_bytes(text.encode("utf-8-sig"))
    assert read_settings(path).conversation.chaos == 0.5
    path.write_bytes(text.encode("utf-16"))
    with pytest.raises(SettingsError, match=r"settings\.toml is no text in UTF-8; save it as that"):
        read_settings(path)


def test_a_settings_file_that_cannot_be_one_is_not_passed_over() -> None:
    Path("settings.toml").mkdir()
    with pytest.raises(SettingsError, match=r"settings\.toml cannot be read: Is a directory"):
        read_show(None)
    Path("settings.toml").rmdir()
    Path("settings.toml").symlink_to("nowhere.toml")
    with pytest.raises(SettingsError, match=r"settings\.toml cannot be read: No such file"):
        read_show(None)


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
    with pytest.raises(SettingsError, match=r"nowhere\.toml: there is no such settings file\."):
        find_settings(Path("nowhere.toml"), {})
    with pytest.raises(SettingsError, match=r"settings file, which \$BOTCONVO_SETTINGS names\."):
        find_settings(None, {"BOTCONVO_SETTINGS": "nowhere.toml"})


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
