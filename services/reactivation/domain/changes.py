"""What a new fold changes about the cases that were announced before, and what must be said about it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from services.reactivation.domain.cases import Case, History, Lapse, State


class Fact(StrEnum):
    """What is published about a case; the values are the types of the events."""

    CASE_OPENED = "case.opened"
    OFFER_MADE = "offer.made"
    CASE_CLOSED = "case.closed"
    CASE_CANCELLED = "case.cancelled"


OPENING: Final = (Fact.CASE_OPENED, Fact.OFFER_MADE)


class Reason(StrEnum):
    """Why a case was cancelled."""

    TRANSITION_WITHDRAWN = "transition_withdrawn"
    SUPERSEDED = "superseded"
    """Its transition still holds, but by what is known now an earlier case stands in its way."""


@dataclass(frozen=True, slots=True)
class Change:
    """A case as it is from now on, as it was (None: new), and the facts to publish, in order; perhaps none.

    The last of them has the case's version, the one before it that version less one, and so on.
    """

    case: Case
    before: Case | None
    facts: tuple[Fact, ...]


def changes(history: History, folded: Iterable[Case], recorded_at: datetime) -> list[Change]:
    """The difference between the known cases and the folded ones; those that end come before those that begin.

    A known case that the fold does not have is cancelled, whatever it was: also when it had been won back, for the
    customer had never been gone, and nobody may count it. What it says of the order stays on it: a code that was used
    remains used. A cancelled case that the fold has again is announced anew from its opening on.
    """
    cases = {case.id: case for case in folded}
    gone = [
        case
        for case in history.cases.values()
        if case.id not in cases and case.state is not State.CANCELLED
    ]
    cancelled = [_cancelled(case, _reason(case.lapse, history), recorded_at) for case in gone]
    found = [_change(history.cases.get(case.id), case) for case in (*cancelled, *cases.values())]
    return sorted((change for change in found if change), key=lambda change: change.case.is_running)


def _cancelled(case: Case, reason: Reason, at: datetime) -> Case:
    offer = replace(case.offer, reserved_for=None, reserved_until=None)
    return replace(case, state=State.CANCELLED, ended_at=at, reason=reason, offer=offer)


def _reason(lapse: Lapse, history: History) -> Reason:
    return Reason.SUPERSEDED if lapse in history.lapses else Reason.TRANSITION_WITHDRAWN


def _change(before: Case | None, case: Case) -> Change | None:
    if before is not None and _content(before) == _content(case):
        return None
    facts = _facts(before, case)
    return Change(replace(case, version=case.version + len(facts)), before, facts)


def _facts(before: Case | None, case: Case) -> tuple[Fact, ...]:
    if case.state is State.CANCELLED:
        return (Fact.CASE_CANCELLED,)
    if before is None or before.state is State.CANCELLED:
        return OPENING if case.is_running else (*OPENING, Fact.CASE_CLOSED)
    return (Fact.CASE_CLOSED,) if _ending(before) != _ending(case) else ()


def _ending(case: Case) -> tuple[object, ...]:
    return case.state, case.ended_at, case.order_id, case.with_code


def _content(case: Case) -> tuple[object, ...]:
    return *_ending(case), case.used_for
