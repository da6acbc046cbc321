"""Which of the cases that were opened before a lapse stands for."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from services.reactivation.domain.cases import Case, Lapse
from services.reactivation.domain.history import History


class KnownCases:
    """The cases that were opened before: what was promised in them is a fact."""

    def __init__(self, history: History) -> None:
        self._cases: Final = history.cases
        self._merged_at: Final = history.merged_at
        self._holding: Final = {lapse.key for lapse in history.lapses}

    def oldest_for(self, lapse: Lapse, taken: Collection[UUID]) -> Case | None:
        """The oldest case, but for those taken, that a lapse has opened or keeps alive.

        It keeps a case alive if their times overlap, and the case's own lapse does not hold any
        longer or is an older one of before a merge: the lapse has only moved.
        """
        fitting = [
            case
            for case in self._cases.values()
            if case.id not in taken and self._fits(case, lapse)
        ]
        return min(fitting, key=lambda case: (case.lapse.occurred_at, case.id), default=None)

    def is_kept(self, id: UUID) -> bool:
        """Whether the case was opened before a merge: it stands then, whatever the other id did."""
        case = self._cases.get(id)
        if case is None or self._merged_at is None:
            return False
        return case.lapse.occurred_at <= self._merged_at

    def _fits(self, case: Case, lapse: Lapse) -> bool:
        if case.lapse.key == lapse.key:
            return True
        if case.offer is None or not _overlap(case, lapse):
            return False
        if case.lapse.key not in self._holding:
            return True
        return self.is_kept(case.id) and case.lapse.occurred_at < lapse.occurred_at


def _overlap(case: Case, lapse: Lapse) -> bool:
    """Whether the lapse lies less than the case's time before or after its opening."""
    assert case.offer is not None  # noqa: S101
    time = case.offer.deadline - case.lapse.occurred_at
    return abs(lapse.occurred_at - case.lapse.occurred_at) < time
