"""All figures, in the order in which they are shown."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from services.lifecycle.figures.definitions.active_customers import ACTIVE_PASSIVE, CHURN, RETENTION
from services.lifecycle.figures.definitions.complaint_topics import COMPLAINT_TOPICS
from services.lifecycle.figures.definitions.conversion import CONVERSION
from services.lifecycle.figures.definitions.dwell_times import DWELL_TIMES
from services.lifecycle.figures.definitions.expected_revenue import EXPECTED_REVENUE
from services.lifecycle.figures.definitions.first_response import FIRST_RESPONSE
from services.lifecycle.figures.definitions.flows import FLOWS, Span
from services.lifecycle.figures.definitions.recommendation_rate import RECOMMENDATION_RATE
from services.lifecycle.figures.definitions.renewal_rate import RENEWAL_RATE
from services.lifecycle.figures.definitions.repurchase import BEST_20_SHARE, REPURCHASE
from services.lifecycle.figures.definitions.satisfaction import CSAT, NPS
from services.lifecycle.figures.figure import Figure

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

FIGURES: Final[Mapping[str, Figure[Any]]] = MappingProxyType(
    {figure.name: figure for figure in _ALL}
)
"""By name."""
