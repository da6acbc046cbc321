"""One request at checkout: the case of a code, under the locks that workers take, too."""

from services.reactivation.cases.recomputation import FoldFailed, PartitionTime, recompute
from services.reactivation.cases.repository import Group, save_code
from services.reactivation.cases.search import CaseSnapshot, case_by_code, clock_of
from services.reactivation.customers.repository import lock_customers, park_customers
from services.reactivation.domain import codes
from services.reactivation.domain.cases import Terms
from services.reactivation.domain.offers import Code
from services.reactivation.identities.repository import load_merges
from shared.database.connection import Tx
from shared.errors import Problem, Retryable
from shared.identities import Identities
from shared.ids import partition_of
from shared.stream.log.parked_customers import count_parked


class CheckoutTransaction:
    """Locks the customer whom a code belongs to, with all of its ids, and folds it again."""

    def __init__(self, tx: Tx, terms: Terms, partitions: int) -> None:
        self._tx = tx
        self._terms = terms
        self._partitions = partitions

    async def lock(self, code: str, customer: str, order_id: str) -> CaseSnapshot:
        """The case of a code that a customer may use for an order, read under the owner's lock.

        A case of a merged id that has not come to the one who stays yet does so now. Raises
        Problem 404 "unknown_code" and 403 "not_your_code", and Retryable if ids are merged
        meanwhile.
        """
        if not codes.is_well_formed(code):
            raise _unknown_code()
        snapshot = await self._find(code)
        origin = snapshot.case.origin
        identities = await self._identities(origin)
        survivor = identities.survivor(origin)
        partition = partition_of(survivor, self._partitions)
        members = identities.members(survivor)
        new = {} if snapshot.case.customer == survivor else {survivor: partition}
        await lock_customers(self._tx, members, new=new)
        identities = await self._identities(origin, customer)
        if identities.members(survivor) != members:
            raise Retryable("the ids of a customer change")
        snapshot = await self._find(code)
        if snapshot.case.customer != survivor and not snapshot.parked:
            snapshot = await self._fold(snapshot)
        reserver = snapshot.offered_code.reserver(order_id, snapshot.checkout_at)
        # Whoever reserved it as the same customer may have become another since, by an unmerge.
        entitled = {identities.survivor(id) for id in (origin, reserver) if id}
        if identities.survivor(customer) not in entitled:
            raise Problem(403, "not_your_code", "The code was given to another customer.")
        return snapshot

    async def save(self, snapshot: CaseSnapshot, code: Code) -> CaseSnapshot:
        """Write what was done with the code; what follows for the case waits while it is parked."""
        before = snapshot.offered_code
        await save_code(self._tx, snapshot.case.id, before, code)
        is_confirmed = code.offer.confirmations != before.offer.confirmations
        if is_confirmed and not snapshot.parked:
            return await self._fold(snapshot)
        return await self._find(code.offer.code)

    async def _fold(self, snapshot: CaseSnapshot) -> CaseSnapshot:
        """Fold the customer of a case; park it if that fails."""
        origin = snapshot.case.origin
        identities = await self._identities(origin)
        survivor = identities.survivor(origin)
        partition = partition_of(survivor, self._partitions)
        clock = await clock_of(self._tx, partition)
        times = {survivor: PartitionTime(partition, until=clock, recorded_at=clock)}
        group = Group(
            identities.members(survivor), identities.merged_at(survivor), identities.merged
        )
        try:
            await recompute(self._tx, times, {survivor: group}, self._terms)
        except FoldFailed as failure:
            await park_customers(self._tx, failure.reasons)
            count_parked(len(failure.reasons))
        return await self._find(snapshot.offered_code.offer.code)

    async def _identities(self, *ids: str) -> Identities:
        return Identities(await load_merges(self._tx, ids))

    async def _find(self, code: str) -> CaseSnapshot:
        snapshot = await case_by_code(self._tx, code)
        if snapshot is None:
            raise _unknown_code()
        return snapshot


def _unknown_code() -> Problem:
    return Problem(404, "unknown_code", "There is no such code.")
