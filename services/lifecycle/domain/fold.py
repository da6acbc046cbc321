"""The fold: a customer's events in order, and the time between them, into phases and the moves between them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, TypeAlias

import msgspec
from msgspec.structs import replace

from services.lifecycle.domain.effects.by_kind import apply_deadline, apply_event
from services.lifecycle.domain.effects.effect import NO_CAUSES
from services.lifecycle.domain.hints import (
    INCENTIVE_DUE,
    MOVING_HINTS,
    Hint,
    change_due_hint,
    change_withdrawn_hint,
    next_hints,
    welcome_hint,
)
from services.lifecycle.domain.moves import create_move
from services.lifecycle.domain.policy.policy import Policy, later
from services.lifecycle.domain.policy.schedule import Policies
from services.lifecycle.domain.rules.deadlines import Deadline, first_deadline
from services.lifecycle.domain.rules.table import RULES_FOR, Rule, Trigger
from services.lifecycle.domain.state.customer import Customer, Move, Notice, Return
from services.lifecycle.domain.state.happenings import SORT_KEY, EventKind, Happening
from services.lifecycle.domain.state.orders import Orders
from services.lifecycle.domain.state.phases import Phase, RuleName

_ORDER: Final = EventKind.ORDER
_AT_RISK: Final = Phase.AT_RISK
_FIRST_PURCHASE: Final = RuleName.FIRST_PURCHASE
_FIRST_PURCHASE_UNDONE: Final = RuleName.FIRST_PURCHASE_UNDONE
_PROSPECT_FADED: Final = RuleName.PROSPECT_FADED
_ENTHUSIASM_FADED: Final = RuleName.ENTHUSIASM_FADED
_RETURNED: Final = RuleName.RETURNED
"""Names of the module: to look a member up in its class takes ten times as long, several times an event."""


class Folded(msgspec.Struct, frozen=True, gc=False):
    """The state afterwards, and what happened on the way, in order."""

    customer: Customer
    moves: Sequence[Move] = ()
    hints: Sequence[Hint] = ()

    @property
    def parts(self) -> tuple[Customer, Sequence[Move], Sequence[Hint]]:
        """To be unpacked. (Where events are folded by the thousand, a tuple with names takes too long to make.)"""
        return self.customer, self.moves, self.hints

    def then(self, more: "Folded") -> "Folded":
        """This and what followed."""
        if not (self.moves or self.hints):
            return more
        return Folded(more.customer, [*self.moves, *more.moves], [*self.hints, *more.hints])


def fold(
    happenings: Iterable[Happening], policies: Policies, *, until: datetime | None = None
) -> Folded:
    """A customer's whole life: events in any order, and then the deadlines up to `until`."""
    orders, customer = Orders(), Customer(known=policies.known)
    moves: list[Move] = []
    hints: list[Hint] = []
    for happening in sorted(happenings, key=SORT_KEY):
        step = advance(customer, happening, policies, orders)
        customer = step.customer
        moves += step.moves
        hints += step.hints
    folded = Folded(customer, moves, hints)
    return folded if until is None else folded.then(pass_time(customer, until, policies))


def advance(
    customer: Customer, happening: Happening, policies: Policies, orders: Orders | None = None
) -> Folded:
    """One event that is not late: first the deadlines up to its instant, then what it changes, then the rules.

    Without the `orders` of the whole life, no other event may have named its order before.
    """
    time, wakes_at = happening.time, customer.wakes_at
    before = None if wakes_at is None or wakes_at > time else pass_time(customer, time, policies)
    if before is not None:
        customer = before.customer
    had_orders, account = customer.orders, customer.account
    policy = policies.at(time, account)
    counted = apply_event(customer, happening, policy, orders)
    kind, customer = counted.kind, counted.customer
    if customer.account != account:
        policy = policies.at(time, customer.account)
    customer, moves, hints = _apply_rules(
        customer, Trigger(kind, counted.gives, happening), time, policy
    )
    if (
        had_orders
        and not moves
        and kind is _ORDER
        and customer.due
        and customer.phase is not _AT_RISK
    ):
        customer = _postpone_due(customer, time, policies)
    else:
        hints_too = (
            bool(moves) or not had_orders or kind in MOVING_HINTS or customer.account != account
        )
        customer = _set_due(customer, policies, hints_too=hints_too)
    folded = Folded(customer, moves, hints)
    if policies.gives_notice or customer.noticed:
        folded = _update_notice(folded, policies)
    return folded if before is None else before.then(folded)


