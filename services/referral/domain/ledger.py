"""The ledger: which postings to add so that it says what it should; none is ever changed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.referral.domain.rewards import Kind, Movement, RewardKey
from shared.ids import stable_id


class Account(StrEnum):
    """The accounts. Each customer has the first two; the program has one."""

    PENDING = "customer:pending"
    AVAILABLE = "customer:available"
    EXPENSE = "program:expense"


@dataclass(frozen=True, slots=True)
class Posting:
    """One posting for a reward.

    `content` identifies what it says, `id` also how many times that has been said, and `cancels`
    is the posting that it takes back.
    """

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


def plan_postings(
    key: RewardKey,
    posted: Sequence[Posting],
    wanted: Sequence[Movement],
    currency: str,
    *,
    now: datetime,
) -> list[Posting]:
    """The postings to add so that those in force are the wanted movements; none if they are.

    A posting that is no longer wanted is cancelled by its opposite, at `now`. Ids depend on nothing
    but what is posted.
    """
    cancelled = {posting.cancels for posting in posted}
    originals = [posting for posting in posted if posting.cancels is None]
    in_force = {p.content: p for p in originals if p.id not in cancelled}
    times_posted = Counter(posting.content for posting in originals)
    contents = {_content(key, movement, currency): movement for movement in wanted}
    cancellations = [
        _opposite(posting, now) for content, posting in in_force.items() if content not in contents
    ]
    new = [
        _posting(content, movement, currency, times_posted[content])
        for content, movement in contents.items()
        if content not in in_force
    ]
    return cancellations + new


def _content(key: RewardKey, movement: Movement, currency: str) -> UUID:
    return stable_id(
        "posting",
        key.customer,
        str(key.claim_id),
        movement.kind,
        movement.time.isoformat(),
        movement.cause,
        currency,
        movement.pending,
        movement.available,
    )


def _posting(content: UUID, movement: Movement, currency: str, times_posted: int) -> Posting:
    return Posting(
        id=stable_id(str(content), times_posted),
        content=content,
        kind=movement.kind,
        time=movement.time,
        cause=movement.cause,
        currency=currency,
        pending=movement.pending,
        available=movement.available,
    )


def _opposite(posting: Posting, now: datetime) -> Posting:
    return Posting(
        id=stable_id("cancel", str(posting.id)),
        content=posting.content,
        kind=Kind.CANCELLED,
        time=now,
        cause=posting.cause,
        currency=posting.currency,
        pending=-posting.pending,
        available=-posting.available,
        cancels=posting.id,
    )
