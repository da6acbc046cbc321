"""The work of one batch: what its records ask for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.referral.domain.claims import OrderEvent, Touch, new_touch
from services.referral.domain.rewards import RewardKey, RewardRevision
from services.referral.domain.terms import Terms
from services.referral.events import NewAdvocate, ReviewRequest, ShopEvent
from shared.events.envelope import Envelope
from shared.stream.batch import Batch


@dataclass(slots=True)
class Work:
    """What the records of a batch ask for, and where it leaves the clocks.

    `clocks` are the partitions' clocks after the batch; up to `held_until`, deadlines wait for the
    end of a history import. `due` has the rewards whose deadline has passed, with the end of the
    tick.
    `touches` are by claim, `advocates` and `reviews` by customer.
    """

    terms: Terms
    clocks: Mapping[int, datetime] = field(default_factory=dict)
    held_until: Mapping[int, datetime] = field(default_factory=dict)
    order_events: list[tuple[str, OrderEvent]] = field(default_factory=list)
    touches: dict[UUID, tuple[str, Touch]] = field(default_factory=dict)
    advocates: dict[str, datetime] = field(default_factory=dict)
    revisions: dict[RewardKey, RewardRevision] = field(default_factory=dict)
    reviews: set[str] = field(default_factory=set)
    released: set[str] = field(default_factory=set)
    due: dict[RewardKey, datetime] = field(default_factory=dict)

    @property
    def customers(self) -> set[str]:
        """All customers whom the batch may change."""
        customers = {customer for customer, _ in self.order_events}
        customers |= self.referees
        customers |= self.advocates.keys()
        customers |= self.reviews
        return customers | {key.customer for key in (*self.revisions, *self.due)}

    @property
    def referees(self) -> set[str]:
        """The customers who named a code."""
        return {referee for referee, _ in self.touches.values()}

    def take(self, event: Envelope, content: object) -> None:
        """Add what one record says."""
        match content:
            case ShopEvent():
                self._take_shop_event(event, content)
            case NewAdvocate():
                self.advocates.setdefault(event.subject, content.since)
            case ReviewRequest():
                self.reviews.add(event.subject)
                if content.release:
                    self.released.add(event.subject)
            case RewardRevision():
                self._take_revision(RewardKey(event.subject, content.claim_id), content)

    def _take_shop_event(self, event: Envelope, content: ShopEvent) -> None:
        referee = event.subject
        if content.order_event:
            self.order_events.append((referee, content.order_event))
        if content.code:
            touch = new_touch(referee, event.time, event.source, event.id, content.code, self.terms)
            self.touches.setdefault(touch.id, (referee, touch))

    def _take_revision(self, key: RewardKey, revision: RewardRevision) -> None:
        known = self.revisions.get(key)
        if known is None or known.revision < revision.revision:
            self.revisions[key] = revision


def gather(batch: Batch, terms: Terms) -> Work:
    """The work of all records of a batch."""
    work = Work(terms)
    for _, incoming in batch.events():
        work.take(incoming.event, incoming.content)
    return work
