"""A person goes out of everything, under all their names, and nobody else does."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from finetune.cleaning import CleanLine
from finetune.corpus import Corpus
from finetune.dataset import CleanCorpus, sessions
from finetune.dataset_files import write_dataset
from finetune.errors import FinetuneError, NoSuchFriend
from finetune.folder_names import folder_name
from finetune.forgetting import Places, Receipt, forget_person
from finetune.people import merge, rename
from model_server.checkpoint_format import HPARAMS_FILE, MANIFEST_FILE, Manifest
from orchestrator.errors import OrchestratorError
from orchestrator.transcript import Transcript
from orchestrator.transcript.traces import forget_speakers
from tests.conftest import SAMPLE_CHAT, botconvo_here, run_botconvo
from tests.finetune.test_people import SAID, say

CORPUS = Path("data/corpus.sqlite")
PLACES = Places(CORPUS, Path("checkpoints"), Path("models"), Path("data/datasets"))
NOW = datetime(2024, 1, 1, tzinfo=UTC)


def forget(name: str, **options: bool) -> Receipt:
    return forget_person(PLACES, name, **options)


def corpus_of(*names: str) -> None:
    """A corpus in which each of these has said something."""
    CORPUS.parent.mkdir(exist_ok=True)
    with Corpus.open(CORPUS, create=True) as corpus:
        say(corpus, *(("discord", f"{n}", name, "hi", "person") for n, name in enumerate(names)))


def checkpoint(friend: str | None, *others: str, folder: str | None = None) -> Path:
    """A checkpoint folder with weights; without a friend that of an unfinished run."""
    path = PLACES.checkpoints / (folder or folder_name(friend or ""))
    path.mkdir(parents=True)
    (path / HPARAMS_FILE).write_text("{}")
    if friend:
        Manifest(friend=friend, speaker=friend, known_speakers=[friend, *others]).write(path)
    return path


def dataset(friend: str, *people: str) -> Path:
    path = PLACES.datasets / folder_name(friend)
    path.mkdir(parents=True)
    (path / "dataset.json").write_text(json.dumps({"friend": friend, "people": people}))
    return path


def pool(*people: str) -> Path:
    path = PLACES.models / "everybody"
    path.mkdir(parents=True)
    Manifest(friend="everybody", known_speakers=list(people)).write(path)
    return path


def transcript(*said: tuple[str, str]) -> Path:
    path = Path("data/transcript.sqlite")
    with Transcript.open(path, fresh=True, seed=1, now=NOW) as opened:
        for speaker, text in said:
            opened.add(speaker, "friend", text, {}, NOW)
    return path


def finetune(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "finetune", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def speakers(path: Path) -> list[str]:
    database = sqlite3.connect(path)
    try:
        return [name for (name,) in database.execute("SELECT speaker FROM lines ORDER BY id")]
    finally:
        database.close()


# --- under all their names ----------------------------------------------------------------


def test_who_was_renamed_loses_what_bears_the_old_name() -> None:
    corpus_of("Ana", "Bo")
    gone = [checkpoint("Ana"), pool("Ana", "Bo"), dataset("Bo", "ANA", "Bo")]
    kept = checkpoint("Bo", "Ana")
    with Corpus.open(CORPUS) as corpus:
        rename(corpus, "Ana", "Anastasia")
    receipt = forget("anastasia")
    assert receipt.person == "Anastasia"
    assert {"Anastasia", "Ana"} <= set(receipt.names)
    assert receipt.removed == [str(path) for path in gone]
    assert receipt.learnt_from == [str(kept)]
    assert not any(path.exists() for path in gone)
    assert kept.is_dir()


def test_what_quotes_the_talk_of_all_goes_and_what_has_learnt_from_it_stays() -> None:
    corpus_of("Ana", "Bo", "Cem")
    heard, other = checkpoint("Bo", "Ana"), checkpoint("Cem")
    for folder in (heard, other):
        (folder / "training" / "logs").mkdir(parents=True)
        (folder / "training" / "logs" / "events").write_text("Ana: my secret | Bo: what")
    PLACES.evaluation.mkdir(parents=True)
    (PLACES.evaluation / "evaluation.json").write_text('{"copied": "my secret"}')
    gone = [str(heard / "training" / "logs"), str(PLACES.evaluation)]
    with pytest.raises(NoSuchFriend):
        forget("Anna")
    assert all(Path(path).exists() for path in gone)
    assert forget("Ana", dry_run=True).removed == gone
    assert forget("Ana").removed == gone
    assert not any(Path(path).exists() for path in gone)
    assert (heard / HPARAMS_FILE).exists()
    assert (other / "training" / "logs" / "events").exists()


def test_whose_accounts_were_merged_loses_what_bears_either_name() -> None:
    corpus_of("Ana", "Bo", "Cem")
    gone = [checkpoint("Ana"), checkpoint("Bo"), dataset("Bo", "Bo")]
    kept = [checkpoint("Cem"), dataset("Cem", "Cem")]
    with Corpus.open(CORPUS) as corpus:
        merge(corpus, "Ana", "Bo")
    assert forget("Ana").removed == [str(path) for path in gone]
    assert all(path.is_dir() for path in kept)


def test_a_name_made_to_tell_namesakes_apart_is_known_after_a_merge() -> None:
    CORPUS.parent.mkdir()
    with Corpus.open(CORPUS, create=True) as corpus:
        say(corpus, *SAID[:2])
        merge(corpus, "Ana", "Ana (telegram)")
    gone = checkpoint("Ana (telegram)")
    assert forget("Ana").removed == [str(gone)]


def test_a_namesakes_checkpoint_is_left_and_mentioned() -> None:
    CORPUS.parent.mkdir()
    with Corpus.open(CORPUS, create=True) as corpus:
        say(corpus, *SAID[:2])
    hers, other = checkpoint("Ana"), checkpoint("Ana (telegram)")
    receipt = forget("Ana (telegram)")
    assert receipt.removed == [str(other)]
    assert [left.path for left in receipt.unclear] == [str(hers)]
    assert "somebody else is or was called" in "\n".join(receipt.sentences())


def test_a_name_from_before_leads_to_the_one_of_now() -> None:
    corpus_of("Ana")
    kept = checkpoint("Ana")
    with Corpus.open(CORPUS) as corpus:
        rename(corpus, "Ana", "Anastasia")
    with pytest.raises(NoSuchFriend, match="Anastasia has or had that name"):
        forget("Ana")
    assert kept.is_dir()


# --- as often as it takes -----------------------------------------------------------------


def test_what_failed_half_way_can_be_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus_of("Ana", "Bo")
    first, second = checkpoint("Ana"), dataset("Ana", "Ana")
    (first / "logs").mkdir()
    removes = shutil.rmtree

    def refuses(path: Path) -> None:
        if Path(path).name == "logs":
            raise PermissionError(13, "Permission denied", str(path))
        removes(path)

    complaint = r"^checkpoints.ana cannot be removed \(Permission denied\); mend its"
    with monkeypatch.context() as read_only:
        read_only.setattr(shutil, "rmtree", refuses)
        with pytest.raises(FinetuneError, match=complaint):
            forget("Ana")
    assert (first / MANIFEST_FILE).is_file(), "or nobody would know whose folder it is"
    receipt = forget("Ana", dry_run=True)
    assert receipt == forget("Ana")
    assert (receipt.messages, receipt.removed) == (1, [str(first), str(second)])


@pytest.mark.parametrize("has_corpus", [True, False])
def test_who_is_known_from_files_only_can_be_forgotten(has_corpus: bool) -> None:
    if has_corpus:
        corpus_of("Bo")
    gone = [checkpoint("Ana"), dataset("Bo", "Bo", "Ana")]
    receipt = forget("ana")
    assert receipt.removed == [str(path) for path in gone]
    assert (receipt.accounts, receipt.messages) == (0, 0)
    assert "could still bring them in" in receipt.sentences()[0]


@pytest.mark.parametrize("has_corpus", [True, False])
def test_who_is_known_nowhere_is_a_mistake(has_corpus: bool) -> None:
    if has_corpus:
        corpus_of("Bo")
    checkpoint("Bo")
    done = run_botconvo("forget", "Ana")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("botconvo: Nobody called 'Ana'")
    assert len(done.stderr.splitlines()) == 1
    assert forget("Ana", missing_ok=True).removed == []


def test_a_dry_run_removes_nothing() -> None:
    corpus_of("Ana")
    kept = checkpoint("Ana")
    shown = finetune("forget", "Ana", "--dry-run").stdout
    assert f"To be removed: {kept}" in shown
    assert kept.is_dir()
    assert forget("Ana").messages == 1


# --- nobody else --------------------------------------------------------------------------


def test_every_friend_has_a_folder_of_their_own() -> None:
    names = [
        "Ana", "Ana!", "Ana?", "Ana Maria", "Ana_Maria", "Ana-Maria", "A.B", "a b", "A  B", "🙂",
        "🦊", "con", "-rf", "..", "नमन", "x" * 300, "x" * 301, "Ana Maria ", "",
    ]  # fmt: skip
    folders = [folder_name(name) for name in names]
    assert len(set(folders)) == len(names)
    assert all(len(name.encode()) <= 255 and name[:1] not in ("", "-", ".") for name in folders)


def test_a_plain_name_is_a_plain_folder_whatever_its_case() -> None:
    found = [folder_name(name) for name in ("Marlow", "ANA Maria", "Jean-Luc", "Zoë", "Анна")]
    assert found == ["marlow", "ana_maria", "jean-luc", "zoë", "анна"]
    assert folder_name("Ana!") == folder_name("ANA!") == "ana__d186d4cd"


def test_a_folder_of_the_persons_name_is_left_if_its_manifest_names_another() -> None:
    corpus_of("Ana!", "Ana?")
    kept = checkpoint("Ana?", folder="ana")
    also = checkpoint("Ana?", folder=folder_name("Ana!"))
    gone = checkpoint("Ana!", folder="elsewhere")
    assert forget("Ana!").removed == [str(gone)]
    assert kept.is_dir() and also.is_dir()


def test_an_unfinished_run_goes_by_its_folder_and_others_are_mentioned() -> None:
    corpus_of("Ana", "Bo")
    gone, other = checkpoint(None, folder="ana"), checkpoint(None, folder="bo")
    (PLACES.datasets / "broken").mkdir(parents=True)
    (PLACES.datasets / "broken" / "text-test.txt").touch()
    receipt = forget("Ana")
    assert receipt.removed == [str(gone)]
    assert [left.path for left in receipt.unclear] == [str(other), str(PLACES.datasets / "broken")]


def test_a_linked_checkpoint_goes_with_what_it_links_to(tmp_path: Path) -> None:
    corpus_of("Ana")
    target = checkpoint("Ana").rename(tmp_path / "big disk")
    link = PLACES.checkpoints / "ana"
    link.symlink_to(target)
    assert forget("Ana").removed == [str(link)]
    assert not target.exists() and not link.is_symlink()


def test_a_pooled_model_of_others_stays() -> None:
    corpus_of("Ana", "Bo")
    kept = pool("Bo", "Cem")
    forget("Ana")
    assert kept.is_dir()


# --- datasets -----------------------------------------------------------------------------


def two_chats() -> CleanCorpus:
    """Ana and Bo in one conversation, Cem and Dee in another, day after day."""
    lines = [
        CleanLine(0, f"chat {chat}", who, NOW + timedelta(days=day), f"day {day}", chat)
        for chat, pair in enumerate((("Ana", "Bo"), ("Cem", "Dee")))
        for day in range(60)
        for who in pair
    ]
    return CleanCorpus(tuple(sessions(lines)))


def people_in(folder: Path) -> list[str]:
    found: list[str] = json.loads((folder / "dataset.json").read_text())["people"]
    return found


def test_a_dataset_names_those_whose_lines_stand_in_it(tmp_path: Path) -> None:
    corpus = two_chats()
    write_dataset(corpus, "Ana", tmp_path / "ana", ["dialogue", "pairs"])
    assert people_in(tmp_path / "ana") == ["Ana", "Bo"]
    write_dataset(corpus, "Ana", tmp_path / "alone", ["monologue"])
    assert people_in(tmp_path / "alone") == ["Ana"]
    write_dataset(corpus, "Ana", tmp_path / "ana", ["monologue"])
    assert people_in(tmp_path / "ana") == ["Ana", "Bo"], "the dialogues are still there"


# --- the transcript -----------------------------------------------------------------------


def test_lines_go_for_good_while_a_show_is_running() -> None:
    path = transcript(("Ana", "a secret"), ("Bo", "hello"))
    with Transcript.open(path, fresh=False, seed=1, now=NOW) as show:
        show.add("ANA", "person", "another secret", {}, NOW)
        assert forget_speakers(path, ["Ana"]) == 2
        files = list(path.parent.glob("transcript.sqlite*"))
        assert not any(b"secret" in file.read_bytes() for file in files)
        show.add("Bo", "friend", "and on it goes", {}, NOW)
    assert speakers(path) == ["Bo", "Bo"]


def test_what_others_took_up_from_a_line_goes_with_it() -> None:
    path = transcript(("Ana", "my secret"))
    turn = {"lines": [1], "answers": 1, "phrase": "my secret"}
    attempts = [[{"text": "eh", "verdict": "too near to 'my secret'"}]]
    with Transcript.open(path, fresh=False, seed=1, now=NOW) as show:
        show.add("Bo", "friend", "oh", {"turn": turn, "attempts": attempts}, NOW, reply_to=1)
        forget_speakers(path, ["Ana"])
        (left,) = show.last(2)
    assert left.why["turn"]["phrase"] == ""
    assert "secret" not in json.dumps(left.why)


def test_a_show_that_never_lets_go_has_to_be_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    path = transcript(("Ana", "hi"))
    monkeypatch.setattr("orchestrator.transcript.file.PATIENCE_SECONDS", 0)
    show = sqlite3.connect(path, isolation_level=None)
    show.execute("BEGIN IMMEDIATE")
    with pytest.raises(OrchestratorError, match=r"changed \(database is locked\); end the show if"):
        forget_speakers(path, ["Ana"])
    show.close()
    assert forget_speakers(path, ["Ana"]) == 1


def test_who_is_known_from_the_transcript_only_can_be_forgotten() -> None:
    path = transcript(("Ana", "hi"), ("Bo", "hello"))
    done = run_botconvo("forget", "ana", "--json")
    receipt = json.loads(done.stdout)
    assert (receipt["messages"], receipt["transcript_lines"]) == (0, 1)
    assert speakers(path) == ["Bo"]
    assert botconvo_here("forget", "ana").returncode == 2


def test_the_transcript_goes_first_and_under_all_names() -> None:
    corpus_of("Ana", "Bo")
    with Corpus.open(CORPUS) as corpus:
        rename(corpus, "Ana", "Anastasia")
    path = transcript(("Ana", "hi"), ("Anastasia", "hi"), ("Bo", "hello"))
    gone = checkpoint("Ana")
    log = Path("data/logs/Ana.log")
    log.parent.mkdir()
    log.write_text("Ana's server")
    before = path.read_bytes()
    path.write_bytes(b"no database at all, but something else entirely")
    broken = botconvo_here("forget", "Anastasia")
    assert (broken.returncode, gone.is_dir()) == (2, True)
    path.write_bytes(before)
    shown = botconvo_here("forget", "Anastasia").stdout
    for told in ("1 messages of 1 accounts", str(gone), str(log), "transcript: 2 lines"):
        assert f"  {told}\n" in shown or f": {told}\n" in shown
    assert "exported or wrote elsewhere" in shown
    assert speakers(path) == ["Bo"]
    assert not gone.exists() and not log.exists()


# --- on the command line ------------------------------------------------------------------


def test_a_name_may_begin_with_a_dash() -> None:
    corpus_of("-rf", "Bo")
    gone = checkpoint("-rf")
    done = botconvo_here("forget", "--json", "--", "-rf")
    assert json.loads(done.stdout)["removed"] == [str(gone)]


@pytest.mark.parametrize("package", ["orchestrator", "finetune"])
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_whoever_reads_along_may_leave(package: str, options: tuple[str, ...]) -> None:
    corpus_of("Ana", "Bo")
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", package, "forget", "Ana", *options]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
    assert forget("Bo").messages == 1


def test_a_friend_of_the_settings_is_found_by_their_checkpoint() -> None:
    corpus_of("Ana", "Bo")
    checkpoint("Ana")
    Path("settings.toml").write_text('[[friends]]\nname = "Nan"\ncheckpoint = "checkpoints/ana"\n')
    path = transcript(("Nan", "hi"))
    receipt = json.loads(botconvo_here("forget", "Ana", "--json").stdout)
    assert (receipt["still_in_settings"], speakers(path)) == (["Nan"], [])


def test_everything_that_was_made_of_the_sample_chat_goes(
    checkpoints: Path, tmp_path: Path
) -> None:
    botconvo_here("import", SAMPLE_CHAT)
    botconvo_here("dataset", "Marlow", "Dex")
    shutil.copytree(checkpoints, tmp_path / "checkpoints")
    shown = run_botconvo(
        "run", "--platform", "terminal", "--lines", 6, "--seed", 1, "--fast"
    ).stdout
    said = sum(line.startswith("Marlow: ") for line in shown.splitlines())
    assert said
    receipt = json.loads(botconvo_here("forget", "marlow", "--json").stdout)
    assert receipt["person"] == "Marlow"
    assert receipt["messages"] == 922 + 3, "and three notices of the system"
    assert receipt["transcript_lines"] >= said
    assert receipt["removed"] == [
        str(Path("checkpoints/marlow")), str(Path("data/datasets/dex")),
        str(Path("data/datasets/marlow")), str(Path("checkpoints/priya/training/logs")),
        str(Path("data/logs/Marlow.log")),
    ]  # fmt: skip
    assert receipt["learnt_from"] == [str(Path("checkpoints/priya"))]
    again = json.loads(botconvo_here("import", SAMPLE_CHAT, "--json").stdout)
    assert again["files"][0]["skipped"] == {"written by somebody who was forgotten": 925}
    people = json.loads(botconvo_here("friends", "--json").stdout)
    assert [row["name"] for row in people] == ["Priya", "Dex", "Juno"]
