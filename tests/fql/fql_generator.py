"""Statements by FQL's grammar, events of Segment's specification and bent ones, and filters: random, by seed."""

from __future__ import annotations

import json
import random
from typing import Any

from stream.fql.rules import ORDER, Action, Filter

_PATHS = (
    *("type", "event", "userId", "anonymousId", "messageId", "missing", "properties", "traits", "context.ip"),
    *("properties.total", "properties.plan", "properties.features", "properties.products", "properties.vip"),
    *("properties.product\\ 1.price", "properties.products.\\0.price", "properties.features.length", "event.length"),
    *("traits.email", "traits.address.city", "context.library.name", "context.app.version", "context.page.url"),
    *("properties.missing.deep", "properties.text", "properties.number", "properties.odd-key_1", "event.\\1"),
    *("properties.a\\.b", "properties.empty", "properties.nothing", "context.traits.email.length", "properties.\\2"),
)
_TEXTS = (
    *("track", "identify", "page", "Order Completed", "order completed", "Order *", "", "a", "ab*d", "abCd", "free"),
    *("ann@company.com", "1.2.3", "1.2", "2", "1.0.0-beta", "dark-mode", "ア", "😀", "é", "İ", "ß", "Ω", "string", "x"),
    *("boolean", "number", "object", "undefined", ">=", "=", "<", "!=", "v1.2", " 1 . 2 ", "1.2.3.4", "+1.-2", "null"),
)
_PATTERNS = (
    *(
        "*",
        "Order *",
        "*@company.com",
        "*der*",
        "?",
        "??",
        "a*d",
        "a?d",
        "[a-z]*",
        "[^a-z]*",
        "ab[cC]d",
        "\\*",
        "ab\\*d",
    ),
    *(
        "[",
        "[]a]",
        "[a",
        "[-]",
        "[a-",
        "\\",
        "a\\",
        "[\\]]",
        "[z-a]",
        "[^z-a]",
        "**",
        "*a*b*c*",
        "[a-ω]?",
        "*😀*",
        "[😀]",
    ),
    *("1.*", "*[0-9]", "", "[a-b-c]", "x[", "a[*]b", "[\\-x]", "]*", "?*?", "*\\", "[a\\", "é", "*İ*"),
)
_NUMBERS = ("0", "1", "-1", "+5", "50", "3.5", "007", "-0", "99.99", "9007199254740993", "12345678901234567890", "1.0")
_OPERATORS = ("=", "!=", "<", "<=", ">", ">=")
_ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 3.5, 50, "", "a", "1.2.3", "Order Completed", "ann@company.com", "ア", "😀x", "İ"),
    *([], ["a", "dark-mode"], [1, None], [[1], {"a": 1}], {}, {"a": 1}, {"2": 1, "1": 2, "b": 3}, {"length": 3}),
    *(9007199254740992, 9007199254740993, 12345678901234567890, 1e21, 1e-7, 1.5e300, -0.0, 10**400, "\ud83d", "ab*d"),
    *({"b.c": 1}, {"price": 3}, [{"price": 1}, {"price": "2"}], {"value": "a"}, [{"value": "a"}], "abCd", "track"),
)
_NAMES = ("total", "plan", "features", "products", "vip", "text", "number", "odd-key_1", "product 1", "a.b", "empty")
_MUTATIONS = " \t\n!=<>()[],.\\'\"abnor019-+_x&é😀\r"
_FIELDS = (
    *("properties.total", "properties.products.price", "properties.products", "traits.email", "context.ip", "event"),
    *("properties.features", "context.page.url", "missing.deep", "properties.features.0", "traits.address.city", "a.b"),
    *("properties.2", "properties.list.0", "integrations", "traits", "context.traits.email", "properties.text.length"),
)


