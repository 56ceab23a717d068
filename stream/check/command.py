"""`tray-stream check`: prints the findings; `--print` shows the settings in force."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import tomli_w
import typer
from rich.table import Table
from rich.text import Text

from stream.check.finding import Finding, exit_code
from stream.check.kafka import check_kafka
from stream.check.settings import check_listen, check_settings, probe_workflows, rehearse_start
from stream.console.output import cell, print_json, print_table
from stream.settings import redacted_settings
from stream.settings.load import Loaded
from stream.telemetry.mask import HIDDEN

_STYLES = {"ok": "green", "warning": "yellow", "failed": "red", "refused": "red"}


def print_settings(loaded: Loaded, as_json: bool) -> None:
    """The settings in force as a settings file, or as JSON. A secret is the reference to it, or masked."""
    tree = redacted_settings(loaded.settings, loaded.references)
    if as_json:
        print_json({"settings": tree}, indent=2)
        return
    source = loaded.path or "the environment and defaults alone"
    typer.echo(f"# The settings in force, from {source}, environment and command line.")
    typer.echo(
        "# A secret is shown as the reference to it; one that is written out is masked: refer to it as ${env:NAME}."
    )
    typer.echo(tomli_w.dumps(tree), nl=False)


def run_check(loaded: Loaded, as_json: bool, *, probe: bool, offline: bool) -> None:
    """Look at everything, `offline` at the settings alone; print every finding, exit 0, 1 or 3.

    Raises:
        ConfigError: a run would end with it at its start.
    """
    findings = [Finding(f"settings {loaded.path or 'from the environment'}", "ok")]
    findings += [Finding("settings", "warning", warning) for warning in loaded.warnings]
    findings += check_settings(loaded.settings)
    if not offline:
        rehearse_start(loaded.settings)
        findings += [*check_listen(loaded.settings.http), *check_kafka(loaded.settings)]
    if probe:
        findings += asyncio.run(probe_workflows(loaded.settings))
    findings = [Finding(HIDDEN.mask(each.what), each.verdict, HIDDEN.mask(each.detail)) for each in findings]
    if as_json:
        print_json({"findings": [asdict(finding) for finding in findings]})
    else:
        print_findings(findings)
    raise typer.Exit(exit_code(findings))


def print_findings(findings: list[Finding]) -> None:
    """A line for each."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for finding in findings:
        # As Text, since a plain string would be read as rich's markup: a detail may hold square brackets.
        verdict = Text(finding.verdict, _STYLES[finding.verdict])
        table.add_row(verdict, cell(finding.what), cell(finding.detail))
    print_table(table)
