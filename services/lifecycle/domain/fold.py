"""The fold: a customer's events in order, and the time between them, into phases and the moves between them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias

from msgspec.structs import replace

from services.lifecycle.domain.counted import NOTHING
from services.lifecycle.domain.customer import Customer, Move, Notice, Return, sums
from services.lifecycle.domain.deadlines import first_deadline, running
from services.lifecycle.domain.facts import count, count_time
from services.lifecycle.domain.happenings import IN_ORDER, Happening, Kind
from services.lifecycle.domain.hints import (
    CONCERNED,
    INCENTIVE_DUE,
    Hint,
    change_due,
    change_withdrawn,
    due_at,
    next_instant,
    welcome,
)
from services.lifecycle.domain.orders import Orders
from services.lifecycle.domain.phases import Phase, RuleName
from services.lifecycle.domain.policy import Policy, later
from services.lifecycle.domain.rules import RULES_FOR, Occasion, Rule
from shared.events.transitions import EventRef, Evidence, PolicyRef, Profile


class Folded(NamedTuple):
    """The state afterwards, and what happened on the way, in order."""

    customer: Customer
    moves: Sequence[Move] = ()
    hints: Sequence[Hint] = ()

    def then(self, more: "Folded") -> "Folded":
        """This and what followed."""
        if not (self.moves or self.hints):
            return more
        return Folded(more.customer, [*self.moves, *more.moves], [*self.hints, *more.hints])


def fold(happenings: Iterable[Happening], policy: Policy, *, until: datetime | None = None) -> Folded:
    """A customer's whole life: events in any order, and then the deadlines up to `until`."""
    orders, customer = Orders(), Customer()
    moves, hints = list[Move](), list[Hint]()
    for happening in sorted(happenings, key=IN_ORDER):
        customer, new_moves, new_hints = advance(customer, happening, policy, orders)
        moves += new_moves
        hints += new_hints
    folded = Folded(customer, moves, hints)
    return folded if until is None else folded.then(pass_time(customer, until, policy))


def advance(customer: Customer, happening: Happening, policy: Policy, orders: Orders | None = None) -> Folded:
    """One event that is not late: first the deadlines up to its instant, then what it changes, then the rules.

    Without the `orders` of the whole life, no other event may have named its order before.
    """
    time, wakes_at = happening.time, customer.wakes_at
    before = None if wakes_at is None or wakes_at > time else pass_time(customer, time, policy)
    if before is not None:
        customer = before.customer
    had_orders = customer.orders
    counted = count(customer, happening, policy, orders)
    kind = counted.kind
    customer, moves, hints = _judge(counted.customer, Occasion(kind, counted.gives, happening), time, policy)
    if moves or not had_orders or kind is not Kind.ORDER or not _only_defers(customer, time, policy):
        customer = _rearm(customer, policy, hints_too=not had_orders or bool(moves) or kind in CONCERNED)
    folded = _renotice(Folded(customer, moves, hints), policy)
    return folded if before is None else before.then(folded)


def pass_time(customer: Customer, until: datetime, policy: Policy) -> Folded:
    """Let time pass up to and including `until`: each deadline and each hint at the instant when it was due."""
    wakes_at = customer.wakes_at
    if wakes_at is None or wakes_at > until:
        return Folded(customer)
    moves, hints = list[Move](), list[Hint]()
    while wakes_at is not None and wakes_at <= until:
        customer, new_moves, new_hints = _wake(customer, wakes_at, policy)
        moves += new_moves
        hints += new_hints
        wakes_at = customer.wakes_at
    return Folded(customer, moves, hints)


def next_move(customer: Customer, policy: Policy) -> Move | None:
    """What time alone will do next, if nothing else happens before."""
    customer = replace(customer, hint_due=None)
    while customer.due is not None:
        customer, moves, _ = _wake(customer, customer.due, policy.quiet)
        if moves:
            return moves[0]
    return None


def taken_back(before: Customer, folded: Folded) -> Sequence[Hint]:
    """What must be withdrawn when a customer is folded anew: a notice given that the new life does not know."""
    told = before.noticed
    if told is None or told == folded.customer.noticed or _came_true(told, folded.moves):
        return ()
    return [change_withdrawn(told, folded.customer.now)]


def _wake(customer: Customer, instant: datetime, policy: Policy) -> Folded:
    """One instant at which something may be due: its hints first, or else its first deadline."""
    if customer.hint_due == instant:
        customer, hints = _hint(customer, instant, policy)
        return _renotice(Folded(_rearm(customer, policy, hints_too=True), (), hints), policy)
    found = first_deadline(customer, policy)
    if found is None or found[0] > instant:  # a longer deadline than the state was folded with
        return Folded(replace(customer, due=found[0] if found else None))
    counted = count_time(customer, found[1].kind, instant, policy)
    customer, moves, hints = _judge(counted.customer, Occasion(counted.kind, counted.gives), instant, policy)
    return _renotice(Folded(_rearm(customer, policy, hints_too=True), moves, hints), policy)


def _hint(customer: Customer, instant: datetime, policy: Policy) -> tuple[Customer, Sequence[Hint]]:
    given = due_at(customer, instant, policy)
    turns = sum(hint.name == INCENTIVE_DUE for hint in given)
    ahead = _ahead(customer, policy) if policy.notice_days else None
    if ahead and ahead.at - policy.notice == instant:
        given.append(change_due(ahead, instant))
        customer = replace(customer, noticed=ahead)
    return replace(customer, reached=instant, incentives=customer.incentives + turns), given


