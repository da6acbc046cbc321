"""Hints for the shop's own measures: each at an exact instant, once, never about the past."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec.structs import replace

from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Policies
from services.lifecycle.domain.state.customer import Customer, Notice
from services.lifecycle.domain.state.happenings import EventKind
from services.lifecycle.domain.state.phases import Phase
from shared.bounds import LAST_INSTANT, later

SURVEY_DUE: Final = "survey.due"
ONBOARDING_STALLED: Final = "onboarding.stalled"
RENEWAL_DUE: Final = "contract.renewal_due"
INCENTIVE_DUE: Final = "incentive.due"
COMPLAINT_OVERDUE: Final = "complaint.overdue"
CHANGE_DUE: Final = "phase.change_due"
CHANGE_WITHDRAWN: Final = "phase.change_withdrawn"

WELCOME: Final = "welcome"
INCENTIVE_ROTATION: Final = ("discount", "gift", "points", "preview")
"""The incentives that established customers get in turn, never the same one twice in a row."""
KINDS_MOVING_HINTS: Final = frozenset(
    {
        EventKind.CONCLUDED,
        EventKind.RENEWED,
        EventKind.CANCELLED,
        EventKind.CONTRACT_ENDED,
        EventKind.COMPLAINED,
        EventKind.ANSWERED,
        EventKind.RESOLVED,
        EventKind.ACTIVATED,
        EventKind.UNDONE,
        EventKind.RESTORED,
    }
)
"""Events that move the instant of a hint without a change of phase."""

_NO_TIME: Final = timedelta()
_FORMER: Final = Phase.FORMER
_ESTABLISHED: Final = Phase.ESTABLISHED


class Hint(msgspec.Struct, frozen=True):
    """Something worth doing for a customer; the same name and `occasion` are the same hint.

    `ahead` is the instant that it is about, if that is still to come when the hint is given.
    """

    name: str
    at: datetime
    occasion: str
    data: dict[str, str] = {}
    ahead: datetime | None = None

    def still_helps(self, instant: datetime, policy: Policy) -> bool:
        """Is it of use at an instant after its own?

        Until what it is about has come, or else for as long as anybody acts on what has happened.
        """
        if self.ahead is not None:
            return instant < self.ahead
        return instant - self.at <= policy.act_within


def welcome_hint(instant: datetime) -> Hint:
    """Make the hint that greets a new customer."""
    return Hint(INCENTIVE_DUE, instant, WELCOME, {"incentive": WELCOME})


def change_due_hint(notice: Notice, instant: datetime) -> Hint:
    """Make the hint that announces a transition."""
    return _change_hint(CHANGE_DUE, notice, instant)


def change_withdrawn_hint(notice: Notice, instant: datetime) -> Hint:
    """Make the hint that withdraws an announced transition."""
    return _change_hint(CHANGE_WITHDRAWN, notice, instant)


def _change_hint(name: str, notice: Notice, instant: datetime) -> Hint:
    at = notice.at.isoformat()
    data = {"rule": notice.rule, "to": notice.to, "at": at}
    return Hint(name, instant, f"{notice.rule} {at}", data, ahead=notice.at)


def next_hints(customer: Customer, policies: Policies) -> tuple[datetime | None, Sequence[Hint]]:
    """Return when the next hint is due, and the hints of that instant.

    Each follows the policy that is in force then. Notices of transitions are not among them.
    """
    account = customer.account
    now = customer.now
    start: datetime | None = now
    before: Policy | None = None
    while start is not None:
        policy = policies.at(start, account)
        end = policies.next_change(start, account)
        hints = _hints_from(customer, policy, start, now)
        if before is not None:
            hints += _passed_by_activation(customer, before, policy, start)
        before = policy
        if hints:
            first = min([hint.at for hint in hints])
            if end is None or first < end:
                return first, [hint for hint in hints if hint.at == first]
        start = end
    return None, ()


def passed_hints(before: Customer, after: Customer, policies: Policies) -> list[Hint]:
    """Return the hints that an event has made known when they were due, or later.

    `before` and `after` are the states around the event. The hints are due at once, if they still
    help.
    """
    now = after.now
    policy = policies.at(now, after.account)
    passed = [hint for hint in _hints_of(after, policy) if hint.at <= now]
    if not passed:
        return passed
    earlier = policies.at(now, before.account)
    given = [hint for hint in _hints_of(before, earlier) if hint.at <= now]
    if before.phase is _FORMER:  # what fell due before the relationship ended
        asked = _first_order_hints(before, earlier)
        given += [hint for hint in asked if hint.at <= before.since]
    return _at_once(passed, given, policy, now)


def _passed_by_activation(
    customer: Customer, before: Policy, policy: Policy, start: datetime
) -> list[Hint]:
    """Return the hints that a policy would have given before it came into force."""
    passed = [hint for hint in _hints_of(customer, policy) if hint.at < start]
    given = [hint for hint in _hints_of(customer, before) if hint.at < start]
    return _at_once(passed, given, policy, start)


def _at_once(
    passed: Sequence[Hint], given: Sequence[Hint], policy: Policy, now: datetime
) -> list[Hint]:
    """Return what has passed, still helps and has not been given, as hints of `now`."""
    known = {(hint.name, hint.occasion) for hint in given}
    return [
        replace(hint, at=now)
        for hint in passed
        if (hint.name, hint.occasion) not in known and hint.still_helps(now, policy)
    ]


def _hints_from(customer: Customer, policy: Policy, start: datetime, now: datetime) -> list[Hint]:
    """Return every hint from `start` on, and after `now`.

    Hints up to `now` have been given, so that the state needs no mark of them.
    """
    hints = _hints_of(customer, policy)
    if customer.phase is _ESTABLISHED and policy.incentive_days:
        hints.append(_incentive_hint(customer, policy, start, now))
    return [hint for hint in hints if start <= hint.at < LAST_INSTANT and hint.at > now]


def _hints_of(customer: Customer, policy: Policy) -> list[Hint]:
    """Return the hints of every instant, past ones too, but for incentives."""
    hints = _complaint_hints(customer, policy) if customer.complaints else []
    if customer.phase is not _FORMER:
        hints += _first_order_hints(customer, policy)
        if customer.contracts:
            hints += _contract_hints(customer, policy)
    return hints


def _incentive_hint(customer: Customer, policy: Policy, start: datetime, now: datetime) -> Hint:
    turn = customer.incentives
    incentive = INCENTIVE_ROTATION[turn % len(INCENTIVE_ROTATION)]
    at = _next_incentive_at(customer, policy, start, now)
    return Hint(INCENTIVE_DUE, at, str(turn + 1), {"incentive": incentive})


def _next_incentive_at(
    customer: Customer, policy: Policy, start: datetime, now: datetime
) -> datetime:
    """Return the next multiple of the interval since the phase began."""
    since = customer.since
    interval = policy.incentive
    if start == since:
        return later(start, interval)
    turns, rest = divmod(start - since, interval)
    if rest > _NO_TIME or start == now:
        turns += 1
    return later(since, interval * turns)


def _first_order_hints(customer: Customer, policy: Policy) -> list[Hint]:
    first_at = customer.first_order_at
    hints: list[Hint] = []
    if first_at is None or not customer.orders or customer.first_order_historical:
        return hints
    if policy.survey_days:
        hints.append(Hint(SURVEY_DUE, later(first_at, policy.survey), "first_order"))
    if policy.onboarding_days and customer.activated_at is None:
        hints.append(Hint(ONBOARDING_STALLED, later(first_at, policy.onboarding), "first_order"))
    return hints


def _contract_hints(customer: Customer, policy: Policy) -> list[Hint]:
    hints: list[Hint] = []
    if not policy.renewal_notice_days:
        return hints
    for id, contract in customer.contracts.items():
        renews_at = contract.renews_at
        if contract.ends_at is None and renews_at < LAST_INSTANT:
            due = renews_at.isoformat()
            at = renews_at - policy.renewal_notice
            data = {"contract_id": id, "renews_at": due}
            hints.append(Hint(RENEWAL_DUE, at, f"{id} {due}", data, ahead=renews_at))
    return hints


def _complaint_hints(customer: Customer, policy: Policy) -> list[Hint]:
    hints: list[Hint] = []
    if not policy.answer_hours:
        return hints
    for id, complaint in customer.complaints.items():
        if not (complaint.answered or complaint.historical):
            opened_at = complaint.opened_at
            at = later(opened_at, policy.answer)
            occasion = f"{id} {opened_at.isoformat()}"
            hints.append(Hint(COMPLAINT_OVERDUE, at, occasion, {"complaint_id": id}))
    return hints
