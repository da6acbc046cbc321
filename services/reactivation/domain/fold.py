"""The fold: turns a customer's lapses, orders and the passing of time into win-back cases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from services.reactivation.domain import codes
from services.reactivation.domain.attempts import Attempt, Ending, find_ending, outcome
from services.reactivation.domain.cases import (
    Case,
    Lapse,
    LapseKey,
    Offer,
    State,
    Terms,
    case_id,
)
from services.reactivation.domain.history import History, OrderEvent
from services.reactivation.domain.known_cases import KnownCases
from services.reactivation.domain.permissions import LetGoReason, closed_since, objection
from services.reactivation.domain.purchases import Purchases, in_order
from services.reactivation.domain.redemptions import use_of
from shared.bounds import later

_BEGINNING_OF_TIME: Final = datetime.min.replace(tzinfo=UTC)


class Folded(NamedTuple):
    """The cases that hold, oldest first, with the lapses that opened them.

    `used_for` has the order that uses the code, or None, for every case that has ever had an offer.
    """

    cases: tuple[Case, ...]
    used_for: dict[UUID, str | None]
    opened_by: frozenset[LapseKey]


def fold_history(
    history: History, terms: Terms, until: datetime, *, held_until: datetime = _BEGINNING_OF_TIME
) -> Folded:
    """The customer's cases after all events and the deadlines up to `until`.

    Lapses and orders may come in any order. At one instant a deadline comes first, then a confirmed
    code, then a lapse, then orders. A case that expired stays so even if `until` lies before its
    deadline. A deadline up to `held_until` passes only with something that happened later: what
    happened before it may still become known.
    """
    fold = _Fold(history, terms)
    for step in _in_order(history):
        if isinstance(step, Lapse):
            fold.take_lapse(step)
        else:
            fold.take_order(step)
    return fold.finish(until, held_until)


class _Fold:
    """The cases of one customer, step by step."""

    def __init__(self, history: History, terms: Terms) -> None:
        self._history = history
        self._terms = terms
        self._now = _BEGINNING_OF_TIME
        self._attempts: list[Attempt] = []
        self._offers = {id: case.offer for id, case in history.cases.items() if case.offer}
        self._known = KnownCases(history)
        self._alone = _opened_alone(history, terms)
        self._purchases = Purchases(
            _earliest(history),
            {use.order_id for offer in self._offers.values() for use in offer.confirmations},
            free_counts=terms.free_orders_count,
        )

    def take_lapse(self, lapse: Lapse) -> None:
        """Open a case, unless one runs already or none may be opened."""
        self._now = max(self._now, lapse.occurred_at)
        if any(self._outcome(attempt).is_running for attempt in self._attempts):
            return
        taken = {attempt.case.id for attempt in self._attempts}
        known = self._known.oldest_for(lapse, taken)
        if known is None or known.offer is None:
            if self._may_begin(lapse):
                self._begin(lapse, known)
        elif self._known.is_kept(known.id) or self._is_free(lapse):
            case = _opened_again(known, self._history.customer)
            begins_at = min(lapse.occurred_at, known.lapse.occurred_at)
            self._attempts.append(Attempt(case, lapse.key, begins_at))

    def take_order(self, event: OrderEvent) -> None:
        """Apply an event about an order; a case whose order it undoes is open again, or over."""
        self._now = max(self._now, event.fact.time)
        won: list[Attempt] = []
        if self._purchases.may_undo(event):
            won = [attempt for attempt in self._attempts if self._ending(attempt)]
        deadlines = [offer.deadline for offer in self._offers.values()]
        self._purchases.apply(event, max(deadlines, default=_BEGINNING_OF_TIME))
        for attempt in won:
            if not self._ending(attempt):
                self._undo(attempt)

    def finish(self, until: datetime, held_until: datetime) -> Folded:
        """The cases as of `until`, or later if more is known to have passed."""
        passed = max(self._now, _known_to_have_passed(self._history))
        cases = []
        for attempt in self._attempts:
            offer = attempt.case.offer
            is_held = offer is not None and offer.deadline <= held_until
            self._now = passed if is_held else max(passed, until)
            cases.append(self._outcome(attempt))
        self._now = max(passed, until)
        used_for = {id: self._used_for(offer) for id, offer in self._offers.items()}
        return Folded(
            tuple(replace(case, used_for=used_for.get(case.id)) for case in cases),
            used_for,
            frozenset(attempt.opened_by for attempt in self._attempts),
        )

    def _may_begin(self, lapse: Lapse) -> bool:
        """Whether a new case may be opened; a merge alone is no reason to."""
        merged_at = self._history.merged_at
        if merged_at and lapse.occurred_at <= merged_at and lapse.key not in self._alone:
            return False
        return self._is_free(lapse)

    def _is_free(self, lapse: Lapse) -> bool:
        """Whether all cases in which something was offered have been over for their cooldown."""
        ended = [self._outcome(each) for each in self._attempts if each.case.offer]
        return all(
            case.ended_at is not None
            and lapse.occurred_at >= later(case.ended_at, timedelta(days=case.cooldown_days))
            for case in ended
        )

    def _begin(self, lapse: Lapse, known: Case | None) -> None:
        """Open a case with an offer; let it go at once if the customer must not be told of any."""
        origin = known.origin if known else self._history.origin_of(lapse)
        id = known.id if known else case_id(origin, lapse)
        if any(attempt.case.id == id for attempt in self._attempts):
            return
        reason = self._reason_against(lapse.occurred_at)
        offer = None if reason else _new_offer(id, lapse, self._terms)
        case = Case(
            id,
            self._history.customer,
            origin,
            lapse,
            offer,
            self._terms.cooldown_days,
            version=known.version if known else 0,
        )
        if offer is None:
            ended_at = lapse.occurred_at
            case = replace(case, state=State.LET_GO, ended_at=ended_at, reason=reason)
        else:
            self._offers[id] = offer
        self._attempts.append(Attempt(case, lapse.key, lapse.occurred_at))

    def _reason_against(self, at: datetime) -> LetGoReason | None:
        """Why the customer gets no offer at an instant; None if nothing speaks against one."""
        permissions = self._history.permissions
        closed_at = None if self._terms.offers_to_closed else closed_since(permissions, at)
        if closed_at is not None and not self._purchases.bought_after(closed_at):
            return LetGoReason.CUSTOMER_CLOSED
        return objection(permissions, at)

    def _undo(self, attempt: Attempt) -> None:
        """Let a case run again whose order is undone, unless its time is over or another runs."""
        others = [other for other in self._attempts if other is not attempt]
        is_alone = not any(self._outcome(other).is_running for other in others)
        attempt.is_reopened = is_alone
        attempt.ended_early_at = None if is_alone else self._now

    def _outcome(self, attempt: Attempt) -> Case:
        return outcome(attempt, self._ending(attempt), self._now)

    def _ending(self, attempt: Attempt) -> Ending | None:
        offer = attempt.case.offer
        if offer is None:
            return None
        uses = [use_of(each, self._purchases, self._now) for each in self._codes_of(attempt)]
        return find_ending(
            attempt.begins_at, offer, self._purchases.standing(), [use for use in uses if use]
        )

    def _codes_of(self, attempt: Attempt) -> list[Offer]:
        """The case's own offer, and those of cases that a merge has made one with it."""
        others = {other.case.id for other in self._attempts if other is not attempt}
        return [
            offer
            for id, offer in self._offers.items()
            if id == attempt.case.id or (id not in others and self._known.is_kept(id))
        ]

    def _used_for(self, offer: Offer) -> str | None:
        use = use_of(offer, self._purchases, self._now)
        return use.order_id if use else None


