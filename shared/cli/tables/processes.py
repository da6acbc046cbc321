"""The processes of a stack."""

from collections.abc import Mapping
from typing import Final

import psutil
from rich.table import Table

from shared.local.home import StackState
from shared.stream.lag import ServiceLag
from shared.urls import without_account

_WORKER: Final = "-worker"


def process_table(
    state: StackState, ready: Mapping[str, bool], lags: Mapping[str, ServiceLag]
) -> Table:
    """Every process with its pid, readiness, address and, for a worker, what is left to do."""
    table = Table()
    for name in ("Process", "Pid", "Ready"):
        table.add_column(name, no_wrap=True)
    table.add_column("Address", overflow="fold")
    table.add_column("Behind", justify="right", no_wrap=True)
    table.add_column("Unpublished", justify="right", no_wrap=True)
    for name, url in state.urls.items():
        lag = lags.get(name.removesuffix(_WORKER)) if name.endswith(_WORKER) else None
        answer = "yes" if ready[name] else "no"
        table.add_row(name, _pid(state, name), answer, url, *_lag_cells(lag))
    table.add_row("kafka", _pid(state, "kafka"), "", state.kafka_bootstrap)
    table.add_row("postgres", _pid(state, "postgres"), "", without_account(state.database_url))
    return table


def _pid(state: StackState, name: str) -> str:
    pid = state.pids.get(name)
    if pid is None:
        return ""
    return str(pid) if psutil.pid_exists(pid) else f"{pid} (gone)"


def _lag_cells(lag: ServiceLag | None) -> tuple[str, str]:
    if lag is None:
        return ("", "")
    return (f"{lag.behind:,}", f"{lag.unpublished:,}")
