"""What `check` says of the settings before it asks anybody."""

from __future__ import annotations

import socket
from typing import Any

from stream.check.finding import Finding
from stream.check.settings import check_listen, check_settings
from stream.settings.model import Http, Settings

URL = "https://hooks.example.com/wf/1"
ORDERS = {"name": "orders", "url": URL, "types": ["track", "page"], "exclude_types": ["page"], "events": ["Order *"]}


def found(*workflows: dict[str, Any], **more: Any) -> dict[str, Finding]:
    """The findings by what was looked at."""
    settings = Settings.model_validate({"kafka": {"topics": ["t"]}, "workflow": list(workflows), **more})
    return {finding.what: finding for finding in check_settings(settings)}


def test_each_workflow_is_shown_with_what_it_receives() -> None:
    """Also without --probe one sees whether the filters are the ones that were meant, and who signs."""
    findings = found(ORDERS, {"name": "b", "url": URL}, destination={"shared_secret": "s3cret"}, isolation="workflow")
    assert findings["workflow orders"] == Finding(
        "workflow orders",
        "ok",
        "https://hooks.example.com; page, track but page; track events Order *; signed (segment)",
    )
    assert findings["workflow b"].detail == "https://hooks.example.com; every type; signed (segment)"
    assert "isolation" not in findings


def test_isolation_is_recommended_from_two_workflows_on() -> None:
    """By default one workflow that is down stops the others once the limits are full."""
    assert "isolation" not in found(ORDERS)
    assert found(ORDERS, {"name": "b", "url": URL})["isolation"].verdict == "warning"


def test_no_workflow_is_a_finding() -> None:
    """`check` does without, `run` does not."""
    assert found()["workflows"].verdict == "warning"


def listen_verdict(listen: str) -> tuple[str, str]:
    """Verdict and detail of an address to serve metrics on."""
    [finding] = check_listen(Http(listen=listen))
    return finding.verdict, finding.detail


def test_an_address_that_is_taken_is_a_finding() -> None:
    """`run` would end with exit 2, unless the one who listens is a tray-stream that is to be replaced."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        listen = f"127.0.0.1:{server.getsockname()[1]}"
        verdict, detail = listen_verdict(listen)
    assert (verdict, "address already in use" in detail) == ("warning", True)
    assert listen_verdict(listen)[0] == "ok"
    assert listen_verdict("no-such.invalid:9464")[0] == "failed"
