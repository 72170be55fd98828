"""Words that chat programs write in place of what a person wrote."""

from __future__ import annotations

import pytest

from finetune.reading.notice_words import NOTICES
from finetune.reading.placeholder_words import DELETED, EDITED, MEDIA
from finetune.reading.placeholders import (
    is_deleted_notice,
    is_media_placeholder,
    is_system_notice,
    without_attachment_names,
    without_edit_mark,
)

SAID = [
    *("I left", "Ann left", "image", "the image was omitted, sorry", "<3", "<3 media", ""),
    *("I deleted this message by accident", "video call?", "voice call at 8 pm", "You rock"),
    *("waiting for this message to come", "he changed the subject", "x <b>bold</b>", "(lol)"),
    *("see a.jpg (new)", "Du bist verlassen", "null", "Hai ragione", "edited", "😂"),
]


@pytest.mark.parametrize("text", SAID)
def test_what_people_say_is_no_placeholder(text: str) -> None:
    assert not is_system_notice(text)
    assert not is_media_placeholder(text)
    assert not is_deleted_notice(text)
    assert without_edit_mark(text) == text
    assert without_attachment_names(text) == text


@pytest.mark.parametrize("language", MEDIA)
def test_media_placeholders_of_every_language_are_known(language: str) -> None:
    for wording in MEDIA[language]:
        assert is_media_placeholder("\u200e" + wording.replace("*", "two words"))


@pytest.mark.parametrize("language", DELETED)
def test_deleted_notices_of_every_language_are_known(language: str) -> None:
    for wording in DELETED[language]:
        text = wording.replace("*", "Ann B") + "."
        assert is_deleted_notice(text) and not is_system_notice("\u200e" + text)
        assert not is_media_placeholder(text)


@pytest.mark.parametrize("language", EDITED)
def test_edit_marks_of_every_language_are_taken_off(language: str) -> None:
    for wording in EDITED[language]:
        assert without_edit_mark(f"so\nbe it \u200e<{wording}.>") == "so\nbe it"


@pytest.mark.parametrize("language", NOTICES)
def test_notices_of_every_language_are_known(language: str) -> None:
    for wording in NOTICES[language]:
        assert is_system_notice(wording.replace("*", "Ann B"))


def test_a_wording_that_people_use_too_needs_the_programs_mark() -> None:
    assert is_system_notice("\u200eAnn left")
    assert not is_system_notice("Ann left")


@pytest.mark.parametrize(
    ("text", "caption"),
    [
        ("\u200e<attached: 00000042-PHOTO.jpg>", ""),
        ("< attached: \u200e00000042-PHOTO 2.jpg >", ""),
        ("00000042-PHOTO.jpg <\u200eattached>", ""),
        ("IMG-20210428-WA0001.jpg (file attached)", ""),
        ("IMG-20210428-WA0001.jpg (Datei angehängt)\nschau", "schau"),
        ("schau \u200e<Anhang: 1.jpg>", "schau"),
    ],
)
def test_a_caption_is_what_stands_beside_the_name_of_a_file(text: str, caption: str) -> None:
    assert without_attachment_names(text) == caption
    assert is_media_placeholder(text) == (caption == "")


def test_telegrams_missing_files_are_placeholders() -> None:
    assert is_media_placeholder("(File not included. Change data exporting settings to download.)")


def test_an_edit_mark_takes_the_mark_before_its_blank_along() -> None:
    assert without_edit_mark("hi\u200e <This message was edited>") == "hi"


POLLS = [
    "\u200ePOLL:\nWhat: now?\n\u200eOPTION: Yes (2 votes)\n\u200eOPTION: No (0 votes)\n",
    "ENCUESTA:\n¿Cuándo?\nOPCIÓN: Hoy (mañana no) (1 voto)",
]
PLACES = [
    "location: https://maps.google.com/?q=1.5,-2.0",
    "\u200eStandort: https://maps.google.com/?q=1,2",
]


@pytest.mark.parametrize("text", POLLS + PLACES)
def test_polls_and_places_stand_for_something_else(text: str) -> None:
    assert is_media_placeholder(text)


@pytest.mark.parametrize(
    "text",
    ["POLL:\nwho is in?", "Ann:\nwhat?\nBob: me (2)", "look: https://maps.google.com/?q=1,2 nice"],
)
def test_words_like_those_of_polls_and_places_are_a_persons(text: str) -> None:
    assert not is_media_placeholder(text)
