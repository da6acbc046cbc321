"""Merges in a batch: who is who from now on, and which other persons must be judged again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.referral.customers.repository import add_merges, load_merges
from shared.database.connection import Tx
from shared.identities import Identities, Merge, new_merges


@dataclass(frozen=True, slots=True)
class Regrouping:
    """Ids that a batch has merged or unmerged, and who they were `before`."""

    changed: frozenset[str]
    before: Identities

    def others_to_review(self, id: str, now: Identities) -> set[str]:
        """The survivors of the persons that a changed id has left and joined, but for itself."""
        return {self.before.survivor(id), now.survivor(id)} - {id}


_NONE: Final = Regrouping(frozenset(), Identities())


async def regroup(tx: Tx, merges: Sequence[Merge]) -> Regrouping:
    """Store the merges and unmerges of a batch that are new."""
    if not merges:
        return _NONE
    ids = {merge.customer for merge in merges} | {merge.into for merge in merges if merge.into}
    known = await load_merges(tx, ids)
    new = new_merges(known, merges)
    await add_merges(tx, new)
    return Regrouping(frozenset(merge.customer for merge in new), Identities(known))
