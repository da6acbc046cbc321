"""What a new fold changes about the cases that were announced before, and what to publish of it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from services.reactivation.domain.cases import Case, History, Lapse, State


class CaseEvent(StrEnum):
    """What is published about a case; the values are the types of the records."""

    CASE_OPENED = "case.opened"
    OFFER_MADE = "offer.made"
    CASE_CLOSED = "case.closed"
    CASE_CANCELLED = "case.cancelled"


OPENING: Final = (CaseEvent.CASE_OPENED, CaseEvent.OFFER_MADE)


class CancellationReason(StrEnum):
    """Why a case was cancelled."""

    TRANSITION_WITHDRAWN = "transition_withdrawn"
    SUPERSEDED = "superseded"
    """Its transition still holds, but an earlier case, known only now, stands in its way."""


@dataclass(frozen=True, slots=True)
class CaseChange:
    """A case as it is now, as it was before (None if it is new), and what to publish, in order.

    The last of `events` has the case's version, the one before it one less, and so on.
    """

    case: Case
    before: Case | None
    events: tuple[CaseEvent, ...]


def find_changes(
    history: History, folded: Iterable[Case], recorded_at: datetime
) -> list[CaseChange]:
    """The difference between known and folded cases; those that end come before those that begin.

    A known case that the fold does not have is cancelled in any state: even a case that was won
    back must no longer count, for the customer had never been gone. It keeps its order: a code that
    was used stays used. A cancelled case that the fold has again is announced from its opening on.
    """
    cases = {case.id: case for case in folded}
    cancelled = [
        _cancelled(case, _reason(case.lapse, history), recorded_at)
        for case in history.cases.values()
        if case.id not in cases and case.state is not State.CANCELLED
    ]
    compared = [_change(history.cases.get(case.id), case) for case in (*cancelled, *cases.values())]
    changes = [change for change in compared if change]
    return sorted(changes, key=lambda change: change.case.is_running)


def _cancelled(case: Case, reason: CancellationReason, at: datetime) -> Case:
    offer = replace(case.offer, reserved_for=None, reserved_until=None)
    return replace(case, state=State.CANCELLED, ended_at=at, reason=reason, offer=offer)


def _reason(lapse: Lapse, history: History) -> CancellationReason:
    if lapse in history.lapses:
        return CancellationReason.SUPERSEDED
    return CancellationReason.TRANSITION_WITHDRAWN


def _change(before: Case | None, case: Case) -> CaseChange | None:
    if before is not None and _content(before) == _content(case):
        return None
    events = _events(before, case)
    return CaseChange(replace(case, version=case.version + len(events)), before, events)


def _events(before: Case | None, case: Case) -> tuple[CaseEvent, ...]:
    if case.state is State.CANCELLED:
        return (CaseEvent.CASE_CANCELLED,)
    if before is None or before.state is State.CANCELLED:
        return OPENING if case.is_running else (*OPENING, CaseEvent.CASE_CLOSED)
    return (CaseEvent.CASE_CLOSED,) if _ending(before) != _ending(case) else ()


def _ending(case: Case) -> tuple[object, ...]:
    return case.state, case.ended_at, case.order_id, case.with_code


def _content(case: Case) -> tuple[object, ...]:
    return *_ending(case), case.used_for
