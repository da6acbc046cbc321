"""Routes of figures: the program in numbers."""

from typing import Annotated

from fastapi import APIRouter, Depends

from services.referral.api.context import Context
from services.referral.figures.schemas import CountsView
from services.referral.figures.service import FigureService

router = APIRouter(prefix="/v1", tags=["referral"])


async def _service(context: Context) -> FigureService:
    return FigureService(context)


Service = Annotated[FigureService, Depends(_service)]


@router.get("/referrals/counts")
async def count(service: Service) -> CountsView:
    """Count codes, and claims and rewards by state."""
    return await service.count()
