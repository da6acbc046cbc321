"""Turns moves and hints into rows and messages, and a changed past into a correction."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec.structs import replace

from services.lifecycle.batch.daily_counts import DailyCounts
from services.lifecycle.batch.entry import CustomerEntry
from services.lifecycle.batch.rows import HintRow, TransitionRow, Withdrawal
from services.lifecycle.domain import fact_counts
from services.lifecycle.domain.fold import Folded
from services.lifecycle.domain.hints import CHANGE_WITHDRAWN, Hint
from services.lifecycle.domain.policy.schedule import Policies
from services.lifecycle.domain.state.customer import Customer, Move
from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.events import SOURCE
from shared.events.envelope import Envelope, encode, pack
from shared.events.transitions import (
    CHANGED,
    CORRECTED,
    MOST_CONTENT,
    MOST_WITHDRAWN,
    Correction,
    Transition,
)
from shared.ids import stable_text
from shared.kafka.topics import HINTS, PHASE_TRANSITIONS
from shared.stream.batch import Portion
from shared.stream.outgoing.outbox import Message

_NOBODY: Final = Customer()
_encode: Final = msgspec.json.Encoder().encode
_COMPARED: Final = tuple(
    name for name in Move.__struct_fields__ if name not in ("historical", "since")
)
"""The fields of a move that are a pure function of the events."""


class Recorder:
    """Turns the moves and hints of one batch into rows, messages and daily counts."""

    def __init__(self, policies: Policies) -> None:
        self._policies: Final = policies
        self.transitions: list[TransitionRow] = []
        self.count_by_rule: Counter[str] = Counter()
        self.deadlines_fired = 0
        self.withdrawn: list[Withdrawal] = []
        self.messages: list[Message] = []
        self.hints: list[HintRow] = []
        self.counts = DailyCounts()

    def record(
        self,
        entry: CustomerEntry,
        before: Customer,
        folded: Folded,
        clock: datetime,
        portion: Portion,
    ) -> None:
        """Record how the customer of `entry` has gone on from `before`, as of `clock`."""
        moves = folded.moves
        self.counts.add_facts(
            entry, fact_counts.fact_count_changes(before, moves, entry.customer), 1
        )
        if moves:
            self.add_moves(entry, moves, clock, portion)
        if folded.hints:
            self.add_hints(entry, folded.hints, clock, portion)

    def replace(
        self,
        entry: CustomerEntry,
        before: Customer,
        old: Sequence[Transition],
        new: Sequence[Move],
        portion: Portion,
    ) -> None:
        """Put the `new` moves of a life in place of the `old` transitions that led to `before`."""
        self.counts.add_facts(entry, fact_counts.fact_count_changes(_NOBODY, old, before), -1)
        self.counts.add_facts(
            entry, fact_counts.fact_count_changes(_NOBODY, new, entry.customer), 1
        )
        kept = _count_kept(old, new)
        if kept == len(old):
            self.add_moves(entry, new[kept:], portion.clock, portion)
        else:
            current = new[-1].to if new else None
            self._correct(entry, old[kept:], new[kept:], current, portion)

    def restore(self, entry: CustomerEntry, moves: Sequence[Move], portion: Portion) -> None:
        """Put back the history of a customer that had been withdrawn: one correction adds it."""
        facts = fact_counts.fact_count_changes(_NOBODY, moves, entry.customer)
        self.counts.add_facts(entry, facts, 1)
        if moves:
            self._correct(entry, [], moves, moves[-1].to, portion)

    def add_moves(
        self, entry: CustomerEntry, moves: Sequence[Move], clock: datetime, portion: Portion
    ) -> None:
        """Announce one `phase.changed` per move, recorded at `clock`."""
        for move in moves:
            entry.version += 1
            transition = self._transition(entry, move, clock, portion)
            body = self._add_row(entry, transition, move, portion)
            self._announce(entry, entry.version, CHANGED, transition.occurred_at, body)

    def add_hints(
        self, entry: CustomerEntry, hints: Sequence[Hint], clock: datetime, portion: Portion
    ) -> None:
        """Make a message of each hint that can still be acted on.

        This leaves out hints that help no more and those due before an import began, but a notice
        that was given is withdrawn however late it is.
        """
        policy = self._policies.at(clock, entry.customer.account)
        for hint in hints:
            is_past = not hint.still_helps(clock, policy) or _is_before_import(hint.at, portion)
            if is_past and hint.name != CHANGE_WITHDRAWN:
                continue
            identity = stable_text(entry.id, hint.name, hint.occasion)
            message = _message(HINTS, entry, identity, hint.name, hint.at, pack(hint.data))
            self.hints.append(HintRow(entry.id, hint.name, hint.occasion, hint.at, message))

    def _correct(
        self,
        entry: CustomerEntry,
        void: Sequence[Transition],
        moves: Sequence[Move],
        current: Phase | None,
        portion: Portion,
    ) -> None:
        """Announce a `phase.corrected`, in parts if need be: `moves` replace the `void`."""
        clock = portion.clock
        versions = sorted({transition.version for transition in void})
        for transition in void:
            self.counts.add_transition(entry, transition, -1, portion)
        listed = tuple(versions) if len(versions) <= MOST_WITHDRAWN else ()
        parts = self._add_parts(entry, moves, portion, len(_encode(listed)))
        self.withdrawn += [(entry.id, version, entry.version, clock) for version in versions]
        parts[-1] = replace(
            parts[-1],
            withdrawn=listed,
            withdrawn_from=None if len(listed) == len(versions) else versions[0],
            current=current,
        )
        for part in parts:
            self._announce(entry, part.version, CORRECTED, clock, _encode(part))

    def _add_parts(
        self, entry: CustomerEntry, moves: Sequence[Move], portion: Portion, rest: int
    ) -> list[Correction]:
        """Add rows for moves, by the parts of a correction; the last has room for `rest` bytes."""
        added: list[list[Transition]] = [[]]
        entry.version += 1
        room = MOST_CONTENT
        for move in moves:
            transition = self._transition(entry, move, portion.clock, portion)
            size = len(_encode(transition)) + 1
            if size > room:
                added.append([])
                entry.version += 1
                room = MOST_CONTENT
                transition = replace(transition, version=entry.version)
            room -= size
            added[-1].append(transition)
            self._add_row(entry, transition, move, portion)
        if rest > room:
            added.append([])
            entry.version += 1
        return _parts(entry, added, portion.clock)

    def _transition(
        self, entry: CustomerEntry, move: Move, clock: datetime, portion: Portion
    ) -> Transition:
        at = move.occurred_at
        fell_due_before_import = move.evidence.deadline is not None and _is_before_import(
            at, portion
        )
        return Transition(
            customer=entry.id,
            version=entry.version,
            position=move.position,
            from_=move.from_,
            to=move.to,
            rule=move.rule,
            occurred_at=at,
            recorded_at=clock,
            evidence=move.evidence,
            policy=move.policy,
            episode=move.episode,
            historical=move.historical or fell_due_before_import or self._is_past(at, clock, entry),
            profile=move.profile,
        )

    def _is_past(self, instant: datetime, clock: datetime, entry: CustomerEntry) -> bool:
        """Is it too late to act on what happened at this instant?"""
        return clock - instant > self._policies.at(clock, entry.customer.account).act_within

    def _add_row(
        self, entry: CustomerEntry, transition: Transition, move: Move, portion: Portion
    ) -> bytes:
        """Add a transition to the rows and the counts; return it as JSON."""
        body = _encode(transition)
        row = (
            transition.customer,
            transition.version,
            transition.position,
            transition.from_,
            transition.to,
            transition.rule,
            transition.occurred_at,
            transition.recorded_at,
            move.since,
            body,
        )
        self.transitions.append(row)
        self.count_by_rule[transition.rule] += 1
        self.counts.add_transition(entry, transition, 1, portion)
        return body

    def _announce(
        self, entry: CustomerEntry, version: int, kind: str, time: datetime, data: bytes
    ) -> None:
        identity = stable_text(entry.id, str(version))
        self.messages.append(
            _message(PHASE_TRANSITIONS, entry, identity, kind, time, msgspec.Raw(data))
        )


def _message(
    topic: str, entry: CustomerEntry, identity: str, kind: str, time: datetime, data: msgspec.Raw
) -> Message:
    event = Envelope(
        specversion="1.0",
        id=identity,
        source=SOURCE,
        type=kind,
        subject=entry.id,
        time=time,
        data=data,
    )
    return Message(entry.partition, topic, entry.id, encode(event))


def _parts(
    entry: CustomerEntry, added: Sequence[Sequence[Transition]], clock: datetime
) -> list[Correction]:
    """Make the parts of a correction that add these; the last has the customer's version."""
    first = entry.version - len(added) + 1
    return [
        Correction(
            customer=entry.id,
            version=first + number,
            added=tuple(some),
            recorded_at=clock,
            part=1 + number,
            parts=len(added),
        )
        for number, some in enumerate(added)
    ]


def _is_before_import(instant: datetime, portion: Portion) -> bool:
    began = portion.import_began
    return began is not None and instant <= began


def _count_kept(old: Sequence[Transition], new: Sequence[Move]) -> int:
    """Count the old transitions that still hold.

    A record is withdrawn whole: all of its transitions or none.
    """
    kept = 0
    for transition, move in zip(old, new, strict=False):
        if not _is_same(transition, move):
            break
        kept += 1
    void = {transition.version for transition in old[kept:]}
    while kept and old[kept - 1].version in void:
        kept -= 1
    return kept


def _is_same(transition: Transition, move: Move) -> bool:
    return all(getattr(transition, name) == getattr(move, name) for name in _COMPARED)
