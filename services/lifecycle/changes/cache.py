"""Keeps the newest changes in memory: one read serves all who have read everything before."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

from services.lifecycle.changes.positions import Change, ChangeRange

MOST_BYTES: Final = 8 << 20


class ChangeCache:
    """As many of the newest changes as fit."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._changes: OrderedDict[tuple[int, int], Change] = OrderedDict()

    def keep(self, changes: Iterable[Change]) -> None:
        """Add changes, all of them newer than those here; the oldest make room."""
        for change in changes:
            self._changes[change.partition, change.number] = change
            self._bytes += len(change.body)
        while self._bytes > self._most:
            _, oldest = self._changes.popitem(last=False)
            self._bytes -= len(oldest.body)

    def clear(self) -> None:
        """Drop all of them."""
        self._changes.clear()
        self._bytes = 0

    def find(self, parts: Sequence[ChangeRange]) -> list[Change] | None:
        """All changes in these ranges; None if one of them is not here."""
        found = list[Change]()
        for part in parts:
            for number in range(part.after + 1, part.until + 1):
                change = self._changes.get((part.partition, number))
                if change is None:
                    return None
                found.append(change)
        return found
