"""Which package may import which: the arrows of stream/ARCHITECTURE.md."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "stream"
MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "engine": {"core"},
    "settings": {"core"},
    "kafka": {"core"},
    "webhook": {"core"},
    "telemetry": {"core"},
    "tracing": {"core"},
    "validation": {"core"},
    "audience": {"core", "kafka"},
    "testing": {"core", "engine", "validation"},
    "app": {"core", "engine", "settings", "kafka", "webhook", "telemetry", "tracing", "validation"},
    "letters": {"core", "engine", "settings", "kafka", "validation", "app"},
    "watch": {"core"},
    "supervisor": {"core", "settings", "telemetry", "app"},
    "demo": {"core", "settings", "testing"},
    "cli": {
        *("core", "settings", "app", "demo", "kafka", "telemetry", "testing"),
        *("audience", "letters", "supervisor", "watch", "start_signals"),
    },
    "start_signals": set(),
    "__main__": {"core", "cli", "telemetry", "start_signals"},
}
NOT_IN_THE_CORE = {
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


def test_the_core_is_pure() -> None:
    """The core reads no clock, no randomness, no file, no network, and logs nothing."""
    wrong = {
        path.name: found
        for path in (PACKAGE / "core").glob("*.py")
        if (found := {module.split(".")[0] for module in imports(path)} & NOT_IN_THE_CORE)
    }
    assert wrong == {}


def test_the_engine_knows_the_world_only_through_ports() -> None:
    """The engine reads no clock and touches no edge of its own."""
    wrong = {
        path.name: found
        for path in (PACKAGE / "engine").glob("*.py")
        if (found := {module.split(".")[0] for module in imports(path)} & (NOT_IN_THE_CORE - {"random"}))
    }
    assert wrong == {}
