"""The deadlines: in which phases each runs, when it passes, for which rule. In the order of the table of rules."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from services.lifecycle.domain.policy.cadence import LONGEST_SILENCE, silence_limit
from services.lifecycle.domain.policy.policy import FIXED, Policy, later
from services.lifecycle.domain.state.customer import EARLIEST, SILENCE, Customer
from services.lifecycle.domain.state.happenings import EventKind
from services.lifecycle.domain.state.phases import BONDED, Phase, RuleName

LEAST_PURCHASE_DAYS: Final = 2
"""Before the second day with a purchase there is no rhythm."""
LEAST_BETWEEN_LIMITS: Final = timedelta(days=30)
"""Time at least between D1 and D2 by rhythm."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """When `due`, time itself gives the rules something of this kind to judge, as an event does."""

    kind: EventKind
    rule: RuleName
    phases: frozenset[Phase | None]
    due: Callable[[Customer, Policy], datetime | None]


def enthusiasm_fades_at(customer: Customer, policy: Policy) -> datetime:
    """From the last recommendation or praise; at once where there is none left."""
    return (
        later(max(customer.evidence.values()), policy.advocacy) if customer.evidence else EARLIEST
    )


def silence_limits(customer: Customer, policy: Policy) -> tuple[timedelta, timedelta]:
    """D1 and D2 from the last order: by the rhythm of the purchases where a fit is in force, else the same for all."""
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
    at_risk = silence_limit(fit, x, days, policy.horizon_days, policy.risk_probability)
    at_risk = max(at_risk, timedelta(days=policy.min_at_risk_days))
    inactive = max(
        silence_limit(fit, x, days, policy.horizon_days, policy.inactive_probability),
        at_risk + LEAST_BETWEEN_LIMITS,
    )
    return min(at_risk, LONGEST_SILENCE), min(inactive, LONGEST_SILENCE)


def purchase_rhythm(customer: Customer) -> tuple[int, int]:
    """Repeat purchases (several on one day count once), and whole days from the first to the last."""
    if customer.first_order_at is None or customer.bought_at is None:
        return 0, 0
    return customer.purchase_days - 1, (
        customer.bought_at.date() - customer.first_order_at.date()
    ).days


def silence_begins_at(customer: Customer, policy: Policy) -> datetime | None:
    """D1, from the last order; suspended while a contract runs."""
    if customer.last_order_at is None or customer.contracts or SILENCE in customer.causes:
        return None
    return later(customer.last_order_at, silence_limits(customer, policy)[0])


def falls_silent_at(customer: Customer, policy: Policy) -> datetime | None:
    """D2, from the last order; suspended while a contract runs."""
    if customer.last_order_at is None or customer.contracts:
        return None
    return later(customer.last_order_at, silence_limits(customer, policy)[1])


def answer_overdue_at(customer: Customer, policy: Policy) -> datetime | None:
    """When the first of the complaints has waited too long for an answer."""
    if not customer.complaints:
        return None
    waiting = [c.opened_at for c in customer.complaints.values() if not (c.answered or c.overdue)]
    return later(min(waiting), policy.complaint_overdue) if waiting else None


def contact_fades_at(customer: Customer, policy: Policy) -> datetime | None:
    """From the last session, page or click, where there has ever been one."""
    if customer.contact_at is None or not policy.contact_days:
        return None
    return later(customer.contact_at, policy.contact_fades)


def prospect_fades_at(customer: Customer, policy: Policy) -> datetime | None:
    """From the last event of any kind; for an advocate only without an order."""
    if customer.contracts or (customer.phase is Phase.ADVOCATE and customer.last_order_at):
        return None
    return later(customer.last_event[0], policy.prospect_fades)


def inactivity_ends_at(customer: Customer, policy: Policy) -> datetime:
    """From the beginning of inactivity."""
    return later(customer.since, policy.former_after)


def contract_ends_at(customer: Customer, policy: Policy) -> datetime | None:
    """When the first of the contracts runs out, its grace included."""
    return min(c.end(policy) for c in customer.contracts.values()) if customer.contracts else None


_EVERY: Final[frozenset[Phase | None]] = frozenset({None, *Phase})
_WEAKENING: Final = BONDED | {Phase.AT_RISK}

DEADLINES: Final = (
    Deadline(
        EventKind.ADVOCACY_AGED,
        RuleName.ENTHUSIASM_FADED,
        frozenset({Phase.ADVOCATE}),
        enthusiasm_fades_at,
    ),
    Deadline(EventKind.SILENCE, RuleName.SILENCE_BEGINS, _WEAKENING, silence_begins_at),
    Deadline(EventKind.COMPLAINT_OVERDUE, RuleName.DISSATISFIED, _EVERY, answer_overdue_at),
    Deadline(EventKind.CONTACT_FADED, RuleName.BOND_WEAKENS, _EVERY, contact_fades_at),
    Deadline(EventKind.LONG_SILENCE, RuleName.FELL_SILENT, _WEAKENING, falls_silent_at),
    Deadline(
        EventKind.NO_SIGN_OF_LIFE,
        RuleName.PROSPECT_FADED,
        frozenset({Phase.PROSPECT, Phase.ADVOCATE}),
        prospect_fades_at,
    ),
    Deadline(
        EventKind.LONG_INACTIVE,
        RuleName.RELATIONSHIP_ENDED,
        frozenset({Phase.INACTIVE}),
        inactivity_ends_at,
    ),
    Deadline(EventKind.CONTRACT_ENDED, RuleName.RELATIONSHIP_ENDED, _EVERY, contract_ends_at),
)

DEADLINES_IN: Final[Mapping[Phase | None, tuple[Deadline, ...]]] = MappingProxyType(
    {
        phase: tuple(deadline for deadline in DEADLINES if phase in deadline.phases)
        for phase in (None, *Phase)
    }
)
_SELDOM: Final = frozenset(
    {EventKind.COMPLAINT_OVERDUE, EventKind.CONTACT_FADED, EventKind.CONTRACT_ENDED}
)
_OFTEN_IN: Final[Mapping[Phase | None, tuple[Deadline, ...]]] = MappingProxyType(
    {
        phase: tuple(d for d in deadlines if d.kind not in _SELDOM)
        for phase, deadlines in DEADLINES_IN.items()
    }
)
"""Those of a customer without complaint or contract, where contact is not watched: most customers, at most events."""


def first_deadline(
    customer: Customer, policy: Policy, now: datetime
) -> tuple[datetime, Deadline] | None:
    """The earliest deadline that runs; what came up with its time already passed is due now."""
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
    """The instants of all deadlines that run, by the rule that they are for."""
    now = customer.now
    found: dict[str, datetime] = {}
    for deadline in _deadlines_of(customer, policy):
        due = deadline.due(customer, policy)
        if due is not None:
            instant = now if now > due else due  # noqa: FURB136  (max takes five times as long)
            if deadline.rule not in found or instant < found[deadline.rule]:
                found[deadline.rule] = instant
    return found


def _deadlines_of(customer: Customer, policy: Policy) -> Sequence[Deadline]:
    has_more = customer.complaints or customer.contracts or policy.contact_days
    return (DEADLINES_IN if has_more else _OFTEN_IN)[customer.phase]
