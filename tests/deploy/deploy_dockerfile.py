"""Reads a Dockerfile as far as ours goes: stages, instructions, lists and variables."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Stage:
    """One FROM and what follows it."""

    image: str
    name: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, word: str) -> list[str]:
        """What every instruction of one kind says."""
        return [rest for found, rest in self.instructions if found == word]

    def last(self, word: str) -> str:
        """What the last instruction of one kind says, which is the one in force."""
        return self.all(word)[-1]

    def command(self, word: str) -> list[str]:
        """An instruction in exec form. Raises ValueError when it is in shell form, which needs a shell."""
        text = self.last(word)
        return list(map(str, json.loads(text[text.index("[") :] if "[" in text else text)))

    @property
    def variables(self) -> dict[str, str]:
        """What ENV sets."""
        pairs = [pair for text in self.all("ENV") for pair in shlex.split(text)]
        return dict(pair.split("=", 1) for pair in pairs)

    @property
    def labels(self) -> dict[str, str]:
        """What LABEL sets."""
        return dict(pair.split("=", 1) for text in self.all("LABEL") for pair in shlex.split(text))


def read_stages(path: Path) -> tuple[dict[str, str], list[Stage]]:
    """(defaults of the arguments before the first FROM, every stage)."""
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    text = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#"))
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            image, _, name = rest.partition(" AS ")
            stages.append(Stage(re.sub(r"\$\{(\w+)\}", lambda found: arguments[found[1]], image), name))
        elif word == "ARG" and not stages:
            name, _, value = rest.partition("=")
            arguments[name] = value
        elif word:
            stages[-1].instructions.append((word, rest.strip()))
    return arguments, stages
