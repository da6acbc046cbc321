"""What another policy would have changed: the histories of each customer side by side, counted into a report."""

from bisect import insort
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple, Self, TypeAlias

import msgspec

from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Activation, Schedule
from services.lifecycle.domain.state.customer import Move
from services.lifecycle.domain.state.phases import Phase

EXAMPLES: Final = 20
LOST: Final = (Phase.INACTIVE, Phase.FORMER)
_RANK: Final = {phase.value: rank for rank, phase in enumerate(Phase)}


class HistoryStep(NamedTuple):
    """A transition, without what only its own history knows."""

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
    """A kind of difference: the rules of the first steps that are not the same, and where both histories end.

    A rule is "" where a history has no step beyond those that they share, a phase is "" without any.
    """

    live_rule: str
    candidate_rule: str
    live: str
    candidate: str


class ReportedStep(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """A step as the report has it."""

    occurred_at: datetime
    rule: str
    from_: str | None
    to: str


class MatrixCell(msgspec.Struct, frozen=True):
    """So many customers are in one phase by the live history, and in the other by the candidate's."""

    live: str | None
    candidate: str | None
    customers: int


class RuleFirings(msgspec.Struct, frozen=True):
    """How often a rule fired in a month of UTC, YYYY-MM."""

    rule: str
    month: str
    live: int
    candidate: int


class PhaseEntries(msgspec.Struct, frozen=True):
    """How often a phase was entered."""

    phase: str
    live: int
    candidate: int


class ExampleCustomer(msgspec.Struct, frozen=True):
    """A customer whose histories differ in the same way as those of `alike` customers, this one included."""

    customer: str
    alike: int
    live: Sequence[ReportedStep]
    candidate: Sequence[ReportedStep]


class SimulationReport(msgspec.Struct, frozen=True):
    """What a simulation has found out."""

    customers: int
    events: int
    differing: int
    unsettled: int
    matrix: Sequence[MatrixCell]
    transitions: Sequence[RuleFirings]
    entered: Sequence[PhaseEntries]
    examples: Sequence[ExampleCustomer]


class _SampledCustomer(NamedTuple):
    """Short histories come first: they show a difference best."""

    size: int
    customer: str
    live: History
    candidate: History

    def told(self, alike: int) -> ExampleCustomer:
        live, candidate = (
            [ReportedStep(*step) for step in history] for history in (self.live, self.candidate)
        )
        return ExampleCustomer(self.customer, alike, live, candidate)


def candidate_schedule(live: Schedule, policy: Policy, begin: datetime) -> Schedule:
    """The live schedule until `begin`; from there on the policy for its kind of account, whatever came there later."""
    kept = [a for a in live.activations if a.at < begin or a.policy.account != policy.account]
    return Schedule([*kept, Activation(live.known + 1, begin, policy)], live.fits)


class HistoryComparison:
    """Counts in [begin, end) and at `end`. What it keeps does not grow with the number of customers."""

    def __init__(self, begin: datetime, end: datetime) -> None:
        self._begin = begin
        self._end = end
        self._unsettled = 0
        self._matrix = Counter[tuple[str, str]]()
        self._fired = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        self._entered = Counter[str](), Counter[str]()
        self._kinds = Counter[DifferenceKind]()
        self._samples: dict[DifferenceKind, list[_SampledCustomer]] = {}

    def add(self, customer: str, live: History, candidate: History) -> None:
        """One customer's steps up to and including `end`; without any the customer does not count."""
        if not live and not candidate:
            return
        self._matrix[_phase(live), _phase(candidate)] += 1
        self._count(live, 0)
        self._count(candidate, 1)
        if live != candidate:
            self._differ(customer, live, candidate)

    def report(self, events: int) -> SimulationReport:
        """What has been counted, out of so many events."""
        cells = sorted(
            self._matrix.items(), key=lambda cell: [_RANK.get(phase, -1) for phase in cell[0]]
        )
        live, candidate = self._fired
        live_entered, candidate_entered = self._entered
        return SimulationReport(
            customers=self._matrix.total(),
            events=events,
            differing=self._kinds.total(),
            unsettled=self._unsettled,
            matrix=[MatrixCell(one or None, other or None, n) for (one, other), n in cells],
            transitions=[
                RuleFirings(*key, live[key], candidate[key]) for key in sorted(live | candidate)
            ],
            entered=[
                PhaseEntries(phase, live_entered[phase], candidate_entered[phase]) for phase in LOST
            ],
            examples=self._examples(),
        )

    def _count(self, history: History, side: int) -> None:
        for step in history:
            if self._begin <= step.occurred_at < self._end:
                self._fired[side][step.rule, f"{step.occurred_at:%Y-%m}"] += 1
                self._entered[side][step.to] += 1

    def _differ(self, customer: str, live: History, candidate: History) -> None:
        shared = next(
            (
                n
                for n, (one, other) in enumerate(zip(live, candidate, strict=False))
                if one != other
            ),
            None,
        )
        at = min(len(live), len(candidate)) if shared is None else shared
        ours, theirs = live[at : at + 1], candidate[at : at + 1]
        kind = DifferenceKind(_rule(ours), _rule(theirs), _phase(live), _phase(candidate))
        self._kinds[kind] += 1
        self._unsettled += min(step.occurred_at for step in (*ours, *theirs)) < self._begin
        samples = self._samples.setdefault(kind, [])
        insort(samples, _SampledCustomer(len(live) + len(candidate), customer, live, candidate))
        del samples[EXAMPLES:]

    def _examples(self) -> list[ExampleCustomer]:
        """One of each kind, the most frequent kinds first; then a second one of each, and so on."""
        kinds = sorted(self._kinds, key=lambda kind: (-self._kinds[kind], kind))
        turns = (
            (kind, self._samples[kind][turn])
            for turn in range(EXAMPLES)
            for kind in kinds
            if turn < len(self._samples[kind])
        )
        return [sample.told(self._kinds[kind]) for kind, sample in list(turns)[:EXAMPLES]]


def _rule(history: History) -> str:
    return history[0].rule if history else ""


def _phase(history: History) -> str:
    return history[-1].to if history else ""
