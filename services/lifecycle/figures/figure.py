"""What a figure is: a name, a formula, a source, a unit, and how its value is computed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar

from pydantic import BaseModel, Field

from services.lifecycle.figures.period import Account, Period
from shared.database.connection import Tx


class Unit(StrEnum):
    """What a headline counts."""

    SHARE = "share"
    """Between 0 and 1."""
    CUSTOMERS = "customers"
    TRANSITIONS = "transitions"
    TOPICS = "topics"
    DAYS = "days"
    HOURS = "hours"
    POINTS = "points"
    """Of the score that the figure is named after."""
    MONEY = "minor_units"
    """Integer minor units (ISO 4217) of the headline's currency."""


class FigureValue(BaseModel):
    """The value of a figure. Figures add what the headline was made from."""

    value: float | None = Field(
        description="The headline, in the figure's unit; null where there is nothing to say."
    )


class MoneyValue(FigureValue):
    """A figure in money."""

    currency: str | None = Field(
        description="ISO 4217 code of the headline's currency; null where there is none."
    )


V = TypeVar("V", bound=FigureValue)
V_co = TypeVar("V_co", bound=FigureValue, covariant=True)
Compute: TypeAlias = Callable[[Tx, Period, Account | None], Awaitable[V_co]]


@dataclass(frozen=True, slots=True)
class Figure(Generic[V]):
    """One figure; `compute` gets a read-only snapshot and a period that ends by the furthest clock.

    `compute` may read only what the table `restated` keeps track of: other changes do not make a
    stored value outdated. Raise the `revision` with every change of the result, so that values
    stored before are not shown any more.
    """

    name: str
    formula: str
    source: str
    unit: Unit
    value: type[V]
    compute: Compute[V]
    variant: str | None = None
    """Distinguishes figures of one name."""
    revision: int = 1

    @property
    def title(self) -> str:
        """The first line of the value's docstring."""
        return (self.value.__doc__ or "").partition("\n")[0]

    @property
    def key(self) -> str:
        """The name that its values are stored under."""
        return (
            f"{self.name}.{self.variant}@{self.revision}"
            if self.variant
            else f"{self.name}@{self.revision}"
        )


def share(part: float, whole: float) -> float | None:
    """The ratio of a part to the whole; None if the whole is zero."""
    return part / whole if whole else None
