"""Text that must not be shown."""

from __future__ import annotations

from pathlib import Path

from settings_support import MINIMAL, load

from stream.settings import Secret
from stream.settings.url import WorkflowUrl


def test_a_secret_shows_a_mask() -> None:
    """Whatever way it is formatted."""
    secret = Secret("s3cret")
    assert (str(secret), repr(secret), f"{secret}") == ("**********",) * 3


def test_a_secret_reveals_itself_when_asked() -> None:
    """There is one word for it, so that each use can be found."""
    assert Secret("s3cret").reveal() == "s3cret"


def test_secrets_are_equal_by_value() -> None:
    """A reload can tell whether a secret has changed; a URL is never equal to another kind of secret."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("https://a.b") != WorkflowUrl("https://a.b")
    assert len({Secret("a"), Secret("a")}) == 1


def test_an_empty_secret_is_false() -> None:
    """No secret means no signature."""
    assert not Secret("")
    assert Secret("a")


def test_a_url_shows_scheme_and_host_alone() -> None:
    """The path is what gives access; the port is not needed to know the workflow."""
    assert WorkflowUrl("https://hooks.example.com:8443/a?b=c").redacted() == "https://hooks.example.com"
    assert WorkflowUrl("http://[::1]:80/a").redacted() == "http://[::1]"


def test_the_settings_can_be_printed(tmp_path: Path) -> None:
    """No secret, URL path, header value or librdkafka password is in their `repr` or their JSON."""
    toml = MINIMAL.replace("[kafka]", '[kafka]\noptions = { "sasl.password" = "s3cret-1" }')
    toml += 'shared_secret = "s3cret-2"\nheaders = { Authorization = "s3cret-3" }\n'
    settings = load(tmp_path, f'{toml}[destination]\nshared_secret = "s3cret-4"').settings
    assert "s3cret" not in repr(settings)
    assert "/wf/1" not in repr(settings)
    assert "/wf/1" not in settings.model_dump_json()
