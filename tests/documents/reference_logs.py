"""The reference of the log's messages in Markdown, from the calls that write them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parents[2] / "stream"
LEVELS = ("error", "warning", "info", "debug")
NOT_OF_RUN = ("testing", "demo")
NOT_A_FIELD = ("limit_key",)


class Message(NamedTuple):
    """What a line says, and the fields that it may have."""

    level: str
    text: str
    fields: tuple[str, ...]


def reference() -> str:
    """One table for each level; messages that are put together when they are written are not in it."""
    lines = []
    for level in LEVELS:
        rows = sorted({message for message in messages() if message.level == level})
        lines += [f"## {level.capitalize()}", "", "| message | fields |", "|---|---|"]
        lines += [f"| {_escaped(text)} | {' '.join(f'`{name}`' for name in fields)} |" for _, text, fields in rows]
        lines.append("")
    return "\n".join(lines)


def messages() -> Iterator[Message]:
    """Each literal sentence that the package logs."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] not in NOT_OF_RUN:
            yield from (found for node in ast.walk(ast.parse(path.read_text())) if (found := _message(node)))


def _message(node: ast.AST) -> Message | None:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS):
        return None
    text = _text(node.args[0]) if node.args else ""
    fields = tuple(word.arg for word in node.keywords if word.arg and word.arg not in NOT_A_FIELD)
    return Message(node.func.attr, text, fields) if text.rstrip(".:") != text or " " in text else None


def _text(node: ast.expr) -> str:
    """A literal as text, what is put in at run time as an ellipsis."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")
