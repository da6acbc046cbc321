"""Alembic's entry for this service."""

from services.reactivation.tables import metadata
from shared.database.migrations import run

run(metadata)
