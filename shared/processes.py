"""The processes of the system: what is started, on which port, and which of them consume."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final


@dataclass(frozen=True, slots=True)
class Process:
    """One process: a module to run, and the port that its HTTP listens on by default."""

    name: str
    module: str
    port: int
    is_api: bool = False


INGEST: Final = "ingest"
LIFECYCLE: Final = "lifecycle"
REACTIVATION: Final = "reactivation"
REFERRAL: Final = "referral"

DEFAULT_PORT_BASE: Final = 8001
"""The port of ingest; each other process has its own at a fixed distance."""


def worker_of(service: str) -> str:
    """Return the name of a service's worker process."""
    return f"{service}-worker"


CONSUMERS: Final = (LIFECYCLE, REACTIVATION, REFERRAL)
"""The services with a worker, checkpoints and an outbox; each schema is named like its service."""

POLICY_CHECK: Final = "services.lifecycle.policies.document"
"""A module that, run with a policy file, says what is wrong with the file."""

PROCESSES: Final = (
    Process(INGEST, "services.ingest.app", 8001, is_api=True),
    Process(LIFECYCLE, "services.lifecycle.app", 8002, is_api=True),
    Process(worker_of(LIFECYCLE), "services.lifecycle.worker", 8012),
    Process(REACTIVATION, "services.reactivation.app", 8003, is_api=True),
    Process(worker_of(REACTIVATION), "services.reactivation.worker", 8013),
    Process(REFERRAL, "services.referral.app", 8004, is_api=True),
    Process(worker_of(REFERRAL), "services.referral.worker", 8014),
)


def default_port(process: str) -> int:
    """Return the port of a process by its name."""
    return next(each.port for each in PROCESSES if each.name == process)


def installed() -> tuple[Process, ...]:
    """Return the processes whose module is installed."""
    return tuple(process for process in PROCESSES if find_spec(process.module) is not None)
