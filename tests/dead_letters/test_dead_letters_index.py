"""Dead letters read, folded, chosen and counted."""

from __future__ import annotations

from collections import Counter
from itertools import count

import pytest

from stream.dead_letters.index import DeadLetterIndex
from stream.dead_letters.options import read_groupings
from stream.dead_letters.query import GROUPINGS, Count, DeadLetterQuery, count_by, of_deployment
from stream.dead_letters.report import letter_json, list_json
from stream.model.letters import Identity, Letter, Marker, event_record, marker_headers, read_letter
from stream.model.records import Headers, Record, RecordId
from stream.model.timeparse import LAST_MS

AT = "2026-11-24T10:20:30.400Z"
AT_MS = 1_795_515_630_400
EVERYONE = Identity("tray", "events", 1, 7, "")
ORDERS = EVERYONE._replace(workflow="orders")

_offsets = count()


def letter_record(
    identity: Identity = ORDERS, partition: int = 1, at: str = AT, value: bytes | None = b"{}", **more: str
) -> Record:
    """A letter on the topic."""
    named = dict(marker_headers(identity, "rejected", at))
    named |= {"tray.status": b"400", "tray.attempts": b"2", "tray.timestamp": b"1000"}
    named |= {f"tray.{name}": text.encode() for name, text in more.items()}
    headers: Headers = [("trace", b"t"), *named.items()]
    return Record("letters", partition, next(_offsets), 5000, b"ann", value, headers)


def marker_record(identity: Identity = ORDERS, partition: int = 1, reason: str = "redriven") -> Record:
    """A marker on the topic."""
    headers = marker_headers(identity, reason, AT)
    return Record("letters", partition, next(_offsets), 5000, b"ann", None, headers)


def book_of(*records: Record, keep_done: bool = False) -> DeadLetterIndex:
    """A book of the deployment `tray` with these records."""
    book = DeadLetterIndex(lambda identity: of_deployment("tray", identity), keep_done)
    for record in records:
        book.take(record)
    return book


def identities(book: DeadLetterIndex) -> list[Identity]:
    """Of the open letters."""
    return [letter.identity for letter in book.open_letters()]


def test_a_letter_says_where_it_comes_from_and_why() -> None:
    """Everything but the value, which stays on the topic."""
    record = letter_record()
    assert read_letter(record) == Letter(
        identity=ORDERS,
        at=record.place,
        reason="rejected",
        status="400",
        attempts=2,
        failed_at_ms=AT_MS,
        timestamp_ms=1000,
        key=b"ann",
        is_omitted=False,
    )


@pytest.mark.parametrize(
    ("failed_at", "ms"),
    [
        ("9999-12-31T23:59:59.999Z", LAST_MS),
        ("9999-12-31T23:59:59-23:59", LAST_MS + 86_340_001 - 1_000),
        ("0001-01-01T00:00:00+23:59", 0),
        ("+12026-01-01T00:00:00Z", 5000),
        ("99999-01-01", 5000),
        ("2026-11-24T10:20:30+99:99", 5000),
        ("", 5000),
    ],
)
def test_a_forged_time_is_a_time(failed_at: str, ms: int) -> None:
    """A time that cannot be read is the record's own; any time can be counted and printed."""
    letter = read_letter(letter_record(at=failed_at))
    assert isinstance(letter, Letter)
    assert letter.failed_at_ms == ms
    assert count_by([letter], GROUPINGS)
    assert list_json("letters", "tray", book_of(), [letter], GROUPINGS)
    assert letter_json(letter, None, None, with_value=True)["failed_at"]


@pytest.mark.parametrize("timestamp", ["-1", "-7", "9" * 19, "9" * 400, "9" * 5000, "soon", "", "1e3"])
def test_a_timestamp_that_kafka_cannot_have_is_unknown(timestamp: str) -> None:
    """A number beyond 64 bits would break arithmetic much later."""
    letter = read_letter(letter_record(timestamp=timestamp))
    assert isinstance(letter, Letter)
    assert letter.timestamp_ms == -1


@pytest.mark.parametrize(
    "identity",
    [
        ORDERS._replace(partition=-1),
        ORDERS._replace(partition=2**31),
        ORDERS._replace(offset=-1),
        ORDERS._replace(offset=2**63),
    ],
)
def test_a_place_that_kafka_cannot_have_is_not_of_a_letter(identity: Identity) -> None:
    """Kafka's client would refuse to read there; the record is counted as not ours."""
    record = letter_record(identity)
    assert read_letter(record) is None
    assert book_of(record).unknown == 1


