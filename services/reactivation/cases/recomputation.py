"""Folds locked customers again, for the worker and for the checkout."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from services.reactivation.announcements import messages_of
from services.reactivation.cases.repository import load_histories, save_changes
from services.reactivation.domain.cases import History, Terms, fold_cases
from services.reactivation.domain.changes import CaseChange, find_changes
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


async def recompute(tx: Tx, times: Mapping[str, PartitionTime], terms: Terms) -> None:
    """Fold locked customers anew from all that is kept of them; write what changed and announce it.

    `times` is by customer. Raises FoldFailed before anything is written.
    """
    changed: list[_AnnouncedChange] = []
    reasons: dict[str, str] = {}
    for history in await load_histories(tx, times.keys()):
        time = times[history.customer]
        try:
            changed += _fold(history, terms, time)
        except Exception as error:  # noqa: BLE001  (a bug in a rule parks this customer, not the worker)
            reasons[history.customer] = record_failure(error, partition=time.partition)
    if reasons:
        raise FoldFailed(reasons)
    changed.sort(key=lambda each: each.change.case.is_running)
    await save_changes(tx, [(each.partition, each.change) for each in changed])
    await outbox.add(tx, [message for each in changed for message in each.messages])


def _fold(history: History, terms: Terms, time: PartitionTime) -> list[_AnnouncedChange]:
    cases = fold_cases(history, terms, time.until, held_until=time.held_until)
    return [
        _AnnouncedChange(
            time.partition, change, messages_of(change, time.partition, time.recorded_at)
        )
        for change in find_changes(history, cases, time.recorded_at)
    ]
