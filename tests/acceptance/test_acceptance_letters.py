"""Dead letters listed, shown, redriven and discarded from the command line, on real Kafka."""

from __future__ import annotations

import json
import time
from pathlib import Path

import orjson
import pytest
from acceptance_support import header_texts, ids_of, make_event, tracks
from letters_support import PARTITIONS, LetterScene
from support.checker import duplicates
from support.receiver import FaultReceiver
from support.topics import Broker, produce_events, read_topic

from stream.dead_letters.plan import SOURCE_GONE
from stream.demo.behaviours import when
from stream.model.events import DeadLetter, Reason

pytestmark = pytest.mark.acceptance


@pytest.fixture
def scene(apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path) -> LetterScene:
    """Two workflows, and topics that are empty."""
    scene = LetterScene(apache_kafka, topic_name, receiver, tmp_path)
    scene.create()
    scene.configure(scene.workflow("orders"), scene.workflow("crm"))
    return scene


def test_a_refused_credential_is_mended(scene: LetterScene) -> None:
    """A run leaves 1,000 letters; the redrive delivers each once, in order, and none is left."""
    scene.configure(
        scene.workflow("orders"),
        scene.workflow("crm"),
        retry={"reject_on": [401]},
        dead_letter={"max_consecutive": 100_000},
    )
    events = list(tracks(range(1000)))
    scene.produce(events)
    scene.receiver.script("/orders", 401)
    with scene.start("--until-end") as run:
        assert run.wait() == 0
    refused = scene.receiver.count("/orders")
    listed = scene.told("list")
    [row] = listed["letters"]
    assert (listed["open"], row["workflow"], row["reason"], row["status"]) == (1000, "orders", "rejected", 401)

    dry = scene.letters("redrive")
    assert dry.returncode == 0
    assert " ".join(dry.stdout.split()) == "workflow reason letters would be sent left orders rejected 1,000 1,000 0"
    assert "Nothing was sent. Add --execute to send it." in dry.stderr
    assert scene.receiver.count("/orders") == refused

    scene.receiver.heal("/orders")
    done = scene.redrive()
    assert (done["letters"], done["redriven"], done["failed_again"], done["left"]) == (1000, 1000, 0, 0)
    arrivals = scene.receiver.arrivals("/orders")[refused:]
    assert sorted(a.headers["idempotency-key"] for a in arrivals) == sorted(ids_of(events))
    assert scene.order_faults("/orders", since=refused) == []
    assert scene.receiver.count("/crm") == 1000
    again = scene.told("list")
    assert (again["open"], again["redriven"], again["letters"]) == (0, 1000, [])
    assert scene.letters("redrive", "--execute").stdout == "There is no open letter to redrive.\n"


@pytest.mark.parametrize("ids", [("old-id", "new-id"), ("", "new-id"), ("", "")])
def test_letters_of_a_topic_that_was_created_again(scene: LetterScene, ids: tuple[str, str]) -> None:
    """Old and new ones at the same places are all listed, sent once each, and marked; also those without topic ids."""
    old, new = list(tracks(range(40))), list(tracks(range(40, 60)))
    scene.bury(old, topic_id=ids[0])
    scene.recreate()
    scene.bury(new, topic_id=ids[1])
    assert scene.told("list")["open"] == 60
    done = scene.redrive()
    assert (done["letters"], done["redriven"], done["left"]) == (60, 60, 0)
    assert sorted(scene.ids("/orders")) == sorted([*ids_of(old), *ids_of(new)])
    assert scene.told("list")["open"] == 0


def test_what_fails_again_is_a_letter_again(scene: LetterScene) -> None:
    """With its attempts added, under its identity, beside what is delivered; nothing is lost."""
    scene.bury(tracks(range(20)))
    scene.receiver.script("/orders", when(lambda body: b'"n":7,' in body or b'"n":8,' in body, 422))
    done = scene.redrive()
    assert (done["redriven"], done["failed_again"]) == (18, 2)
    done = scene.redrive("--workflow", "orders")
    assert (done["redriven"], done["failed_again"]) == (0, 2)
    letters = scene.open_letters()
    assert [(x.identity.workflow, x.status, x.attempts, x.copies) for x in letters] == [("orders", "422", 3, 3)] * 2
    assert {x.identity.place[1:] for x in letters} == {scene.places["m-7"], scene.places["m-8"]}
    scene.receiver.heal("/orders")
    assert scene.redrive()["redriven"] == 2
    assert scene.told("list")["open"] == 0
    assert duplicates(scene.receiver.successes("/orders")) == []


def test_order_is_that_of_the_events(scene: LetterScene) -> None:
    """An early event of a user that failed again lies last on the topic, and is sent first all the same."""
    events = [make_event(n, users=1) for n in range(6)]
    records = scene.bury(events)
    scene.write_letters([DeadLetter(records[0], Reason.REJECTED, "", "orders", "400", 4)])
    assert scene.redrive()["redriven"] == 6
    assert scene.ids("/orders") == ids_of(events)


