"""Tests can fail: no assertion holds only because there is nothing to look at."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from assertions import every, filled

TESTS = Path(__file__).resolve().parents[1]
LITERALS = (ast.Tuple, ast.List, ast.Set, ast.Dict, ast.Constant)


def vacuous(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Assertions that nothing can break, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            if _called(node.test) == "all" or _called(_negated(node.test)) == "any":
                yield node.lineno, "use `every`: all() of nothing holds"
            if isinstance(node.test, ast.Compare) and _is_with_itself(node.test):
                yield node.lineno, "compares a thing with itself"
        elif isinstance(node, ast.For) and _only_asserts(node.body) and not _is_filled(node.iter):
            yield node.lineno, "use `filled`: a loop over nothing asserts nothing"


def _called(node: ast.AST | None) -> str:
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def _negated(node: ast.AST) -> ast.AST | None:
    return node.operand if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) else None


def _is_with_itself(compare: ast.Compare) -> bool:
    """A name or an attribute; two calls may differ."""
    return isinstance(compare.left, ast.Name | ast.Attribute) and ast.dump(compare.left) in map(
        ast.dump, compare.comparators
    )


def _only_asserts(body: list[ast.stmt]) -> bool:
    return all(
        isinstance(one, ast.Assert) or (isinstance(one, ast.For | ast.If | ast.With) and _only_asserts(one.body))
        for one in body
    )


def _is_filled(node: ast.expr) -> bool:
    if isinstance(node, LITERALS):
        return bool(getattr(node, "elts", None) or getattr(node, "keys", None) or getattr(node, "value", None))
    return _called(node) in ("filled", "range")


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: path.relative_to(TESTS).as_posix())
def test_every_assertion_can_fail(path: Path) -> None:
    """Quantified assertions refuse an empty set."""
    assert list(vacuous(ast.parse(path.read_text()))) == []


@pytest.mark.parametrize(
    "text",
    [
        "assert all(f(x) for x in found)",
        "assert not any(f(x) for x in found)",
        "for x in found:\n    assert x",
        "for x in found.items():\n    if x:\n        assert x",
        "for x in ():\n    assert x",
        "assert a.b == a.b",
    ],
)
def test_what_cannot_fail_is_found(text: str) -> None:
    """Each form of it."""
    assert len(list(vacuous(ast.parse(text)))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "assert every(f(x) for x in found)",
        "assert any(f(x) for x in found)",
        "for x in filled(found):\n    assert x",
        "for x in (1, 2):\n    assert x",
        "for x in found:\n    use(x)\n    assert x",
        "assert f() == f()",
    ],
)
def test_what_can_fail_is_left_alone(text: str) -> None:
    """The remedies are not found in their turn."""
    assert list(vacuous(ast.parse(text))) == []


def test_nothing_is_never_enough() -> None:
    """The helpers refuse an empty set, and say what does not hold."""
    with pytest.raises(AssertionError, match="nothing to look at"):
        every([])
    with pytest.raises(AssertionError, match="nothing to look at"):
        filled(iter(()))
    with pytest.raises(AssertionError, match=r"of 3 facts these do not hold: \[1\]"):
        every([1, 0, 2])
    assert every(map(bool, [1, 2]))
    assert list(filled(iter("ab"))) == ["a", "b"]


@pytest.mark.xdist_group("registry")
def test_a_group_of_tests_has_one_process(request: pytest.FixtureRequest) -> None:
    """pytest-xdist finds it at the end of the name; without it every process would start brokers of its own."""
    by_group = bool(request.config.getoption("loadgroup", False))  # of xdist's workers, with --dist loadgroup
    assert request.node.nodeid.endswith("@registry") == by_group
