"""One order: what it brings, what was refunded of it, and whether it still stands."""

from datetime import datetime
from typing import TypeAlias

import msgspec

OrderKey: TypeAlias = tuple[str, str]
"""Store and order id: together they are one order."""


class Refund(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A refund that was counted; with an `id` it counts only once, even after a withdrawal."""

    amount: int
    currency: str
    id: str | None = None
    withdrawn: bool = False


class Order(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An order after everything known of it; amounts are minor units of `currency`.

    - `source` is who sent it ("": the store), `origin` the customer it was sent for ("": the
      present one).
    - `at` is the time of purchase: of its first completion, or of the one that took the last
      cancellation back.
    - `total` and `margin` are what it brings before refunds.
    - `is_purchase` is False for a replacement, and for a free order where these do not count.
    - `is_alone` says that no other order has the same id, and that no event of that id waits.
    - `is_changed` says that more than one event has said what it is.
    """

    id: str
    store: str
    at: datetime
    total: int
    currency: str
    margin: int | None = None
    source: str = ""
    origin: str = ""
    refunds: tuple[Refund, ...] = ()
    is_cancelled: bool = False
    is_replacement: bool = False
    is_purchase: bool = True
    is_alone: bool = True
    is_changed: bool = False
    is_historical: bool = False

    @property
    def key(self) -> OrderKey:
        """What identifies the order."""
        return self.store, self.id

    @property
    def refunded(self) -> int:
        """The sum of the refunds that count: in the present currency, and not withdrawn."""
        return sum([refund.amount for refund in self._counted_refunds()])

    @property
    def is_undone(self) -> bool:
        """Is it cancelled, or refunded up to its present total?"""
        if self.is_cancelled:
            return True
        if not self.refunds:
            return False
        counted = self._counted_refunds()
        return bool(counted) and sum([refund.amount for refund in counted]) >= self.total

    @property
    def stands(self) -> bool:
        """Is it a purchase that is not undone?"""
        if self.is_cancelled or not self.is_purchase:
            return False
        return not (self.refunds and self.is_undone)

    @property
    def left(self) -> int:
        """What it brings after refunds; 0 unless it stands."""
        if not self.refunds:
            return self.total if self.stands else 0
        return self.total - self.refunded if self.stands else 0

    @property
    def margin_left(self) -> int | None:
        """The margin in proportion to what is left; None if no margin is known."""
        margin = self.margin
        if margin is None or not self.stands:
            return None if margin is None else 0
        return margin * self.left // self.total if self.refunds and self.total else margin

    def _counted_refunds(self) -> list[Refund]:
        currency = self.currency
        return [r for r in self.refunds if r.currency == currency and not r.withdrawn]
