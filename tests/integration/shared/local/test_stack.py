"""The embedded servers: ready, recovered after a crash, and found after a killed supervisor."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.kafka import topics
from shared.local.kafka import EmbeddedKafka
from shared.local.ports import Ports
from shared.local.postgres import EmbeddedPostgres
from tests.support.server_stack import embedded


@pytest.fixture(scope="module")
async def servers() -> AsyncIterator[tuple[EmbeddedKafka, EmbeddedPostgres]]:
    """A stack of this module's own, which it may crash without disturbing others."""
    async with embedded() as stack:
        yield stack.kafka, stack.postgres


async def test_acknowledged_records_survive_a_sigkill_of_the_broker(
    servers: tuple[EmbeddedKafka, EmbeddedPostgres],
) -> None:
    kafka, _ = servers
    await topics.create_missing(kafka.bootstrap, partitions=3)
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all") as producer:
        await producer.send_and_wait(topics.CUSTOMER_EVENTS, b"kept", partition=1)
    bootstrap = kafka.bootstrap
    pid = kafka.pid

    await kafka.kill()
    assert not psutil.pid_exists(pid)
    await kafka.restart()

    assert kafka.bootstrap == bootstrap
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with consumer:
        consumer.assign([TopicPartition(topics.CUSTOMER_EVENTS, 1)])
        assert (await asyncio.wait_for(consumer.getone(), 20)).value == b"kept"


async def test_committed_rows_survive_a_sigkill_of_postgresql_and_all_its_backends(
    servers: tuple[EmbeddedKafka, EmbeddedPostgres],
) -> None:
    _, postgres = servers
    connection = await asyncpg.connect(postgres.url)
    await connection.execute("CREATE TABLE note (text text); INSERT INTO note VALUES ('kept')")
    url = postgres.url

    await postgres.kill()
    assert not postgres.is_alive
    connection.terminate()
    await postgres.restart()

    assert postgres.url == url
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT text FROM note") == "kept"
    await connection.close()


async def test_postgresql_is_durable_and_sorts_as_python_does(
    servers: tuple[EmbeddedKafka, EmbeddedPostgres],
) -> None:
    connection = await asyncpg.connect(servers[1].url)
    try:
        assert (
            await connection.fetchval("SHOW fsync"),
            await connection.fetchval("SHOW synchronous_commit"),
        ) == (
            "on",
            "on",
        )
        words = ["a", "B", "Ä", "ab", "_", "é", "z", "10", "9"]
        ordered = await connection.fetchval(
            "SELECT array_agg(w ORDER BY w) FROM unnest($1::text[]) w", words
        )
        assert ordered == sorted(words)
    finally:
        await connection.close()


async def test_postgresql_asks_for_the_password(
    servers: tuple[EmbeddedKafka, EmbeddedPostgres],
) -> None:
    url = re.sub(r":[^:@/]*@", "@", servers[1].url)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(url, password="guessed")  # noqa: S106


async def test_the_log_of_postgresql_quotes_no_row(
    servers: tuple[EmbeddedKafka, EmbeddedPostgres],
) -> None:
    connection = await asyncpg.connect(servers[1].url)
    try:
        assert await connection.fetchval("SHOW log_error_verbosity") == "terse", "no DETAIL"
        assert await connection.fetchval("SHOW log_parameter_max_length_on_error") == "0"
    finally:
        await connection.close()


async def test_servers_run_in_sessions_of_their_own(
    servers: tuple[EmbeddedKafka, EmbeddedPostgres],
) -> None:
    assert {os.getsid(server.pid) for server in servers} == {server.pid for server in servers}


ABANDON = """
import asyncio, os, signal, sys
from pathlib import Path
from shared.local.postgres import EmbeddedPostgres

async def main():
    postgres = EmbeddedPostgres(Path(sys.argv[1]))
    await postgres.start()
    print(postgres.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_the_next_start_stops_what_a_killed_supervisor_left(tmp_path: Path) -> None:
    run = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", ABANDON, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == -signal.SIGKILL
    abandoned = psutil.Process(int(run.stdout))
    assert abandoned.is_running()

    postgres = EmbeddedPostgres(tmp_path)
    await postgres.start()
    try:
        assert not abandoned.is_running()
        assert postgres.pid != abandoned.pid
    finally:
        await postgres.wipe()


def test_a_pid_file_of_a_stranger_is_no_licence_to_kill(tmp_path: Path) -> None:
    from shared.local.managed_process import reclaim

    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        pid_file = tmp_path / "kafka.pid"
        pid_file.write_text(str(stranger.pid))
        assert not reclaim(pid_file, str(tmp_path / "server.properties"))
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_ports_are_remembered_and_not_given_to_two_stacks(tmp_path: Path) -> None:
    home = tmp_path / "home"
    beside = tmp_path / "beside"
    home.mkdir()
    beside.mkdir()
    first = Ports(home)
    port = first.take("kafka")
    (beside / "ports.json").write_text(f'{{"kafka": {port}}}')
    second = Ports(beside)
    assert second.take("kafka") != port
    second.release()
    first.release()
    again = Ports(home)
    assert again.take("kafka") == port
    again.release()


def test_a_remembered_port_that_somebody_listens_on_is_replaced(tmp_path: Path) -> None:
    ports = Ports(tmp_path)
    port = ports.take("kafka")
    ports.release()
    with socket.create_server(("127.0.0.1", port)):
        replaced = Ports(tmp_path)
        assert replaced.take("kafka") != port
        replaced.release()
