"""Folds the customers of a batch: onto their states, or anew from everything stored."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from services.lifecycle.batch import repository
from services.lifecycle.batch.cache import CustomerCache
from services.lifecycle.batch.visit import Visit, is_due
from services.lifecycle.batch.work import Work
from services.lifecycle.domain.edition import is_outdated
from services.lifecycle.domain.fold import (
    Folded,
    apply_schedule,
    fold,
    fold_on,
    pass_time,
    with_exact_due,
)
from services.lifecycle.domain.notices import hints_to_withdraw
from services.lifecycle.domain.policy.schedule import Schedule
from services.lifecycle.domain.refold import mark_historical
from services.lifecycle.domain.state.customer import Customer, Move
from services.lifecycle.domain.state.happenings import MERGES, Happening
from services.lifecycle.domain.state.merges import merge_of, unmerges_of_nobody
from services.lifecycle.domain.words.remarks import MERGE_CYCLE, NOT_MERGED
from services.lifecycle.events import read
from shared.aio import in_chunks
from shared.events import envelope
from shared.events.transitions import Transition
from shared.identities import MergeKey
from shared.orders.index import OrdersIncompleteError
from shared.stream.batch import Portion
from shared.stream.handler import Reader


class Folds:
    """Folds customers of one batch, and records their moves and hints."""

    def __init__(self, reader: Reader, cache: CustomerCache, work: Work) -> None:
        self._reader: Final = reader
        self._cache: Final = cache
        self._work: Final = work
        self._policies: Final = work.policies

    async def fold_on(self, visits: Iterable[Visit]) -> list[Visit]:
        """Fold new events onto the states.

        Returns the visits for which a state is not enough: they have changed nothing yet.
        """
        late: list[Visit] = []
        async for some in in_chunks(visits):
            for visit, folded in self._work.fold_each(some, self._fold_onto_state):
                if folded is None:
                    late.append(visit)
                else:
                    self._accept_next(visit, folded)
        return late

    async def fold_anew(self, visits: Iterable[Visit]) -> None:
        """Fold customers from everything stored, and record how their histories change."""
        async for some in in_chunks(visits):
            await self._fold_lives(some)

    async def apply_schedule(self, visits: Iterable[Visit]) -> None:
        """Judge customers by all activations and fits known, and by the rules of today.

        Customers whose states are past the instant of one, or were folded by another edition of
        the rules, are folded anew.
        """
        behind = [
            visit
            for visit in visits
            if _is_behind(visit.entry.customer, self._policies)
            and not (visit.entry.parked or visit.entry.merged_into)
        ]
        late: list[Visit] = []
        for visit, folded in self._work.fold_each(behind, self._judge_by_schedule):
            if folded is None:
                late.append(visit)
            else:
                self._accept_next(visit, folded)
        await self.fold_anew(late)

    def fold_life(self, visit: Visit, records: Iterable[bytes]) -> Folded:
        """Fold a customer anew, from the records stored and the new events of the visit."""
        stored = list(_happenings_of(visit, records))
        happenings = [*stored, *visit.happenings()]
        folded = self._fold_all(happenings, visit)
        without_effect = _merges_without_effect(visit, happenings)
        if without_effect:
            folded = replace(folded, merges_without_effect=without_effect)
        if not is_outdated(visit.entry.customer):
            return folded
        by_rules_alone = self._fold_all(stored, visit) if visit.arrivals else folded
        return mark_historical(folded, by_rules_alone)

    def take_life(self, visit: Visit, folded: Folded, history: Sequence[Transition]) -> None:
        """Take a life that was folded anew, in place of the history so far."""
        entry = visit.entry
        portion = visit.portion
        withdrawn = hints_to_withdraw(entry.customer, folded.customer, folded.moves)
        hints = [*folded.hints, *withdrawn]
        self.replace(visit, folded.customer, history, folded.moves)
        self._work.note_orders(visit, folded)
        self._work.recorder.add_hints(entry, hints, portion.clock, portion)

    def accept(self, visit: Visit, customer: Customer) -> None:
        """Take the state that was folded with the new events of a visit."""
        self._work.accept(visit, customer)
        self._cache.add_events(visit.entry, visit.arrivals)

    def replace(
        self, visit: Visit, customer: Customer, history: Sequence[Transition], moves: Sequence[Move]
    ) -> None:
        """Take a state that was folded anew; its moves replace the history so far."""
        before = visit.entry.customer
        self.accept(visit, customer)
        self._work.refolded.add(visit.entry.key)
        self._work.remarks.forget(visit.entry)
        self._work.recorder.replace(visit.entry, before, history, moves, visit.portion)

    def restore(self, visit: Visit, folded: Folded) -> None:
        """Bring back the history of a customer who is not merged any more."""
        entry = visit.entry
        portion = visit.portion
        recorder = self._work.recorder
        self.accept(visit, folded.customer)
        self._work.note_orders(visit, folded)
        recorder.restore(entry, folded.moves, portion)
        recorder.add_hints(entry, folded.hints, portion.clock, portion)

    def _accept_next(self, visit: Visit, folded: Folded) -> None:
        """Take a state that was folded onto the one before."""
        entry = visit.entry
        portion = visit.portion
        before = entry.customer
        self.accept(visit, folded.customer)
        self._work.note_orders(visit, folded)
        self._work.recorder.record(entry, before, folded, portion.clock, portion)

    def _fold_onto_state(self, visit: Visit) -> Folded | None:
        """Fold the new events onto the state.

        None if that is not enough: an event is late or changes an order that is not recent, an
        activation reaches back, the rules are another edition, or the customer is released or
        merged.
        """
        if visit.released or visit.is_moving:
            return None
        customer = visit.entry.customer
        if is_outdated(customer):
            return None
        happenings = visit.happenings()
        if customer.is_late(happenings[0]):
            return None
        updated = Folded(customer)
        if customer.known != self._policies.known:
            judged = apply_schedule(customer, self._policies)
            if judged is None:
                return None
            updated = judged
        try:
            folded = fold_on(updated.customer, happenings, self._policies, visit.entry.order_keys)
        except OrdersIncompleteError:
            return None
        if updated.hints:
            folded = updated.then(folded)
        return self._until_clock(folded, visit.portion)

    def _judge_by_schedule(self, visit: Visit) -> Folded | None:
        """Judge a state by what is new in the schedule; None if it has to be folded anew."""
        if is_outdated(visit.entry.customer):
            return None
        folded = apply_schedule(visit.entry.customer, self._policies)
        return None if folded is None else self._until_clock(folded, visit.portion)

    def _until_clock(self, folded: Folded, portion: Portion) -> Folded:
        """Let time pass up to the clock: after events that lie behind it, no tick need come."""
        if portion.import_open:  # a deadline is held back by its exact instant, not a lower bound
            folded = folded.then(with_exact_due(folded.customer, self._policies))
        if not is_due(folded.customer, portion, portion.clock):
            return folded
        return folded.then(pass_time(folded.customer, portion.clock, self._policies))

    async def _fold_lives(self, visits: Sequence[Visit]) -> None:
        lives = await repository.load_lives(self._reader, [visit.entry for visit in visits])

        def fold_stored(visit: Visit) -> Folded:
            return self.fold_life(visit, lives[visit.entry.id].events)

        for visit, folded in self._work.fold_each(visits, fold_stored):
            self.take_life(visit, folded, lives[visit.entry.id].transitions)

    def _fold_all(self, happenings: Iterable[Happening], visit: Visit) -> Folded:
        """Fold a life from its first event up to the clock."""
        folded = fold(happenings, self._policies, until=visit.entry.customer.reached)
        return self._until_clock(folded, visit.portion)


def _is_behind(customer: Customer, policies: Schedule) -> bool:
    return customer.known != policies.known or is_outdated(customer)


def _merges_without_effect(
    visit: Visit, happenings: Iterable[Happening]
) -> list[tuple[str, MergeKey]]:
    """Return why merges and unmerges of the customer have no effect, each with its key."""
    own = [merge_of(visit.entry.id, each) for each in happenings if each.kind in MERGES]
    found = [(NOT_MERGED, key) for key in unmerges_of_nobody(own)]
    closing = visit.merges.holding if visit.merges.closes else None
    return found if closing is None else [*found, (MERGE_CYCLE, closing.key)]


def _happenings_of(visit: Visit, records: Iterable[bytes]) -> Iterator[Happening]:
    """Read the stored events that belong to a customer.

    Records may be those of another with the same hash, or have come by a merge that is over.
    """
    customer = visit.entry.id
    for event in map(envelope.decode, records):
        content = read("", event)
        belongs = event.subject == customer and visit.admits(event)
        if belongs and isinstance(content, Happening):
            yield content
