"""How a call is repeated that nobody could answer."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from tenacity import RetryCallState, retry_if_exception, wait_random_exponential

from shared.client.errors import Unavailable

OnRetry: TypeAlias = Callable[[Unavailable], None]

_growing_pause: Final = wait_random_exponential(multiplier=0.2, max=5)


class Repetition:
    """Repeats a call until `patience_s` seconds after its first failure.

    It waits for the seconds of `Retry-After`, or for growing pauses. `on_retry` is called with
    each failure that another attempt follows.
    """

    def __init__(self, patience_s: float, on_retry: OnRetry | None) -> None:
        self._patience_s: Final = patience_s
        self._on_retry: Final = on_retry

    def options(self, *, once: bool = False) -> dict[str, Any]:
        """Arguments of tenacity's `Retrying` and `AsyncRetrying` for one call.

        With `once`, the call is repeated only if the service cannot have begun with it.
        """
        return {
            "retry": retry_if_exception(_was_not_received if once else _is_unavailable),
            "wait": _pause,
            "stop": _Patience(self._patience_s),
            "before_sleep": self._report,
            "reraise": True,
        }

    def _report(self, state: RetryCallState) -> None:
        error = _failure(state)
        if self._on_retry is not None and isinstance(error, Unavailable):
            self._on_retry(error)


class _Patience:
    """Ends a call before an attempt that would come `seconds` after its first failure or later.

    Waiting for an answer takes no patience: a long poll may be repeated however long it took.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: float | None = None

    def __call__(self, state: RetryCallState) -> bool:
        now = state.start_time + (state.seconds_since_start or 0.0)
        if self._until is None:
            self._until = now + self._seconds
        return now + state.upcoming_sleep >= self._until


def _is_unavailable(error: BaseException) -> bool:
    return isinstance(error, Unavailable)


def _was_not_received(error: BaseException) -> bool:
    return isinstance(error, Unavailable) and not error.received


def _failure(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _pause(state: RetryCallState) -> float:
    error = _failure(state)
    if isinstance(error, Unavailable) and error.wait_s is not None:
        return error.wait_s
    return _growing_pause(state)
