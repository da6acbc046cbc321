"""The fold: it turns a customer's events, and the time between them, into phases and moves."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec.structs import replace

from services.lifecycle.domain.due_dates import (
    next_deadline,
    pass_deadline,
    set_due,
    set_due_after_order,
    set_due_and_hints,
)
from services.lifecycle.domain.edition import unknown_customer
from services.lifecycle.domain.effects.by_kind import apply_event
from services.lifecycle.domain.effects.purchases import TWO_QUARTERS
from services.lifecycle.domain.hints import (
    INCENTIVE_DUE,
    KINDS_MOVING_HINTS,
    Hint,
    change_due_hint,
    next_hints,
    passed_hints,
)
from services.lifecycle.domain.moves import Moved, apply_rules
from services.lifecycle.domain.notices import plan_notice, update_notice
from services.lifecycle.domain.policy.schedule import Policies
from services.lifecycle.domain.rules.trigger import Trigger
from services.lifecycle.domain.state.customer import Customer, Move
from services.lifecycle.domain.state.happenings import MERGES, SORT_KEY, EventKind, Happening
from services.lifecycle.domain.state.phases import Phase
from shared.identities import MergeKey
from shared.orders.book import OrderBook
from shared.orders.journal import OrderVersion, WithoutEffect

_ORDER: Final = EventKind.ORDER
_ORDER_CHANGED: Final = EventKind.ORDER_CHANGED
_TEST: Final = EventKind.TEST
_AT_RISK: Final = Phase.AT_RISK
"""Names of the module: looking a member up in its enum takes ten times as long."""

MOST_RECENT_ORDERS: Final = 3
"""So many orders can be changed without folding the whole life anew."""


class Folded(msgspec.Struct, frozen=True, gc=False):
    """The state afterwards, with the moves and hints on the way to it, in order.

    `order_versions` are those of orders that are more than one plain purchase; `without_effect`
    are the events about orders that have changed nothing, or wait for their order, and
    `merges_without_effect` why merges and unmerges have none, each with its key.
    """

    customer: Customer
    moves: Sequence[Move] = ()
    hints: Sequence[Hint] = ()
    order_versions: Sequence[OrderVersion] = ()
    without_effect: Sequence[WithoutEffect] = ()
    merges_without_effect: Sequence[tuple[str, MergeKey]] = ()

    @property
    def parts(self) -> tuple[Customer, Sequence[Move], Sequence[Hint]]:
        """The fields, to be unpacked: a named tuple takes too long to make for each event."""
        return self.customer, self.moves, self.hints

    def then(self, more: "Folded") -> "Folded":
        """Return this and what followed as one result."""
        told = self.moves, self.hints, self.order_versions, self.without_effect
        if not (any(told) or self.merges_without_effect):
            return more
        return Folded(
            more.customer,
            [*self.moves, *more.moves],
            [*self.hints, *more.hints],
            [*self.order_versions, *more.order_versions],
            [*self.without_effect, *more.without_effect],
            [*self.merges_without_effect, *more.merges_without_effect],
        )


def fold(
    happenings: Iterable[Happening], policies: Policies, *, until: datetime | None = None
) -> Folded:
    """Fold a whole life: its events, in any order, and then the time up to `until`."""
    nobody = unknown_customer(policies.known)
    folded = _fold_on(nobody, sorted(happenings, key=SORT_KEY), policies, OrderBook())
    return folded if until is None else folded.then(pass_time(folded.customer, until, policies))


def fold_on(
    customer: Customer,
    happenings: Sequence[Happening],
    policies: Policies,
    named: Collection[int] = (),
) -> Folded:
    """Fold further events onto a state, in their order; none of them may be late.

    `named` has the hashes of all orders that the events before have named. Raises
    OrdersIncompleteError if only the whole life tells what an event about an order means.
    """
    recent = customer.recent_orders
    orders = OrderBook(recent, older=customer.has_older_orders, named=named)
    return _fold_on(customer, happenings, policies, orders)


def _fold_on(
    customer: Customer, happenings: Iterable[Happening], policies: Policies, orders: OrderBook
) -> Folded:
    moves: list[Move] = []
    hints: list[Hint] = []
    for happening in happenings:
        step = advance(customer, happening, policies, orders)
        customer = step.customer
        moves += step.moves
        hints += step.hints
    if orders.applied_at is None:
        return Folded(customer, moves, hints)
    customer = _with_recent_orders(customer, orders, orders.applied_at, policies)
    return Folded(customer, moves, hints, orders.versions, orders.without_effect)


def _with_recent_orders(
    customer: Customer, orders: OrderBook, now: datetime, policies: Policies
) -> Customer:
    """Keep the orders that are most likely to be changed, or are needed to compare revenue."""
    since = now - TWO_QUARTERS if policies.keeps_sales else None
    recent = orders.recent(MOST_RECENT_ORDERS, since)
    return replace(
        customer,
        recent_orders=recent,
        has_older_orders=orders.has_more_than(len(recent)),
        keeps_two_quarters=policies.keeps_sales,
    )


def advance(
    customer: Customer, happening: Happening, policies: Policies, orders: OrderBook
) -> Folded:
    """Fold one event that is not late, after the deadlines up to its instant.

    `orders` are those of the events before. What is only a test, or says where events belong, is
    no event of the customer's life.
    """
    kind = happening.kind
    if kind is not _ORDER and (kind is _TEST or kind in MERGES):
        return Folded(customer)
    wakes_at = customer.wakes_at
    if wakes_at is None or wakes_at > happening.time:
        return _take_event(customer, happening, policies, orders)
    before = pass_time(customer, happening.time, policies)
    return before.then(_take_event(before.customer, happening, policies, orders))


def _take_event(
    customer: Customer, happening: Happening, policies: Policies, orders: OrderBook
) -> Folded:
    """Apply the effect of an event and the rules, and set what is due afterwards."""
    before = customer
    time = happening.time
    account = customer.account
    had_orders = customer.orders
    policy = policies.at(time, account)
    effect = apply_event(customer, happening, policy, orders)
    kind = effect.kind
    customer = effect.customer
    changes_account = customer.account != account
    if changes_account:
        policy = policies.at(time, customer.account)
    trigger = Trigger(kind, effect.new_causes, happening, effect.bought_at, orders)
    customer, moves, hints = apply_rules(customer, trigger, time, policy)
    is_further_order = kind is _ORDER and had_orders and not moves
    if is_further_order and customer.due and customer.phase is not _AT_RISK:
        customer = set_due_after_order(customer, time, policies)
    elif moves or not had_orders or kind in KINDS_MOVING_HINTS or changes_account:
        customer = set_due_and_hints(customer, policies)
        hints = [*hints, *passed_hints(before, customer, policies)]
    elif kind is not _ORDER_CHANGED or customer.due is None or policies.gives_notice:
        # An order whose amount alone has changed moves no deadline.
        customer = set_due(customer, policies)
    if policies.gives_notice or customer.noticed:
        customer, moves, hints = update_notice(customer, moves, hints, policies)
    return Folded(customer, moves, hints)


def pass_time(customer: Customer, until: datetime, policies: Policies) -> Folded:
    """Let time pass up to and including `until`, each deadline and hint at its own instant."""
    wakes_at = customer.wakes_at
    if wakes_at is None or wakes_at > until:
        return Folded(customer)
    moves: list[Move] = []
    hints: list[Hint] = []
    while wakes_at is not None and wakes_at <= until:
        customer, new_moves, new_hints = _wake(customer, wakes_at, policies)
        moves += new_moves
        hints += new_hints
        wakes_at = customer.wakes_at
    return Folded(customer, moves, hints)


def apply_schedule(customer: Customer, policies: Policies) -> Folded | None:
    """Apply activations and fits that the state was not folded with.

    Returns None if the customer has to be folded anew, because one of them reaches back into
    what the state has seen, or needs sales that the state does not keep.
    """
    since = policies.since(customer.known)
    if since is not None and customer.now >= since:
        return None
    watches_revenue = policies.keeps_sales and not customer.keeps_two_quarters
    if watches_revenue and customer.recent_orders:
        return None
    updated = replace(set_due_and_hints(customer, policies), known=policies.known)
    return Folded(*update_notice(updated, (), (), policies))


def with_exact_due(customer: Customer, policies: Policies) -> Folded:
    """Return the state with `due` at its first deadline; until now it may have been earlier."""
    return Folded(set_due(customer, policies))


def _wake(customer: Customer, instant: datetime, policies: Policies) -> Moved:
    """Give the hints due at an instant, or if there are none, let its deadline pass."""
    if customer.hint_due == instant:
        customer, hints = _give_hints(customer, instant, policies)
        customer = set_due_and_hints(customer, policies)
        return update_notice(customer, (), hints, policies)
    first = next_deadline(customer, policies)
    if first is None or first[0] > instant:  # `due` was only a lower bound
        return replace(customer, due=first[0] if first else None), (), ()
    customer, moves, hints = pass_deadline(customer, first[1], instant, policies)
    return update_notice(customer, moves, hints, policies)


def _give_hints(
    customer: Customer, instant: datetime, policies: Policies
) -> tuple[Customer, Sequence[Hint]]:
    at, coming = next_hints(customer, policies)
    due = list(coming) if at == instant else []
    incentives = sum(hint.name == INCENTIVE_DUE for hint in due)
    planned = plan_notice(customer, policies)
    if planned is not None and planned.due == instant:
        due.append(change_due_hint(planned.notice, instant))
        customer = replace(customer, noticed=planned.notice)
    incentives += customer.incentives
    return replace(customer, reached=instant, incentives=incentives), due
