"""The use cases of counts: of all customers, as of any instant up to the clock."""

from collections import Counter
from datetime import datetime
from typing import Final

from services.lifecycle.api.context import ApiContext
from services.lifecycle.api.phase_names import Naming
from services.lifecycle.counts import repository
from services.lifecycle.counts.schemas import (
    CauseCounts,
    HintCounts,
    PhaseCounts,
    RuleCounts,
    WithoutEffectCounts,
)
from services.lifecycle.domain.phase_models import (
    ConditionalLabel,
    Model,
    activity_label,
    fact_by_phase,
    label_for,
)


class CountService:
    """The use cases of counts. All raise Problem 422 for an instant beyond the clock."""

    def __init__(self, context: ApiContext) -> None:
        self._context: Final = context
        self._pool: Final = context.pool

    async def phases(self, as_of: datetime | None, naming: Naming) -> PhaseCounts:
        """Customers by what their phase is in the model."""
        instant = await self._context.instant(as_of)
        cell = activity_label(naming.model)
        if cell is None:
            counts = await self._by_phase(instant, naming.model)
        else:
            counts = await self._by_activity(instant, cell)
        return PhaseCounts.of(instant, counts, naming)

    async def transitions(self, as_of: datetime | None) -> RuleCounts:
        """Transitions by rule."""
        instant = await self._context.instant(as_of)
        counts = await repository.count_rules(self._pool, instant)
        return RuleCounts(as_of=instant, counts=counts, total=sum(counts.values()))

    async def causes(self, as_of: datetime | None) -> CauseCounts:
        """Moves to at_risk by kind of cause."""
        instant = await self._context.instant(as_of)
        return CauseCounts(as_of=instant, counts=await repository.count_causes(self._pool, instant))

    async def hints(self, as_of: datetime | None) -> HintCounts:
        """Hints by name."""
        instant = await self._context.instant(as_of)
        return HintCounts(as_of=instant, counts=await repository.count_hints(self._pool, instant))

    async def without_effect(self) -> WithoutEffectCounts:
        """Events without effect by reason."""
        instant = await self._context.instant(None)
        without_effect, waiting = await repository.count_without_effect(self._pool)
        return WithoutEffectCounts(as_of=instant, without_effect=without_effect, waiting=waiting)

    async def _by_activity(self, instant: datetime, cell: ConditionalLabel) -> Counter[str]:
        active = await self._context.active_span()
        acted, idle = await repository.count_acted(self._pool, instant, active)
        return Counter({cell.if_held.code: acted, cell.if_not.code: idle})

    async def _by_phase(self, instant: datetime, model: Model | None) -> Counter[str]:
        counts = Counter[str]()
        for group in await repository.count_phases(self._pool, instant, fact_by_phase(model)):
            label = label_for(model, group.phase, group.facts)
            counts[label.code] += group.customers
        return counts
