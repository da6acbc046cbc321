"""Loopback ports of a stack: chosen once, remembered in its folder, shared with no other stack."""

import fcntl
import json
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import Final

from shared.errors import Misconfigured

# Below the range of outgoing connections on Linux, in which a client that retries the port of a
# stopped server can take the port itself, or even connect to itself.
CANDIDATES: Final = range(20_000, 32_000)


class Ports:
    """The named ports of a home folder, locked against other stacks while this process lives."""

    def __init__(self, home: Path) -> None:
        self._file = home / "ports.json"
        self._locks: dict[str, int] = {}
        self._chosen: dict[str, int] = (
            json.loads(self._file.read_text()) if self._file.exists() else {}
        )

    def take(self, name: str) -> int:
        """The remembered port of this name, or a new one if somebody else has it now."""
        if name in self._locks:
            return self._chosen[name]
        for port in self._candidates(name):
            lock = _lock(port)
            if lock is None:
                continue
            if not _is_free(port):
                os.close(lock)
                continue
            self._locks[name] = lock
            self._remember(name, port)
            return port
        raise Misconfigured(
            f"no free port between {CANDIDATES.start} and {CANDIDATES.stop} on 127.0.0.1"
        )

    def release(self) -> None:
        """Unlock the ports; they stay remembered."""
        while self._locks:
            os.close(self._locks.popitem()[1])

    def _candidates(self, name: str) -> list[int]:
        remembered = [self._chosen[name]] if name in self._chosen else []
        return remembered + random.sample(CANDIDATES, 500)

    def _remember(self, name: str, port: int) -> None:
        on_disk = json.loads(self._file.read_text()) if self._file.exists() else {}
        self._chosen = on_disk | {name: port}
        self._file.write_text(json.dumps(self._chosen))


def _lock(port: int) -> int | None:
    folder = Path(tempfile.gettempdir()) / "stammkunde-ports"
    try:
        if not folder.exists():
            folder.mkdir(exist_ok=True)
            folder.chmod(0o1777)
        descriptor = os.open(folder / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
