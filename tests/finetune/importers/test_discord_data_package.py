"""Discord's data package: whose messages, of which channel, of which time."""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune.collect import collect
from finetune.errors import BadExport, BrokenOff
from finetune.importers import importer_for
from finetune.importers.discord_data_package import DiscordDataPackage
from finetune.message import ChatMessage, ReadOptions, Record, Remark, Skipped
from finetune.reading.source import FolderTree, Source, ZipTree
from tests.conftest import ROOT

SAMPLES = ROOT / "tests" / "exports" / "discord_data_package"
OPTIONS = ReadOptions(zone=UTC)
CHANNEL, OWNER, SERVER = "972045051494400003", "609323561779200004", "661856138035200005"
HEADER = "ID,Timestamp,Contents,Attachments\r\n"
ID = 1323948230148096001
PACKAGE = DiscordDataPackage()
PER_FILE = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100
)


def package(root: Path, messages: str, file: str = "messages.json", /, **channel: Any) -> Path:
    """A package of one channel; the path of its messages."""
    folder = root / "messages" / f"c{CHANNEL}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "channel.json").write_text(json.dumps({"id": CHANNEL, **channel}), encoding="utf-8")
    (folder / file).write_text(messages, encoding="utf-8", newline="")
    return folder / file


def with_owner(root: Path, folder: str = "account", **user: Any) -> None:
    (root / folder).mkdir(parents=True)
    user = {"id": OWNER, "username": "cy", "global_name": "Cy 🦊", **user}
    (root / folder / "user.json").write_text(json.dumps(user), encoding="utf-8")


def with_titles(root: Path, titles: Any) -> None:
    (root / "messages").mkdir(parents=True, exist_ok=True)
    (root / "messages" / "index.json").write_text(json.dumps(titles), encoding="utf-8")


def message(**values: Any) -> dict[str, Any]:
    return {
        "ID": ID, "Timestamp": "2025-01-01 07:00:00", "Contents": "hi", "Attachments": "", **values
    }  # fmt: skip


def array(*messages: Any) -> str:
    return json.dumps(messages)


def read_all(path: Path) -> list[Record]:
    collection = collect([path], OPTIONS)
    assert not collection.problems
    return [r for f in collection.found for r in f.importer.read(f.source, OPTIONS)]


def the_message(path: Path) -> ChatMessage:
    [found] = [record for record in read_all(path) if isinstance(record, ChatMessage)]
    return found


def test_the_owner_is_the_same_account_as_in_exports_of_channels(tmp_path: Path) -> None:
    package(tmp_path, array(message()))
    with_owner(tmp_path, "Compte")
    author = the_message(tmp_path).author
    assert (author.key, author.name, author.shown_name) == (OWNER, "cy", "Cy 🦊")


def test_an_owner_without_a_shown_name_goes_by_the_account_name(tmp_path: Path) -> None:
    package(tmp_path, array(message()))
    with_owner(tmp_path, global_name=None)
    assert the_message(tmp_path).author.shown_name == "cy"


@pytest.mark.parametrize("named", ["messages", f"messages/c{CHANNEL}/messages.json"])
def test_the_owner_is_found_from_a_part_of_the_package(tmp_path: Path, named: str) -> None:
    package(tmp_path, array(message()))
    with_owner(tmp_path, "Konto")
    assert the_message(tmp_path / named).author.key == OWNER


@pytest.mark.parametrize("user", [{"id": None}, {"username": 5}, {"id": "1.1E+17"}])
def test_without_an_owner_the_author_is_you(tmp_path: Path, user: dict[str, Any]) -> None:
    package(tmp_path, array(message()))
    with_owner(tmp_path, **user)
    author = the_message(tmp_path).author
    assert (author.key, author.name, author.shown_name) == ("you", "You", "You")
    [remark] = [r.text for r in read_all(tmp_path) if isinstance(r, Remark)]
    assert remark.startswith("Nothing says whose messages these are")


def test_a_user_can_say_whose_the_messages_are(tmp_path: Path) -> None:
    source = Source.of(package(tmp_path, array(message())))
    [record] = PACKAGE.read(source, ReadOptions(author="Cy"))
    assert isinstance(record, ChatMessage)
    assert record.author.shown_name == "Cy"


def test_packages_of_two_people_in_one_folder_keep_their_owners(tmp_path: Path) -> None:
    for name, owner in (("a", OWNER), ("b", str(int(OWNER) + 1))):
        package(tmp_path / name, array(message()))
        with_owner(tmp_path / name, id=owner, username=name)
    package(tmp_path / "c", array(message()))
    authors = [r.author.name for r in read_all(tmp_path) if isinstance(r, ChatMessage)]
    assert authors == ["a", "b", "You"]


