"""Requests of a client: paths, values as text, and the key that makes repeating safe."""

import uuid
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

import httpx
import msgspec

from shared import instants, urls
from shared.client.errors import JSON, Refused

_IDEMPOTENCY_KEY: Final = "Idempotency-Key"

Values = Mapping[str, object]


def segment(value: object) -> str:
    """One segment of a path, in which an id may hold slashes.

    Raises Refused for an empty id, which would make it another address.
    """
    if not str(value):
        raise Refused("an id has at least one character", code="invalid")
    return urls.segment(value)


def build_request(
    client: httpx.Client | httpx.AsyncClient,
    method: str,
    path: str,
    *,
    query: Values | None = None,
    headers: Values | None = None,
    body: object = None,
) -> httpx.Request:
    """The request of a call, with one idempotency key for all its repetitions."""
    texts = _texts(headers)
    if headers is not None and _IDEMPOTENCY_KEY in headers:
        texts.setdefault(_IDEMPOTENCY_KEY, str(uuid.uuid4()))
    content = None
    if body is not None:
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        texts["Content-Type"] = JSON
    return client.build_request(method, path, params=_texts(query), headers=texts, content=content)


def build_download(
    client: httpx.Client | httpx.AsyncClient,
    path: str,
    media_type: str,
    *,
    query: Values | None = None,
    headers: Values | None = None,
) -> httpx.Request:
    """The request of a file or a stream of this media type."""
    accepting = {**(headers or {}), "Accept": media_type}
    return build_request(client, "GET", path, query=query, headers=accepting)


def _texts(values: Values | None) -> dict[str, str]:
    """Values as text, without those that are None."""
    return {name: _text(value) for name, value in (values or {}).items() if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return instants.render(value)
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, date) else str(value)
