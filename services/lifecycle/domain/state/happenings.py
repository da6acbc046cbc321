"""What happens to a customer: events, reduced to what the rules look at, and passed deadlines."""

from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Annotated, Final, TypeAlias

import msgspec

from shared.events.transitions import MoneyAmount, OrderRef

EventKey = tuple[datetime, int, str, str]
"""Events are folded in the order of (time, rank, source, id); see shared/events/ranks.py."""


class EventKind(StrEnum):
    """What an event, or the passing of a deadline, means to the rules."""

    ORDER = "order"
    UNDONE = "undone"
    """An order was refunded or cancelled."""
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
    ADMINISTRATIVE = "notice"
    """Concerns a customer without making one known."""

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


LARGEST_AMOUNT: Final = 2**63 - 1
"""Minor units that PostgreSQL can store."""


class Price(msgspec.Struct, frozen=True, gc=False):
    """Minor units of a currency, never negative."""

    amount: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_AMOUNT)]
    currency: str


class SignedPrice(msgspec.Struct, frozen=True, gc=False):
    """Minor units of a currency, negative for a loss."""

    amount: Annotated[int, msgspec.Meta(ge=-LARGEST_AMOUNT, le=LARGEST_AMOUNT)]
    currency: str


class Order(msgspec.Struct, frozen=True, gc=False):
    """A purchase; a margin in a currency other than the total's does not count."""

    order_id: str
    total: Price
    margin: SignedPrice | None = None
    coupon: str | None = None


class OrderUndoing(msgspec.Struct, frozen=True, gc=False):
    """A refund or cancellation of an order: how many minor units of it (None: all)."""

    order_id: str
    amount: int | None = None
    currency: str | None = None


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
    Order
    | OrderUndoing
    | ContractTerms
    | Score
    | ComplaintDetails
    | Referral
    | AccountDetails
    | MergeTarget
)


class Happening(msgspec.Struct, frozen=True, gc=False):
    """One event, as the rules see it; the type of `details` depends on `kind`.

    `order_key` is a short hash of the order that the event names: orders with different hashes
    are different, but those with the same hash need not be the same.
    """

    time: datetime
    rank: int
    source: str
    id: str
    kind: EventKind
    details: Details | None = None
    historical: bool = False
    order_key: int | None = None

    @property
    def key(self) -> EventKey:
        """Where the event stands in the customer's life."""
        return self.time, self.rank, self.source, self.id

    @property
    def amount_and_currency(self) -> tuple[int | None, str | None]:
        """The total of an order, or what of it is undone (None: all of it), in minor units."""
        details = self.details
        if isinstance(details, Order):
            return details.total.amount, details.total.currency
        if isinstance(details, OrderUndoing):
            return details.amount, details.currency
        return _NO_AMOUNT

    @property
    def order(self) -> OrderRef | None:
        """The order as transitions name it, if this is one."""
        order = self.details
        if not isinstance(order, Order):
            return None
        total = MoneyAmount(order.total.amount, order.total.currency)
        return OrderRef(order.order_id, total, order.coupon)


_NO_AMOUNT: Final = (None, None)

SORT_KEY: Final = attrgetter("time", "rank", "source", "id")
"""`Happening.key` of a happening, for sorting."""