def test_a_marker_is_no_letter() -> None:
    """It says which letter it ends, and how."""
    assert read_letter(marker_record(reason="discarded")) == Marker(ORDERS, "discarded", AT_MS)


def test_a_null_value_alone_ends_nothing() -> None:
    """A letter that was too large has none either."""
    found = read_letter(letter_record(value=None))
    assert isinstance(found, Letter)
    assert not found.is_omitted
    record = letter_record(value=None)
    record.headers = [*(record.headers or []), ("tray.value", b"omitted")]
    found = read_letter(record)
    assert isinstance(found, Letter)
    assert found.is_omitted


def test_what_others_wrote_is_no_letter() -> None:
    """Without our headers, or with something else in them."""
    record = letter_record()
    assert read_letter(Record("letters", 0, 0, 0, None, b"{}", None)) is None
    assert read_letter(Record("letters", 0, 0, 0, None, b"{}", [("tray.reason", b"rejected")])) is None
    record.headers = [(n, b"many" if n == "tray.offset" else v) for n, v in record.headers or []]
    assert read_letter(record) is None


def test_a_letter_without_a_legible_time_has_that_of_its_record() -> None:
    """Nothing is guessed."""
    found = read_letter(letter_record(at="yesterday"))
    assert isinstance(found, Letter)
    assert found.failed_at_ms == 5000


def test_the_event_is_what_it_was() -> None:
    """Place, time, key and headers of the event's own record; ours are gone."""
    stored = letter_record()
    letter = read_letter(stored)
    assert isinstance(letter, Letter)
    assert event_record(letter, stored, b"{1}") == Record("events", 1, 7, 1000, b"ann", b"{1}", [("trace", b"t")])


def test_copies_are_one_letter() -> None:
    """The last one counts: a redrive that failed again has added its attempts."""
    first, last = letter_record(), letter_record(attempts="5")
    [letter] = book_of(first, last).open_letters()
    assert (letter.attempts, letter.copies, letter.at) == (5, 2, last.place)


def test_a_marker_ends_every_copy_before_it() -> None:
    """And a letter that comes after it is open again."""
    book = book_of(letter_record(), letter_record(), marker_record())
    assert (identities(book), book.ended) == ([], Counter(redriven=1))
    book.take(letter_record())
    assert identities(book) == [ORDERS]
    book.take(marker_record(reason="discarded"))
    book.take(marker_record(reason="discarded"))
    assert (identities(book), book.ended) == ([], Counter(redriven=1, discarded=1))


def test_identities_are_kept_apart() -> None:
    """Another workflow, another offset, another group of the deployment."""
    others = [ORDERS._replace(workflow="crm"), ORDERS._replace(offset=8), ORDERS._replace(group="tray.orders")]
    book = book_of(letter_record(), *map(letter_record, others), marker_record())
    assert identities(book) == sorted(others, key=lambda identity: (*identity[1:], identity[0]))


def test_a_letter_is_open_while_a_copy_on_any_partition_is() -> None:
    """Without a key a copy may lie anywhere; each is to have its own marker."""
    late, early = letter_record(partition=0), letter_record(partition=2, at="2026-11-24T10:00:00Z")
    [letter] = book_of(late, early).open_letters()
    assert (letter.at, letter.elsewhere, letter.copies) == (late.place, (early.place,), 2)
    assert identities(book_of(late, early, marker_record(partition=0))) == [ORDERS]
    assert identities(book_of(late, early, marker_record(partition=0), marker_record(partition=2))) == []


def test_an_invalid_record_knows_which_workflows_are_done_with_it() -> None:
    """A workflow's own letter or marker behind it; what lies before it, or belongs to another event, says nothing."""
    other = ORDERS._replace(offset=8)
    before = [letter_record(ORDERS._replace(workflow="early")), marker_record(ORDERS._replace(workflow="early"))]
    book = book_of(*before, letter_record(EVERYONE), marker_record(), letter_record(ORDERS._replace(workflow="crm")))
    book.take(marker_record(other))
    letters = {letter.identity.workflow: letter for letter in book.open_letters()}
    assert letters[""].done_by == {"orders", "crm"}
    assert set(letters) == {"", "crm"}
    assert book.ended == Counter(redriven=1)
    assert identities(book_of(letter_record(EVERYONE), marker_record(), marker_record(EVERYONE))) == []


