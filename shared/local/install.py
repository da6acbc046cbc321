"""Installs the embedded Kafka: `python -m shared.local.install`."""

import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

import jgo

from shared.errors import Misconfigured

KAFKA_VERSION: Final = "4.3.1"
ENDPOINT: Final = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"
JARS: Final = Path(sys.prefix) / "share" / "stammkunde" / f"kafka-{KAFKA_VERSION}"


def kafka_jars() -> Path:
    """The folder of the broker's jars. Raises Misconfigured if they are not installed."""
    if not JARS.is_dir():
        raise Misconfigured(
            f"the embedded Kafka is not installed in {JARS}: run `python -m shared.local.install`"
        )
    return JARS


def install() -> Path:
    """Fetch the jars into the virtual environment, unless they are there already."""
    if JARS.is_dir():
        return JARS
    JARS.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=JARS.parent, prefix=".kafka-") as work:
        environment = jgo.build(endpoint=ENDPOINT, cache_dir=Path(work) / "resolved")
        folder = Path(work) / "jars"
        folder.mkdir()
        for jar in sorted(Path(environment.path).glob("*/*.jar")):
            shutil.copyfile(jar, folder / jar.name)
        # The resolver may choose an older client library, which does not work with the broker.
        if not (folder / f"kafka-clients-{KAFKA_VERSION}.jar").exists():
            raise Misconfigured(
                f"kafka-clients {KAFKA_VERSION} is not among the jars that {ENDPOINT} resolved to"
            )
        _move_into_place(folder)
    return JARS


def _move_into_place(folder: Path) -> None:
    try:
        os.rename(folder, JARS)  # noqa: PTH104  (fails if another installation filled it meanwhile)
    except OSError:
        if not JARS.is_dir():
            raise


def main() -> None:
    logging.getLogger("jgo").setLevel(logging.ERROR)
    folder = install()
    print(f"Kafka {KAFKA_VERSION}: {len(list(folder.glob('*.jar')))} jars in {folder}")  # noqa: T201


if __name__ == "__main__":
    main()