def test_letters_are_chosen(scene: LetterScene) -> None:
    """By workflow, reason, status, event and time; the others stay."""
    now = time.time()
    scene.failed_at = now - 7200
    old = scene.bury(tracks(range(3)))
    scene.failed_at = now - 60
    scene.bury(tracks(range(3, 6)), "crm", Reason.EXPIRED, status="timeout")
    place = str(old[1].place)
    for arguments, count in (
        (("--workflow", "orders"), 3),
        (("--workflow", "orders", "--workflow", "crm"), 6),
        (("--reason", "expired"), 3),
        (("--status", "400"), 3),
        (("--from", "PT1H"), 3),
        (("--until", "PT1H"), 3),
        (("--event", place), 1),
    ):
        assert scene.told("list", *arguments)["open"] == count, arguments
    rows = scene.told("list", "--by", "workflow,hour")["letters"]
    assert [(row["workflow"], row["letters"]) for row in rows] == [("crm", 3), ("orders", 3)]
    assert scene.redrive("--event", place)["redriven"] == 1
    assert scene.ids("/orders") == ["m-1"]
    assert scene.redrive("--from", "PT1H")["redriven"] == 3
    assert sorted(scene.ids("/crm")) == ["m-3", "m-4", "m-5"]
    assert {letter.identity.place for letter in scene.open_letters()} == {old[0].place, old[2].place}


def test_one_letter_in_full(scene: LetterScene) -> None:
    """Its source, its attempts, its headers; the value, unless it is to be left out."""
    [record] = scene.bury([make_event(1)])
    shown = scene.letters("show", str(record.place)).stdout
    for text in ("orders", "rejected", "it said no", "origin: test", str(record.place), '"messageId":"m-1"'):
        assert text in shown, shown
    assert '"messageId"' not in scene.letters("show", str(record.place), "--no-value").stdout
    [letter] = scene.told("show", str(record.place))["letters"]
    assert orjson.loads(letter.pop("value")) == make_event(1)
    assert letter == {
        "workflow": "orders",
        "state": "open",
        "ended_at": None,
        "event": str(record.place),
        "group": scene.group,
        "reason": "rejected",
        "status": 400,
        "detail": "it said no",
        "attempts": 1,
        "failed_at": "2026-09-21T14:13:20Z",
        "event_at": letter["event_at"],
        "dead_letter": f"{scene.dead_letters}:{record.partition}:0",
        "copies": 1,
        "key": record.key.decode() if record.key else None,
        "headers": [["origin", "test"]],
        "value_omitted": False,
    }
    scene.redrive()
    [letter] = scene.told("show", str(record.place), "--no-value")["letters"]
    assert letter["state"] == "redriven"
    missing = scene.letters("show", f"{scene.topic}:0:999")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert f"There is no dead letter of {scene.topic}:0:999" in missing.stderr


def test_letters_are_discarded(scene: LetterScene) -> None:
    """Dry at first; then they are open no more, nothing was sent, and their markers have identity and key."""
    records = scene.bury(tracks(range(10)))
    scene.bury(tracks(range(10, 12)), "crm")
    dry = scene.told("discard", "--workflow", "orders")
    assert (dry["dry_run"], dry["letters"]) == (True, 10)
    assert len(scene.open_letters()) == 12
    assert scene.told("discard", "--workflow", "orders", "--execute")["letters"] == 10
    listed = scene.told("list")
    assert (listed["open"], listed["discarded"], listed["redriven"]) == (2, 10, 0)
    assert scene.receiver.count() == 0
    markers = [r for r in read_topic(scene.broker.bootstrap, scene.dead_letters) if r.value is None]
    named = [header_texts(marker.headers) for marker in markers]
    assert {n["tray.reason"] for n in named} == {"discarded"}
    assert sorted((m.key, n["tray.offset"], m.partition) for m, n in zip(markers, named, strict=True)) == sorted(
        (r.key, str(r.offset), r.partition) for r in records
    )


def test_invalid_events_go_to_all_once_they_are_valid(scene: LetterScene) -> None:
    """Still invalid: left. After the schema mode changed: to every workflow that wants them, and the rest is left."""
    scene.configure(scene.workflow("orders"), scene.workflow("crm", types=["track"]))
    nobody = [{**make_event(n), "userId": None} for n in range(3)]
    page = {"type": "page", "messageId": "page"}
    unwanted = {**nobody[0], "messageId": "off", "integrations": {"All": False}}
    scene.bury(map(orjson.dumps, [*nobody, page, unwanted]), None, Reason.INVALID_EVENT, status="")
    scene.bury([b"{nonsense"], None, Reason.INVALID_JSON, status="")
    dry = scene.told("redrive")
    assert (dry["letters"], dry["would_be_sent"]) == (6, 0)
    assert dry["left_because"] == {"still no valid events": 6}

    workflows = scene.workflow("orders"), scene.workflow("crm", types=["track"])
    scene.configure(*workflows, validation={"mode": "lenient"})
    done = scene.redrive()
    assert (done["redriven"], done["left"]) == (4, 2)
    assert done["left_because"] == {
        "still no valid events": 1,
        "no workflow wants them by the present filters": 1,
    }
    assert sorted(scene.ids("/orders")) == ["m-0", "m-1", "m-2", "page"]
    assert sorted(scene.ids("/crm")) == ["m-0", "m-1", "m-2"]
    assert {letter.identity.offset for letter in scene.open_letters()} == {4, 5}


