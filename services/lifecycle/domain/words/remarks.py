"""Why an event was set aside, or has had no effect, in words."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from shared.orders.changes import NoEffect

MERGE_CYCLE: Final = "merge_cycle"
"""Why a merge that leads round to the customer itself is not followed."""
NOT_MERGED: Final = "not_merged"
"""Why an unmerge of an id that was not merged has no effect."""
SET_ASIDE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "conflicting_duplicate": (
            "other content came under this id before; what came first holds, and this does not"
        ),
        "parked": "the customer's events wait until somebody has released the customer",
        MERGE_CYCLE: "it merges the customer into itself",
        "too_large": "it is larger than a record of its topic may be",
        "undecodable": "its time cannot be read; it stands where it was recorded",
        "invalid_data": "its data does not fit its type",
        "unknown_type": "its type is not in the catalogue",
        "wrong_partition": "it was put on the partition of other customers",
    }
)
"""The reasons of dead letters whose customer is known."""


WITHOUT_EFFECT: Final[Mapping[str, str]] = MappingProxyType(
    {
        NoEffect.UNCHANGED: "it says what was known already",
        NoEffect.ORDER_UNKNOWN: "no order with this id is known",
        NoEffect.ORDER_AMBIGUOUS: (
            "several orders have this id, and nothing says which of them is meant"
        ),
        NoEffect.OTHER_CURRENCY: "its amount is in another currency than the order",
        NoEffect.REFUND_REPEATED: "a refund with the same refund_id was counted before",
        NoEffect.REFUND_UNKNOWN: "no refund of the order that counts has this id, or this amount",
        NoEffect.NOTHING_LEFT: "nothing was left of the order: it had been undone before",
        MERGE_CYCLE: "the merges lead round in a circle, and of those ids this one stays",
        NOT_MERGED: "the customer was not merged into another",
    }
)
"""The reasons for which a stored event has no effect."""


def why_without_effect(reason: str) -> str:
    """Say in words why an event has had no effect."""
    return WITHOUT_EFFECT.get(reason, reason.replace("_", " "))


def why_set_aside(reason: str) -> str:
    """Say in words why an event became a dead letter."""
    return SET_ASIDE.get(reason, reason.replace("_", " "))