def test_letters_of_others_are_counted_and_left_alone() -> None:
    """Another deployment may share the topic, and anyone may write to it."""
    foreign = [Identity("tray-eu", *ORDERS[1:]), Identity("tray.crm", *ORDERS[1:])]
    book = book_of(*map(letter_record, foreign), marker_record(foreign[0]), Record("letters", 1, 9, 0, None, b"", None))
    assert (identities(book), book.foreign, book.unknown) == ([], 2, 1)


def test_whose_letters_they_are() -> None:
    """The shared group's, and those of the workflows' own groups."""
    assert of_deployment("tray", ORDERS)
    assert of_deployment("tray", ORDERS._replace(group="tray.orders"))
    assert not of_deployment("tray", ORDERS._replace(group="tray.crm"))
    assert not of_deployment("tray", EVERYONE._replace(group="tray.crm"))


def test_letters_that_are_done_are_kept_where_asked_for() -> None:
    """With the marker that ended them."""
    book = book_of(letter_record(), marker_record(), keep_done=True)
    letter, marker = book.done[ORDERS]
    assert (letter.status, marker) == ("400", Marker(ORDERS, "redriven", AT_MS))


def test_letters_are_chosen() -> None:
    """By workflow, reason, status, event and time; several of one kind are either, several kinds are both."""
    letter = read_letter(letter_record())
    assert isinstance(letter, Letter)
    assert DeadLetterQuery().takes(letter)
    assert DeadLetterQuery().is_everything
    fitting = DeadLetterQuery(
        workflows=frozenset({"orders", "crm"}),
        reasons=frozenset({"rejected"}),
        statuses=frozenset({"400"}),
        events=frozenset({RecordId("events", 1, 7)}),
        since_ms=AT_MS,
        until_ms=AT_MS + 1,
    )
    assert fitting.takes(letter)
    assert not fitting.is_everything
    assert not DeadLetterQuery(workflows=frozenset({"crm"})).takes(letter)
    assert not DeadLetterQuery(reasons=frozenset({"expired"})).takes(letter)
    assert not DeadLetterQuery(statuses=frozenset({"500"})).takes(letter)
    assert not DeadLetterQuery(events=frozenset({RecordId("events", 1, 8)})).takes(letter)
    assert not DeadLetterQuery(since_ms=AT_MS + 1).takes(letter)
    assert not DeadLetterQuery(until_ms=AT_MS).takes(letter)


def test_letters_are_counted() -> None:
    """By what is asked for, with the first and the last failure."""
    later = "2026-11-24T11:00:00Z"
    book = book_of(letter_record(), letter_record(ORDERS._replace(offset=8), at=later, reason="expired"))
    letters = book.open_letters()
    later_ms = AT_MS - 20 * 60_000 - 30_400 + 3_600_000
    assert count_by(letters, ["workflow"]) == [Count(("orders",), 2, AT_MS, later_ms)]
    assert [c.values for c in count_by(letters, ["reason", "status"])] == [("expired", "400"), ("rejected", "400")]
    assert [c.values for c in count_by(letters, ["hour"])] == [("2026-11-24T10:00:00Z",), ("2026-11-24T11:00:00Z",)]
    assert [c.values for c in count_by(letters, ["event"])] == [("events:1:7",), ("events:1:8",)]
    assert count_by(letters, []) == [Count((), 2, AT_MS, later_ms)]


def test_letters_by_event_are_in_the_order_of_offsets() -> None:
    """Offsets and partitions are numbers: 9 comes before 10."""
    places = [(10, 2), (2, 9), (2, 10), (2, 100)]
    book = book_of(*(letter_record(ORDERS._replace(partition=p, offset=o)) for p, o in places))
    found = [count.values[0] for count in count_by(book.open_letters(), ["event"])]
    assert found == ["events:2:9", "events:2:10", "events:2:100", "events:10:2"]


