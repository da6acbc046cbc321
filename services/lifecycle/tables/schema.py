"""The metadata that every table of lifecycle belongs to, with the tables that all services have."""

import sqlalchemy as sa

from services.lifecycle.domain.state.phases import Phase
from shared.database.tables import add_core

metadata = sa.MetaData(schema="lifecycle")
add_core(metadata)

PHASES = ", ".join(f"'{phase}'" for phase in Phase)
