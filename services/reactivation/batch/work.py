"""The work of one batch: what its records say about each customer."""

from dataclasses import dataclass, field

from services.reactivation.cases.recomputation import PartitionTime
from services.reactivation.events import RELEASED, LapseUpdate, Purchase
from shared.stream.batch import Batch, Incoming, Portion


@dataclass(slots=True)
class CustomerWork:
    """One customer's records in a batch; none if only a deadline is due."""

    portion: Portion
    records: list[Incoming] = field(default_factory=list)
    is_released: bool = False

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
    def purchases(self) -> list[Purchase]:
        """The customer's purchases."""
        contents = (record.content for record in self.records)
        return [content for content in contents if isinstance(content, Purchase)]

    @property
    def lapse_updates(self) -> list[LapseUpdate]:
        """The lapses that were added and withdrawn, record by record."""
        contents = (record.content for record in self.records)
        return [content for content in contents if isinstance(content, LapseUpdate)]

    @property
    def has_lapses(self) -> bool:
        """Whether a record adds a lapse."""
        return any(update.lapses for update in self.lapse_updates)

    def take(self, incoming: Incoming) -> None:
        """Add a record, or note that an operator releases the customer."""
        if incoming.content is RELEASED:
            self.is_released = True
        else:
            self.records.append(incoming)


Work = dict[str, CustomerWork]
"""The work of a batch, by customer."""


def gather(batch: Batch) -> Work:
    """The work of all records of a batch."""
    work: Work = {}
    for portion, incoming in batch.events():
        work.setdefault(incoming.event.subject, CustomerWork(portion)).take(incoming)
    return work
