"""Reading the services' HTTP APIs from the command line."""

from typing import Any

import httpx

from shared.errors import Misconfigured, Retryable


class Api:
    """One service, with the bearer key; use as an async context manager."""

    def __init__(self, url: str, key: str, *, timeout_s: float = 60) -> None:
        self._client = httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=timeout_s)

    async def __aenter__(self) -> "Api":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def get(self, path: str, **query: str | None) -> Any:
        """The decoded answer, that of whom a merged customer has become; Misconfigured with the refusal's own words."""
        said = {name: value for name, value in query.items() if value is not None}
        return self._read(await self._send("GET", path, params=said, follow_redirects=True))

    async def post(self, path: str, body: object, *, idempotency_key: str | None = None) -> Any:
        """The decoded answer to a JSON body."""
        headers = {} if idempotency_key is None else {"idempotency-key": idempotency_key}
        return self._read(await self._send("POST", path, json=body, headers=headers))

    async def _send(self, method: str, path: str, **how: Any) -> httpx.Response:
        try:
            return await self._client.request(method, path, **how)
        except httpx.TransportError as error:
            raise Retryable(f"{self._client.base_url} does not answer: {error}") from error

    def _read(self, answer: httpx.Response) -> Any:
        if answer.is_success:
            return answer.json()
        try:
            problem = answer.json()
            told = f"{problem.get('code', '')}: {problem.get('detail') or problem.get('title', '')}"
        except ValueError:
            told = answer.text[:300]
        raise Misconfigured(f"{answer.request.method} {answer.request.url.path} answered {answer.status_code} {told}")
