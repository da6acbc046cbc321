"""The ledger as a plan: which postings bring what is posted to what should be, without touching what is posted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.referral.domain.rewards import Kind, Movement
from shared.ids import stable_id


class Account(StrEnum):
    """The accounts; those of the customer are a customer's each."""

    PENDING = "customer:pending"
    AVAILABLE = "customer:available"
    EXPENSE = "program:expense"


@dataclass(frozen=True, slots=True)
class Book:
    """Where postings belong: one customer's reward of one claim, in the currency of its order."""

    customer: str
    claim_id: UUID


@dataclass(frozen=True, slots=True)
class Posting:
    """One posting. `content` is what it says, `id` which time it is said, `cancels` the posting that it takes back."""

    id: UUID
    content: UUID
    kind: Kind
    time: datetime
    cause: str
    currency: str
    pending: int
    available: int
    cancels: UUID | None = None

    @property
    def entries(self) -> list[tuple[Account, int]]:
        """Amounts by account; they sum to 0."""
        amounts = (
            (Account.PENDING, self.pending),
            (Account.AVAILABLE, self.available),
            (Account.EXPENSE, -self.pending - self.available),
        )
        return [(account, amount) for account, amount in amounts if amount]


def plan(
    book: Book,
    posted: Sequence[Posting],
    wanted: Sequence[Movement],
    currency: str,
    *,
    now: datetime,
) -> list[Posting]:
    """The postings to add, so that those in force are the wanted movements: nothing if they already are.

    A posting that is no longer wanted is cancelled by its opposite, at `now`. Ids depend on nothing but what is posted.
    """
    cancelled = {posting.cancels for posting in posted}
    in_force = {p.content: p for p in posted if p.cancels is None and p.id not in cancelled}
    told = Counter(p.content for p in posted if p.cancels is None)
    contents = {_content(book, movement, currency): movement for movement in wanted}
    taken_back = [_opposite(p, now) for content, p in in_force.items() if content not in contents]
    new = [
        _posting(content, movement, currency, told[content])
        for content, movement in contents.items()
        if content not in in_force
    ]
    return taken_back + new


def _content(book: Book, movement: Movement, currency: str) -> UUID:
    return stable_id(
        "posting", book.customer, str(book.claim_id), movement.kind, movement.time.isoformat(), movement.cause,
        currency, movement.pending, movement.available,
    )  # fmt: skip


def _posting(content: UUID, movement: Movement, currency: str, time: int) -> Posting:
    return Posting(
        stable_id(str(content), time),
        content,
        movement.kind,
        movement.time,
        movement.cause,
        currency,
        movement.pending,
        movement.available,
    )


def _opposite(posting: Posting, now: datetime) -> Posting:
    return Posting(
        stable_id("cancel", str(posting.id)),
        posting.content,
        Kind.CANCELLED,
        now,
        posting.cause,
        posting.currency,
        -posting.pending,
        -posting.available,
        cancels=posting.id,
    )
