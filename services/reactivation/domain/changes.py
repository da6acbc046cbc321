"""What a new fold changes about the cases that were announced before, and what to publish of it."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from services.reactivation.domain.cases import Case, State
from services.reactivation.domain.fold import Folded
from services.reactivation.domain.history import History


class CaseEvent(StrEnum):
    """What is published about a case; the values are the types of the records."""

    CASE_OPENED = "case.opened"
    OFFER_MADE = "offer.made"
    CASE_CLOSED = "case.closed"
    CASE_REOPENED = "case.reopened"
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


def find_changes(history: History, folded: Folded, recorded_at: datetime) -> list[CaseChange]:
    """The difference between known and folded cases; those that end come before those that begin.

    A known case that the fold does not have is cancelled in any state: even a case that was won
    back must no longer count, for the customer had never been gone. Its code stays good, for it was
    sent. A cancelled case that the fold has again is announced from its opening on.
    """
    cases = {case.id: case for case in folded.cases}
    cancelled = [
        replace(
            _cancelled(case, history, recorded_at),
            customer=history.customer,
            used_for=folded.used_for.get(case.id),
        )
        for case in history.cases.values()
        if case.id not in cases
    ]
    compared = [_change(history.cases.get(case.id), case) for case in (*cancelled, *cases.values())]
    changes = [change for change in compared if change]
    return sorted(changes, key=lambda change: change.case.is_running)


def _cancelled(case: Case, history: History, at: datetime) -> Case:
    if case.state is State.CANCELLED:
        return case
    still_holds = any(case.lapse.key == lapse.key for lapse in history.lapses)
    reason = (
        CancellationReason.SUPERSEDED if still_holds else CancellationReason.TRANSITION_WITHDRAWN
    )
    return replace(case, state=State.CANCELLED, ended_at=at, reason=reason)


def _change(before: Case | None, case: Case) -> CaseChange | None:
    if before is not None and _content(before) == _content(case):
        return None
    events = _events(before, case)
    return CaseChange(replace(case, version=case.version + len(events)), before, events)


def _events(before: Case | None, case: Case) -> tuple[CaseEvent, ...]:
    """What to publish; the last record about a case always tells where it stands."""
    if before is not None and _ending(before) == _ending(case):
        return ()
    if case.state is State.CANCELLED:
        return (CaseEvent.CASE_CANCELLED,)
    opening = _opening(before, case)
    if not case.is_running:
        return (*opening, CaseEvent.CASE_CLOSED)
    is_new = CaseEvent.OFFER_MADE in opening and case.state is not State.REOPENED
    return opening if is_new else (*opening, CaseEvent.CASE_REOPENED)


def _opening(before: Case | None, case: Case) -> tuple[CaseEvent, ...]:
    if before is None or before.state is State.CANCELLED:
        return OPENING if case.offer else (CaseEvent.CASE_OPENED,)
    return (CaseEvent.OFFER_MADE,) if case.offer and not before.offer else ()


def _ending(case: Case) -> tuple[object, ...]:
    return case.state, case.ended_at, case.order_id, case.with_code, case.reason


def _content(case: Case) -> tuple[object, ...]:
    return *_ending(case), case.used_for, case.customer
