"""What a value in Avro comes to as JSON, found out before it is decoded.

A few bytes may stand for a lot: fields without content cost none, an enum's symbol one, and a schema that contains
itself lets each byte nest one level deeper, which the decoder pays for with the thread's stack. Most schemas bound that
by themselves; values of the others are passed over once without being built.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MAX_DEPTH = 200
"""Levels of nesting that are written as JSON."""
_NUMBER_CHARS = 40
_LONGEST_VARINT = 10
_FIXED_WIDTHS = {"null": 0, "boolean": 1, "float": 4, "double": 8}
_ESCAPED = 6
"""A character that JSON escapes takes up to so many for one byte."""


@dataclass(slots=True)
class Node:
    """One type of a schema, with what is known of every value of it."""

    kind: str
    parts: list[Node] = field(default_factory=list)
    """Fields, branches, or the one type of the elements."""
    width: int = 0
    """Bytes of what has a fixed number."""
    own: int = 2
    """Characters that JSON adds to those of the parts."""
    least: int = 1
    """Bytes at least."""
    weight: int = 0
    """Characters at most, without the contents of texts, arrays and maps."""


class SizeGuard:
    """Refuses values that come to more than `max_bytes` as JSON, or are nested too deeply."""

    def __init__(self, schema: Any, named: dict[str, Any], max_bytes: int) -> None:
        plan = _Plan(named)
        self._root = plan.node(schema, 0)
        self._is_bounded = not plan.is_recursive and not plan.has_empty_elements
        self._per_byte = max(plan.element_weights, default=0) + _ESCAPED
        self._max_bytes = max_bytes

    def check(self, body: bytes, start: int) -> None:
        """Raises ValueError for a value, from `start` on, that is too large or too deep."""
        if self._is_bounded and self._root.weight + (len(body) - start) * self._per_byte <= self._max_bytes:
            return
        _Scan(body, start, self._max_bytes).value(self._root, 0)


class _Plan:
    """Makes the nodes of a parsed schema."""

    def __init__(self, named: dict[str, Any]) -> None:
        self._named = named
        self._nodes: dict[str, Node] = {}
        self._under_way: set[str] = set()
        self.is_recursive = False
        self.has_empty_elements = False
        self.element_weights: list[int] = []

    def node(self, schema: Any, depth: int) -> Node:
        """The node of a type; raises ValueError for one that is nested beyond reason."""
        if depth > MAX_DEPTH:
            raise ValueError("nested too deeply")
        if isinstance(schema, list):
            return self._union([self.node(branch, depth + 1) for branch in schema])
        if isinstance(schema, str):
            return self._of_name(schema, depth)
        kind = schema["type"]
        if not isinstance(kind, str):
            return self.node(kind, depth + 1)
        if kind in ("record", "error"):
            return self._record(schema, depth)
        if kind in ("array", "map"):
            return self._elements(kind, self.node(schema["items" if kind == "array" else "values"], depth + 1))
        if kind == "enum":
            longest = max((len(symbol) for symbol in schema["symbols"]), default=0) + 2
            return Node("long", own=longest, weight=longest)
        if kind == "fixed":
            size = int(schema["size"])
            return Node("fixed", width=size, least=size, own=2 * size + 4, weight=2 * size + 4)
        return self._of_name(kind, depth)

    def _of_name(self, name: str, depth: int) -> Node:
        if name in self._named:
            if name not in self._nodes:
                return self.node(self._named[name], depth)
            self.is_recursive |= name in self._under_way
            return self._nodes[name]
        if name in ("bytes", "string"):
            return Node(name)
        width = _FIXED_WIDTHS.get(name)
        if width is None:
            return Node("long", own=_NUMBER_CHARS, weight=_NUMBER_CHARS)
        return Node("fixed", width=width, least=width, own=_NUMBER_CHARS, weight=_NUMBER_CHARS)

    def _record(self, schema: Any, depth: int) -> Node:
        name = schema["name"]
        if name in self._nodes:
            return self._of_name(name, depth)
        node = self._nodes[name] = Node("record")
        self._under_way.add(name)
        node.parts = [self.node(each["type"], depth + 1) for each in schema["fields"]]
        self._under_way.discard(name)
        node.own = 2 + sum(len(each["name"]) + 4 for each in schema["fields"])
        node.least = sum(part.least for part in node.parts)
        node.weight = node.own + sum(part.weight for part in node.parts)
        return node

    def _elements(self, kind: str, element: Node) -> Node:
        self.has_empty_elements |= kind == "array" and element.least == 0
        self.element_weights.append(element.weight + 4)
        return Node(kind, [element], weight=2)

    @staticmethod
    def _union(branches: list[Node]) -> Node:
        return Node("union", branches, own=0, weight=max((branch.weight for branch in branches), default=0))


class _Scan:
    """Passes over one value, and adds up what it comes to."""

    def __init__(self, body: bytes, start: int, max_bytes: int) -> None:
        self._body = body
        self._at = start
        self._left = max_bytes

    def value(self, node: Node, depth: int) -> None:
        """One value of a type; raises ValueError where the limits, or the bytes, end before it does."""
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
        self._spend(node.own)
        match node.kind:
            case "record":
                for part in node.parts:
                    self.value(part, depth + 1)
            case "union":
                index = self._long()
                if not 0 <= index < len(node.parts):
                    raise ValueError("it is not what its Avro schema says (no such branch of a union)")
                self.value(node.parts[index], depth + 1)
            case "array" | "map":
                self._blocks(node, depth)
            case "bytes" | "string":
                self._text()
            case "long":
                self._long()
            case _:
                self._skip(node.width)

    def _blocks(self, node: Node, depth: int) -> None:
        element = node.parts[0]
        while count := self._long():
            if count < 0:
                count = -count
                self._long()  # the block's bytes
            if node.kind == "array" and element.least == 0:
                self._spend((count - 1) * (element.weight + 1))  # each may be empty: no byte bounds how many there are
            for _ in range(count if element.least or node.kind == "map" else min(count, 1)):
                if node.kind == "map":
                    self._text()
                self._spend(2)
                self.value(element, depth + 1)

    def _text(self) -> None:
        length = self._long()
        if length < 0:
            raise ValueError("it is not what its Avro schema says (a negative length)")
        self._spend(length + length // 3)
        self._skip(length)

    def _long(self) -> int:
        value = 0
        for number, byte in enumerate(self._body[self._at : self._at + _LONGEST_VARINT]):
            value |= (byte & 0x7F) << (7 * number)
            if byte < 0x80:
                self._at += number + 1
                return (value >> 1) ^ -(value & 1)
        raise ValueError("it is cut short")

    def _skip(self, width: int) -> None:
        self._at += width
        if self._at > len(self._body):
            raise ValueError("it is cut short")

    def _spend(self, characters: int) -> None:
        self._left -= characters
        if self._left < 0:
            raise ValueError("decoded, it would be larger than limits.max_open_bytes")
