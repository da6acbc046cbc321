"""One customer as the fold sees it: what is known from the events so far and the time passed."""

from datetime import UTC, datetime
from typing import Final

import msgspec

from services.lifecycle.domain.state.happenings import EventKey, Happening
from services.lifecycle.domain.state.open_items import Complaint, Contract
from services.lifecycle.domain.state.phases import Phase
from shared.events.transitions import Evidence, MoneyAmount, PolicyRef, Profile
from shared.orders.order import Order

EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
BEGINNING: Final[EventKey] = (EARLIEST, 0, "", "", "")
_NO_REVENUE: Final = (0, None)

SILENCE: Final = "silence"
REVENUE: Final = "revenue"
CONTACT: Final = "contact"
NEWSLETTER: Final = "newsletter"
"""Causes of being at risk; others are score:<kind>, complaint:<id> and cancellation:<id>."""


class Return(msgspec.Struct, frozen=True):
    """A return: the time of the purchase, and the phase restored if that is undone."""

    at: datetime
    from_: Phase
    since: datetime


class Notice(msgspec.Struct, frozen=True):
    """A transition announced: time alone will bring it, if nothing else happens before."""

    rule: str
    to: Phase
    at: datetime


class Customer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state: a pure function of the events folded and the time passed.

    - `known` is the number of the latest activation or fit that the state was folded with, and
      `edition` that of the rules (domain/edition.py).
    - `since` is when the phase began, `before` the phase to which a customer at risk recovers;
      `faded` marks an inactive prospect.
    - `position` counts the moves so far; `episode` is 1, and one more after every return.
    - `reached` is the last instant at which something fell due.
    - `revenue` and `margin` are minor units by currency.
    - `orders`, `revenue`, `margin` and the times of orders are of those that stand;
      `purchase_days` counts the UTC days with one.
    - `recent_orders` are the last ones, undone ones too; `has_older_orders` says that there are
      more, `keeps_two_quarters` that none of the last 180 days is missing.
    - `has_undone` says that an order was wholly undone since the habit was formed.
    - `orders_since_return` and `contracts_since_return` count from the purchase of the last return
      (or of the first purchase), without undone orders.
    - `has_renewed` says that a contract was ever renewed, `renewed_since_return` that one was since
      the last return (or the first purchase).
    - `complaints` are the open ones; `never_answered` are ids of slight ones that were resolved
      without an answer while a cause: an answer still clears it.
    - `evidence` is what makes an advocate, each with its instant.
    - `due` is no later than the earliest deadline, `hint_due` the earliest instant of a hint.
    """

    known: int = 0
    edition: int = 0
    account: str | None = None
    phase: Phase | None = None
    since: datetime = EARLIEST
    reached: datetime = EARLIEST
    episode: int = 1
    position: int = 0
    orders: int = 0
    revenue: dict[str, int] = {}
    margin: dict[str, int] = {}
    first_order_at: datetime | None = None
    first_order_historical: bool = False
    last_order_at: datetime | None = None
    purchase_days: int = 0
    has_undone: bool = False
    recent_orders: tuple[Order, ...] = ()
    has_older_orders: bool = False
    keeps_two_quarters: bool = False
    last_event: EventKey = BEGINNING
    orders_since_return: int = 0
    contracts: dict[str, Contract] = {}
    contracts_ever: int = 0
    contracts_since_return: int = 0
    has_renewed: bool = False
    renewed_since_return: bool = False
    returned: Return | None = None
    complaints: dict[str, Complaint] = {}
    never_answered: frozenset[str] = frozenset()
    evidence: dict[str, datetime] = {}
    before: Phase | None = None
    causes: frozenset[str] = frozenset()
    faded: bool = False
    signed_up_at: datetime | None = None
    activated_at: datetime | None = None
    contact_at: datetime | None = None
    incentives: int = 0
    noticed: Notice | None = None
    due: datetime | None = None
    hint_due: datetime | None = None

    @property
    def purchases(self) -> int:
        """Orders that stand, and contracts ever concluded."""
        return self.orders + self.contracts_ever

    @property
    def largest_revenue(self) -> tuple[int, str | None]:
        """The largest revenue in one currency, in minor units, and that currency."""
        largest: tuple[int, str | None] = _NO_REVENUE
        for currency, amount in self.revenue.items():
            if largest[1] is None or (amount, currency) > largest:
                largest = amount, currency
        return largest

    @property
    def now(self) -> datetime:
        """The last instant that the state has seen."""
        reached = self.reached
        heard = self.last_event[0]
        return heard if heard > reached else reached  # noqa: FURB136  (max is five times slower)

    @property
    def wakes_at(self) -> datetime | None:
        """When time alone changes something next, by a deadline or a hint."""
        due = self.due
        hint_due = self.hint_due
        if due is None or hint_due is None:
            return due or hint_due
        return due if due < hint_due else hint_due  # noqa: FURB136  (min is five times slower)

    def is_late(self, happening: Happening) -> bool:
        """Does this event belong before something already folded?

        Then the customer has to be folded anew.
        """
        time = happening.time
        last = self.last_event
        return time < self.reached or time < last[0] or (time == last[0] and happening.key < last)


class Move(msgspec.Struct, frozen=True):
    """One transition as the fold knows it, before anybody records it."""

    position: int
    from_: Phase | None
    to: Phase
    rule: str
    occurred_at: datetime
    evidence: Evidence
    policy: PolicyRef
    episode: int
    historical: bool
    profile: Profile
    since: datetime | None = None
    """When the phase that is left had been entered."""


def to_money(by_currency: dict[str, int]) -> tuple[MoneyAmount, ...]:
    """Return one amount of money per currency, sorted by the currencies' codes."""
    if len(by_currency) > 1:
        by_currency = dict(sorted(by_currency.items()))
    return tuple([MoneyAmount(amount, currency) for currency, amount in by_currency.items()])
