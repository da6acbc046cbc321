"""Waiting until the processes of a stack are ready."""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import httpx

from shared.clock import monotonic
from shared.errors import Misconfigured, Retryable
from shared.local.managed_process import tail
from shared.local.supervisor import Supervisor

READY_S: Final = 90.0


async def wait_until_ready(urls: Mapping[str, str], logs: Path, supervisor: Supervisor) -> None:
    """Return once every process is ready.

    Raises Misconfigured if one ends again and again, Retryable with the logs after 90 s.
    """
    deadline = monotonic() + READY_S
    waiting = dict(urls)
    async with httpx.AsyncClient(timeout=5) as client:
        while waiting:
            waiting = await _unready(client, waiting)
            if failing := supervisor.failing():
                raise Misconfigured(f"ended again and again: {', '.join(failing)}")
            if waiting and monotonic() > deadline:
                raise Retryable(
                    f"not ready after {READY_S:g} s: {', '.join(waiting)}\n{_tails(logs, waiting)}"
                )
            await asyncio.sleep(0.1)


async def is_ready(client: httpx.AsyncClient, url: str) -> bool:
    """Whether the process at this URL says that everything it needs is available."""
    try:
        return (await client.get(f"{url}/readyz")).status_code == 200
    except httpx.TransportError:
        return False


async def _unready(client: httpx.AsyncClient, urls: Mapping[str, str]) -> dict[str, str]:
    answers = await asyncio.gather(*(is_ready(client, url) for url in urls.values()))
    return {
        name: url for (name, url), ready in zip(urls.items(), answers, strict=True) if not ready
    }


def _tails(logs: Path, names: Iterable[str]) -> str:
    return "\n".join(f"{name}:\n{tail(logs / f'{name}.log', 5)}" for name in names)
