"""The last defence of the secrets."""

from __future__ import annotations

import io

from stream.telemetry.logs import configure_logs, journal, librdkafka_logger
from stream.telemetry.mask import HIDDEN, Hidden


def test_hidden_texts_are_masked_wherever_they_are() -> None:
    """The longest first, so that nothing is left of one that holds another; those of before a reload, too."""
    hidden = Hidden()
    assert hidden.mask("nothing is secret") == "nothing is secret"
    hidden.add(["s3cret-one", "s3cret-one-and-more"])
    hidden.add(["s3cret-two"])
    assert hidden.mask("a s3cret-one-and-more b s3cret-two") == "a ********** b **********"
    assert hidden.mask("s3cret-one") == "**********"


def test_short_texts_are_left_alone() -> None:
    """Masking them would garble the log; they are kept out of it where lines are made."""
    hidden = Hidden()
    hidden.add(["events", ""])
    assert hidden.mask("Reading events.") == "Reading events."


def test_no_line_of_the_log_has_a_hidden_text() -> None:
    """Whoever writes it: this program, or librdkafka while it is being debugged."""
    out = io.StringIO()
    configure_logs("debug", "text", out)
    HIDDEN.add(["s3cret-of-this-test"])
    journal().error("Here is s3cret-of-this-test.", field="s3cret-of-this-test")
    for _ in range(3):
        text = "[thrd:app]: sasl.password = s3cret-of-this-test"
        librdkafka_logger(journal()).debug("%s [%s] %s", "CONF", "rdkafka#1", text)
    assert "s3cret" not in out.getvalue()
    assert out.getvalue().count("sasl.password = **********") == 3
