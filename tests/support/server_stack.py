"""The Kafka and PostgreSQL that tests run against: embedded, in containers, or given by the
environment.
"""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.local.home import Home
from shared.local.kafka import EmbeddedKafka
from shared.local.ports import Ports
from shared.local.postgres import EmbeddedPostgres
from tests.support.fresh_servers import eventually

PREFIX: Final = "stammkunde-tests-"


@dataclass(frozen=True, slots=True)
class Stack:
    """Addresses of the servers; `kafka` and `postgres` let a fault test kill them, where they are
    ours to kill.
    """

    bootstrap: str
    database_url: str
    embedded: tuple[EmbeddedKafka, EmbeddedPostgres] | None = field(default=None, repr=False)

    @property
    def kafka(self) -> EmbeddedKafka:
        return self._ours()[0]

    @property
    def postgres(self) -> EmbeddedPostgres:
        return self._ours()[1]

    def _ours(self) -> tuple[EmbeddedKafka, EmbeddedPostgres]:
        if self.embedded is None:
            pytest.skip("needs the embedded stack")
        return self.embedded


@asynccontextmanager
async def open_stack() -> AsyncIterator[Stack]:
    """Start what the environment asks for, and stop it again."""
    bootstrap = os.environ.get("STAMMKUNDE_KAFKA_BOOTSTRAP")
    database_url = os.environ.get("STAMMKUNDE_DATABASE_URL")
    if bootstrap and database_url:
        yield Stack(bootstrap, database_url)
    elif os.environ.get("TEST_STACK") == "containers":
        async with in_containers() as stack:
            yield stack
    else:
        async with embedded() as stack:
            yield stack


@asynccontextmanager
async def embedded() -> AsyncIterator[Stack]:
    """Both servers in a temporary folder, which is removed in the end."""
    await _sweep()
    home = new_home()
    kafka, postgres = EmbeddedKafka(home), EmbeddedPostgres(home)
    try:
        await asyncio.gather(kafka.start(), postgres.start())
        yield Stack(kafka.bootstrap, postgres.url, (kafka, postgres))
    finally:
        await asyncio.gather(kafka.wipe(), postgres.wipe())
        shutil.rmtree(home, ignore_errors=True)


def new_home() -> Path:
    """A temporary folder for a stack; a later test run removes it if this one is killed."""
    home = Path(tempfile.mkdtemp(prefix=PREFIX))
    home.chmod(0o755)  # so that PostgreSQL's system account can pass
    (home / "owner").write_text(str(os.getpid()))
    return home


def _abandoned() -> Iterator[Path]:
    for owner in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/owner"):
        if not psutil.pid_exists(int(owner.read_text() or 0)):
            yield owner.parent


async def _sweep() -> None:
    """Stop and remove what killed test runs left behind."""
    for home in _abandoned():
        await _end_supervisor(Home(home))
        await asyncio.gather(EmbeddedKafka(home).wipe(), EmbeddedPostgres(home).wipe())
        shutil.rmtree(home, ignore_errors=True)


async def _end_supervisor(home: Home) -> None:
    if home.is_running():
        os.kill(home.supervisor_pid(), signal.SIGTERM)
        await eventually(
            lambda: not home.is_running(), within_s=60, what="the abandoned stack has stopped"
        )


@asynccontextmanager
async def in_containers() -> AsyncIterator[Stack]:
    """Both servers as containers, for machines that have Docker and would rather test against
    official images.
    """
    from testcontainers.core.container import DockerContainer
    from testcontainers.postgres import PostgresContainer

    with tempfile.TemporaryDirectory() as folder:
        ports = Ports(Path(folder))
        port = ports.take("kafka")
        kafka = DockerContainer("apache/kafka:4.3.1").with_bind_ports(9092, port)
        for name, value in _container_settings(port).items():
            kafka = kafka.with_env(name, value)
        postgres = PostgresContainer(
            "postgres:18", username="postgres", dbname="stammkunde", driver=None
        )
        try:
            await asyncio.gather(asyncio.to_thread(kafka.start), asyncio.to_thread(postgres.start))
            bootstrap = f"{kafka.get_container_host_ip()}:{port}"
            await eventually(lambda: _answers(bootstrap), within_s=60, what="Kafka answers")
            yield Stack(bootstrap, postgres.get_connection_url(driver=None))
        finally:
            await asyncio.gather(asyncio.to_thread(kafka.stop), asyncio.to_thread(postgres.stop))
            ports.release()


def _container_settings(port: int) -> dict[str, str]:
    return {
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_NODE_ID": "1",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://localhost:{port}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    }


async def _answers(bootstrap: str) -> bool:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        return True
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()