def test_a_damaged_account_costs_only_the_name(tmp_path: Path) -> None:
    package(tmp_path, array(message()))
    with_owner(tmp_path)
    (tmp_path / "account" / "user.json").write_text("[" * 100_000, encoding="utf-8")
    assert the_message(tmp_path).author.name == "You"


@pytest.mark.parametrize(
    ("title", "channel", "name"),
    [
        ("general in Server", {}, "Server / general"),
        ("tea in bed in Server", {"type": "GUILD_TEXT"}, "Server / tea in bed"),
        ("talk in Made in Italy", {"guild": {"name": "Made in Italy"}}, "Made in Italy / talk"),
        ("Unknown channel in Server", {"type": 0}, "Server / Unknown channel"),
        ("Direct Message with lost in space#0", {}, "Direct Message with lost in space#0"),
        ("Trip in May", {"type": "GROUP_DM"}, "Trip in May"),
        ("Trip in May", {"type": 3}, "Trip in May"),
        ("in", {"type": []}, "in"),
        (None, {"name": "g", "guild": {"id": SERVER, "name": "S"}}, "S / g"),
        ("None", {"type": 3, "name": "Us"}, "Us"),
        (7, {"recipients": [OWNER, "Deleted User"]}, "Direct Message with Deleted User"),
        ({}, {"guild": "S", "name": 1, "recipients": OWNER}, CHANNEL),
    ],
)
def test_a_chat_is_named_by_the_index_else_by_its_channel(
    tmp_path: Path, title: Any, channel: dict[str, Any], name: str
) -> None:
    package(tmp_path, array(message()), **channel)
    with_owner(tmp_path)
    with_titles(tmp_path, {CHANNEL: title})
    chat = the_message(tmp_path).chat
    assert (chat.key, chat.name) == (CHANNEL, name)


@pytest.mark.parametrize("titles", [None, [], "x", {}])
def test_an_index_without_the_channel_is_no_harm(tmp_path: Path, titles: Any) -> None:
    path = package(tmp_path, array(message()), guild={"name": "S"})
    with_titles(tmp_path, titles)
    assert the_message(path).chat.name == "S"


def test_a_file_alone_has_the_channel_of_its_folder_or_its_own_name(tmp_path: Path) -> None:
    path = package(tmp_path, HEADER + f"{ID},,hi,\r\n", "messages.csv")
    (path.parent / "channel.json").unlink()
    assert the_message(path).chat.key == CHANNEL
    alone = path.rename(tmp_path / "anna.csv")
    assert the_message(alone).chat.key == "anna"
    assert any("which channel" in r.text for r in read_all(alone) if isinstance(r, Remark))


