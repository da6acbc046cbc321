"""Hints for the shop's own measures: each at an exact instant, once per customer and occasion, never about the past."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from services.lifecycle.domain.policy.policy import LAST_INSTANT, Policy, later
from services.lifecycle.domain.policy.schedule import Policies
from services.lifecycle.domain.state.customer import Customer, Notice
from services.lifecycle.domain.state.happenings import EventKind
from services.lifecycle.domain.state.phases import Phase

SURVEY_DUE: Final = "survey.due"
ONBOARDING_STALLED: Final = "onboarding.stalled"
RENEWAL_DUE: Final = "contract.renewal_due"
INCENTIVE_DUE: Final = "incentive.due"
COMPLAINT_OVERDUE: Final = "complaint.overdue"
CHANGE_DUE: Final = "phase.change_due"
CHANGE_WITHDRAWN: Final = "phase.change_withdrawn"

NO_TIME: Final = timedelta()
WELCOME: Final = "welcome"
INCENTIVE_ROTATION: Final = ("discount", "gift", "points", "preview")
"""The incentives of established customers, in turn: never the same twice in a row."""

_FORMER: Final = Phase.FORMER
_ESTABLISHED: Final = Phase.ESTABLISHED
MOVING_HINTS: Final = frozenset(
    {
        EventKind.CONCLUDED, EventKind.RENEWED, EventKind.CANCELLED, EventKind.CONTRACT_ENDED, EventKind.COMPLAINED, EventKind.ANSWERED,
        EventKind.RESOLVED, EventKind.ACTIVATED, EventKind.UNDONE,
    }
)  # fmt: skip
"""Events that move the instant of a hint without a change of phase."""


class Hint(msgspec.Struct, frozen=True):
    """Something worth doing for a customer; the same name and `occasion` are the same hint."""

    name: str
    at: datetime
    occasion: str
    data: dict[str, str] = {}


def welcome_hint(instant: datetime) -> Hint:
    """For somebody who has just become a customer."""
    return Hint(INCENTIVE_DUE, instant, WELCOME, {"incentive": WELCOME})


def change_due_hint(notice: Notice, instant: datetime) -> Hint:
    """A transition is near."""
    return _change_hint(CHANGE_DUE, notice, instant)


def change_withdrawn_hint(notice: Notice, instant: datetime) -> Hint:
    """It will not come, or not then."""
    return _change_hint(CHANGE_WITHDRAWN, notice, instant)


def _change_hint(name: str, notice: Notice, instant: datetime) -> Hint:
    at = notice.at.isoformat()
    return Hint(
        name, instant, f"{notice.rule} {at}", {"rule": notice.rule, "to": notice.to, "at": at}
    )


def next_hints(customer: Customer, policies: Policies) -> tuple[datetime | None, Sequence[Hint]]:
    """When the next hint is due, and the hints of that instant, each by the policy that is in force then."""
    now = customer.now
    start: datetime | None = now
    while start is not None:
        policy, end = (
            policies.at(start, customer.account),
            policies.next_change(start, customer.account),
        )
        coming = _hints_from(customer, policy, start, now)
        if coming:
            first = min([hint.at for hint in coming])
            if end is None or first < end:
                return first, [hint for hint in coming if hint.at == first]
        start = end
    return None, ()


def _hints_from(customer: Customer, policy: Policy, start: datetime, now: datetime) -> list[Hint]:
    """Every hint from `start` on. What the state has seen (`now`) was given then, so nothing needs marking."""
    phase = customer.phase
    found = _complaint_hints(customer, policy) if customer.complaints else []
    if phase is not _FORMER:
        found += _first_order_hints(customer, policy)
        if customer.contracts:
            found += _contract_hints(customer, policy)
        if phase is _ESTABLISHED and policy.incentive_days:
            turn = INCENTIVE_ROTATION[customer.incentives % len(INCENTIVE_ROTATION)]
            at = _next_incentive(customer, policy, start, now)
            found.append(Hint(INCENTIVE_DUE, at, str(customer.incentives + 1), {"incentive": turn}))
    return [hint for hint in found if start <= hint.at < LAST_INSTANT and hint.at > now]


def _next_incentive(customer: Customer, policy: Policy, start: datetime, now: datetime) -> datetime:
    if start == customer.since:
        return later(start, policy.incentive)
    turns, over = divmod(start - customer.since, policy.incentive)
    return later(customer.since, policy.incentive * (turns + (over > NO_TIME or start == now)))


def _first_order_hints(customer: Customer, policy: Policy) -> list[Hint]:
    first = customer.first_order_at
    found: list[Hint] = []
    if first is None or not customer.orders or customer.first_order_historical:
        return found
    if policy.survey_days:
        found.append(Hint(SURVEY_DUE, later(first, policy.survey), "first_order"))
    if policy.onboarding_days and customer.activated_at is None:
        found.append(Hint(ONBOARDING_STALLED, later(first, policy.onboarding), "first_order"))
    return found


def _contract_hints(customer: Customer, policy: Policy) -> list[Hint]:
    found: list[Hint] = []
    if not policy.renewal_notice_days:
        return found
    for id, contract in customer.contracts.items():
        renews_at = contract.renews_at
        if contract.ends_at is None and renews_at < LAST_INSTANT:
            data = {"contract_id": id, "renews_at": renews_at.isoformat()}
            at = renews_at - policy.renewal_notice
            found.append(Hint(RENEWAL_DUE, at, f"{id} {renews_at.isoformat()}", data))
    return found


def _complaint_hints(customer: Customer, policy: Policy) -> list[Hint]:
    found: list[Hint] = []
    if not policy.answer_hours:
        return found
    for id, complaint in customer.complaints.items():
        if not (complaint.answered or complaint.historical):
            occasion = f"{id} {complaint.opened_at.isoformat()}"
            at = later(complaint.opened_at, policy.answer)
            found.append(Hint(COMPLAINT_OVERDUE, at, occasion, {"complaint_id": id}))
    return found
