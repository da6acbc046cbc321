"""From moves to records: versions, announcements, and the correction that a changed past takes."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

import msgspec

from services.lifecycle.batch.cache import Entry
from services.lifecycle.batch.repository import (
    CAUSE,
    HINT,
    Flow,
    HintRow,
    Tally,
    TransitionRow,
    Withdrawal,
)
from services.lifecycle.domain import fact_counts
from services.lifecycle.domain.hints import CHANGE_WITHDRAWN, ONBOARDING_STALLED, Hint
from services.lifecycle.domain.policy.schedule import Policies
from services.lifecycle.domain.state.customer import Customer, Move
from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.events import SOURCE
from shared.events.envelope import Envelope, encode, pack
from shared.events.transitions import CHANGED, CORRECTED, Correction, Transition
from shared.ids import stable_text
from shared.kafka.topics import HINTS, PHASE_TRANSITIONS
from shared.stream.batch import Portion
from shared.stream.outgoing.outbox import Message

_AT_RISK: Final = Phase.AT_RISK
_NOBODY: Final = Customer()
_encode: Final = msgspec.json.Encoder().encode
_PURE: Final = tuple(name for name in Move.__struct_fields__ if name not in ("historical", "since"))


class Recorder:
    """Turns the moves of one batch into transition rows and messages, and its hints.

    `activating` are the partitions on which the shop has sent product.activated at all.
    """

    def __init__(self, policies: Policies, activating: set[int]) -> None:
        self.activating = activating
        self._policies = policies
        self.rows: list[TransitionRow] = []
        self.rules: Counter[str] = Counter()
        self.withdrawn: list[Withdrawal] = []
        self.messages: list[Message] = []
        self.hints: list[HintRow] = []
        self.flows: Counter[Flow] = Counter()
        self.tallies: Counter[Tally] = Counter()
        self.restated: dict[tuple[int, date], datetime] = {}

    def changed(
        self, entry: Entry, moves: Sequence[Move], clock: datetime, portion: Portion
    ) -> None:
        """One `phase.changed` per move, recorded at `clock`."""
        for move in moves:
            entry.version += 1
            transition = self._transition(entry, move, clock, portion.import_began)
            body = self._add_row(entry, transition, move, portion)
            self._announce(entry, CHANGED, transition.occurred_at, body)

    def lived(self, entry: Entry, before: Customer, moves: Sequence[Move]) -> None:
        """The customer stood as `before`, and has moved on."""
        self._hold(entry, fact_counts.fact_count_changes(before, moves, entry.customer), 1)

    def relived(
        self, entry: Entry, before: Customer, old: Sequence[Transition], new: Sequence[Move]
    ) -> None:
        """The life that made the customer stand as `before` was another."""
        self._hold(entry, fact_counts.fact_count_changes(_NOBODY, old, before), -1)
        self._hold(entry, fact_counts.fact_count_changes(_NOBODY, new, entry.customer), 1)

    def _hold(
        self, entry: Entry, changes: Sequence[fact_counts.FactCountChange], sign: int
    ) -> None:
        for at, fact, phase, n in changes:
            self.tallies[at.date(), fact, phase, entry.partition] += sign * n

    def recomputed(
        self, entry: Entry, old: Sequence[Transition], new: Sequence[Move], portion: Portion
    ) -> None:
        """What a recompute changes: nothing, moves at the end, or one `phase.corrected`."""
        kept, clock = _kept(old, new), portion.clock
        if kept == len(old):
            self.changed(entry, new[kept:], clock, portion)
            return
        entry.version += 1
        withdrawn = sorted({transition.version for transition in old[kept:]})
        self.withdrawn += [(entry.id, version, entry.version, clock) for version in withdrawn]
        for void in old[kept:]:
            self._count(entry, void, -1, portion)
        added = tuple(
            self._transition(entry, move, clock, portion.import_began) for move in new[kept:]
        )
        for transition, move in zip(added, new[kept:], strict=True):
            self._add_row(entry, transition, move, portion)
        correction = Correction(
            customer=entry.id,
            version=entry.version,
            withdrawn=tuple(withdrawn),
            added=added,
            current=new[-1].to if new else None,
            recorded_at=clock,
        )
        self._announce(entry, CORRECTED, clock, _encode(correction))

    def tallied(self, given: Sequence[HintRow]) -> Counter[Tally]:
        """What is to be counted by day beside the transitions, with the hints that were given."""
        counts = self.tallies.copy()
        counts.update((hint.at.date(), HINT, hint.name, hint.message.partition) for hint in given)
        return counts

    def restate(self, time: datetime, portion: Portion) -> None:
        """Note that something has changed in the past, if the day was over."""
        if time < portion.closed:
            self.restated[portion.partition, time.date()] = portion.clock

    def hinted(
        self, entry: Entry, hints: Sequence[Hint], clock: datetime, began: datetime | None
    ) -> None:
        """One message per hint, but for those about the past; a notice that was given is taken back however late."""
        for hint in hints:
            past = self._is_past(hint.at, clock, entry) or (began is not None and hint.at <= began)
            if past and hint.name != CHANGE_WITHDRAWN:
                continue
            if hint.name == ONBOARDING_STALLED and entry.partition not in self.activating:
                continue
            identity = stable_text(entry.id, hint.name, hint.occasion)
            message = _message(HINTS, entry, identity, hint.name, hint.at, pack(hint.data))
            self.hints.append(HintRow(entry.id, hint.name, hint.occasion, hint.at, message))

    def _transition(
        self, entry: Entry, move: Move, clock: datetime, began: datetime | None
    ) -> Transition:
        fell_due_before_import = (
            move.evidence.deadline is not None and began is not None and move.occurred_at <= began
        )
        return Transition(
            customer=entry.id,
            version=entry.version,
            position=move.position,
            from_=move.from_,
            to=move.to,
            rule=move.rule,
            occurred_at=move.occurred_at,
            recorded_at=clock,
            evidence=move.evidence,
            policy=move.policy,
            episode=move.episode,
            historical=move.historical
            or fell_due_before_import
            or self._is_past(move.occurred_at, clock, entry),
            profile=move.profile,
        )

    def _is_past(self, instant: datetime, clock: datetime, entry: Entry) -> bool:
        """Is it too late to act on what happened then?"""
        return clock - instant > self._policies.at(clock, entry.customer.account).act_within

    def _add_row(self, entry: Entry, transition: Transition, move: Move, portion: Portion) -> bytes:
        t, body = transition, _encode(transition)
        row = (
            t.customer,
            t.version,
            t.position,
            t.from_,
            t.to,
            t.rule,
            t.occurred_at,
            t.recorded_at,
            move.since,
            body,
        )
        self.rows.append(row)
        self.rules[t.rule] += 1
        self._count(entry, transition, 1, portion)
        return body

    def _count(self, entry: Entry, transition: Transition, n: int, portion: Portion) -> None:
        account, time = entry.customer.account or "", transition.occurred_at
        day, from_, to = time.date(), transition.from_ or "", transition.to
        self.flows[day, from_, to, transition.rule, account, entry.partition] += n
        if to == _AT_RISK:
            for cause in transition.profile.causes:
                self.tallies[day, CAUSE, cause.partition(":")[0], entry.partition] += n
        self.restate(time, portion)

    def _announce(self, entry: Entry, kind: str, time: datetime, data: bytes) -> None:
        identity = stable_text(entry.id, str(entry.version))
        self.messages.append(
            _message(PHASE_TRANSITIONS, entry, identity, kind, time, msgspec.Raw(data))
        )


def _message(
    topic: str, entry: Entry, identity: str, kind: str, time: datetime, data: msgspec.Raw
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


def _kept(old: Sequence[Transition], new: Sequence[Move]) -> int:
    """How many of the old transitions still hold. A record is withdrawn whole: all of its transitions or none."""
    kept = 0
    for transition, move in zip(old, new, strict=False):
        if not _same(transition, move):
            break
        kept += 1
    void = {transition.version for transition in old[kept:]}
    while kept and old[kept - 1].version in void:
        kept -= 1
    return kept


def _same(transition: Transition, move: Move) -> bool:
    """Are they equal in all that is a pure function of the events?"""
    return all(getattr(transition, name) == getattr(move, name) for name in _PURE)
