"""The documents that users read, and what is in them: links, headings, blocks of code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SITE = sorted(DOCS.rglob("*.md"))
"""The pages of the site."""
PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "deploy/README.md")), *SITE]
FENCE = re.compile(r"^([ ]*)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of code on a page."""

    page: Path
    line: int
    language: str
    mark: str
    text: str

    def __str__(self) -> str:
        return f"{name(self.page)}:{self.line}"


def name(page: Path) -> str:
    """The path of a page in the repository."""
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return FENCE.sub("", page.read_text())


def blocks(page: Path) -> list[Block]:
    """The blocks of code, each with the comment right above it."""
    text = page.read_text()
    found = []
    for match in FENCE.finditer(text):
        above = re.search(r"<!-- ([^>]+) -->\n\Z", text[: match.start()])
        line = text.count("\n", 0, match.start()) + 1
        indent = len(match[1])
        body = "".join(row[indent:] if row.strip() else "\n" for row in match[3].splitlines(keepends=True))
        found.append(Block(page, line, match[2], above[1] if above else "", body))
    return found


ALL_BLOCKS = [block for page in PAGES for block in blocks(page)]


def marked(page: Path, mark: str) -> str:
    """The one block of a page with this mark above it."""
    (found,) = (block.text for block in blocks(page) if block.mark == mark)
    return found


def anchor(heading: str) -> str:
    """What a heading is linked by: lower case, no punctuation, blanks as hyphens."""
    plain = re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", plain.lower()).strip())


def headings(page: Path, level: str = "#{1,4}") -> list[str]:
    """The headings of a level, blocks of code left out."""
    return re.findall(rf"^{level} (.+)$", prose(page), re.MULTILINE)


def links(page: Path) -> list[str]:
    """The targets of links and pictures."""
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", prose(page)))
