"""What happens to a customer: events, reduced to what the rules look at, and passed deadlines."""

from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Final, TypeAlias

import msgspec

from shared.events.transitions import MoneyAmount, OrderRef
from shared.orders.facts import OrderAction, OrderFact

_COMPLETED: Final = OrderAction.COMPLETED
_NO_AMOUNT: Final = (None, None)

EventKey: TypeAlias = tuple[datetime, int, str, str, str]
"""Events are folded in the order of (time, rank, source, id); see shared/events/ranks.py.

Last comes the origin, because the events of two merged customers may be equal in all of these.
"""


class EventKind(StrEnum):
    """What an event, or the passing of a deadline, means to the rules."""

    ORDER = "order"
    """A purchase: an order is completed, for the first time or after it was cancelled."""
    ORDER_CHANGED = "order_changed"
    """Another total or margin, or a refund withdrawn, of an order that stands."""
    RESTORED = "restored"
    """An order stands again, as the purchase that it was."""
    UNDONE = "undone"
    """An order was refunded or cancelled, in part or wholly."""
    CONCLUDED = "concluded"
    RENEWED = "renewed"
    CANCELLED = "cancelled"
    CLOSED = "closed"
    RECOMMENDED = "recommended"
    ANNULLED = "annulled"
    SCORED = "scored"
    PRAISED = "praised"
    """Feedback that makes an advocate."""
    COMPLAINED = "complained"
    ANSWERED = "answered"
    RESOLVED = "resolved"
    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    SIGNED_UP = "signed_up"
    SEEN = "seen"
    """A session, a page view or a click."""
    ACTIVATED = "activated"
    UPDATED = "updated"
    ACTIVE = "active"
    """Another sign of life from the customer."""
    NO_EFFECT = "contact"
    """Makes a customer known and changes nothing else, or turned out to have no effect."""
    MERGED = "merged"
    """Another id is the same customer; no rule looks at it."""
    UNMERGED = "unmerged"
    """It is another customer after all; no rule looks at it."""
    ADMINISTRATIVE = "notice"
    """Concerns a customer without making one known."""
    TEST = "test"
    """The shop tries something out: nothing changes."""

    SILENCE = "silence"
    LONG_SILENCE = "long_silence"
    LONG_INACTIVE = "long_inactive"
    NO_SIGN_OF_LIFE = "no_sign_of_life"
    ADVOCACY_AGED = "advocacy_aged"
    COMPLAINT_OVERDUE = "complaint_overdue"
    CONTACT_FADED = "contact_faded"
    CONTRACT_ENDED = "contract_ended"
    CONTRACT_DROPPED = "contract_dropped"
    """A contract ran out without ending the relationship; no rule looks at it."""


DEADLINE_KINDS: Final = frozenset(
    {
        EventKind.SILENCE,
        EventKind.LONG_SILENCE,
        EventKind.LONG_INACTIVE,
        EventKind.NO_SIGN_OF_LIFE,
        EventKind.ADVOCACY_AGED,
        EventKind.COMPLAINT_OVERDUE,
        EventKind.CONTACT_FADED,
        EventKind.CONTRACT_ENDED,
        EventKind.CONTRACT_DROPPED,
    }
)
"""Kinds that only passing time has, apart from CONTRACT_ENDED: a cancellation may have it too."""
MERGES: Final = (EventKind.MERGED, EventKind.UNMERGED)
"""Say where the events of an id belong; they concern only the id that they were sent for."""
PURCHASES: Final = frozenset({EventKind.ORDER, EventKind.CONCLUDED, EventKind.RENEWED})
ACTIVITY: Final = frozenset(
    {
        EventKind.SCORED,
        EventKind.COMPLAINED,
        EventKind.SUBSCRIBED,
        EventKind.SIGNED_UP,
        EventKind.SEEN,
        EventKind.ACTIVATED,
        EventKind.ACTIVE,
    }
)
"""Acts of the customer that end a gap in contact; purchases do so as part of their own effect."""
CUSTOMER_ACTIONS: Final = PURCHASES | ACTIVITY
"""Events in which the customer has acted, bought, clicked or paid."""


class ContractTerms(msgspec.Struct, frozen=True, gc=False):
    """What an event says of a contract."""

    contract_id: str
    months: int | None = None
    renews_at: datetime | None = None
    effective_at: datetime | None = None


class Score(msgspec.Struct, frozen=True, gc=False):
    """Feedback on its scale (NPS 0 to 10, CSAT 1 to 5, review 1 to 5 in halves)."""

    kind: str
    score: float
    public: bool = False


class ComplaintDetails(msgspec.Struct, frozen=True, gc=False):
    """What an event says of a complaint."""

    complaint_id: str
    severity: int = 2
    satisfied: bool = False


class Referral(msgspec.Struct, frozen=True, gc=False):
    """The referral that succeeded or was annulled."""

    reference: str


class AccountDetails(msgspec.Struct, frozen=True, gc=False):
    """What an event says of the customer: the kind of account."""

    account: str | None = None


class MergeTarget(msgspec.Struct, frozen=True, gc=False):
    """The id that stays when two ids turn out to be one customer."""

    into: str


Details: TypeAlias = (
    OrderFact | ContractTerms | Score | ComplaintDetails | Referral | AccountDetails | MergeTarget
)


class Happening(msgspec.Struct, frozen=True, gc=False):
    """One event, as the rules see it; the type of `details` depends on `kind`.

    `order_key` is a short hash of the order that the event names: orders with different hashes
    are different, but those with the same hash need not be the same. `origin` is the customer whom
    the event was sent for, if a merge brought it over.
    """

    time: datetime
    rank: int
    source: str
    id: str
    kind: EventKind
    details: Details | None = None
    historical: bool = False
    order_key: int | None = None
    origin: str = ""

    @property
    def key(self) -> EventKey:
        """Where the event stands in the customer's life."""
        return self.time, self.rank, self.source, self.id, self.origin

    @property
    def amount_and_currency(self) -> tuple[int | None, str | None]:
        """The total of an order, or what of it is undone (None: all of it), in minor units."""
        fact = self.details
        if not isinstance(fact, OrderFact):
            return _NO_AMOUNT
        price = fact.details.total or fact.details.amount
        return _NO_AMOUNT if price is None else (price.amount, price.currency)

    @property
    def order(self) -> OrderRef | None:
        """The order as transitions name it, if the event completes one."""
        fact = self.details
        if not isinstance(fact, OrderFact) or fact.action is not _COMPLETED:
            return None
        order = fact.details
        if order.total is None:
            return None
        total = MoneyAmount(order.total.amount, order.total.currency)
        return OrderRef(order.order_id, total, order.coupon)


SORT_KEY: Final = attrgetter("time", "rank", "source", "id", "origin")
"""`Happening.key` of a happening, for sorting."""
