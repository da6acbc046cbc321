"""The processes of the system: what is started, on which port, and which of them consume."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final


@dataclass(frozen=True, slots=True)
class Process:
    """One process: a module to run, and the offset of its HTTP port from the port base.

    The offset is None if nobody calls the process.
    """

    name: str
    module: str
    port_offset: int | None = None


INGEST: Final = "ingest"
LIFECYCLE: Final = "lifecycle"
REACTIVATION: Final = "reactivation"
REFERRAL: Final = "referral"

CONSUMERS: Final = (LIFECYCLE, REACTIVATION, REFERRAL)
"""The services with a worker, checkpoints and an outbox; each schema is named like its service."""

POLICY_CHECK: Final = "services.lifecycle.policies.document"
"""A module that, run with a policy file, says what is wrong with the file."""

PROCESSES: Final = (
    Process(INGEST, "services.ingest.app", 0),
    Process(LIFECYCLE, "services.lifecycle.app", 1),
    Process("lifecycle-worker", "services.lifecycle.worker"),
    Process(REACTIVATION, "services.reactivation.app", 2),
    Process("reactivation-worker", "services.reactivation.worker"),
    Process(REFERRAL, "services.referral.app", 3),
    Process("referral-worker", "services.referral.worker"),
)


def installed() -> tuple[Process, ...]:
    """Return the processes whose module is installed."""
    return tuple(process for process in PROCESSES if find_spec(process.module) is not None)
