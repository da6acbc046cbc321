"""Merges in a batch: who is who from now on, and which other persons must be judged again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.referral.customers.repository import load_decisions, save_decisions
from services.referral.domain.people import MergeDecision, People, take_decision
from shared.database.connection import Tx


@dataclass(frozen=True, slots=True)
class Regrouping:
    """Ids that a batch has merged or unmerged, and who they were `before`."""

    changed: frozenset[str]
    before: People

    def others_to_review(self, id: str, now: People) -> set[str]:
        """The survivors of the persons that a changed id has left and joined, but for itself."""
        return {self.before.survivor(id), now.survivor(id)} - {id}


_NONE: Final = Regrouping(frozenset(), People({}))


async def regroup(tx: Tx, merges: Sequence[tuple[str, MergeDecision]]) -> Regrouping:
    """Store the merges and unmerges of a batch that hold: the latest of each id, and no cycle."""
    if not merges:
        return _NONE
    ids = {id for id, _ in merges} | {merge.into for _, merge in merges if merge.into}
    decisions = await load_decisions(tx, ids)
    before = People(decisions)
    changed = {id for id, merge in merges if take_decision(decisions, id, merge)}
    await save_decisions(tx, {id: decisions[id] for id in changed})
    return Regrouping(frozenset(changed), before)
