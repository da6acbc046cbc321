"""The report of a simulation, as it is stored."""

from collections.abc import Sequence
from datetime import datetime

import msgspec


class ReportedStep(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """A step as the report shows it."""

    occurred_at: datetime
    rule: str
    from_: str | None
    to: str


class MatrixCell(msgspec.Struct, frozen=True):
    """How many customers are in one phase by the live history, in the other by the candidate's."""

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
    """One of `alike` customers whose histories differ in the same way."""

    customer: str
    alike: int
    live: Sequence[ReportedStep]
    candidate: Sequence[ReportedStep]


class SimulationReport(msgspec.Struct, frozen=True):
    """The result of a simulation."""

    customers: int
    events: int
    differing: int
    unsettled: int
    matrix: Sequence[MatrixCell]
    transitions: Sequence[RuleFirings]
    entered: Sequence[PhaseEntries]
    examples: Sequence[ExampleCustomer]
