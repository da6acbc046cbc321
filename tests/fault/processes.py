"""Worker processes of a fault test: started, waited for, and never left behind."""

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from services.lifecycle.policies.document import PolicyDocument
from shared.processes import LIFECYCLE
from tests.fault.terms import POLICY, TERMS
from tests.support.fresh_servers import PARTITIONS
from tests.support.server_stack import Stack


def seeds(text: str) -> list[int]:
    """`20` is the first twenty seeds, `7,9` are these two, and `20,` is the twentieth alone."""
    return (
        [int(seed) for seed in text.split(",") if seed]
        if "," in text
        else list(range(1, int(text) + 1))
    )


PATIENCE_S: Final = 120
"""How long anything may take on a machine with much else to do; only a failure takes that long."""
SEEDS: Final = seeds(os.environ.get("FAULT_SEEDS", "1"))


class Workers:
    """Starts workers against one database."""

    def __init__(self, stack: Stack, database: str, folder: Path) -> None:
        policy = folder / "policy.toml"
        document = PolicyDocument.of(POLICY).model_dump(exclude_none=True)
        policy.write_text(
            "\n".join(f"{name} = {json.dumps(value)}" for name, value in document.items())
        )
        self._environment = {
            **os.environ,
            "STAMMKUNDE_KAFKA_BOOTSTRAP": stack.bootstrap,
            "STAMMKUNDE_DATABASE_URL": database,
            "STAMMKUNDE_API_KEY": "key",
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
        self._started: list[asyncio.subprocess.Process] = []

    async def start(
        self, *arguments: str, service: str = LIFECYCLE, worker: str = "1"
    ) -> asyncio.subprocess.Process:
        """Run `python -m tests.fault.worker` for the service with these arguments."""
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.fault.worker",
                service,
                *arguments,
                env={**self._environment, "STAMMKUNDE_WORKER": worker},
                stdout=log,
                stderr=log,
            )
        self._started.append(process)
        return process

    async def stop(self, process: asyncio.subprocess.Process) -> int:
        """SIGTERM; returns the exit status."""
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            return await process.wait()

    async def end_all(self) -> None:
        """SIGKILL whoever still runs."""
        for process in self._started:
            if process.returncode is None:
                process.kill()
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
