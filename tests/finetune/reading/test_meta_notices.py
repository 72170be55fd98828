"""Notices of Messenger and Instagram, and sentences that only look like them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.reading.meta_notice_words import LANGUAGES
from finetune.reading.meta_notices import LONGEST_NOTICE, is_notice

NOTICES = """\
Anna left the group.
You added Ben to the group.
Anna named the group Böse Buben.
Anna changed the chat theme to Love.
Anna set the nickname for Ben to Benny.
Ben missed a call from Anna.
You missed a call from Anna.
Anna started a video chat.
Anna started a call.
Anna voted for "Pizza" in the poll: Where?
Reacted ❤️ to your message
Reacted 😂 to your message
Liked a message
Anna liked a message
Anna sent an attachment.
You sent an attachment.
You can now message and call each other and see info like Active Status.
Anna hat die Gruppe verlassen.
Du hast Ben zur Gruppe hinzugefügt.
Anna hat die Gruppe „Böse Buben“ genannt.
Anna hat das Thema in „Liebe“ geändert.
Anna hat deinen Anruf verpasst.
Du hast einen Anruf von Anna verpasst.
Anna hat einen Anhang gesendet.
Ihr könnt jetzt Nachrichten austauschen und einander anrufen.
Hat mit ❤ auf deine Nachricht reagiert
Anna a quitté le groupe.
Anna a ajouté Ben au groupe.
Anna a manqué votre appel.
Vous avez manqué un appel de Anna.
Anna vous a appelé.
Anna a envoyé une pièce jointe.
A réagi ❤ à votre message
A aimé un message
Anna salió del grupo.
Anna agregó a Ben al grupo.
Reaccionó con ❤ a tu mensaje
Anna envió un archivo adjunto.
Anna saiu do grupo.
Anna adicionou Ben ao grupo.
Curtiu uma mensagem
Anna enviou um anexo.
Reagiu com ❤ à sua mensagem
Anna ha abbandonato il gruppo.
Anna ha aggiunto Ben al gruppo.
Anna ha inviato un allegato.
Ha messo "Mi piace" a un messaggio
Hai perso una chiamata da Anna.
Anna ti ha salutato.
Anna heeft de groep verlaten.
Anna heeft Ben toegevoegd aan de groep.
Je hebt een oproep van Anna gemist.
Anna heeft een bijlage verzonden.
Anna opuściła grupę.
Anna dodała użytkownika Ben do grupy.
Anna wysłał(a) załącznik.
Nie odebrano połączenia od Anna.
Zareagował(a) ❤ na Twoją wiadomość
Możecie teraz wysyłać do siebie wiadomości i dzwonić do siebie.
Messages and calls are secured with end-to-end encryption. Learn more.
""".strip().split("\n")
PERSONAL = """
I left the group.
I left the group because of Ben
She called you.
hi
we added him to the group.
Ich hab die Gruppe verlassen
He liked a message
what is a message
J'ai quitté le groupe.
ik heb de groep verlaten.
They sent a photo.
My dad voted for Trump
""".strip().split("\n")


@pytest.mark.parametrize("text", NOTICES)
def test_a_notice_is_known_by_its_wording(text: str) -> None:
    assert is_notice(text)
    assert is_notice(f" {text} ")


@pytest.mark.parametrize("text", PERSONAL)
def test_what_a_person_says_of_a_group_is_no_notice(text: str) -> None:
    assert not is_notice(text)


def test_a_notice_within_a_longer_text_is_no_notice() -> None:
    assert not is_notice("Anna left the group. " + "Why? " * 100)
    assert not is_notice("")


@given(
    st.sampled_from([wording for language in LANGUAGES for wording in language])
    .map(lambda wording: wording.replace(".", r"\.").replace("…", "Anna"))
    .flatmap(lambda wording: st.from_regex(wording, fullmatch=True))
)
@settings(max_examples=500, deadline=None)
def test_every_wording_is_found_by_its_words(text: str) -> None:
    assert is_notice(text) or len(text) > LONGEST_NOTICE
