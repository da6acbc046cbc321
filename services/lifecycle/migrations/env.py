"""Alembic's entry for this service."""

from services.lifecycle.tables import metadata
from shared.database.migrations import run

run(metadata)
