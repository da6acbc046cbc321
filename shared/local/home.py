"""The home folder of a stack: its state, its secrets, and the lock of who runs it."""

import fcntl
import os
import secrets
from pathlib import Path

import msgspec

from shared.clock import ClockMode
from shared.errors import Misconfigured
from shared.settings import MIN_SECRET


class StackState(msgspec.Struct, kw_only=True, frozen=True):
    """The content of stack.json; `urls` and `pids` are by process name."""

    clock: ClockMode
    port_base: int
    kafka_bootstrap: str
    database_url: str
    urls: dict[str, str]
    pids: dict[str, int] = {}
    supervisor_pid: int = 0
    ready: bool = False
    embedded: bool = True

    def url(self, process: str) -> str:
        """The address of a process. Raises Misconfigured if the stack has none of that name."""
        if process not in self.urls:
            raise Misconfigured(f"this stack has no process `{process}`")
        return self.urls[process]


class Home:
    """The folder of one stack."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self._lock_file = self.path / "lock"
        self._lock: int | None = None

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def load(self) -> StackState | None:
        """The last known state, also of a stack that has stopped."""
        file = self.path / "stack.json"
        return msgspec.json.decode(file.read_bytes(), type=StackState) if file.exists() else None

    def save(self, state: StackState) -> None:
        """Replace stack.json in one step; only its owner can read it: it has the database URL."""
        fresh = self.path / "stack.json.new"
        fresh.unlink(missing_ok=True)
        with open(fresh, "xb", opener=owner_only) as out:
            out.write(msgspec.json.format(msgspec.json.encode(state), indent=2))
        fresh.replace(self.path / "stack.json")

    def running(self) -> StackState:
        """The state of the stack that runs here. Raises Misconfigured if none does."""
        state = self.load()
        if state is None or not self.is_running():
            raise self._not_running()
        return state

    def is_running(self) -> bool:
        """Whether a supervisor holds this home, from its first to its last moment."""
        if self._lock is not None:
            return True
        if not self._lock_file.exists():
            return False
        descriptor = self._try_lock()
        if descriptor is None:
            return True
        os.close(descriptor)
        return False

    def supervisor_pid(self) -> int:
        """The process that holds this home. Raises Misconfigured if none does."""
        text = self._lock_file.read_text() if self.is_running() else ""
        if not text:
            raise self._not_running()
        return int(text)

    def acquire(self) -> bool:
        """Hold this home until `release` or the end of the process; False if another one does."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = self._try_lock()
        if self._lock is None:
            return False
        self._lock_file.write_text(str(os.getpid()))
        return True

    def _not_running(self) -> Misconfigured:
        return Misconfigured(f"no stack is running in {self.path}: start one with `stammkunde up`")

    def _try_lock(self) -> int | None:
        descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        return descriptor

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def key_file(self) -> Path:
        """Where the API key is kept, unless it is given."""
        return self.path / "api-key"

    def api_key(self, given: str | None) -> str:
        """The given key, or else the one kept here, which is made on first use."""
        return given or kept_secret(self.key_file)

    def code_secret(self, given: str | None) -> str:
        """The given secret behind codes, or else the one kept here, which is made on first use."""
        return given or kept_secret(self.path / "code-secret")


def kept_secret(file: Path) -> str:
    """The secret in a file that only its owner can read; it is made on first use.

    Raises Misconfigured if the file holds none.
    """
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "x", opener=owner_only) as out:
            out.write(secrets.token_urlsafe(24))
    secret = file.read_text().strip()
    if len(secret) < MIN_SECRET:
        raise Misconfigured(
            f"{file} holds no secret of {MIN_SECRET} characters: delete it to have one made"
        )
    return secret


def owner_only(path: str, flags: int) -> int:
    """Open a file, as `open` asks its `opener` to; a new one can be read by its owner only."""
    return os.open(path, flags, 0o600)
