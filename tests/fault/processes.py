"""Worker processes of a fault test: started, waited for, and never left behind."""

import json
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Final

from services.lifecycle.policies.document import PolicyDocument
from shared.processes import CONSUMERS, LIFECYCLE
from tests.fault import worker as victim
from tests.fault.terms import POLICY, TERMS
from tests.support.fresh_servers import PARTITIONS, eventually
from tests.support.referral_codes import CODE_SECRET
from tests.support.server_stack import Stack


def seeds(text: str) -> list[int]:
    """Read seeds: `20` is the first twenty, `7,9` are these two, `20,` is the twentieth alone."""
    if "," in text:
        return [int(seed) for seed in text.split(",") if seed]
    return list(range(1, int(text) + 1))


PATIENCE_S: Final = 120
"""How long anything may take on a machine with much else to do; only a failure takes that long."""
SEEDS: Final = seeds(os.environ.get("FAULT_SEEDS", "1"))

_FORK: Final = get_context("forkserver")
_FORK.set_forkserver_preload(
    [victim.__name__, *(f"services.{service}.worker" for service in CONSUMERS)]
)


class Worker:
    """A worker's process, forked from one that has imported everything already."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        assert self._process.pid
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs, as of a subprocess."""
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    async def wait(self) -> int:
        """Wait until it has ended; returns the exit status."""
        await eventually(
            lambda: self.returncode is not None, within_s=PATIENCE_S, what="the worker ends"
        )
        assert self.returncode is not None
        return self.returncode


class Workers:
    """Starts workers against one database."""

    def __init__(self, stack: Stack, database: str, folder: Path) -> None:
        policy = folder / "policy.toml"
        document = PolicyDocument.of(POLICY).model_dump(exclude_none=True)
        policy.write_text(
            "\n".join(f"{name} = {json.dumps(value)}" for name, value in document.items())
        )
        self._environment = {
            "STAMMKUNDE_KAFKA_BOOTSTRAP": stack.bootstrap,
            "STAMMKUNDE_DATABASE_URL": database,
            "STAMMKUNDE_API_KEY": "key-of-the-tests",
            "STAMMKUNDE_CODE_SECRET": CODE_SECRET,
            "STAMMKUNDE_CLOCK": "log",
            "STAMMKUNDE_PARTITIONS": str(PARTITIONS),
            "STAMMKUNDE_PORT": "0",
            "STAMMKUNDE_SESSION_TIMEOUT_S": "3",
            "STAMMKUNDE_BATCH_RECORDS": "200",
            "STAMMKUNDE_TIMERS_PER_BATCH": "40",
            "STAMMKUNDE_POLICY_FILE": str(policy),
            **{f"STAMMKUNDE_{name.upper()}": str(value) for name, value in TERMS.items()},
        }
        self._log = folder / "workers.log"
        self._started: list[Worker] = []

    async def start(self, *arguments: str, service: str = LIFECYCLE, worker: str = "1") -> Worker:
        """Run `tests.fault.worker` for the service with these arguments."""
        environment = {**self._environment, "STAMMKUNDE_WORKER": worker}
        process = _FORK.Process(
            target=victim.run, args=(self._log, environment, service, *arguments), daemon=True
        )
        process.start()
        started = Worker(process)
        self._started.append(started)
        return started

    async def stop(self, process: Worker) -> int:
        """End a worker with SIGTERM; returns the exit status."""
        process.send_signal(signal.SIGTERM)
        return await process.wait()

    async def end_all(self) -> None:
        """Kill whoever still runs."""
        for process in self._started:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
                await process.wait()

    def log(self) -> str:
        """What all of them have said."""
        return self._log.read_text() if self._log.exists() else ""


@asynccontextmanager
async def workers(stack: Stack, database: str) -> AsyncIterator[Workers]:
    """Workers that end with the block."""
    with tempfile.TemporaryDirectory(prefix="stammkunde-fault-") as folder:
        made = Workers(stack, database, Path(folder))
        try:
            yield made
        except BaseException:
            print(made.log()[-6000:])
            raise
        finally:
            await made.end_all()
