"""The schema of lifecycle. A new table goes to the module of its noun."""

from services.lifecycle.tables import counts, customers, history, policies, simulations
from services.lifecycle.tables.schema import metadata

__all__ = ["counts", "customers", "history", "metadata", "policies", "simulations"]
