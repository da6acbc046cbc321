"""Indexes of lifecycle's tables that must keep up with the catalogue of events."""

from services.lifecycle.events import ACTION_TYPES
from services.lifecycle.tables.history import VOICES


def test_every_kind_of_activity_is_in_the_index_that_counts_active_customers() -> None:
    """Orders have an index of their own. A missing type makes the count read all events."""
    others = [name for name in ACTION_TYPES if name != "order.completed"]
    assert [name for name in others if f"'{name}'" not in VOICES] == []