def test_an_invalid_event_that_one_workflow_refuses_is_its_letter_then(scene: LetterScene) -> None:
    """The others have it; the letter without a workflow is done, and the new one has the new attempts alone."""
    scene.configure(scene.workflow("orders"), scene.workflow("crm"), validation={"mode": "off"})
    scene.bury([orjson.dumps({"messageId": "odd"})], None, Reason.INVALID_EVENT, status="")
    scene.receiver.script("/crm", 400)
    assert scene.redrive()["failed_again"] == 1
    [letter] = scene.open_letters()
    assert (letter.identity.workflow, letter.identity.offset, letter.attempts) == ("crm", 0, 1)
    assert scene.ids("/orders") == ["odd"]


def test_a_value_that_was_too_large_is_read_where_the_event_lies(scene: LetterScene) -> None:
    """If it is still there; else the letter is left, and said why."""
    [gone] = scene.bury([make_event(1)], omitted=True)
    scene.expire()
    scene.bury([make_event(2)], omitted=True)
    done = scene.redrive()
    assert (done["redriven"], done["left"]) == (1, 1)
    assert list(done["left_because"]) == [SOURCE_GONE]
    assert scene.ids("/orders") == ["m-2"]
    [letter] = scene.told("show", str(gone.place))["letters"]
    assert (letter["value_omitted"], letter["value"], letter["state"]) == (True, None, "open")


def test_a_topic_for_small_records_only_is_marked_all_the_same(scene: LetterScene) -> None:
    """Its limit is for a whole batch: markers that do not fit together are written one by one."""
    tiny = LetterScene(scene.broker, f"{scene.topic}-tiny", scene.receiver, scene.directory)
    tiny.broker.create_topic(tiny.topic, PARTITIONS)
    tiny.broker.create_topic(tiny.dead_letters, PARTITIONS, {"max.message.bytes": "1300"})
    tiny.configure(tiny.workflow("orders"))
    for number in range(12):
        tiny.bury([make_event(number)])
    assert tiny.redrive()["redriven"] == 12
    assert tiny.told("list")["open"] == 0


def test_letters_of_others_are_left(scene: LetterScene) -> None:
    """Of a workflow that is configured no more, of another group, and records that are no letters."""
    scene.bury(tracks(range(2)), "old")
    scene.bury(tracks(range(2, 4)), "orders", group="another")
    scene.bury(tracks(range(4, 6)), "orders", group=f"{scene.group}.orders")
    produce_events(scene.broker.bootstrap, scene.dead_letters, [("k", "v", 0, None)])
    listed = scene.told("list", "--by", "workflow")
    assert (listed["open"], listed["of_other_groups"], listed["not_letters"]) == (4, 2, 1)
    assert [(row["workflow"], row["letters"]) for row in listed["letters"]] == [("old", 2), ("orders", 2)]
    done = scene.redrive()
    assert (done["redriven"], done["left"]) == (2, 2)
    assert done["left_because"] == {"their workflow is configured no more": 2}
    assert sorted(scene.ids("/orders")) == ["m-4", "m-5"]
    assert "2 letters left as they are: their workflow" in scene.letters("redrive").stdout
    assert scene.told("discard", "--workflow", "old", "--execute")["letters"] == 2
    assert scene.told("list")["open"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (
            ("redrive", "--workflow", "oders"),
            2,
            "there is no workflow oders, nor a dead letter of it. Did you mean orders?",
        ),
        (("list", "--from", "yesterday"), 2, "--from: 'yesterday' is not a time. Accepted are: 2026-11-24T10:00:00Z"),
        (("list", "--event", "m-1"), 2, "--event: 'm-1' names no event. Write topic:partition:offset"),
        (("list", "--by", "user"), 2, "--by: 'user' is nothing to count by. There are: workflow, reason, status"),
        (("redrive", "--rate", "fast"), 2, "--rate: 'fast' is not a rate."),
        (("redrive", "--execute", "--dry-run"), 2, "--execute: cannot be used together with --dry-run."),
        (("list", "--reason", "bad"), 2, "Invalid value for '--reason'"),
        (("show", "here"), 2, "PLACE: 'here' names no event."),
        (("list", "--group-id", "never"), 1, "There is no topic never.dead-letters on this cluster"),
    ],
)
def test_what_cannot_be_done_is_said(scene: LetterScene, arguments: tuple[str, ...], code: int, told: str) -> None:
    """With what to write instead."""
    ended = scene.letters(*arguments)
    assert ended.returncode == code, ended.stderr
    assert told in " ".join(ended.stderr.replace("│", " ").split())
    assert "Traceback" not in ended.stderr


def test_json_is_one_object(scene: LetterScene) -> None:
    """Also where there is nothing."""
    assert json.loads(scene.letters("redrive", "--json").stdout) == {
        "schema_version": 1,
        "dry_run": True,
        "letters": 0,
        "would_be_sent": 0,
        "left": 0,
        "rows": [],
        "left_because": {},
    }
