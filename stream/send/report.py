"""What came of a test request, as people and programs read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from rich.text import Text

from stream.console.output import cell, standard_output
from stream.explain.explainer import Verdicts
from stream.explain.text import request_lines, row, rule_line
from stream.model.attempts import Answer
from stream.rules.outcome import OutcomeTable, Verdict
from stream.rules.quoted import without_quotes
from stream.settings.model import Settings
from stream.settings.units import format_duration
from stream.settings.workflow import Workflow
from stream.telemetry.mask import HIDDEN


@dataclass(frozen=True)
class Sent:
    """One workflow: whether it wants the event, and what it answered."""

    verdicts: Verdicts
    answer: Answer | None
    """None: it does not want the event, so nothing was sent."""
    elapsed_s: float
    unquoted: bytes | None
    """Of this body the excerpt shows nothing; None: it may quote the event."""
    workflow: Workflow

    @property
    def is_delivered(self) -> bool:
        """Whether the answer is a 2xx."""
        return self.answer is not None and 200 <= self.answer.status < 300

    @property
    def excerpt(self) -> str:
        """The beginning of the answer's body, or why there is none; without secrets."""
        if self.answer is None:
            return ""
        text = HIDDEN.mask(self.answer.excerpt)
        return text if self.unquoted is None or self.answer.failure else without_quotes(text, self.unquoted, ())


def sent_json(sent: Sent, outcomes: OutcomeTable) -> dict[str, object]:
    """One workflow's part of `--json`."""
    answer, verdicts = sent.answer, sent.verdicts
    return {
        "workflow": verdicts.workflow,
        "wanted": verdicts.wanted,
        "rules": [asdict(rule) for rule in verdicts.rules],
        "request": None if verdicts.request is None else asdict(verdicts.request),
        "status": answer.status or None if answer else None,
        "failure": answer.failure or None if answer else None,
        "elapsed_s": round(sent.elapsed_s, 3) if answer else None,
        "excerpt": sent.excerpt if answer else None,
        "outcome": outcomes.verdict(answer).value if answer else None,
    }


def print_sent(sent: Sequence[Sent], settings: Settings, outcomes: OutcomeTable) -> None:
    """The result of each workflow, then its request and the answer."""
    console = standard_output()
    for number, one in enumerate(sent):
        if number:
            console.print()
        for line in _lines(one, settings, outcomes):
            console.print(line, soft_wrap=True)


def _lines(sent: Sent, settings: Settings, outcomes: OutcomeTable) -> Iterator[Text]:
    workflow = sent.workflow
    if sent.answer is None or sent.verdicts.request is None:
        yield Text.assemble(
            cell(f"{workflow.name}: ", "bold"), cell("not sent, its settings filter the event", "bold yellow")
        )
        yield rule_line(sent.verdicts.rules[-1])
        return
    yield Text.assemble(cell(f"{workflow.name}: ", "bold"), _result(sent, sent.answer))
    yield from request_lines(sent.verdicts.request, is_stored=False)
    yield row("answer" if sent.answer.status else "reason", sent.excerpt or "no text")
    yield row("run would", _meaning(outcomes.verdict(sent.answer), workflow, settings))
    if workflow.paused:
        yield row("note", "the settings pause this workflow: run sends it nothing", "yellow")


def _result(sent: Sent, answer: Answer) -> Text:
    time = f"{sent.elapsed_s * 1000:.0f} ms" if sent.elapsed_s < 1 else f"{sent.elapsed_s:.1f} s"
    if answer.status:
        return cell(f"{answer.status} in {time}", "bold green" if sent.is_delivered else "bold red")
    return cell(f"no answer ({answer.failure}) after {time}", "bold red")


def _meaning(verdict: Verdict, workflow: Workflow, settings: Settings) -> str:
    again = f"try the event again, for up to {format_duration(settings.retry.for_)} (retry.for)"
    holds = workflow.on_failure == "hold" or not settings.dead_letter.enabled
    return {
        Verdict.DELIVERED: "count the event as delivered",
        Verdict.RETRY: again,
        Verdict.RETRY_WORKFLOW: f"blame the URL or a credential, not the event: close the gate, and {again}",
        Verdict.REJECTED: "hold the event: it is refused" if holds else "make the event a dead letter: it is refused",
    }[verdict]