def pass_time(customer: Customer, until: datetime, policies: Policies) -> Folded:
    """Let time pass up to and including `until`: each deadline and each hint at the instant when it was due."""
    wakes_at = customer.wakes_at
    if wakes_at is None or wakes_at > until:
        return Folded(customer)
    moves: list[Move] = []
    hints: list[Hint] = []
    while wakes_at is not None and wakes_at <= until:
        step = _wake(customer, wakes_at, policies)
        customer = step.customer
        moves += step.moves
        hints += step.hints
        wakes_at = customer.wakes_at
    return Folded(customer, moves, hints)


def apply_schedule(customer: Customer, policies: Policies) -> Folded | None:
    """The state under activations and fits that it was not folded with; None if one reaches back into what it knows."""
    since = policies.since(customer.known)
    if since is not None and customer.now >= since:
        return None
    if (
        policies.keeps_sales and customer.orders and not customer.sales
    ):  # nobody watched revenue until now
        return None
    relearned = replace(_set_due(customer, policies, hints_too=True), known=policies.known)
    return _update_notice(Folded(relearned), policies)


def with_exact_due(customer: Customer, policies: Policies) -> Folded:
    """The state with its earliest deadline, where `due` may come before it."""
    return Folded(_set_due(customer, policies, hints_too=False))


def next_move(customer: Customer, policies: Policies) -> Move | None:
    """What time alone will do next, if nothing else happens before."""
    customer, quiet = replace(customer, hint_due=None), policies.quiet
    while customer.due is not None:
        step = _wake(customer, customer.due, quiet)
        customer = step.customer
        if step.moves:
            return step.moves[0]
    return None


def hints_to_withdraw(before: Customer, folded: Folded) -> Sequence[Hint]:
    """What must be withdrawn when a customer is folded anew: a notice given that the new life does not know."""
    told = before.noticed
    if told is None or told == folded.customer.noticed or _came_true(told, folded.moves):
        return ()
    return [change_withdrawn_hint(told, folded.customer.now)]


def _wake(customer: Customer, instant: datetime, policies: Policies) -> Folded:
    """One instant at which something may be due: its hints first, or else its first deadline."""
    if customer.hint_due == instant:
        customer, hints = _give_hints(customer, instant, policies)
        return _update_notice(
            Folded(_set_due(customer, policies, hints_too=True), (), hints), policies
        )
    found = _next_deadline(customer, policies)
    if found is None or found[0] > instant:  # a longer deadline than the state was folded with
        return Folded(replace(customer, due=found[0] if found else None))
    policy = policies.at(instant, customer.account)
    counted = apply_deadline(customer, found[1].kind, instant, policy)
    customer, moves, hints = _apply_rules(
        counted.customer, Trigger(counted.kind, counted.gives), instant, policy
    )
    return _update_notice(
        Folded(_set_due(customer, policies, hints_too=True), moves, hints), policies
    )


def _give_hints(
    customer: Customer, instant: datetime, policies: Policies
) -> tuple[Customer, Sequence[Hint]]:
    at, coming = next_hints(customer, policies)
    given = list(coming) if at == instant else []
    turns = sum(hint.name == INCENTIVE_DUE for hint in given)
    ahead = _expected_change(customer, policies)
    if ahead is not None and ahead[1] == instant:
        given.append(change_due_hint(ahead[0], instant))
        customer = replace(customer, noticed=ahead[0])
    return replace(customer, reached=instant, incentives=customer.incentives + turns), given


def _next_deadline(customer: Customer, policies: Policies) -> tuple[datetime, Deadline] | None:
    """The first deadline by the policy that is in force when it passes."""
    start: datetime | None = customer.now
    while start is not None:
        end = policies.next_change(start, customer.account)
        found = first_deadline(customer, policies.at(start, customer.account), start)
        if found is not None and (end is None or found[0] < end):
            return found
        start = end
    return None


def _postpone_due(customer: Customer, time: datetime, policies: Policies) -> Customer:
    """After an order that moved nothing only the deadline of silence may be nearer than before: `due` comes first."""
    nearest = later(time, policies.shortest_silence)
    return (
        customer
        if customer.due is not None and customer.due <= nearest
        else replace(customer, due=nearest)
    )


