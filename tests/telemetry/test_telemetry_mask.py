"""The last defence of the secrets."""

from __future__ import annotations

import io
import json
import logging

import pytest

from stream.telemetry.logs import configure_logs, librdkafka_logger, logger
from stream.telemetry.mask import HIDDEN, MASK, Hidden


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
    logger().error("Here is s3cret-of-this-test.", field="s3cret-of-this-test")
    for _ in range(3):
        text = "[thrd:app]: sasl.password = s3cret-of-this-test"
        librdkafka_logger(logger()).debug("%s [%s] %s", "CONF", "rdkafka#1", text)
    assert "s3cret" not in out.getvalue()
    assert out.getvalue().count("sasl.password = **********") == 3


AWKWARD = [
    'quo"te-of-this-test',
    "back\\slash-of-this-test",
    "line\nbreak-of-this-test",
    "tab\tstop-of-this-test",
    "ümlaut-of-this-test",
    "emoji-\U0001f600-of-this-test",
    "apo'strophe-of-this-test",
    "per cent+of/this?test",
]
LEFT = "of-this-test"


@pytest.mark.parametrize("secret", AWKWARD)
@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_are_masked_before_they_are_quoted(secret: str, form: str) -> None:
    """Whatever the quoting of a line makes of them, within lists and tables, and as the text of an object."""
    out = io.StringIO()
    configure_logs("info", form, out)  # type: ignore[arg-type]  # one of the two
    HIDDEN.add([secret])
    log = logger()
    log.info(f"A sentence with {secret}.", field=secret, within=f"a {secret} b", held=[secret], table={"a": secret})
    log.info("Others.", error=ValueError(secret), python=repr(secret), quoted=json.dumps(secret), upper=secret.upper())
    written = out.getvalue()
    assert LEFT not in written.lower().replace("%2f", "/")
    assert "of/this?test" not in written
    assert written.count(MASK) >= 9


def test_other_types_stay_as_they_are() -> None:
    """Numbers, truth and null keep their form in JSON."""
    out = io.StringIO()
    configure_logs("info", "json", out)
    logger().info("Numbers.", count=3, share=0.5, known=True, nothing=None)
    line = json.loads(out.getvalue())
    assert (line["count"], line["share"], line["known"], line["nothing"]) == (3, 0.5, True, None)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("sasl.password = pw1", f"sasl.password = {MASK}"),
        ('{"password": "pw1"}', f'{{"password": "{MASK}"}}'),
        ("Authorization: Bearer pw1", f"Authorization: Bearer {MASK}"),
        ("http://ann:pw1@proxy:3128", f"http://ann:{MASK}@proxy:3128"),
        ("pw1 is a word", "pw1 is a word"),
        ("password=pw10", "password=pw10"),
    ],
)
def test_short_secrets_are_masked_where_they_are_certain(text: str, masked: str) -> None:
    """Behind the name of a secret, and in the user's part of a URL."""
    hidden = Hidden()
    hidden.add(["pw1"])
    assert hidden.mask(text) == masked


def test_a_variable_that_opentelemetry_cannot_read_is_not_quoted() -> None:
    """Its warning repeats a malformed header, with the token in it."""
    out = io.StringIO()
    configure_logs("warning", "text", out)
    logging.getLogger("opentelemetry.util.re").warning("Header format invalid! %s", "authorization tok-4711")
    logging.getLogger("opentelemetry.exporter").warning("Failed with %s.", "503")
    assert "4711" not in out.getvalue()
    assert "Header format invalid" in out.getvalue()
    assert "Failed with 503." in out.getvalue()
