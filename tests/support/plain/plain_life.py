"""Where a customer stands in the plain fold, and what is known from the events so far."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from services.lifecycle.domain.policy.policy import Policy
from tests.support.plain.plain_contracts import PlainContracts, contracts_of
from tests.support.plain.plain_events import PlainEvent
from tests.support.plain.plain_feedback import PlainComplaint, complaints_of
from tests.support.plain.plain_orders import PlainOrder, PlainOrders, orders_of
from tests.support.plain.plain_policies import PlainActivation, in_force

BONDED: Final = ("new", "established", "advocate", "won_back")
GONE: Final = ("inactive", "former")


@dataclass(frozen=True)
class PlainMove:
    """One transition; `because` is the id of the event, None if time alone brought it."""

    from_: str | None
    to: str
    rule: str
    at: datetime
    because: str | None
    episode: int
    policy: Policy


@dataclass
class PlainLife:
    """Where the customer stands.

    - `now` is the last instant at which something happened, `events` what happened until then.
    - `before` is the phase to which a customer at risk recovers.
    - `back` is where a won-back customer came from, with the instant since when.
    - `start` and `start_place` are the purchase that began the episode: its instant and its place.
    - `evidence` is what makes an advocate, each with its instant.
    - `habit_place` is the place at which the habit was formed.
    - `contact_at` is the contact from which a gap is measured, `overdue` are the complaints whose
      deadline has passed.
    """

    activations: Sequence[PlainActivation]
    events: list[PlainEvent] = field(default_factory=list)
    now: datetime | None = None
    account: str | None = None
    phase: str | None = None
    since: datetime | None = None
    before: str | None = None
    causes: set[str] = field(default_factory=set)
    faded: bool = False
    episode: int = 1
    back: tuple[str, datetime] | None = None
    start: datetime | None = None
    start_place: int = 0
    evidence: dict[str, datetime] = field(default_factory=dict)
    habit_place: int = 0
    contact_at: datetime | None = None
    overdue: set[tuple[str, datetime]] = field(default_factory=set)
    moves: list[PlainMove] = field(default_factory=list)
    computed: dict[int, PlainOrders] = field(default_factory=dict)

    # -- what is known, from the events so far

    @property
    def policy(self) -> Policy:
        """Return the policy in force now."""
        assert self.now is not None
        return in_force(self.activations, self.now, self.account)

    @property
    def orders(self) -> PlainOrders:
        """Return what the orders are now."""
        return self.orders_after(len(self.events))

    def orders_after(self, number: int) -> PlainOrders:
        """Return what the orders were after so many events: computed anew, but only once."""
        if number not in self.computed:
            self.computed[number] = orders_of(self.events[:number])
        return self.computed[number]

    @property
    def standing(self) -> list[PlainOrder]:
        """Return the purchases that stand."""
        return self.orders.standing

    @property
    def contracts(self) -> PlainContracts:
        """Return what the contracts are now."""
        return contracts_of(self.events)

    @property
    def complaints(self) -> dict[str, PlainComplaint]:
        """Return what the complaints are now."""
        return complaints_of(self.events)

    @property
    def last_purchase(self) -> datetime | None:
        """Return the instant of the last purchase that stands."""
        return max((order.purchased_at for order in self.standing), default=None)

    @property
    def has_bought(self) -> bool:
        """Does an order stand, or was there ever a contract?"""
        return bool(self.standing or self.contracts.began)

    @property
    def orders_of_episode(self) -> list[PlainOrder]:
        """Return those that stand since the return, or all if there was none."""
        if self.back is None or self.start is None:
            return self.standing
        return [order for order in self.standing if order.purchased_at >= self.start]

    @property
    def contracts_of_episode(self) -> list[int]:
        """Return the places of contracts begun since the return, or of all."""
        began = self.contracts.began
        return began if self.back is None else [n for n in began if n >= self.start_place]

    @property
    def has_renewed(self) -> bool:
        """Was a contract renewed since the return, or ever if there was none?"""
        renewed = self.contracts.renewed
        return any(self.back is None or place >= self.start_place for place in renewed)

    @property
    def revenue(self) -> dict[str, int]:
        """Return what is left of the totals, by currency."""
        sums = dict[str, int]()
        for order in self.standing:
            sums[order.currency] = sums.get(order.currency, 0) + order.left
        return sums