class Generator:
    """Makes random inputs; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    # Statements.

    def statement(self, depth: int = 3) -> str:
        """A statement that parses."""
        return self._condition(depth)

    def broken(self) -> str:
        """A statement with some of its characters changed."""
        text = list(self.statement(1))
        for _ in range(self._random.randint(1, 3)):
            at = self._random.randint(0, len(text))
            text[at : at + self._random.randint(0, 2)] = self._random.choice(_MUTATIONS)
        return "".join(text)

    def _condition(self, depth: int) -> str:
        kind = self._random.random()
        if depth and kind < 0.35:
            word = self._random.choice(("and", "or"))
            parts = [self._condition(depth - 1) for _ in range(self._random.randint(2, 3))]
            return f"{self._space}{word} ".join(self._grouped(part) for part in parts)
        if depth and kind < 0.45:
            return f"!({self._condition(depth - 1)})"
        if kind < 0.5:
            return f"!{self._random.choice((self._path, self._tested()))}"
        if kind < 0.75:
            return f"{self._operand()} {self._random.choice(_OPERATORS)} {self._operand()}"
        if kind < 0.83:
            return f"{self._operand()} in {self._list()}"
        return self._tested() if kind < 0.95 else self._operand()

    def _grouped(self, part: str) -> str:
        return f"({part})" if self._random.random() < 0.6 else part

    def _tested(self) -> str:
        kind = self._random.random()
        if kind < 0.4:
            return f"match({self._operand()}, {self._quoted(_PATTERNS)})"
        if kind < 0.5:
            return f"match({self._operand()}, {self._path})"
        if kind < 0.8:
            return f"contains( {self._operand()} , {self._operand()} )"
        operator = self._random.choice(("'>='", "'='", "'<'", "'!='", "'~'", "'>'", "'<='", self._path))
        return f"semver({self._operand()}, {operator}, {self._operand()})"

    def _operand(self) -> str:
        kind = self._random.random()
        if kind < 0.45:
            return self._path
        if kind < 0.65:
            return self._quoted(_TEXTS)
        if kind < 0.75:
            return self._random.choice(_NUMBERS)
        if kind < 0.83:
            return self._random.choice(("true", "false", "null"))
        if kind < 0.87:
            return self._list()
        inner = self._operand() if self._random.random() < 0.2 else self._path
        return f"{self._random.choice(('lowercase', 'typeof', 'length'))}({inner})"

    def _list(self) -> str:
        items = [self._operand() for _ in range(self._random.randint(0, 4))]
        return f"[{', '.join(items)}]"

    def _quoted(self, texts: tuple[str, ...]) -> str:
        text = self._random.choice(texts)
        return f'"{text}"' if self._random.random() < 0.3 else f"'{text}'"

    @property
    def _path(self) -> str:
        return self._random.choice(_PATHS)

    @property
    def _space(self) -> str:
        return self._random.choice((" ", "  ", "\n", "\t"))

    # Events.

    def event(self) -> str:
        """An event as JSON."""
        event: dict[str, Any] = {
            "type": self._random.choice(("track", "identify", "page", "screen", "group")),
            "messageId": f"m-{self._random.randint(0, 9999)}",
            "userId": self._random.choice(("u1", "u2", None, 5)),
            "event": self._random.choice(("Order Completed", "Button Clicked", "order", "Order Updated")),
            "properties": self._object(_NAMES),
            "traits": {"email": "ann@company.com", "address": {"city": self._odd}},
            "context": {
                "ip": "8.8.8.8",
                "library": {"name": "analytics.js", "version": "1.0"},
                "app": {"version": self._random.choice(("1.2.3", "1.10", "2", 3, "x"))},
                "page": {"url": "https://example.com/"},
                "traits": {"email": "bob@example.com"},
            },
        }
        for _ in range(self._random.randint(0, 3)):
            holder = self._random.choice((event, event["properties"]))
            holder[self._random.choice(("event", "traits", "context", "userId", "missing", "1", "2", "list"))] = (
                self._odd
            )
        text = json.dumps(event, ensure_ascii=self._random.random() < 0.5)
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace") if "\ud83d" in text else text

    def _object(self, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: self._odd for name in names if self._random.random() < 0.8}

    @property
    def _odd(self) -> Any:
        return self._random.choice(_ODD_VALUES)

    # Filters.

    def filters(self) -> tuple[Filter, ...]:
        """Some filters, in the order in which they apply."""
        made = [self._filter() for _ in range(self._random.randint(1, 3))]
        return tuple(sorted(made, key=lambda each: ORDER.index(each.action)))

    def _filter(self) -> Filter:
        actions: tuple[Action, ...] = ("drop", "drop_properties", "allow_properties", "sample")
        action = self._random.choice(actions)
        condition = self.statement(1) if self._random.random() < 0.4 or action == "drop" else ""
        fields = tuple(self._random.sample(_FIELDS, self._random.randint(1, 4)))
        percent = self._random.choice((0.0, 100.0))
        return Filter(action, condition, percent, "userId", fields if action.endswith("properties") else ())
