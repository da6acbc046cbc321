"""Win-back cases: the lapse that opens one, the offer that goes with it, and its state."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID, uuid5

_CASES: Final = UUID("5d6e0b5c-6f0f-5b0c-9d5e-3c1c1d6f2a10")


class State(StrEnum):
    """The state of a case."""

    OPEN = "open"
    OFFERED = "offered"
    REOPENED = "reopened"
    """It was won back by an order that was undone, and its time is not over."""
    WON_BACK = "won_back"
    EXPIRED = "expired"
    LET_GO = "let_go"
    """The customer was not to be told of offers, so none was made."""
    CANCELLED = "cancelled"


RUNNING: Final = frozenset({State.OPEN, State.OFFERED, State.REOPENED})


class LapseKey(NamedTuple):
    """What makes two announced lapses the same one."""

    occurred_at: datetime
    rule: str


@dataclass(frozen=True, slots=True)
class Lapse:
    """A customer who has bought went into `inactive` or `former`, recently enough to act on it."""

    occurred_at: datetime
    rule: str
    phase: str

    @property
    def key(self) -> LapseKey:
        """What makes two announced lapses the same one."""
        return LapseKey(self.occurred_at, self.rule)


class Confirmation(NamedTuple):
    """The shop has used a code for an order."""

    order_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Offer:
    """What was promised, and the orders for which the shop has reserved or used the code.

    `reserved_for` and `reserved_by` are the order and the customer of the last reservation, unless
    it was released; `reserved_until` is None once it has ended in any way but by time.
    """

    code: str
    percent: int
    made_at: datetime
    expires_at: datetime
    attributed_until: datetime
    reserved_for: str | None = None
    reserved_by: str | None = None
    reserved_until: datetime | None = None
    confirmations: tuple[Confirmation, ...] = ()

    @property
    def deadline(self) -> datetime:
        """From this instant on neither the code nor a return without it counts."""
        return max(self.expires_at, self.attributed_until)


@dataclass(frozen=True, slots=True)
class Case:
    """One attempt to win a customer back; `version` counts the records published about it.

    - `origin` is the id that it was opened for, before any merge.
    - `offer` is None if the case was let go.
    - `order_id` is the order that ended it, `used_for` the one that the code is used for. They may
      differ: a return without the code ends the case and not the offer.
    """

    id: UUID
    customer: str
    origin: str
    lapse: Lapse
    offer: Offer | None
    cooldown_days: int
    state: State = State.OFFERED
    ended_at: datetime | None = None
    order_id: str | None = None
    with_code: bool | None = None
    used_for: str | None = None
    reason: str | None = None
    version: int = 0

    @property
    def is_running(self) -> bool:
        return self.state in RUNNING

    @property
    def due(self) -> datetime | None:
        """The deadline of a running case."""
        return self.offer.deadline if self.offer and self.is_running else None


@dataclass(frozen=True, slots=True)
class Terms:
    """What is offered, to whom, and for how long. Days are 24 hours.

    `offers_to_closed` says whether customers who have closed their account get offers,
    `free_orders_count` whether an order of 0 is a purchase.
    """

    secret: bytes = field(repr=False)
    percent: int = 10
    offer_days: int = 30
    attribution_days: int = 30
    cooldown_days: int = 90
    reservation_minutes: int = 30
    offers_to_closed: bool = False
    free_orders_count: bool = True


def case_id(customer: str, lapse: Lapse) -> UUID:
    """A lapse that is withdrawn and added again is the same lapse, and opens the same case."""
    return uuid5(_CASES, "\x1f".join((customer, lapse.occurred_at.isoformat(), lapse.rule)))
