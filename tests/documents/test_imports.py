"""Which package may import which: the arrows of stream/ARCHITECTURE.md."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "stream"
EDGES = {"kafka", "http", "registry", "telemetry", "validation"}
BELOW_COMMANDS = {"model", "rules", "fql", "engine", "settings", "runtime", "console", *EDGES}
MAY_IMPORT: dict[str, set[str]] = {
    "model": {"fql"},
    "fql": set(),
    "rules": {"model", "fql"},
    "engine": {"model", "rules"},
    "kafka": {"model"},
    "http": {"model"},
    "registry": {"model"},
    "validation": {"model"},
    "telemetry": {"model", "rules"},
    "settings": {"model", "rules", "fql"},
    "runtime": {"model", "fql", "rules", "engine", "settings", *EDGES},
    "console": {"model", "settings", "telemetry", "runtime", "kafka"},
    "run": {*BELOW_COMMANDS, "start_signals"},
    "check": BELOW_COMMANDS,
    "replay": {*BELOW_COMMANDS, "run"},
    "dead_letters": {*BELOW_COMMANDS, "run"},
    "offsets": {*BELOW_COMMANDS, "replay", "top"},
    "explain": {*BELOW_COMMANDS, "dead_letters", "replay", "top"},
    "top": BELOW_COMMANDS,
    "held": {*BELOW_COMMANDS, "top"},
    "fixtures": {*BELOW_COMMANDS, "explain"},
    "tap": {*BELOW_COMMANDS, "explain", "replay"},
    "send": {*BELOW_COMMANDS, "explain", "run"},
    "audience": BELOW_COMMANDS,
    "demo": {*BELOW_COMMANDS, "run"},
    "cli": {
        *(
            "run",
            "check",
            "replay",
            "dead_letters",
            "offsets",
            "explain",
            "send",
            "fixtures",
            "tap",
            "held",
            "top",
            "audience",
            "demo",
        ),
        *("console", "model", "settings", "runtime"),
    },
    "start_signals": set(),
    "__main__": {"cli", "run", "model", "telemetry", "start_signals"},
}
IMPURE = {
    "asyncio",
    "time",
    "random",
    "logging",
    "socket",
    "threading",
    "os",
    "pathlib",
    "confluent_kafka",
    "httpx",
}


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def package_of(path: Path) -> str:
    """The package below stream/ that a file is in, or its own name at the top."""
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def test_arrows() -> None:
    """No package imports one that it may not."""
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        package = package_of(path)
        for module in imports(path):
            target = module.split(".")[1] if module.startswith("stream.") else package
            if target != package and target not in MAY_IMPORT.get(package, set()):
                wrong.append(f"{path.relative_to(PACKAGE)} imports {module}")
    assert wrong == []


@pytest.mark.parametrize("package", ["model", "rules", "fql"])
def test_values_and_rules_are_pure(package: str) -> None:
    """They read no clock, no randomness, no file, no network, and log nothing."""
    assert impure(package, IMPURE) == {}


def test_the_engine_knows_the_world_only_through_ports() -> None:
    """The engine reads no clock and touches no edge of its own; of randomness it knows the type that it is given."""
    assert impure("engine", IMPURE - {"random"}) == {}


def impure(package: str, forbidden: set[str]) -> dict[str, set[str]]:
    """The forbidden modules that the files of a package import, by file."""
    return {
        path.name: found
        for path in (PACKAGE / package).glob("*.py")
        if (found := {module.split(".")[0] for module in imports(path)} & forbidden)
    }


def test_no_callback_is_put_into_an_engine_part_after_it_was_made() -> None:
    """Who is called back is an argument of the constructor or of the call, so that nobody is called amid a change."""
    wired = [
        f"{path.name}:{node.lineno} {ast.unparse(target)}"
        for path in sorted((PACKAGE / "engine").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Attribute) and is_wiring(target, node.value)
    ]
    assert wired == []


def is_wiring(target: ast.Attribute, value: ast.expr) -> bool:
    """Whether a function is assigned to an attribute of another object."""
    if isinstance(target.value, ast.Name) and target.value.id == "self":
        return False
    if isinstance(value, ast.Attribute):
        return target.attr.startswith("on_") or value.attr.startswith(("on_", "_on_"))
    is_partial = isinstance(value, ast.Call) and ast.unparse(value.func) == "partial"
    return target.attr.startswith("on_") or isinstance(value, ast.Lambda) or is_partial
