"""Words that stand for nobody: shops send them as customer ids by mistake."""

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Final

NO_CUSTOMERS: Final = (
    "null",
    "nil",
    "none",
    "undefined",
    "nan",
    "[object object]",
    "true",
    "false",
    "0",
    "-1",
    "guest",
    "anonymous",
    "unknown",
    "user",
    "customer",
    "id",
    "test",
    "n/a",
)
"""What ingest takes for no customer unless a setting says otherwise; case does not matter."""


class NoCustomers:
    """Ids that are refused, in any case."""

    def __init__(self, words: Collection[str]) -> None:
        alternatives = "|".join(map(_in_any_case, sorted(words)))
        self.pattern: Final = f"^(?:{alternatives})$" if words else ""
        """A regular expression that JSON Schema knows as well; empty if there are no words."""
        self._longest = max(map(len, words), default=0)
        self._matches = re.compile(self.pattern).fullmatch

    def __contains__(self, id: object) -> bool:
        if not isinstance(id, str) or len(id) > self._longest:
            return False
        return self._matches(id) is not None


@lru_cache(maxsize=8)
def no_customers(words: frozenset[str]) -> NoCustomers:
    """The same, compiled once."""
    return NoCustomers(words)


def _in_any_case(word: str) -> str:
    """ASCII letters only: what else has case also has exceptions."""
    return "".join(map(_both_cases, word))


def _both_cases(letter: str) -> str:
    if letter.isascii() and letter.isalpha():
        return f"[{letter.lower()}{letter.upper()}]"
    return rf"\{letter}" if letter in r"\^$.*+?()[]{}|/" else letter
