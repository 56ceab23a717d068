"""What `tray-stream send` does: makes or takes an event, judges it, sends it to the workflows that want it, reports."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import typer

from stream.console.output import print_json
from stream.explain.explainer import Explainer
from stream.model.attempts import RESENT, Answer, HttpRequest
from stream.model.errors import StreamError, config_error
from stream.model.events import Event
from stream.model.ports import AttemptResult
from stream.model.records import Record
from stream.model.timeparse import format_wall
from stream.rules.deletion import with_member
from stream.run.command import loop_factory
from stream.runtime.decoding import event_decoder
from stream.runtime.endpoints import WorkflowEndpoint, endpoints_of
from stream.runtime.policies import delivery_rules
from stream.send.report import Sent, print_sent, sent_json
from stream.settings.model import Settings
from stream.telemetry.logs import configure_logs, logger

HEADER = ("X-Tray-Test", "true")
"""Tells the receiver that the event is a test."""

Wanted = Sequence[tuple[WorkflowEndpoint, HttpRequest]]


class InterruptedSendError(StreamError):
    """Ctrl-C came before the answer."""

    exit_code = 130


def run_send(
    settings: Settings, names: Collection[str], record: Record, file: str | None, *, with_body: bool, as_json: bool
) -> None:
    """Send the event to the workflows of these names, print what came back, exit 0 or 1.

    `file` is where the event is from; None: it was made, so that it tells of nobody.

    Raises:
        ConfigError: it is no event, or files of the TLS settings cannot be used.
        InterruptedSendError: Ctrl-C.
    """
    configure_logs("error", settings.log.format)
    explainer, now = Explainer(settings, with_body, [HEADER], event_decoder(settings)), time.time()
    event = _event_of(explainer, record, "standard input" if file == "-" else file or "the event")
    chosen = [(index, one) for index, one in enumerate(explainer.offers(event, now)) if one.workflow in names]
    requests = {index: explainer.request(event, index, now) for index, one in chosen if one.wanted}
    endpoints = endpoints_of(settings, [settings.workflows[index] for index in requests])
    answers = _answers(list(zip(endpoints, requests.values(), strict=True)))
    quotes = with_body or file is None
    sent = []
    for index, verdicts in chosen:
        answer, elapsed_s = answers.get(verdicts.workflow, (None, 0.0))
        sent.append(Sent(verdicts, answer, elapsed_s, None if quotes else event.body, settings.workflows[index]))
    outcomes = delivery_rules(settings).outcomes
    if as_json:
        print_json({"message_id": event.message_id, "workflows": [sent_json(one, outcomes) for one in sent]})
    else:
        print_sent(sent, settings, outcomes)
    raise typer.Exit(0 if answers and all(one.is_delivered for one in sent if one.answer is not None) else 1)


def _event_of(explainer: Explainer, record: Record, source: str) -> Event:
    decoded = explainer.decode(record)
    if isinstance(decoded, Event):
        return with_fresh_id(decoded)
    why = "It has no value." if decoded is None else f"{decoded.reason}: {decoded.detail}"
    raise config_error(source, f"is no event that can be sent ({why.rstrip('.')}).", "Correct it.")


def _answers(wanted: Wanted) -> dict[str, tuple[Answer, float]]:
    """What each workflow answered, and seconds that it took; the workflows' timeouts end it."""
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            answers = runner.run(_send_all(wanted))
    except KeyboardInterrupt:
        what = "Stopped before the answer came: the workflow may have received the request."
        raise InterruptedSendError(what) from None
    return {endpoint.workflow: answer for (endpoint, _), answer in zip(wanted, answers, strict=True)}


async def _send_all(wanted: Wanted) -> list[tuple[Answer, float]]:
    return await asyncio.gather(*(_send(endpoint, request) for endpoint, request in wanted))


async def _send(endpoint: WorkflowEndpoint, request: HttpRequest) -> tuple[Answer, float]:
    ended: asyncio.Future[tuple[Answer, float]] = asyncio.get_running_loop().create_future()

    def on_results(results: Sequence[AttemptResult]) -> None:
        for _, answer, elapsed_s in results:
            if answer is not RESENT and not ended.done():
                ended.set_result((answer, elapsed_s))

    sender = endpoint.open(logger(), quotes_success=True)
    try:
        sender.send(request, endpoint.workflow, on_results)
        return await ended
    finally:
        await sender.close()


TYPE = "track"
NAME = "Test Event"
USER = "test-user"
NAMED_BY = {"page": "name", "screen": "name"}
"""Where the name of an event of a type is; of any other type it is `event`."""


def made_event(type_: str | None, name: str | None, user: str | None) -> bytes:
    """A valid event of any type, as JSON."""
    kind = (type_ or TYPE).strip()
    event: dict[str, Any] = {
        "type": kind,
        "userId": user or USER,
        "timestamp": format_wall(time.time()),
        **_needed(kind.lower()),
    }
    if name is not None:
        event[NAMED_BY.get(kind.lower(), "event")] = name
    event["context"] = {"library": {"name": "tray-stream send"}}
    return json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")


def with_fresh_id(event: Event) -> Event:
    """The event with a messageId that no event has had; every other byte stays."""
    message_id = f"tray-test-{uuid4().hex}"
    body = with_member(event.body, "messageId", json.dumps(message_id).encode())
    payload = {**event.payload, "messageId": message_id}
    return replace(event, record=replace(event.record, value=body), body=body, message_id=message_id, payload=payload)


def _needed(type_: str) -> dict[str, Any]:
    """What an event of the type has beside type and user."""
    needed: dict[str, dict[str, Any]] = {
        "track": {"event": NAME, "properties": {}},
        "identify": {"traits": {}},
        "page": {"name": NAME, "properties": {}},
        "screen": {"name": NAME, "properties": {}},
        "group": {"groupId": "test-group", "traits": {}},
        "alias": {"previousId": "test-previous"},
    }
    return needed.get(type_, {})