def _in_order(history: History) -> list[Lapse | OrderEvent]:
    """Lapses and events about orders by time; at one instant a lapse comes first."""
    steps: list[Lapse | OrderEvent] = [
        *sorted(history.lapses, key=lambda lapse: lapse.key),
        *in_order(history.orders),
    ]
    return sorted(steps, key=_time_of)


def _time_of(step: Lapse | OrderEvent) -> datetime:
    return step.occurred_at if isinstance(step, Lapse) else step.fact.time


def _earliest(history: History) -> datetime | None:
    """From when on purchases matter."""
    instants = [lapse.occurred_at for lapse in history.lapses]
    instants += [case.lapse.occurred_at for case in history.cases.values()]
    return min(instants, default=None)


def _known_to_have_passed(history: History) -> datetime:
    """The latest instant that an earlier fold or a confirmation has reached.

    It may lie after `until`: the API confirms codes, and an earlier fold may have come further.
    """
    cases = history.cases.values()
    instants = [case.ended_at for case in cases if case.state is State.EXPIRED]
    instants += [use.at for case in cases if case.offer for use in case.offer.confirmations]
    return max((instant for instant in instants if instant), default=_BEGINNING_OF_TIME)


def _opened_alone(history: History, terms: Terms) -> frozenset[LapseKey]:
    """The lapses that would open a case if no id had been merged into another."""
    folded = [fold_history(member, terms, _BEGINNING_OF_TIME) for member in history.members]
    return frozenset(key for each in folded for key in each.opened_by)


def _opened_again(known: Case, customer: str) -> Case:
    return Case(
        known.id,
        customer,
        known.origin,
        known.lapse,
        known.offer,
        known.cooldown_days,
        version=known.version,
    )


def _new_offer(id: UUID, lapse: Lapse, terms: Terms) -> Offer:
    return Offer(
        code=codes.code_of(id, terms.secret),
        percent=terms.percent,
        made_at=lapse.occurred_at,
        expires_at=later(lapse.occurred_at, timedelta(days=terms.offer_days)),
        attributed_until=later(lapse.occurred_at, timedelta(days=terms.attribution_days)),
    )