def _set_due(customer: Customer, policies: Policies, *, hints_too: bool) -> Customer:
    found = _next_deadline(customer, policies)
    hint_due = (
        next_hints(customer, policies)[0]
        if hints_too or policies.gives_notice
        else customer.hint_due
    )
    return replace(customer, due=found[0] if found else None, hint_due=hint_due)


# -- notices ---------------------------------------------------------------------------------------------------------


def _expected_change(customer: Customer, policies: Policies) -> tuple[Notice, datetime] | None:
    """What time will bring, and when that is announced, if the policy in force then wants it."""
    move = next_move(customer, policies) if policies.gives_notice else None
    policy = policies.at(move.occurred_at, customer.account) if move else None
    if move is None or policy is None or not policy.gives_notice:
        return None
    return Notice(move.rule, move.to, move.occurred_at), move.occurred_at - policy.notice


def _update_notice(folded: Folded, policies: Policies) -> Folded:
    """Take back a notice that is not true any more, and see when the next is due."""
    if not policies.gives_notice and folded.customer.noticed is None:
        return folded
    customer, moves, hints = folded.parts
    ahead, told = _expected_change(customer, policies), customer.noticed
    if told is not None and (ahead is None or told != ahead[0]):
        customer = replace(customer, noticed=None)
        hints = (
            hints
            if _came_true(told, moves)
            else [*hints, change_withdrawn_hint(told, customer.now)]
        )
    if ahead is None or customer.noticed is not None or ahead[1] <= customer.now:
        return Folded(customer, moves, hints)
    return Folded(
        replace(customer, hint_due=min(ahead[1], customer.hint_due or ahead[1])), moves, hints
    )


def _came_true(notice: Notice, moves: Sequence[Move]) -> bool:
    return any(move.rule == notice.rule and move.occurred_at == notice.at for move in moves)


# -- rules -----------------------------------------------------------------------------------------------------------

_Judged: TypeAlias = tuple[Customer, Sequence[Move], Sequence[Hint]]


def _apply_rules(
    customer: Customer, occasion: Trigger, instant: datetime, policy: Policy
) -> _Judged:
    """Offer one occasion to the rules of the phase, and after each move to those of the next, each at most once."""
    rule = _firing_rule(customer, occasion, (), policy)
    if rule is None:
        return customer, (), ()
    moves: list[Move] = []
    hints: list[Hint] = []
    used: list[RuleName] = []
    while rule is not None:
        used.append(rule.name)
        moved = _enter_phase(customer, rule, occasion, instant, policy)
        moves.append(create_move(customer, moved, rule, occasion, instant, policy))
        if rule.name is _FIRST_PURCHASE and not (
            occasion.happening and occasion.happening.historical
        ):
            hints.append(welcome_hint(instant))
        customer = moved
        rule = _firing_rule(customer, occasion, used, policy)
    return customer, moves, hints


def _firing_rule(
    customer: Customer, occasion: Trigger, used: Sequence[RuleName], policy: Policy
) -> Rule | None:
    for rule in RULES_FOR[customer.phase, occasion.kind]:
        if rule.name not in used and rule.when(customer, occasion, policy):
            return rule
    return None


_BEGINS_ANEW: Final = frozenset({_FIRST_PURCHASE, _RETURNED})


def _enter_phase(
    customer: Customer, rule: Rule, occasion: Trigger, instant: datetime, policy: Policy
) -> Customer:
    """The one place where a phase changes."""
    entered = replace(
        customer,
        phase=rule.target(customer, policy),
        since=instant,
        reached=instant,
        position=customer.position + 1,
        before=customer.phase if rule.to is _AT_RISK else None,
        causes=occasion.gives if rule.to is _AT_RISK else NO_CAUSES,
        faded=rule.name is _PROSPECT_FADED,
    )
    if rule.name in _BEGINS_ANEW:
        by_order = occasion.kind is _ORDER
        entered = replace(
            entered, orders_since_return=int(by_order), contracts_since_return=int(not by_order)
        )
    if rule.name is _RETURNED and customer.phase is not None:
        origin = Return(customer.last_event, customer.phase, customer.since)
        return replace(entered, episode=customer.episode + 1, returned=origin)
    if rule.name is _FIRST_PURCHASE_UNDONE and customer.returned:
        return replace(entered, since=customer.returned.since, returned=None)
    return replace(entered, evidence={}) if rule.name is _ENTHUSIASM_FADED else entered
