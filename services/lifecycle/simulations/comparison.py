"""Compares two histories of each customer: what another policy would have changed."""

from bisect import insort
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Final, NamedTuple, Self, TypeAlias

from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Activation, Schedule
from services.lifecycle.domain.state.customer import Move
from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.simulations.report import (
    ExampleCustomer,
    MatrixCell,
    PhaseEntries,
    ReportedStep,
    RuleFirings,
    SimulationReport,
)

EXAMPLES: Final = 20
LOST: Final = (Phase.INACTIVE, Phase.FORMER)
_RANK: Final = {phase.value: rank for rank, phase in enumerate(Phase)}


class HistoryStep(NamedTuple):
    """A transition, without the fields that differ between any two histories."""

    occurred_at: datetime
    rule: str
    from_: str | None
    to: str

    @classmethod
    def of(cls, move: Move) -> Self:
        """The step of a move that the fold has made."""
        return cls(move.occurred_at, move.rule, move.from_, move.to)


History: TypeAlias = Sequence[HistoryStep]
"""The steps of a customer in their order."""


class DifferenceKind(NamedTuple):
    """How two histories differ: by the rules of the first steps that differ, and by their ends.

    A rule is "" if the history has no step beyond the shared ones; a phase is "" if it has none.
    """

    live_rule: str
    candidate_rule: str
    live: str
    candidate: str


class _SampledCustomer(NamedTuple):
    """Sorted by `size`, short histories come first: they show a difference best."""

    size: int
    customer: str
    live: History
    candidate: History

    def example(self, alike: int) -> ExampleCustomer:
        return ExampleCustomer(
            self.customer, alike, _reported(self.live), _reported(self.candidate)
        )


def candidate_schedule(live: Schedule, policy: Policy, begin: datetime) -> Schedule:
    """The live schedule until `begin`, and from there on the policy for its kind of account.

    What was activated for that kind later is left out.
    """
    activations = [
        activation
        for activation in live.activations
        if activation.at < begin or activation.policy.account != policy.account
    ]
    activations.append(Activation(live.known + 1, begin, policy))
    return Schedule(activations, live.fits)


class HistoryComparison:
    """Counts transitions in [begin, end), and phases at `end`.

    What it keeps does not grow with the number of customers.
    """

    def __init__(self, begin: datetime, end: datetime) -> None:
        self._begin = begin
        self._end = end
        self._unsettled = 0
        self._matrix = Counter[tuple[str, str]]()
        self._live = _SideCounts(begin, end)
        self._candidate = _SideCounts(begin, end)
        self._kinds = Counter[DifferenceKind]()
        self._samples: dict[DifferenceKind, list[_SampledCustomer]] = {}

    def add(self, customer: str, live: History, candidate: History) -> None:
        """Compare one customer's steps up to and including `end`, unless there are none."""
        if not live and not candidate:
            return
        self._matrix[_last_phase(live), _last_phase(candidate)] += 1
        self._live.add(live)
        self._candidate.add(candidate)
        if live != candidate:
            self._add_difference(customer, live, candidate)

    def report(self, events: int) -> SimulationReport:
        """What has been counted, from so many events."""
        return SimulationReport(
            customers=self._matrix.total(),
            events=events,
            differing=self._kinds.total(),
            unsettled=self._unsettled,
            matrix=self._cells(),
            transitions=self._firings(),
            entered=self._entries(),
            examples=self._examples(),
        )

    def _add_difference(self, customer: str, live: History, candidate: History) -> None:
        parting = _first_difference(live, candidate)
        live_next = live[parting : parting + 1]
        candidate_next = candidate[parting : parting + 1]
        kind = DifferenceKind(
            _first_rule(live_next),
            _first_rule(candidate_next),
            _last_phase(live),
            _last_phase(candidate),
        )
        self._kinds[kind] += 1
        parted_at = min(step.occurred_at for step in (*live_next, *candidate_next))
        self._unsettled += parted_at < self._begin
        samples = self._samples.setdefault(kind, [])
        size = len(live) + len(candidate)
        insort(samples, _SampledCustomer(size, customer, live, candidate))
        del samples[EXAMPLES:]

    def _cells(self) -> list[MatrixCell]:
        """Pairs of phases, in the order of the life cycle."""
        pairs = sorted(self._matrix, key=lambda pair: [_RANK.get(phase, -1) for phase in pair])
        return [
            MatrixCell(live or None, candidate or None, self._matrix[live, candidate])
            for live, candidate in pairs
        ]

    def _firings(self) -> list[RuleFirings]:
        live = self._live.fired
        candidate = self._candidate.fired
        return [RuleFirings(*key, live[key], candidate[key]) for key in sorted(live | candidate)]

    def _entries(self) -> list[PhaseEntries]:
        live = self._live.entered
        candidate = self._candidate.entered
        return [PhaseEntries(phase, live[phase], candidate[phase]) for phase in LOST]

    def _examples(self) -> list[ExampleCustomer]:
        return [
            sample.example(self._kinds[kind]) for kind, sample in islice(self._ranked(), EXAMPLES)
        ]

    def _ranked(self) -> Iterator[tuple[DifferenceKind, _SampledCustomer]]:
        """One sample of each kind, the most frequent kinds first; then a second one, and so on."""
        kinds = sorted(self._kinds, key=lambda kind: (-self._kinds[kind], kind))
        for place in range(EXAMPLES):
            for kind in kinds:
                if place < len(self._samples[kind]):
                    yield kind, self._samples[kind][place]


class _SideCounts:
    """The transitions of one side: by rule and month, and by the phase entered."""

    def __init__(self, begin: datetime, end: datetime) -> None:
        self.fired = Counter[tuple[str, str]]()
        self.entered = Counter[str]()
        self._begin = begin
        self._end = end

    def add(self, history: History) -> None:
        for step in history:
            if self._begin <= step.occurred_at < self._end:
                self.fired[step.rule, f"{step.occurred_at:%Y-%m}"] += 1
                self.entered[step.to] += 1


def _first_difference(live: History, candidate: History) -> int:
    """How many steps the histories share before they part."""
    for place, (one, other) in enumerate(zip(live, candidate, strict=False)):
        if one != other:
            return place
    return min(len(live), len(candidate))


def _first_rule(history: History) -> str:
    return history[0].rule if history else ""


def _last_phase(history: History) -> str:
    return history[-1].to if history else ""


def _reported(history: History) -> list[ReportedStep]:
    return [ReportedStep(*step) for step in history]