def _only_defers(customer: Customer, time: datetime, policy: Policy) -> bool:
    """Has an order that moved nothing brought no deadline forward? Then `due` stays: it may come before them all."""
    due = customer.due
    return due is not None and customer.phase is not Phase.AT_RISK and due <= later(time, policy.at_risk)


def _rearm(customer: Customer, policy: Policy, *, hints_too: bool) -> Customer:
    found = first_deadline(customer, policy)
    hint_due = next_instant(customer, policy) if hints_too or policy.notice_days else customer.hint_due
    return replace(customer, due=found[0] if found else None, hint_due=hint_due)


# -- notices ---------------------------------------------------------------------------------------------------------


def _ahead(customer: Customer, policy: Policy) -> Notice | None:
    move = next_move(customer, policy)
    return Notice(move.rule, move.to, move.occurred_at) if move else None


def _renotice(folded: Folded, policy: Policy) -> Folded:
    """Take back a notice that is not true any more, and see when the next is due."""
    if not policy.notice_days:
        return folded
    customer, moves, hints = folded
    ahead, told = _ahead(customer, policy), customer.noticed
    if told is not None and told != ahead:
        customer = replace(customer, noticed=None)
        hints = hints if _came_true(told, moves) else [*hints, change_withdrawn(told, customer.now)]
    if ahead is None or customer.noticed is not None or ahead.at - policy.notice <= customer.now:
        return Folded(customer, moves, hints)
    at = ahead.at - policy.notice
    return Folded(replace(customer, hint_due=min(at, customer.hint_due or at)), moves, hints)


def _came_true(notice: Notice, moves: Sequence[Move]) -> bool:
    return any(move.rule == notice.rule and move.occurred_at == notice.at for move in moves)


# -- rules -----------------------------------------------------------------------------------------------------------

_Judged: TypeAlias = tuple[Customer, Sequence[Move], Sequence[Hint]]


def _judge(customer: Customer, occasion: Occasion, instant: datetime, policy: Policy) -> _Judged:
    """Offer one occasion to the rules of the phase, and after each move to those of the next, each at most once."""
    rule = _firing(customer, occasion, (), policy)
    if rule is None:
        return customer, (), ()
    moves, hints, used = list[Move](), list[Hint](), list[RuleName]()
    while rule is not None:
        used.append(rule.name)
        moved = _enter(customer, rule, occasion, instant, policy)
        moves.append(_move(customer, moved, rule, occasion, instant, policy))
        if rule.name is RuleName.FIRST_PURCHASE and not (occasion.happening and occasion.happening.historical):
            hints.append(welcome(instant))
        customer = moved
        rule = _firing(customer, occasion, used, policy)
    return customer, moves, hints


def _firing(customer: Customer, occasion: Occasion, used: Sequence[RuleName], policy: Policy) -> Rule | None:
    for rule in RULES_FOR[customer.phase, occasion.kind]:
        if rule.name not in used and rule.when(customer, occasion, policy):
            return rule
    return None


_BEGINS_ANEW: Final = frozenset({RuleName.FIRST_PURCHASE, RuleName.RETURNED})


def _enter(customer: Customer, rule: Rule, occasion: Occasion, instant: datetime, policy: Policy) -> Customer:
    """The one place where a phase changes."""
    entered = replace(
        customer,
        phase=rule.target(customer, policy),
        since=instant,
        reached=instant,
        position=customer.position + 1,
        before=customer.phase if rule.to is Phase.AT_RISK else None,
        causes=occasion.gives if rule.to is Phase.AT_RISK else NOTHING,
        faded=rule.name is RuleName.PROSPECT_FADED,
    )
    if rule.name in _BEGINS_ANEW:
        by_order = occasion.kind is Kind.ORDER
        entered = replace(entered, orders_since_return=int(by_order), contracts_since_return=int(not by_order))
    if rule.name is RuleName.RETURNED and customer.phase is not None:
        origin = Return(customer.last_event, customer.phase, customer.since)
        return replace(entered, episode=customer.episode + 1, returned=origin)
    if rule.name is RuleName.FIRST_PURCHASE_UNDONE and customer.returned:
        return replace(entered, since=customer.returned.since, returned=None)
    return replace(entered, evidence={}) if rule.name is RuleName.ENTHUSIASM_FADED else entered


def _move(before: Customer, after: Customer, rule: Rule, occasion: Occasion, instant: datetime, policy: Policy) -> Move:
    happening = occasion.happening
    assert after.phase is not None  # noqa: S101  (no rule leads back to "not yet known")
    return Move(
        position=after.position,
        from_=before.phase,
        to=after.phase,
        rule=rule.name,
        occurred_at=instant,
        evidence=_evidence(happening, instant),
        policy=PolicyRef(policy.name, policy.version),
        episode=after.episode,
        historical=happening is not None and happening.historical,
        profile=_profile(after, policy, happening),
    )


def _evidence(happening: Happening | None, instant: datetime) -> Evidence:
    if happening is None:
        return Evidence(deadline=instant)
    return Evidence(events=(EventRef(happening.source, happening.id),))


def _profile(customer: Customer, policy: Policy, happening: Happening | None) -> Profile:
    return Profile(
        orders=customer.orders,
        revenue=sums(customer.revenue),
        margin=sums(customer.margin),
        first_order_at=customer.first_order_at,
        last_order_at=customer.last_order_at,
        deadlines=running(customer, policy),
        causes=tuple(sorted(customer.causes)),
        order=happening.order if happening else None,
    )
