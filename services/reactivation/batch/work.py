"""The work of one batch: what its records say about each customer."""

from dataclasses import dataclass, field
from typing import TypeVar

from services.reactivation.cases.recomputation import PartitionTime
from services.reactivation.domain.history import OrderEvent
from services.reactivation.domain.permissions import Permission
from services.reactivation.events import REGROUPED, RELEASED, LapseUpdate
from shared.identities import Merge
from shared.stream.batch import Batch, Incoming, Portion

T = TypeVar("T", OrderEvent, Permission, Merge, LapseUpdate)


@dataclass(slots=True)
class CustomerWork:
    """One customer's records in a batch; none if only a deadline is due.

    `refused` is why the database has refused the customer's data, if it has.
    """

    portion: Portion
    records: list[Incoming] = field(default_factory=list)
    is_released: bool = False
    refused: str | None = None

    @property
    def time(self) -> PartitionTime:
        """How far the customer's partition has come."""
        portion = self.portion
        return PartitionTime(
            portion.partition,
            until=portion.due_until,
            recorded_at=portion.clock,
            held_until=portion.due_after,
        )

    @property
    def gets_row(self) -> bool:
        """Whether the customer gets a row to lock: it has lapsed, or become one with somebody.

        One whose data is refused needs it to be parked.
        """
        return bool(self.merges or self.refused is not None) or any(
            record.content is REGROUPED
            or (isinstance(record.content, LapseUpdate) and record.content.lapses)
            for record in self.records
        )

    @property
    def merges(self) -> list[Merge]:
        """The merges and unmerges of this id."""
        return self.contents(Merge)

    def contents(self, kind: type[T]) -> list[T]:
        """What the records say, as far as it is of this kind."""
        return [record.content for record in self.records if isinstance(record.content, kind)]

    def take(self, incoming: Incoming) -> None:
        """Add a record, or note that an operator releases the customer."""
        if incoming.content is RELEASED:
            self.is_released = True
        else:
            self.records.append(incoming)


Work = dict[str, CustomerWork]
"""The work of a batch, by customer."""


def contents_of(work: Work, kind: type[T]) -> list[T]:
    """What all records say, as far as it is of this kind."""
    return [content for each in work.values() for content in each.contents(kind)]


def gather(batch: Batch) -> Work:
    """The work of all records of a batch."""
    work: Work = {}
    for portion, incoming in batch.events():
        work.setdefault(incoming.event.subject, CustomerWork(portion)).take(incoming)
    return work
