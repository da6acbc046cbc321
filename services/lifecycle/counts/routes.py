"""The HTTP API of counts: all customers by phase, their transitions, causes and hints."""

from typing import Annotated

from fastapi import APIRouter, Depends

from services.lifecycle.api.context import Context
from services.lifecycle.api.parameters import AS_OF_IN_FUTURE, AsOf, Names
from services.lifecycle.counts.schemas import (
    CauseCounts,
    HintCounts,
    PhaseCounts,
    RuleCounts,
    WithoutEffectCounts,
)
from services.lifecycle.counts.service import CountService
from shared.http import problems

router = APIRouter(prefix="/v1", tags=["lifecycle"])


async def _service(context: Context) -> CountService:
    return CountService(context)


Service = Annotated[CountService, Depends(_service)]


@router.get("/phases", responses=problems(AS_OF_IN_FUTURE))
async def count_phases(service: Service, names: Names, as_of: AsOf = None) -> PhaseCounts:
    """Count customers by phase, or by what the phase is in a model."""
    return await service.phases(as_of, names)


@router.get("/transitions/counts", responses=problems(AS_OF_IN_FUTURE))
async def count_transitions(service: Service, as_of: AsOf = None) -> RuleCounts:
    """Count the transitions of the current histories by rule."""
    return await service.transitions(as_of)


@router.get("/causes/counts", responses=problems(AS_OF_IN_FUTURE))
async def count_causes(service: Service, as_of: AsOf = None) -> CauseCounts:
    """Count why customers became at risk: moves to `at_risk` by the kind of their causes.

    One move may have several causes.
    """
    return await service.causes(as_of)


@router.get("/hints/counts", responses=problems(AS_OF_IN_FUTURE))
async def count_hints(service: Service, as_of: AsOf = None) -> HintCounts:
    """Count the hints given to the shop by name."""
    return await service.hints(as_of)


@router.get("/events/without-effect/counts")
async def count_events_without_effect(service: Service) -> WithoutEffectCounts:
    """Count the events that change nothing by reason: refunds that match nothing, repetitions.

    An event has the reason that holds by now: a refund that waited for its order counts no more
    once the order has come.
    """
    return await service.without_effect()
