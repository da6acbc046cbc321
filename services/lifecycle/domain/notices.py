"""Notices: they announce transitions by time, and are withdrawn if these will not come."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec.structs import replace

from services.lifecycle.domain.due_dates import next_move
from services.lifecycle.domain.hints import Hint, change_due_hint, change_withdrawn_hint
from services.lifecycle.domain.moves import Moved
from services.lifecycle.domain.policy.schedule import Policies
from services.lifecycle.domain.state.customer import Customer, Move, Notice


class PlannedNotice(msgspec.Struct, frozen=True, gc=False):
    """A notice, and when it is due to be given."""

    notice: Notice
    due: datetime


def plan_notice(customer: Customer, policies: Policies) -> PlannedNotice | None:
    """Return the notice of what time alone will bring, due now if its instant has passed.

    None if no policy in force until then announces it.
    """
    if not policies.gives_notice:
        return None
    move = next_move(customer, policies)
    if move is None:
        return None
    due = _due_before(move.occurred_at, customer, policies)
    if due is None:
        return None
    return PlannedNotice(Notice(move.rule, move.to, move.occurred_at), due)


def _due_before(instant: datetime, customer: Customer, policies: Policies) -> datetime | None:
    """Return when to announce what comes at an instant, by the policy that is in force then."""
    start: datetime | None = customer.now
    while start is not None and start < instant:
        policy = policies.at(start, customer.account)
        end = policies.next_change(start, customer.account)
        due = max(start, instant - policy.notice)
        if policy.gives_notice and (end is None or due < end):
            return due
        start = end
    return None


def update_notice(
    customer: Customer, moves: Sequence[Move], hints: Sequence[Hint], policies: Policies
) -> Moved:
    """Withdraw a notice that is no longer true, and give the next one or set when it is due.

    `moves` and `hints` are those that have just led to this state.
    """
    noticed = customer.noticed
    if not policies.gives_notice and noticed is None:
        return customer, moves, hints
    planned = plan_notice(customer, policies)
    if noticed is not None and (planned is None or noticed != planned.notice):
        customer = replace(customer, noticed=None)
        if not _came_true(noticed, moves):
            hints = [*hints, change_withdrawn_hint(noticed, customer.now)]
    if planned is None or customer.noticed is not None:
        return customer, moves, hints
    now = customer.now
    if planned.due <= now:  # the change has come near suddenly
        hints = [*hints, change_due_hint(planned.notice, now)]
        return replace(customer, noticed=planned.notice), moves, hints
    hint_due = min(planned.due, customer.hint_due or planned.due)
    return replace(customer, hint_due=hint_due), moves, hints


def hints_to_withdraw(before: Customer, anew: Customer, moves: Sequence[Move]) -> Sequence[Hint]:
    """Return the hint that withdraws a notice given `before` which is not true of the life `anew`.

    `moves` are all moves of the life folded anew.
    """
    noticed = before.noticed
    if noticed is None or noticed == anew.noticed or _came_true(noticed, moves):
        return ()
    return [change_withdrawn_hint(noticed, anew.now)]


def _came_true(notice: Notice, moves: Sequence[Move]) -> bool:
    return any(move.rule == notice.rule and move.occurred_at == notice.at for move in moves)
