"""Who is one customer with whom, before and after a batch, and who is to be told of it."""

from collections.abc import Collection, Iterable, Iterator

from services.reactivation.announcements import regrouped
from services.reactivation.batch.work import Work
from services.reactivation.cases.repository import Group
from shared.identities import Identities, Merge, new_merges
from shared.ids import partition_of
from shared.stream.outgoing.outbox import Message


class People:
    """The customers of a batch, after the merges that were `known` and those that are `new`."""

    def __init__(self, known: Collection[Merge], new: Collection[Merge]) -> None:
        self._before = Identities(known)
        self._after = Identities([*known, *new_merges(known, new)])
        self._has_merges = bool(known or new)

    def ids_of(self, customers: Iterable[str]) -> set[str]:
        """The customers, and all ids that belong to them before or after the batch."""
        ids = set[str]()
        for customer in customers:
            ids |= {customer, *_ids(self._before, customer), *_ids(self._after, customer)}
        return ids

    def group(self, customer: str, *, among: Collection[str]) -> Group:
        """The ids that are this customer after the batch; others than `among` join it later."""
        members = self._after.members(customer).intersection(among)
        return Group(members, self._after.merged_at(customer), self._after.merged)

    def is_survivor(self, id: str) -> bool:
        """Whether the id is not merged into another after the batch."""
        return not self._after.is_merged(id)

    def messages(self, work: Work, partitions: int) -> list[Message]:
        """Tell the owners of other customers what has changed for them.

        They are the customers whom ids of the batch belong to, and those who gain or lose ids.
        """
        if not self._has_merges:
            return []
        told = dict(self._told(work))
        return [
            regrouped(customer, work[cause].records[-1], partition_of(customer, partitions))
            for customer, cause in sorted(told.items())
        ]

    def _told(self, work: Work) -> Iterator[tuple[str, str]]:
        """The customers to tell, each with the id of the batch that is the cause."""
        differing = self._differing()
        for id, each in work.items():
            if each.records and not self.is_survivor(id):
                yield self._after.survivor(id), id
            if each.merges:
                yield from ((other, id) for other in differing if other != id)

    def _differing(self) -> set[str]:
        """Customers who consist of other ids than before."""
        return {
            customer
            for customer in self._before.survivors | self._after.survivors
            if _ids(self._before, customer) != _ids(self._after, customer)
        }


def _ids(identities: Identities, customer: str) -> Collection[str]:
    """The ids that a customer consists of; none if it is merged."""
    return () if identities.is_merged(customer) else identities.members(customer)
