"""The options of `explain` and `top`; each hands over to its own file."""

from __future__ import annotations

from typing import Annotated

import typer

from stream.console import options

EXPLAIN_HELP = """Say of one event what would become of it, step by step; nothing is sent.

Of an event on a topic it says first what became of it at each workflow: delivered, filtered, a dead letter, held,
waiting, or not read yet. What is held and how far is read, it asks the running processor (http.listen, or --url).

Shows whether it is valid, which workflow would receive it and which rule and setting decided, the request without
what is secret, and its lane. Of an event on a topic also how far it has come in the consumer group, and its dead
letters.

--message-id and --user search a range of the topics: --from and --until take what those of replay take. Several events
are listed.

Examples:

  tray-stream explain event.json

  tail -1 events.jsonl | tray-stream explain - --body

  tray-stream explain segment-events:3:41

  tray-stream explain --message-id 0193b6a1-7c4e --from P3D

  tray-stream explain --user user-17 --from 2026-11-24T10:00:00Z --until 2026-11-24T11:00:00Z

Without --body nothing of the event is printed but its type, a track event's name, and the messageId.
"""

TOP_HELP = """Watch a running processor: rate, latency, gate, retries and dead letters of workflows, lag of partitions.

Reads /status.json of the processor, by default at the address that the settings name (http.listen).

Examples:

  tray-stream top

  tray-stream top --url http://10.0.0.7:9464 --interval 5s

  tray-stream top --once --json

The processor itself keeps rates and trends, so one look has them. Without a terminal it prints plain lines.
"""


Event = Annotated[
    str | None,
    typer.Argument(
        metavar="[EVENT]",
        help="topic:partition:offset, or a file with the event as JSON; - is standard input.",
        show_default=False,
    ),
]
Line = Annotated[
    int | None,
    typer.Option("--line", min=1, help="Line of the file, where it holds an event a line.", show_default=False),
]
Topic = Annotated[str | None, typer.Option("--topic", help="Topic with the event.", show_default=False)]
Partition = Annotated[
    int | None, typer.Option("--partition", min=0, help="Partition of the event.", show_default=False)
]
Offset = Annotated[
    int | None,
    typer.Option(
        "--offset", metavar="OFFSET", parser=options.read_offset, help="Offset of the event.", show_default=False
    ),
]
MessageId = Annotated[
    str | None, typer.Option("--message-id", metavar="ID", help="Find the event of this id.", show_default=False)
]
User = Annotated[
    str | None,
    typer.Option(
        "--user", metavar="ID", help="Find events with this userId, anonymousId or groupId.", show_default=False
    ),
]
Since = Annotated[
    str | None,
    typer.Option("--from", metavar="POINT", help="Search from here on. Default: a day ago (P1D).", show_default=False),
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="POINT", help="Search up to here, exclusive.", show_default=False)
]
Urls = Annotated[
    list[str] | None,
    typer.Option(
        "--url",
        help="Processor to ask what is held: host:port; may be repeated. Default: http.listen.",
        show_default=False,
    ),
]


def explain(
    file: Event = None,
    line: Line = None,
    topic: Topic = None,
    partition: Partition = None,
    offset: Offset = None,
    message_id: MessageId = None,
    user: User = None,
    start: Since = None,
    until: Until = None,
    config: options.Config = None,
    bootstrap_servers: options.Bootstrap = None,
    group_id: options.Group = None,
    url: Urls = None,
    body: Annotated[bool, typer.Option("--body", help="Print the body and the lane's name as well.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """One event, explained."""
    from stream.explain.command import EventSource, run_explain

    given = options.Given(config=config, bootstrap_servers=bootstrap_servers, group_id=group_id)
    source = EventSource(file, line, topic, partition, offset, message_id, user, start, until)
    run_explain(given, source, url or [], body, as_json)


def top(
    config: options.Config = None,
    url: Annotated[
        str | None,
        typer.Option("--url", help="Where it listens: http://host:port, or host:port.", show_default=False),
    ] = None,
    interval: Annotated[str, typer.Option("--interval", help="Time between two looks.")] = "2s",
    once: Annotated[bool, typer.Option("--once", help="Print one view and end.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; without --once an object a line, at every look.")
    ] = False,
) -> None:
    """A running processor, watched."""
    from stream.top.command import run_top

    run_top(config, url, interval, once, as_json)
