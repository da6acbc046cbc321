"""When time alone changes a customer next, and what happens when a deadline passes."""

from datetime import datetime

from msgspec.structs import replace

from services.lifecycle.domain.effects.by_kind import apply_deadline
from services.lifecycle.domain.hints import next_hints
from services.lifecycle.domain.moves import Moved, apply_rules
from services.lifecycle.domain.policy.schedule import Policies
from services.lifecycle.domain.rules.deadlines import Deadline, first_deadline
from services.lifecycle.domain.rules.trigger import Trigger
from services.lifecycle.domain.state.customer import Customer, Move
from shared.bounds import later


def next_deadline(customer: Customer, policies: Policies) -> tuple[datetime, Deadline] | None:
    """Return the first deadline and its instant, by the policy that is in force then."""
    account = customer.account
    start: datetime | None = customer.now
    while start is not None:
        end = policies.next_change(start, account)
        first = first_deadline(customer, policies.at(start, account), start)
        if first is not None and (end is None or first[0] < end):
            return first
        start = end
    return None


def set_due(customer: Customer, policies: Policies) -> Customer:
    """Set when the first deadline is due, after what has moved no hint except a notice."""
    if policies.gives_notice:
        return set_due_and_hints(customer, policies)
    first = next_deadline(customer, policies)
    return replace(customer, due=first[0] if first else None)


def set_due_and_hints(customer: Customer, policies: Policies) -> Customer:
    """Set when the first deadline is due, and when the next hint is."""
    first = next_deadline(customer, policies)
    hint_due, _ = next_hints(customer, policies)
    return replace(customer, due=first[0] if first else None, hint_due=hint_due)


def set_due_after_order(customer: Customer, time: datetime, policies: Policies) -> Customer:
    """Set a lower bound of `due` after an order that moved nothing.

    The first deadline need not be looked for: only that of silence may be nearer than before.
    """
    nearest = later(time, policies.shortest_silence)
    if customer.due is not None and customer.due <= nearest:
        return customer
    return replace(customer, due=nearest)


def pass_deadline(
    customer: Customer, deadline: Deadline, instant: datetime, policies: Policies
) -> Moved:
    """Apply the effect of a deadline and the rules that it triggers, and set what is due then."""
    policy = policies.at(instant, customer.account)
    effect = apply_deadline(customer, deadline.kind, instant, policy)
    trigger = Trigger(effect.kind, effect.new_causes)
    customer, moves, hints = apply_rules(effect.customer, trigger, instant, policy)
    return set_due_and_hints(customer, policies), moves, hints


def next_move(customer: Customer, policies: Policies) -> Move | None:
    """Return the next move by time alone, if nothing else happens before."""
    quiet = policies.quiet
    customer = replace(customer, hint_due=None)
    due = customer.due
    while due is not None:
        first = next_deadline(customer, quiet)
        if first is None or first[0] > due:
            customer = replace(customer, due=first[0] if first else None)
        else:
            customer, moves, _ = pass_deadline(customer, first[1], due, quiet)
            if moves:
                return moves[0]
        due = customer.due
    return None