@pytest.mark.parametrize(
    ("by", "groupings"),
    [("event", ["event", "workflow", "reason"]), ("reason,event", ["reason", "event", "workflow"]), ("hour", ["hour"])],
)
def test_a_row_for_each_event_says_whose_and_why(by: str, groupings: list[str]) -> None:
    """Workflow and reason are columns wherever the event is one."""
    assert read_groupings(by) == groupings


OLD_TOPIC, NEW_TOPIC = ORDERS._replace(topic_id="old-id"), ORDERS._replace(topic_id="new-id")


def times(book: DeadLetterIndex) -> list[tuple[str, int]]:
    """Topic id and event's time of each open letter."""
    return [(letter.identity.topic_id, letter.timestamp_ms) for letter in book.open_letters()]


def test_letters_of_a_topic_and_of_its_successor_are_two() -> None:
    """Also with equal timestamps, and on one partition or on two; a marker ends its own alone."""
    old, new = letter_record(OLD_TOPIC), letter_record(NEW_TOPIC)
    assert identities(book_of(old, new)) == [NEW_TOPIC, OLD_TOPIC]
    assert identities(book_of(old, letter_record(NEW_TOPIC, partition=2))) == [NEW_TOPIC, OLD_TOPIC]
    for ended, left in ((OLD_TOPIC, NEW_TOPIC), (NEW_TOPIC, OLD_TOPIC)):
        assert identities(book_of(old, new, marker_record(ended))) == [left]
    assert identities(book_of(old, new, marker_record(OLD_TOPIC), marker_record(NEW_TOPIC))) == []


def test_letters_of_earlier_versions_are_told_apart_by_their_times() -> None:
    """They have no topic id; those of one time are copies, and an old marker ends the latest before it."""
    first, copy, second = letter_record(), letter_record(), letter_record(timestamp="2000")
    book = book_of(first, copy, second)
    assert times(book) == [("", 1000), ("", 2000)]
    assert [letter.copies for letter in book.open_letters()] == [2, 1]
    assert times(book_of(first, copy, second, marker_record())) == [("", 1000)]
    assert times(book_of(first, marker_record(), second)) == [("", 2000)]
    assert times(book_of(first, marker_record(), second, marker_record())) == []


@pytest.mark.parametrize("is_newer_first", [False, True])
@pytest.mark.parametrize("partition", [1, 2])
def test_an_event_that_fails_again_after_the_upgrade_is_one_letter(is_newer_first: bool, partition: int) -> None:
    """The earlier letter has no id, and the time of the same record; another time is another event."""
    records = [letter_record(), letter_record(NEW_TOPIC, partition)]
    book = book_of(*reversed(records)) if is_newer_first else book_of(*records)
    assert times(book) == [("new-id", 1000)]
    assert book.open_letters()[0].copies == 2
    assert times(book_of(letter_record(timestamp="7"), letter_record(NEW_TOPIC))) == [("", 7), ("new-id", 1000)]


def test_a_marker_says_which_topic_its_letter_is_of() -> None:
    """By the id, and by the event's time for a letter without one."""
    headers = marker_headers(NEW_TOPIC, "redriven", AT, 1000)
    found = read_letter(Record("letters", 1, 0, 5000, b"ann", None, headers))
    assert found == Marker(NEW_TOPIC, "redriven", AT_MS, 1000)
    of_old = Record("letters", 1, 99, 0, b"ann", None, marker_headers(ORDERS, "redriven", AT, 1000))
    assert times(book_of(letter_record(), letter_record(timestamp="2000"), of_old)) == [("", 2000)]


def test_a_letter_without_a_workflow_is_done_with_for_its_own_topic() -> None:
    """A workflow's letter of the successor says nothing of the old topic's event."""
    whole = letter_record(EVERYONE._replace(topic_id="old-id"))
    [letter] = book_of(whole, letter_record(OLD_TOPIC)).open_letters()[:1]
    assert letter.done_by == {"orders"}
    book = book_of(whole, letter_record(NEW_TOPIC), marker_record(NEW_TOPIC))
    assert [letter.done_by for letter in book.open_letters()] == [frozenset()]


def test_the_topic_id_is_shown() -> None:
    """`show --json` has it where it is known."""
    for identity in (NEW_TOPIC, ORDERS):
        [letter] = book_of(letter_record(identity)).open_letters()
        assert letter_json(letter, None, None, with_value=False).get("topic_id", "") == identity.topic_id
