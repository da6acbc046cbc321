"""The ledger: which postings to add so that it says what it should; none is ever changed."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.referral.domain.rewards import Kind, Movement, RewardKey, RewardTransfer
from shared.ids import stable_id

MERGE: Final = "merge"
"""The cause of a transfer: two ids have become one person, or one has become two again."""


class Account(StrEnum):
    """The accounts. Each customer has the first two, the program the others.

    `clearing` holds what has left one customer and not yet come to the other.
    """

    PENDING = "customer:pending"
    AVAILABLE = "customer:available"
    EXPENSE = "program:expense"
    CLEARING = "program:clearing"


@dataclass(frozen=True, slots=True)
class Posting:
    """One posting for a reward, on the accounts of a customer.

    `content` identifies what it says, `id` also how many times that has been said. `cancels` is
    the posting that it takes back, `counterpart` the other one of a transfer.
    """

    id: UUID
    customer: str
    content: UUID
    kind: Kind
    time: datetime
    cause: str
    currency: str
    pending: int
    available: int
    cancels: UUID | None = None
    counterpart: UUID | None = None

    @property
    def entries(self) -> list[tuple[Account, int]]:
        """Amounts by account; they sum to 0."""
        amounts = (
            (Account.PENDING, self.pending),
            (Account.AVAILABLE, self.available),
            (self._program_account, -self.pending - self.available),
        )
        return [(account, amount) for account, amount in amounts if amount]

    @property
    def _program_account(self) -> Account:
        return Account.CLEARING if self.kind is Kind.TRANSFERRED else Account.EXPENSE


def plan_postings(
    key: RewardKey,
    posted: Sequence[Posting],
    wanted: Sequence[Movement],
    currency: str,
    *,
    now: datetime,
) -> list[Posting]:
    """The postings to add so that those in force are the wanted movements; none if they are.

    `posted` are those of this side of the claim, whichever customer they are on: what another id
    of the same person was given is not given again. A posting that is no longer wanted is
    cancelled by its opposite, at `now`. Ids depend on nothing but what is posted.
    """
    originals, in_force = _in_force(posted)
    times_posted = Counter(posting.content for posting in originals)
    contents = {_content(key, movement, currency): movement for movement in wanted}
    cancellations = [
        _opposite(key, posting, now)
        for content, posting in in_force.items()
        if content not in contents
    ]
    new = [
        _posting(key, content, movement, currency, times_posted[content])
        for content, movement in contents.items()
        if content not in in_force
    ]
    return cancellations + new


def _in_force(posted: Iterable[Posting]) -> tuple[list[Posting], dict[UUID, Posting]]:
    """The postings that give or take, and those of them that hold, by content."""
    own = [posting for posting in posted if posting.kind is not Kind.TRANSFERRED]
    cancelled = {posting.cancels for posting in own}
    originals = [posting for posting in own if posting.cancels is None]
    return originals, {p.content: p for p in originals if p.id not in cancelled}


def plan_departures(key: RewardKey, posted: Iterable[Posting], now: datetime) -> list[Posting]:
    """The postings that take all that the customer has of a reward into clearing, per currency."""
    pending: Counter[str] = Counter()
    available: Counter[str] = Counter()
    times_moved: defaultdict[str, int] = defaultdict(int)
    for posting in posted:
        if posting.customer == key.customer:
            pending[posting.currency] += posting.pending
            available[posting.currency] += posting.available
            times_moved[posting.currency] += posting.kind is Kind.TRANSFERRED
    return [
        _departure(key, currency, (-pending[currency], -available[currency]), times, now)
        for currency, times in sorted(times_moved.items())
        if pending[currency] or available[currency]
    ]


def arrival(key: RewardKey, transfer: RewardTransfer, now: datetime) -> Posting | None:
    """The posting that takes out of clearing what left another id; None if nothing did."""
    if transfer.posting is None or not (transfer.pending or transfer.available):
        return None
    id = _arrival_id(transfer.posting)
    amounts = (transfer.pending, transfer.available)
    return _transfer(key, id, transfer.posting, transfer.currency, amounts, now)


def _departure(
    key: RewardKey, currency: str, amounts: tuple[int, int], times_moved: int, now: datetime
) -> Posting:
    parts = (key.customer, str(key.claim_id), key.side, currency, times_moved)
    id = stable_id("departure", *parts)
    return _transfer(key, id, _arrival_id(id), currency, amounts, now)


def _arrival_id(departure: UUID) -> UUID:
    return stable_id("arrival", str(departure))


def _transfer(
    key: RewardKey,
    id: UUID,
    counterpart: UUID,
    currency: str,
    amounts: tuple[int, int],
    now: datetime,
) -> Posting:
    pending, available = amounts
    return Posting(
        id=id,
        customer=key.customer,
        content=id,
        kind=Kind.TRANSFERRED,
        time=now,
        cause=MERGE,
        currency=currency,
        pending=pending,
        available=available,
        counterpart=counterpart,
    )


def _content(key: RewardKey, movement: Movement, currency: str) -> UUID:
    return stable_id(
        "posting",
        str(key.claim_id),
        key.side,
        movement.kind,
        movement.time.isoformat(),
        movement.cause,
        currency,
        movement.pending,
        movement.available,
    )


def _posting(
    key: RewardKey, content: UUID, movement: Movement, currency: str, times_posted: int
) -> Posting:
    return Posting(
        id=stable_id(str(content), times_posted),
        customer=key.customer,
        content=content,
        kind=movement.kind,
        time=movement.time,
        cause=movement.cause,
        currency=currency,
        pending=movement.pending,
        available=movement.available,
    )


def _opposite(key: RewardKey, posting: Posting, now: datetime) -> Posting:
    return Posting(
        id=stable_id("cancel", str(posting.id)),
        customer=key.customer,
        content=posting.content,
        kind=Kind.CANCELLED,
        time=now,
        cause=posting.cause,
        currency=posting.currency,
        pending=-posting.pending,
        available=-posting.available,
        cancels=posting.id,
    )
