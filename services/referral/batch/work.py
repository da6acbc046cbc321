"""What one batch asks of this service, gathered from its records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.referral.domain.claims import OrderEvent, Terms, Touch
from services.referral.domain.ledger import Book
from services.referral.events import Became, Determination, Recalled, Told, touch
from shared.events.envelope import Envelope
from shared.stream.batch import Batch


@dataclass(slots=True)
class Work:
    """`clocks` is where each partition's clock will stand after the batch, `held` until when its deadlines wait for the
    end of a history import; `due` are rewards whose time has come.
    """

    terms: Terms
    clocks: Mapping[int, datetime] = field(default_factory=dict)
    held: Mapping[int, datetime] = field(default_factory=dict)
    order_events: list[tuple[str, OrderEvent]] = field(default_factory=list)
    touches: dict[UUID, tuple[str, Touch]] = field(default_factory=dict)
    advocates: dict[str, datetime] = field(default_factory=dict)
    determinations: dict[Book, Determination] = field(default_factory=dict)
    recalled: set[str] = field(default_factory=set)
    released: set[str] = field(default_factory=set)
    due: dict[Book, datetime] = field(default_factory=dict)

    @property
    def customers(self) -> set[str]:
        """Everybody whom it may change."""
        found = (
            {customer for customer, _ in self.order_events} | self.recalled | self.advocates.keys()
        )
        found |= {referee for referee, _ in self.touches.values()}
        return found | {book.customer for book in (*self.determinations, *self.due)}

    def take(self, event: Envelope, content: object) -> None:
        """Add what one record says."""
        match content:
            case Told():
                self._told(event, content)
            case Became():
                self.advocates.setdefault(event.subject, content.at)
            case Recalled():
                self.recalled.add(event.subject)
                if content.released:
                    self.released.add(event.subject)
            case Determination():
                self._determined(Book(event.subject, content.claim_id), content)

    def _told(self, event: Envelope, content: Told) -> None:
        if content.order_event:
            self.order_events.append((event.subject, content.order_event))
        if content.code:
            found = touch(
                event.subject, event.time, event.source, event.id, content.code, self.terms
            )
            self.touches.setdefault(found.id, (event.subject, found))

    def _determined(self, book: Book, found: Determination) -> None:
        known = self.determinations.get(book)
        if known is None or known.revision < found.revision:
            self.determinations[book] = found


def gather(batch: Batch, terms: Terms) -> Work:
    """All that the records of a batch say."""
    work = Work(terms)
    for _, incoming in batch.events():
        work.take(incoming.event, incoming.content)
    return work
