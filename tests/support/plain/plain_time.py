"""What time alone brings: deadlines, each at the instant at which it is due."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from services.lifecycle.domain.policy.policy import Policy
from tests.support.plain.plain_contracts import ENDED
from tests.support.plain.plain_events import PlainEvent
from tests.support.plain.plain_life import BONDED, PlainLife
from tests.support.plain.plain_policies import Span, due_at
from tests.support.plain.plain_rules import after_enthusiasm, move

TIMED: Final = (
    "enthusiasm_faded",
    "silence_begins",
    "dissatisfied",
    "bond_weakens",
    "fell_silent",
    "prospect_faded",
    "relationship_ended",
)
"""The rules that time fires, in the order of the table."""
Deadline = tuple[datetime, int, str, str]
"""When it is due, the place of its rule in the table, the rule, and what it is about."""


def pass_time(life: PlainLife, until: datetime) -> None:
    """Let deadlines fall due, one after the other, up to and including an instant."""
    while life.now is not None:
        deadlines = [each for each in _deadlines(life) if each[0] <= until]
        if not deadlines:
            return
        due, _, rule, about = min(deadlines)
        life.now = due
        _fall_due(life, rule, about)


def _fall_due(life: PlainLife, rule: str, about: str) -> None:
    if rule == "relationship_ended" and about:
        _end_contract(life, about)
    elif rule == "enthusiasm_faded":
        move(life, rule, after_enthusiasm(life), None)
    elif rule in ("fell_silent", "prospect_faded"):
        move(life, rule, "inactive", None)
    elif rule == "relationship_ended":
        move(life, rule, "former", None)
    else:
        _weaken(life, rule, about)


def _weaken(life: PlainLife, rule: str, cause: str) -> None:
    """A cause that time brings. It counts only in a phase that the rule leads out of, and once."""
    if cause == "contact":
        life.contact_at = None
    elif rule == "dissatisfied":
        life.overdue.add((cause, life.complaints[cause.removeprefix("complaint:")].opened_at))
    if life.phase in BONDED:
        move(life, rule, "at_risk", None)
    if life.phase == "at_risk":
        life.causes.add(cause)


def _end_contract(life: PlainLife, contract_id: str) -> None:
    """A contract that time ends: it ends the relationship, unless an order followed its notice.

    While another runs it is no event for the rules, and takes its notice along.
    """
    assert life.now is not None
    contract = life.contracts.running[contract_id]
    data = {"contract_id": contract_id}
    life.events.append(PlainEvent(ENDED, "", contract_id, "", life.now, data))
    notice = contract.cancelled_at
    if life.contracts.running:
        life.causes.discard(f"cancellation:{contract_id}")
    elif notice is not None and any(o.purchased_at > notice for o in life.standing):
        return
    elif life.phase != "former":
        move(life, "relationship_ended", "former", None)


def _deadlines(life: PlainLife) -> Iterator[Deadline]:
    if life.phase is None:
        return
    yield from _enthusiasm(life)
    yield from _silences(life)
    yield from _complaints(life)
    yield from _contact(life)
    yield from _forgotten(life)
    yield from _contracts(life)


def _due(
    life: PlainLife, rule: str, anchor: datetime | None, span: Span, about: str = ""
) -> Iterator[Deadline]:
    if anchor is None or life.now is None:
        return
    due = due_at(life.activations, life.account, life.now, anchor, span)
    if due is not None:
        yield due, TIMED.index(rule), rule, about


def _enthusiasm(life: PlainLife) -> Iterator[Deadline]:
    """The last evidence is too old; if none is left, it is due at once."""
    if life.phase == "advocate" and not life.evidence:
        yield from _due(life, "enthusiasm_faded", life.now, lambda _: days(0))
    elif life.phase == "advocate":
        last = max(life.evidence.values())
        yield from _due(life, "enthusiasm_faded", last, lambda p: days(p.advocate_days))


def _silences(life: PlainLife) -> Iterator[Deadline]:
    """No purchase since the last that stands; while a contract runs, there is no silence."""
    if life.phase not in (*BONDED, "at_risk") or life.contracts.running:
        return
    last = life.last_purchase
    if "silence" not in life.causes:
        yield from _due(life, "silence_begins", last, lambda p: days(p.at_risk_days), "silence")
    yield from _due(life, "fell_silent", last, lambda p: days(p.inactive_days))


def _complaints(life: PlainLife) -> Iterator[Deadline]:
    """A complaint that nobody has answered; the time for an answer passes once."""
    for complaint in life.complaints.values():
        cause = f"complaint:{complaint.complaint_id}"
        passed = (cause, complaint.opened_at) in life.overdue
        if complaint.open and not complaint.answered and not passed:
            anchor = complaint.opened_at
            yield from _due(life, "dissatisfied", anchor, _time_for_an_answer, cause)


def _time_for_an_answer(policy: Policy) -> timedelta:
    return timedelta(hours=policy.complaint_overdue_hours)


def _contact(life: PlainLife) -> Iterator[Deadline]:
    """No session, page view or click; 0 days are never."""
    anchor = life.contact_at
    yield from _due(
        life,
        "bond_weakens",
        anchor,
        lambda p: days(p.contact_days) if p.contact_days else None,
        "contact",
    )


def _forgotten(life: PlainLife) -> Iterator[Deadline]:
    """Of a prospect, or an advocate without an order, nothing was heard; or nobody came back."""
    without_order = life.phase == "advocate" and not life.standing
    if (life.phase == "prospect" or without_order) and not life.contracts.running:
        last = max(event.time for event in life.events if event.type != ENDED)
        yield from _due(life, "prospect_faded", last, lambda p: days(p.prospect_days))
    if life.phase == "inactive":
        yield from _due(
            life, "relationship_ended", life.since, lambda p: days(p.former_after_inactive_days)
        )


def _contracts(life: PlainLife) -> Iterator[Deadline]:
    """A contract ends as notice was given, or with the grace after its term."""
    for contract in life.contracts.running.values():
        about = contract.contract_id
        ends_at = contract.ends_at
        if ends_at is not None:
            yield from _due(life, "relationship_ended", ends_at, lambda _: days(0), about)
        else:
            yield from _due(life, "relationship_ended", contract.renews_at, _grace, about)


def _grace(policy: Policy) -> timedelta:
    return days(policy.renewal_grace_days)


def days(number: int) -> timedelta:
    """Return so many days."""
    return timedelta(days=number)
