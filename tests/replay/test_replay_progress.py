"""What a replay's commits say besides the offset."""

from __future__ import annotations

import pytest

from stream.replay.fingerprint import (
    BadProgressError,
    ReplayProgress,
    asked_for,
    read_progress,
    write_progress,
)

ASKED = asked_for(**{"from": "PT2H"}, until="latest", workflow="orders", type="track", secret_user="u1")


def test_it_is_read_as_it_was_written() -> None:
    """With the map that follows, and without one."""
    progress = ReplayProgress("run-1", 10, 90, ASKED)
    for done_map in ("", "t1.AAAA"):
        assert read_progress(write_progress(progress) + done_map) == (progress, done_map)


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "t1.AAAA",
        "by another tool",
        "r1.{}\n",
        "r1.[]\n",
        "r1.no json\n",
        "r9.{}\n",
        write_progress(ReplayProgress("r", 0, 1, ASKED))[:-1],
    ],
)
def test_what_no_replay_wrote_is_refused(metadata: str) -> None:
    """Foreign, damaged, or cut."""
    with pytest.raises(BadProgressError):
        read_progress(metadata)


def test_a_changed_part_does_not_match_its_hash() -> None:
    """The hash is over all that was asked for."""
    text = write_progress(ReplayProgress("r", 0, 1, ASKED)).replace('"orders"', '"audit"')
    with pytest.raises(BadProgressError, match="damaged"):
        read_progress(text)


def test_differences_are_named() -> None:
    """By option, with what was and what is."""
    now = asked_for(**{"from": "PT3H"}, until="latest", workflow="orders", type="", secret_user="u1")
    assert ASKED.digest != now.digest
    assert ASKED.differences(now) == ["--from was PT2H and is PT3H", "--type was track and is not given"]
    assert ASKED.differences(ASKED) == []


def test_who_was_asked_for_is_not_kept_as_text() -> None:
    """A user's id would lie in Kafka's offsets; that it differs is told all the same."""
    assert "u1" not in write_progress(ReplayProgress("r", 0, 1, ASKED))
    other = asked_for(**{"from": "PT2H"}, until="latest", workflow="orders", type="track", secret_user="u2")
    none = asked_for(**{"from": "PT2H"}, until="latest", workflow="orders", type="track", secret_user="")
    assert ASKED.differences(other) == ["--user has other values"]
    assert ASKED.differences(none) == ["--user was some value and is not given"]


def test_it_stays_short_however_much_is_asked_for() -> None:
    """The map of what is done needs the room."""
    many = asked_for(
        **{"from": "2026-11-24T10:00:00.000+01:00"},
        until="2026-11-24T12:30:00.000+01:00",
        topic=" ".join(f"topic-{n}:0,1,2" for n in range(50)),
        workflow=" ".join(f"workflow-{n}" for n in range(10)),
        secret_message_id=" ".join(f"m-{n}" for n in range(1000)),
    )
    assert len(write_progress(ReplayProgress("0123456789ab", 10**12, 10**12, many))) < 500
