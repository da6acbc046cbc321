"""The rows that a batch reads and writes; plain tuples where there are many (decision 0021)."""

from collections.abc import Collection
from datetime import datetime
from typing import Final, NamedTuple, Self, TypeAlias

import msgspec

from services.lifecycle.batch.entry import CustomerEntry
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.happenings import EventKind, Happening
from services.lifecycle.domain.state.merges import NO_MERGES, Merges
from services.lifecycle.tables.customers import magnitude
from shared.events.transitions import Transition
from shared.ids import hash64
from shared.orders.book import order_hash
from shared.orders.order import Order
from shared.stream.outgoing.outbox import Message

_TEST: Final = EventKind.TEST

LARGEST_AMOUNT: Final = 2**63 - 1
"""Minor units that PostgreSQL can store."""

EventRow: TypeAlias = tuple[
    int, int, int | None, datetime, datetime, str, int | None, str | None, bytes
]
"""One event to store: `repository.EVENT_COLUMNS`."""

TransitionRow: TypeAlias = tuple[
    str, int, int, str | None, str, str, datetime, datetime, datetime | None, bytes
]
"""One transition to store: `repository.TRANSITION_COLUMNS`."""

OrderVersionKey: TypeAlias = tuple[int, int, int, datetime]
"""The hashes of customer, order id and store, and the instant from which the version holds."""

OrderVersionRow: TypeAlias = tuple[int, int, int, datetime, datetime, int, str, bool]
"""What a changed order was from an instant on: `repository.ORDER_VERSION_COLUMNS`."""

RemarkRow: TypeAlias = tuple[int, int, str, bool]
"""The hashes of customer and event, why the event has had no effect, and whether it waits."""

Withdrawal: TypeAlias = tuple[str, int, int, datetime]
"""The customer, the version that is void, the version of the correction, and its clock."""

RenewedEvent: TypeAlias = tuple[int, int, bytes]
"""The keys of customer and event, and the record by which a newer merge has brought it."""


class AccountChange(NamedTuple):
    """A customer whose kind of account has changed. Empty: not known."""

    customer: str
    partition: int
    before: str
    after: str


class HintRow(NamedTuple):
    """One hint to give, unless it was given before."""

    customer: str
    name: str
    occasion: str
    at: datetime
    message: Message


class RearmingPosition(NamedTuple):
    """How far the customers of a partition are judged by the schedule up to number `target`.

    So they are by an edition of the rules. It is done for the first `done` customers in the order
    of their ids, the last of whom is `after`.
    """

    partition: int
    target: int
    edition: int
    after: str
    done: int
    total: int
    finished: bool


class DueRange(NamedTuple):
    """The deadlines of a partition that fell due in (after, until]."""

    partition: int
    after: datetime
    until: datetime


class StoredLife(NamedTuple):
    """All stored events of a customer, unordered, and the current transitions, oldest first."""

    events: list[bytes]
    transitions: list[Transition]


class CustomerRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A copy of an entry at the end of a batch: the entry changes while the row is written."""

    customer: str
    partition: int
    version: int
    key: int
    state: Customer
    phase: str | None = None
    parked: str | None = None
    merged_into: str | None = None
    merges: Merges | None = None
    signed_up_at: datetime | None = None
    activated_at: datetime | None = None
    account: str | None = None
    since: datetime | None = None
    first_order_at: datetime | None = None
    causes: Collection[str] = frozenset()
    value: int = 0
    currency: str | None = None
    magnitude: int = 0

    @classmethod
    def of(cls, entry: CustomerEntry) -> Self:
        """Make the row of an entry."""
        state = entry.customer
        value, currency = state.largest_revenue
        if value > LARGEST_AMOUNT:
            value = LARGEST_AMOUNT
        return cls(
            entry.id, entry.partition, entry.version, entry.key, state,
            state.phase, entry.parked, entry.merged_into,
            entry.merges if entry.merges is not NO_MERGES else None,
            state.signed_up_at, state.activated_at,
            state.account, state.since if state.phase else None, state.first_order_at,
            state.causes, value, currency, magnitude(value),
        )  # fmt: skip


def order_version_row(customer_key: int, at: datetime, order: Order) -> OrderVersionRow:
    """Make the row of one version of an order."""
    return (
        customer_key,
        order_hash(order.id),
        hash64(order.store),
        at,
        order.at,
        order.left,
        order.currency,
        order.stands,
    )


def stored_type(type: str, happening: Happening) -> str:
    """Return the type of an event as it is stored: no figure counts what was only a test."""
    return f"test.{type}" if happening.kind is _TEST else type
