"""Alembic's entry for this service."""

from services.lifecycle.tables import metadata
from shared.migrations import run

run(metadata)
