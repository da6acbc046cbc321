"""The work of one batch: what its records ask for."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.referral.domain.claims import Touch, new_touch
from services.referral.domain.orders import OrderEvent
from services.referral.domain.rewards import RewardKey, RewardRevision, RewardTransfer, Side
from services.referral.domain.terms import Terms
from services.referral.events import NewAdvocate, PartKind, ReviewRequest, ShopEvent
from shared.events.envelope import Envelope
from shared.identities import Merge
from shared.stream.batch import Batch, Portion


class Cause(NamedTuple):
    """The event that gives reason to judge a customer."""

    customer: str
    source: str
    id: str


@dataclass(slots=True)
class Work:
    """What the records of a batch ask for, and where it leaves the clocks.

    `clocks` are the partitions' clocks after the batch; up to `held_until`, deadlines wait for the
    end of a history import. `due` has the rewards whose deadline has passed, with the end of the
    tick. `touches` are by claim, `advocates`, `reviews` and `causes` by customer; `causes` has the
    first event of each customer who may have to be judged. `pending_advocates` wait for the last
    part of a correction; it has come for those who are `completed`. `refused` has why the database
    has refused the data of customers, `portions` the portions of the batch by partition.
    """

    terms: Terms
    clocks: Mapping[int, datetime] = field(default_factory=dict)
    held_until: Mapping[int, datetime] = field(default_factory=dict)
    order_events: list[OrderEvent] = field(default_factory=list)
    touches: dict[UUID, Touch] = field(default_factory=dict)
    merges: list[Merge] = field(default_factory=list)
    advocates: dict[str, datetime] = field(default_factory=dict)
    pending_advocates: dict[str, datetime] = field(default_factory=dict)
    completed: set[str] = field(default_factory=set)
    revisions: dict[RewardKey, RewardRevision] = field(default_factory=dict)
    transfers: dict[RewardKey, list[RewardTransfer]] = field(
        default_factory=lambda: defaultdict(list)
    )
    reviews: set[str] = field(default_factory=set)
    released: set[str] = field(default_factory=set)
    causes: dict[str, Cause] = field(default_factory=dict)
    due: dict[RewardKey, datetime] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    portions: Mapping[int, Portion] = field(default_factory=dict)

    @property
    def customers(self) -> set[str]:
        """All customers whom the batch may change."""
        customers = {event.fact.origin for event in self.order_events}
        customers |= {merge.customer for merge in self.merges}
        customers |= self.referees
        customers |= self.advocates.keys()
        customers |= self.reviews
        customers |= self.refused.keys()
        keys = (*self.revisions, *self.transfers, *self.due)
        return customers | {key.customer for key in keys}

    @property
    def referees(self) -> set[str]:
        """The customers who named a code."""
        return {touch.referee for touch in self.touches.values()}

    def take(self, event: Envelope, content: object) -> None:
        """Add what one record says."""
        customer = event.subject
        match content:
            case ShopEvent():
                self._note_cause(event)
                self._take_shop_event(event, content)
            case Merge():
                self._note_cause(event)
                self.merges.append(content)
            case NewAdvocate():
                self._take_advocate(customer, content)
            case ReviewRequest():
                self._note_cause(event)
                self.reviews.add(customer)
                if content.release:
                    self.released.add(customer)
            case RewardRevision():
                self._take_revision(
                    RewardKey(customer, content.claim_id, Side.RECOMMENDER), content
                )
            case RewardTransfer():
                self.transfers[RewardKey(customer, content.claim_id, content.side)].append(content)

    def _take_advocate(self, customer: str, advocate: NewAdvocate) -> None:
        since = advocate.since
        if advocate.part is PartKind.EARLIER and since:
            self.pending_advocates.setdefault(customer, since)
            return
        if advocate.part is PartKind.LAST:
            self.completed.add(customer)
            since = self.pending_advocates.pop(customer, since)
        if since:
            self.advocates.setdefault(customer, since)

    def _note_cause(self, event: Envelope) -> None:
        self.causes.setdefault(event.subject, Cause(event.subject, event.source, event.id))

    def _take_shop_event(self, event: Envelope, content: ShopEvent) -> None:
        referee = event.subject
        if content.order_event:
            self.order_events.append(content.order_event)
        if content.code:
            touch = new_touch(referee, event.time, event.source, event.id, content.code, self.terms)
            self.touches.setdefault(touch.id, touch)

    def _take_revision(self, key: RewardKey, revision: RewardRevision) -> None:
        known = self.revisions.get(key)
        if known is None or known.revision < revision.revision:
            self.revisions[key] = revision


def gather(batch: Batch, terms: Terms) -> Work:
    """The work of all records of a batch; sets aside those of customers whose data is refused."""
    work = Work(terms, refused=batch.refused, portions=batch.portions)
    for portion, incoming in batch.events():
        subject = incoming.event.subject
        if subject in batch.refused:
            portion.reject(incoming, "parked", batch.refused[subject], parked=subject)
        else:
            work.take(incoming.event, incoming.content)
    return work
