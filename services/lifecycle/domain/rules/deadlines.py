"""The deadlines: in which phases each runs, when it passes, and for which rule.

They are in the order of the table of rules.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, TypeAlias

from services.lifecycle.domain.policy.cadence import LONGEST_SILENCE, silence_limit
from services.lifecycle.domain.policy.policy import FIXED, Policy
from services.lifecycle.domain.state.customer import EARLIEST, SILENCE, Customer
from services.lifecycle.domain.state.happenings import EventKind
from services.lifecycle.domain.state.phases import BONDED, Phase, RuleName
from shared.bounds import later

LEAST_PURCHASE_DAYS: Final = 2
"""Before the second day with a purchase there is no rhythm."""
LEAST_BETWEEN_LIMITS: Final = timedelta(days=30)
"""The least time between D1 and D2 by rhythm."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """When it passes, time triggers the rules for this kind, as an event would."""

    kind: EventKind
    rule: RuleName
    phases: frozenset[Phase | None]
    due: Callable[[Customer, Policy], datetime | None]


def enthusiasm_fades_at(customer: Customer, policy: Policy) -> datetime:
    """Count from the last referral or praise; it is due at once if none is left."""
    if not customer.evidence:
        return EARLIEST
    return later(max(customer.evidence.values()), policy.advocacy)


def silence_begins_at(customer: Customer, policy: Policy) -> datetime | None:
    """Count D1 from the last order; it is suspended while a contract runs."""
    if customer.last_order_at is None or customer.contracts or SILENCE in customer.causes:
        return None
    return later(customer.last_order_at, silence_limits(customer, policy)[0])


def falls_silent_at(customer: Customer, policy: Policy) -> datetime | None:
    """Count D2 from the last order; it is suspended while a contract runs."""
    if customer.last_order_at is None or customer.contracts:
        return None
    return later(customer.last_order_at, silence_limits(customer, policy)[1])


def silence_limits(customer: Customer, policy: Policy) -> tuple[timedelta, timedelta]:
    """Return D1 and D2, the spans of silence after which a customer is at risk or inactive.

    They follow the rhythm of purchases where a fit is in force, and the policy otherwise.
    """
    if (
        policy.silence == FIXED
        or customer.last_order_at is None
        or customer.purchase_days < LEAST_PURCHASE_DAYS
    ):
        return policy.at_risk, policy.inactive
    fit = policy.fit_at(customer.last_order_at)
    if fit is None:
        return policy.at_risk, policy.inactive
    x, days = purchase_rhythm(customer)
    horizon = policy.horizon_days
    at_risk = silence_limit(fit, x, days, horizon, policy.risk_probability)
    at_risk = max(at_risk, timedelta(days=policy.min_at_risk_days))
    inactive = silence_limit(fit, x, days, horizon, policy.inactive_probability)
    inactive = max(inactive, at_risk + LEAST_BETWEEN_LIMITS)
    return min(at_risk, LONGEST_SILENCE), min(inactive, LONGEST_SILENCE)


def purchase_rhythm(customer: Customer) -> tuple[int, int]:
    """Return the repeat purchases (one a day at most) and the days from the first to the last."""
    if customer.first_order_at is None or customer.last_order_at is None:
        return 0, 0
    span = customer.last_order_at.date() - customer.first_order_at.date()
    return customer.purchase_days - 1, span.days


def answer_overdue_at(customer: Customer, policy: Policy) -> datetime | None:
    """Return when the first complaint has waited too long for an answer."""
    if not customer.complaints:
        return None
    waiting = [c.opened_at for c in customer.complaints.values() if c.waits]
    return later(min(waiting), policy.complaint_overdue) if waiting else None


def contact_fades_at(customer: Customer, policy: Policy) -> datetime | None:
    """Count from the last session, page view or click, if there has ever been one."""
    if customer.contact_at is None or not policy.contact_days:
        return None
    return later(customer.contact_at, policy.contact_fades)


def prospect_fades_at(customer: Customer, policy: Policy) -> datetime | None:
    """Count from the last event of any kind; for an advocate only without an order."""
    if customer.contracts or (customer.phase is Phase.ADVOCATE and customer.last_order_at):
        return None
    return later(customer.last_event[0], policy.prospect_fades)


def inactivity_ends_at(customer: Customer, policy: Policy) -> datetime:
    """Count from the beginning of inactivity."""
    return later(customer.since, policy.former_after)


def contract_ends_at(customer: Customer, policy: Policy) -> datetime | None:
    """Return when the first contract runs out, its grace included."""
    if not customer.contracts:
        return None
    return min([contract.end(policy) for contract in customer.contracts.values()])


_EVERY_PHASE: Final[frozenset[Phase | None]] = frozenset({None, *Phase})

DEADLINES: Final = (
    Deadline(
        EventKind.ADVOCACY_AGED,
        RuleName.ENTHUSIASM_FADED,
        phases=frozenset({Phase.ADVOCATE}),
        due=enthusiasm_fades_at,
    ),
    Deadline(
        EventKind.SILENCE,
        RuleName.SILENCE_BEGINS,
        phases=BONDED | {Phase.AT_RISK},
        due=silence_begins_at,
    ),
    Deadline(
        EventKind.COMPLAINT_OVERDUE,
        RuleName.DISSATISFIED,
        phases=_EVERY_PHASE,
        due=answer_overdue_at,
    ),
    Deadline(
        EventKind.CONTACT_FADED,
        RuleName.BOND_WEAKENS,
        phases=_EVERY_PHASE,
        due=contact_fades_at,
    ),
    Deadline(
        EventKind.LONG_SILENCE,
        RuleName.FELL_SILENT,
        phases=BONDED | {Phase.AT_RISK},
        due=falls_silent_at,
    ),
    Deadline(
        EventKind.NO_SIGN_OF_LIFE,
        RuleName.PROSPECT_FADED,
        phases=frozenset({Phase.PROSPECT, Phase.ADVOCATE}),
        due=prospect_fades_at,
    ),
    Deadline(
        EventKind.LONG_INACTIVE,
        RuleName.RELATIONSHIP_ENDED,
        phases=frozenset({Phase.INACTIVE}),
        due=inactivity_ends_at,
    ),
    Deadline(
        EventKind.CONTRACT_ENDED,
        RuleName.RELATIONSHIP_ENDED,
        phases=_EVERY_PHASE,
        due=contract_ends_at,
    ),
)

_ByPhase: TypeAlias = Mapping[Phase | None, tuple[Deadline, ...]]

DEADLINES_IN: Final[_ByPhase] = MappingProxyType(
    {phase: tuple(d for d in DEADLINES if phase in d.phases) for phase in (None, *Phase)}
)
_SELDOM: Final = frozenset(
    {EventKind.COMPLAINT_OVERDUE, EventKind.CONTACT_FADED, EventKind.CONTRACT_ENDED}
)
_OFTEN_IN: Final[_ByPhase] = MappingProxyType(
    {
        phase: tuple(deadline for deadline in deadlines if deadline.kind not in _SELDOM)
        for phase, deadlines in DEADLINES_IN.items()
    }
)
"""The deadlines of most customers: without complaint or contract, and contact is not watched."""


def first_deadline(
    customer: Customer, policy: Policy, now: datetime
) -> tuple[datetime, Deadline] | None:
    """Return the earliest deadline that runs, and when it is due: now, if that has passed."""
    first: tuple[datetime, Deadline] | None = None
    for deadline in _deadlines_of(customer, policy):
        due = deadline.due(customer, policy)
        if due is not None and (first is None or due < first[0]):
            if due >= now:
                first = due, deadline
            elif first is None or now < first[0]:
                first = now, deadline
    return first


def running_deadlines(customer: Customer, policy: Policy) -> dict[str, datetime]:
    """Return the instants of all deadlines that run, by the rule that each is for."""
    now = customer.now
    instants: dict[str, datetime] = {}
    for deadline in _deadlines_of(customer, policy):
        due = deadline.due(customer, policy)
        if due is not None:
            instant = now if now > due else due  # noqa: FURB136  (max is five times slower)
            rule = deadline.rule
            if rule not in instants or instant < instants[rule]:
                instants[rule] = instant
    return instants


def _deadlines_of(customer: Customer, policy: Policy) -> Sequence[Deadline]:
    has_more = customer.complaints or customer.contracts or policy.contact_days
    return (DEADLINES_IN if has_more else _OFTEN_IN)[customer.phase]
