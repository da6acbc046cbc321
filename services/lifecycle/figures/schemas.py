"""What the API of figures shows."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Final, Generic, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, create_model

from services.lifecycle.figures.catalogue import FIGURES
from services.lifecycle.figures.figure import Figure, Unit, V
from services.lifecycle.figures.period import Account
from services.lifecycle.figures.recount.repository import RecountResult
from services.lifecycle.figures.repository import FigureHeadline
from services.lifecycle.figures.service import FigureAnswer, FigureOverview
from shared.http import Instant

FROM: Final[Any] = Field(alias="from", description="First day (UTC).", examples=["2024-04-01"])
TO: Final[Any] = Field(description="The day after the last one (UTC).", examples=["2024-07-10"])
ACCOUNT: Final[Any] = Field(
    description="Only customers whose account is of this kind now; null: all customers.",
    examples=[None],
)
SETTLED: Final[Any] = Field(
    description="Every clock has passed `to`: only late events, corrections, merges and changes "
    "of account can still change something.",
    examples=[True],
)
COMPUTED: Final[Any] = Field(description="When it was computed, by the wall clock.")
RECOMPUTED: Final[Any] = Field(
    description="Clock at which something before `to` was changed last, after its day was over: by "
    "a late event, a correction, a merge or a change of account. Null if nothing was.",
    examples=[None],
)


class PeriodView(BaseModel):
    """Whole UTC days, half-open."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    from_: Annotated[date, FROM]
    to: Annotated[date, TO]


class HeadlineView(BaseModel):
    """A figure of the period, with that of the period before."""

    name: str = Field(
        description="The path below `/v1/figures` that shows it in detail.", examples=["churn"]
    )
    unit: Unit = Field(description="The unit of both values.", examples=[Unit.SHARE])
    value: float | None = Field(
        description="In `unit`; null where there is nothing to say, as in a share of nobody.",
        examples=[0.5],
    )
    before: float | None = Field(
        description="The value of the period before, in `unit`.", examples=[None]
    )
    currency: str | None = Field(
        description="ISO 4217 code of `value`; null where it is not money.", examples=[None]
    )
    currency_before: str | None = Field(
        description="ISO 4217 code of `before`; null where it is not money.", examples=[None]
    )
    computed_at: Instant = COMPUTED
    recomputed_at: Instant | None = RECOMPUTED

    @classmethod
    def of(cls, figure: Figure[Any], now: FigureHeadline, before: FigureHeadline) -> Self:
        """The view of two headlines."""
        return cls(
            name=figure.name,
            unit=figure.unit,
            value=now.value,
            before=before.value,
            currency=now.currency,
            currency_before=before.currency,
            computed_at=now.computed_at,
            recomputed_at=now.recomputed_at,
        )


class OverviewView(PeriodView):
    """All figures at a glance."""

    account: Account | None = ACCOUNT
    before: PeriodView = Field(
        description="The period of the same length that ends where this one begins."
    )
    items: Sequence[HeadlineView] = Field(description="All figures.")

    @classmethod
    def of(cls, overview: FigureOverview) -> Self:
        """The view of an overview."""
        period = overview.period
        begins = period.begins
        before = period.before.begins
        headlines = overview.headlines
        return cls(
            from_=begins,
            to=period.ends,
            account=overview.account,
            before=PeriodView(from_=before, to=begins),
            items=[
                HeadlineView.of(
                    figure, headlines[figure.key, begins], headlines[figure.key, before]
                )
                for figure in FIGURES.values()
            ],
        )


class FigureView(PeriodView, Generic[V]):
    """One figure in detail."""

    name: str = Field(description="The path below `/v1/figures`.")
    unit: Unit = Field(description="The unit of the headline.")
    formula: str = Field(description="How the headline is computed.")
    source: str = Field(description="The tables that it is computed from.")
    account: Account | None = ACCOUNT
    settled: bool = SETTLED
    computed_at: Instant = COMPUTED
    recomputed_at: Instant | None = RECOMPUTED
    result: V = Field(description="The headline (`value`) and what it was made from.")

    @classmethod
    def of(cls, answer: FigureAnswer[V]) -> Self:
        """The view of an answer."""
        figure = answer.figure
        return cls(
            from_=answer.period.begins,
            to=answer.period.ends,
            name=figure.name,
            unit=figure.unit,
            formula=figure.formula,
            source=figure.source,
            account=answer.account,
            settled=answer.settled,
            computed_at=answer.computed_at,
            recomputed_at=answer.recomputed_at,
            result=answer.value,
        )


def view_of(figure: Figure[V]) -> type[FigureView[V]]:
    """The view of one figure, with what is always the same."""
    base: Any = FigureView[figure.value]  # type: ignore[name-defined]
    same: dict[str, Any] = {
        "name": (Literal[figure.name], _same("name", figure.name)),
        "unit": (Literal[figure.unit], _same("unit", figure.unit)),
        "formula": (str, _same("formula", figure.formula)),
        "source": (str, _same("source", figure.source)),
    }
    title = "".join(word.capitalize() for word in figure.name.split("_"))
    made: Any = create_model(f"{title}Figure", __base__=base, __doc__=figure.title, **same)
    return cast("type[FigureView[V]]", made)


def _same(field: str, value: str) -> Any:
    return Field(description=FigureView.model_fields[field].description, examples=[value])


class CheckView(BaseModel):
    """The daily counts of transitions, compared with the transitions themselves."""

    rows: int = Field(
        description="Counts made from the transitions: by day, phases, kind of account, partition.",
        examples=[9],
    )
    differing: int = Field(description="Number of stored counts that differ.", examples=[0])
    equal: bool = Field(description="Whether no count differs.", examples=[True])

    @classmethod
    def of(cls, counts: RecountResult) -> Self:
        """The view of a comparison."""
        return cls(rows=counts.rows, differing=counts.differing, equal=counts.differing == 0)


class RebuildView(BaseModel):
    """What a rebuild has found and done."""

    rows: int = Field(
        description="Counts made from the transitions: by day, phases, kind of account, partition.",
        examples=[9],
    )
    differing: int = Field(
        description="Number of stored counts that differed; they have been mended.",
        examples=[3],
    )
    equal: bool = Field(description="Whether no count differed.")
    dropped: int = Field(
        description="Number of stored figures dropped; they are computed again when read.",
        examples=[12],
    )

    @classmethod
    def of(cls, counts: RecountResult) -> Self:
        """The view of a rebuild."""
        return cls(equal=counts.differing == 0, **counts._asdict())
