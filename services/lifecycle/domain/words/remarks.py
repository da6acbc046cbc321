"""Why an event was set aside, in words."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SET_ASIDE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "conflicting_duplicate": (
            "other content came under this id before; what came first holds, and this does not"
        ),
        "parked": "the customer's events wait until somebody has released the customer",
        "merge_cycle": "the customer who was to stay is merged into this one already",
        "invalid_data": "its data does not fit its type",
        "unknown_type": "its type is not in the catalogue",
        "wrong_partition": "it was put on the partition of other customers",
    }
)
"""The reasons of dead letters whose customer is known."""


def why_set_aside(reason: str) -> str:
    """Say in words why an event became a dead letter."""
    return SET_ASIDE.get(reason, reason.replace("_", " "))