def test_ids_beyond_a_double_stay_exact_and_tell_the_time(tmp_path: Path) -> None:
    sent_at = datetime(2023, 9, 25, 23, 29, 3, 955_000, tzinfo=UTC)
    milliseconds = (sent_at - datetime(2015, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    id_ = (milliseconds << 22) + 1
    assert int(float(id_)) != id_
    found = the_message(package(tmp_path, array(message(ID=id_))))
    assert (found.message_id, found.sent_at) == (str(id_), sent_at)


@pytest.mark.parametrize("id_", [7.7e18, "7.7E+18", None, True, -1, 5, 10**30, 1e300, [], "x"])
def test_a_damaged_id_leaves_the_printed_time(tmp_path: Path, id_: Any) -> None:
    path = package(tmp_path, array(message(ID=id_)))
    found = the_message(path)
    assert found.message_id is None
    assert found.sent_at == datetime(2025, 1, 1, 7, tzinfo=UTC)
    assert any("damaged" in r.text for r in read_all(path) if isinstance(r, Remark))


@pytest.mark.parametrize("time", ["", None, 5, "yesterday", "0001-01-01 00:00:00+14:00"])
def test_without_id_and_time_a_record_is_skipped(tmp_path: Path, time: Any) -> None:
    records = read_all(package(tmp_path, array(message(ID="?", Timestamp=time), message())))
    assert Skipped("message 1", "no readable time") in records
    assert isinstance(records[-1], ChatMessage)


@pytest.mark.parametrize("record", [None, 5, "x", [], {}, message(Contents=5)])
def test_one_bad_record_never_stops_a_file(tmp_path: Path, record: Any) -> None:
    records = read_all(package(tmp_path, array(message(), record, message(ID=ID + 1))))
    assert Skipped("message 2", "not of a message's form") in records
    assert sum(isinstance(r, ChatMessage) for r in records) == 2


def test_ids_order_messages_of_one_millisecond(tmp_path: Path) -> None:
    rows = [message(ID=ID + n, Contents=str(n)) for n in (2, 0, 1)]
    records = read_all(package(tmp_path, array(*rows)))
    assert [r.text for r in records if isinstance(r, ChatMessage)] == list("012")


def test_messages_of_one_time_come_oldest_first(tmp_path: Path) -> None:
    times = ["2025-01-02", "2025-01-02", "2025-01-01", "2025-01-01", "2025-01-01"]
    rows = [f"7.7E+18,{time} 00:00:00,{n}," for n, time in enumerate(times)]
    back = package(tmp_path, HEADER + "\r\n".join(rows), "messages.csv")
    assert [r.text for r in read_all(back) if isinstance(r, ChatMessage)] == list("10432")
    forth = package(tmp_path, HEADER + "\r\n".join(reversed(rows)), "messages.csv")
    assert [r.text for r in read_all(forth) if isinstance(r, ChatMessage)] == list("43210")


@pytest.mark.parametrize("messages", ["[]", " [ \n] ", HEADER, HEADER.strip()])
def test_a_channel_without_messages_is_empty(tmp_path: Path, messages: str) -> None:
    name = "messages.json" if "[" in messages else "messages.csv"
    package(tmp_path, messages, name)
    with_owner(tmp_path)
    assert read_all(tmp_path) == []


def test_bad_rows_and_blank_rows_of_a_table(tmp_path: Path) -> None:
    rows = HEADER + f'{ID},,a,\r\n\r\n,,,\r\n1,2\r\n{ID},,"b"c,\r\n{ID + 1},,"d\r\ne",x y\r\n  '
    records = read_all(package(tmp_path, rows, "messages.csv"))
    assert [r for r in records if isinstance(r, Skipped)] == [
        Skipped("line 5", "not of a message's form"),
        Skipped("line 6", "not of a message's form"),
    ]
    assert [(r.text, r.attachments) for r in records if isinstance(r, ChatMessage)] == [
        ("a", 0),
        ("d\ne", 2),
    ]


LOOKALIKES = [
    "",
    "[",
    "[[]]",
    "{}",
    '{"ID": 1, "Timestamp": "", "Contents": "", "Attachments": ""}',
    '[{"ID": 1, "Timestamp": "", "Contents": ""}]',
    '[{"ID": 1, "Timestamp": "", "Contents": "", "Attachments": "", "Author": ""}]',
    '[{"id": 1, "timestamp": "", "contents": "", "attachments": ""}]',
    '[{"ID": ' + "[" * 50_000,
    '[{"ID": ' + "9" * 5_000 + "}]",
    '"ID","Timestamp","Contents","Attachments"\r\n',
    "ID,Timestamp,Contents\r\n",
    "ID;Timestamp;Contents;Attachments\r\n",
    "ID,Timestamp,Contents,Attachments,Author\r\n",
    "AuthorID,Author,Date,Content,Attachments,Reactions\r\n",
    "\r\nID,Timestamp,Contents,Attachments\r\n",
    '{"event_type": "send_message", "message_id": "1"}\n{"event_type": "x"}\n',
]


@pytest.mark.parametrize("text", LOOKALIKES, ids=lambda text: text[:40])
def test_lookalikes_are_refused(tmp_path: Path, text: str) -> None:
    assert not PACKAGE.recognises(Source.of(package(tmp_path, text)))


def test_in_a_folder_only_what_lies_beside_a_channel_is_taken(tmp_path: Path) -> None:
    path = package(tmp_path, array(message()))
    (path.parent / "channel.json").unlink()
    place = PurePosixPath(path.relative_to(tmp_path).as_posix())
    assert PACKAGE.recognises(Source.of(path))
    assert not PACKAGE.recognises(Source(FolderTree(tmp_path), place))
    path.write_text("[]", encoding="utf-8")
    assert not PACKAGE.recognises(Source.of(path))


def test_zip_and_folder_give_the_same(tmp_path: Path) -> None:
    sample = SAMPLES / "json_2025_french.zip"
    with zipfile.ZipFile(sample) as file:
        file.extractall(tmp_path / "package")
    assert read_all(tmp_path) == read_all(sample) != []


@pytest.mark.parametrize("end", ["12", f"{ID},2025-01-0", f"{ID},,half a t", f'{ID},,"half\r\n'])
def test_a_cut_off_table_says_where_it_ends(tmp_path: Path, end: str) -> None:
    path = package(tmp_path, HEADER + f'{ID},,"a\nb",\r\n{ID + 1},,c,\r\n{end}', "messages.csv")
    source = Source.of(path)
    texts = []
    with pytest.raises(BrokenOff, match=r"messages\.csv is broken or cut off after record 2"):
        for record in importer_for(source).read(source, OPTIONS):
            if isinstance(record, ChatMessage):
                texts.append(record.text)
    assert texts == ["a\nb", "c"]


def test_a_cut_off_array_gives_all_that_is_whole(tmp_path: Path) -> None:
    path = package(tmp_path, array(message(), message(ID=ID + 1))[:-20])
    source = Source.of(path)
    texts = []
    with pytest.raises(BrokenOff, match="after record 1"):
        for record in PACKAGE.read(source, OPTIONS):
            if isinstance(record, ChatMessage):
                texts.append(record.text)
    assert texts == ["hi"]


TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    | st.sampled_from('",;\n\\[]{}\u2028')
)
GENERATED = st.lists(
    st.tuples(
        st.integers(10**17, 2**63),
        TEXT.map(lambda text: text.replace("\r", "\n")),
        st.lists(st.just("https://cdn.example.net/1/a.png"), max_size=3),
    ),
    unique_by=lambda row: row[0] >> 22,
    min_size=1,
    max_size=8,
)


def printed(id_: int) -> datetime:
    return datetime(2015, 1, 1, tzinfo=UTC) + timedelta(milliseconds=id_ >> 22)


@given(
    GENERATED, st.sampled_from(["messages.csv", "messages.json"]), st.sampled_from(["\n", "\r\n"])
)
@PER_FILE
def test_what_discord_writes_is_read_back(
    tmp_path: Path, rows: list[tuple[int, str, list[str]]], name: str, line_end: str
) -> None:
    if name.endswith("csv"):
        file = io.StringIO(newline="")
        writer = csv.writer(file, lineterminator=line_end)
        writer.writerow(["ID", "Timestamp", "Contents", "Attachments"])
        for id_, text, urls in rows:
            writer.writerow([id_, printed(id_), text, " ".join(urls)])
        written = file.getvalue()
    else:
        written = json.dumps(
            [
                message(ID=id_, Timestamp=f"{printed(id_):%F %T}", Contents=text,
                        Attachments=" ".join(urls))
                for id_, text, urls in rows
            ],
            ensure_ascii=line_end == "\n",
        )  # fmt: skip
    source = Source.of(package(tmp_path, written, name))
    assert importer_for(source).name == "Discord data package"
    records = [r for r in PACKAGE.read(source, ReadOptions(author="Cy"))]
    assert [
        (int(r.message_id or 0), r.text, r.attachments, r.sent_at)
        for r in records
        if isinstance(r, ChatMessage)
    ] == [(id_, text, len(urls), printed(id_)) for id_, text, urls in rows]


def sample_files() -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(SAMPLES / "json_2025_french.zip") as file:
        zipped = [(name, file.read(name)) for name in file.namelist()]
    folder = SAMPLES / "csv_2021_server_direct_spreadsheet"
    return [(n, data) for n, data in zipped if n.endswith(("messages.json", "user.json"))] + [
        (path.name, path.read_bytes()) for path in sorted(folder.rglob("*.*"))
    ]


@st.composite
def damaged_files(draw: st.DrawFn) -> tuple[str, bytes]:
    name, data = draw(st.sampled_from(sample_files()))
    changed = bytearray(data)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(changed)))
        changed[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return name, bytes(changed[: draw(st.integers(0, len(changed)) | st.none())])


@given(damaged_files())
@PER_FILE
def test_nothing_but_bad_export_comes_of_damage(tmp_path: Path, file: tuple[str, bytes]) -> None:
    name, data = file
    target = {"user.json": "account/user.json", "index.json": "messages/index.json"}.get(
        PurePosixPath(name).name, f"messages/c{CHANNEL}/{PurePosixPath(name).name}"
    )
    shutil.rmtree(tmp_path / "p", ignore_errors=True)
    package(tmp_path / "p", HEADER + f"{ID},,hi,\r\n", "other.csv")
    (tmp_path / "p" / target).parent.mkdir(exist_ok=True)
    (tmp_path / "p" / target).write_bytes(data)
    tree = FolderTree(tmp_path / "p")
    for place in tree.places():
        source = Source(tree, place)
        try:
            if PACKAGE.recognises(source):
                for record in PACKAGE.read(source, OPTIONS):
                    assert not isinstance(record, ChatMessage) or record.author.name
        except BadExport:
            pass


def test_a_damaged_zip_is_one_sentence(tmp_path: Path) -> None:
    data = bytearray((SAMPLES / "json_2025_french.zip").read_bytes())
    start = data.index(b"channel.json", 700) + 12
    data[start : start + 40] = bytes(40)
    path = tmp_path / "package.zip"
    path.write_bytes(data)
    tree = ZipTree(path)
    for place in tree.places():
        source = Source(tree, place)
        try:
            if PACKAGE.recognises(source):
                list(PACKAGE.read(source, OPTIONS))
        except BadExport as error:
            assert "damaged" in str(error)
