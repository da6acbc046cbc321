"""All figures, in the order in which they are shown."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from services.lifecycle.figures.answering import FIRST_RESPONSE
from services.lifecycle.figures.bonds import ACTIVE_PASSIVE, CHURN, RETENTION
from services.lifecycle.figures.buying import BEST_20_SHARE, REPURCHASE
from services.lifecycle.figures.complaining import COMPLAINT_TOPICS
from services.lifecycle.figures.conversion import CONVERSION
from services.lifecycle.figures.dwelling import DWELL_TIMES
from services.lifecycle.figures.expecting import EXPECTED_REVENUE
from services.lifecycle.figures.figure import Figure
from services.lifecycle.figures.flows import FLOWS, Span
from services.lifecycle.figures.opinions import CSAT, NPS
from services.lifecycle.figures.recommending import RECOMMENDATION_RATE
from services.lifecycle.figures.renewing import RENEWAL_RATE

_ALL: Final[tuple[Figure[Any], ...]] = (
    ACTIVE_PASSIVE,
    CONVERSION,
    RETENTION,
    CHURN,
    RECOMMENDATION_RATE,
    DWELL_TIMES,
    FLOWS[Span.MONTH],
    REPURCHASE,
    BEST_20_SHARE,
    EXPECTED_REVENUE,
    RENEWAL_RATE,
    NPS,
    CSAT,
    FIRST_RESPONSE,
    COMPLAINT_TOPICS,
)

FIGURES: Final[Mapping[str, Figure[Any]]] = MappingProxyType({figure.name: figure for figure in _ALL})
"""By name."""
