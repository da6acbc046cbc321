"""Set-up of the embedded Kafka (`python -m shared.local.install`): its jars, once, in the virtual environment."""

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
    """The folder of the broker's jars; Misconfigured if set-up has not run."""
    if not JARS.is_dir():
        raise Misconfigured(
            f"the embedded Kafka is not installed in {JARS}: run `python -m shared.local.install`"
        )
    return JARS


def install() -> Path:
    """Fetch the jars unless they are there; the folder appears whole or not at all."""
    if JARS.is_dir():
        return JARS
    JARS.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=JARS.parent, prefix=".kafka-") as work:
        environment = jgo.build(endpoint=ENDPOINT, cache_dir=Path(work) / "resolved")
        made = Path(work) / "jars"
        made.mkdir()
        for jar in sorted(Path(environment.path).glob("*/*.jar")):
            shutil.copyfile(jar, made / jar.name)
        # The resolver may settle on an older client library, with which the broker does not work.
        if not (made / f"kafka-clients-{KAFKA_VERSION}.jar").exists():
            raise Misconfigured(
                f"kafka-clients {KAFKA_VERSION} is not among the jars that {ENDPOINT} resolved to"
            )
        _move_into_place(made)
    return JARS


def _move_into_place(made: Path) -> None:
    try:
        os.rename(made, JARS)  # noqa: PTH104  (refuses a folder that another set-up filled meanwhile)
    except OSError:
        if not JARS.is_dir():
            raise


def main() -> None:
    logging.getLogger("jgo").setLevel(logging.ERROR)
    folder = install()
    print(f"Kafka {KAFKA_VERSION}: {len(list(folder.glob('*.jar')))} jars in {folder}")  # noqa: T201


if __name__ == "__main__":
    main()
