"""Folds locked customers again, for the worker and for the checkout."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from services.reactivation.announcements import messages_of
from services.reactivation.cases.repository import (
    Group,
    give_back_cases,
    load_histories,
    save_changes,
)
from services.reactivation.domain.cases import Terms
from services.reactivation.domain.changes import CaseChange, find_changes
from services.reactivation.domain.fold import fold_history
from services.reactivation.timers.repository import clear_timers
from shared.database.connection import Tx
from shared.stream.batch import BEFORE_EVERY_DEADLINE
from shared.stream.log.parked_customers import record_failure
from shared.stream.outgoing import outbox
from shared.stream.outgoing.outbox import Message


@dataclass(frozen=True, slots=True)
class PartitionTime:
    """How far a customer's partition has come.

    Deadlines after `held_until` up to `until` may pass; the clock reads `recorded_at`.
    """

    partition: int
    until: datetime
    recorded_at: datetime
    held_until: datetime = BEFORE_EVERY_DEADLINE


class FoldFailed(Exception):
    """The folds of some customers have failed: park them, for the `reasons` by customer."""

    def __init__(self, reasons: dict[str, str]) -> None:
        super().__init__(f"{len(reasons)} customers cannot be folded")
        self.reasons = reasons


class _AnnouncedChange(NamedTuple):
    partition: int
    change: CaseChange
    messages: list[Message]


async def recompute(
    tx: Tx, times: Mapping[str, PartitionTime], groups: Mapping[str, Group], terms: Terms
) -> None:
    """Fold locked customers anew from all that is kept of them; write what changed and announce it.

    `times` and `groups` are by customer. Raises FoldFailed before anything is written.
    """
    changed: list[_AnnouncedChange] = []
    reasons: dict[str, str] = {}
    idle = set[str]()
    for history in await load_histories(tx, groups):
        time = times[history.customer]
        try:
            folded = fold_history(history, terms, time.until, held_until=time.held_until)
            changed += _announced(find_changes(history, folded, time.recorded_at), time)
        except Exception as error:  # noqa: BLE001  (a bug in a rule parks this customer, not the worker)
            reasons[history.customer] = record_failure(error, partition=time.partition)
        else:
            if not any(case.is_running for case in folded.cases):
                idle.add(history.customer)
    if reasons:
        raise FoldFailed(reasons)
    changed.sort(key=lambda each: each.change.case.is_running)
    await give_back_cases(tx, groups)
    await clear_timers(tx, idle)
    await save_changes(tx, [(each.partition, each.change) for each in changed])
    await outbox.add(tx, [message for each in changed for message in each.messages])


def _announced(changes: Iterable[CaseChange], time: PartitionTime) -> list[_AnnouncedChange]:
    return [
        _AnnouncedChange(
            time.partition, change, messages_of(change, time.partition, time.recorded_at)
        )
        for change in changes
    ]
