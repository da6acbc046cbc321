"""The headers of answers, in a document."""

from typing import Any, Final

Json = dict[str, Any]

_IF_NONE_MATCH: Final = "If-None-Match"
_ACCEPT_LANGUAGE: Final = "Accept-Language"
_LANGUAGE_HEADERS: Final = (
    ("Content-Language", "The language of the labels: `de` or `en`."),
    ("Vary", "The request headers that the answer depends on."),
)
_ETAG: Final = (
    "ETag",
    "Changes when anything but `as_of` and `known_at` does. Send it as `If-None-Match`.",
)


def add_header(response: Json, name: str, meaning: str) -> None:
    """Add a header to a response."""
    header = {"description": meaning, "schema": {"type": "string"}}
    response.setdefault("headers", {})[name] = header


def describe_etag(operation: Json) -> None:
    """Add `ETag` and the answer 304 where the operation takes `If-None-Match`."""
    if has_parameter(operation, _IF_NONE_MATCH):
        add_header(operation["responses"]["200"], *_ETAG)
        unchanged = {"description": "Nothing has changed except `as_of`. There is no body."}
        add_header(unchanged, *_ETAG)
        operation["responses"]["304"] = unchanged


def describe_language(operation: Json) -> None:
    """Add the language headers where the operation takes `Accept-Language`."""
    if has_parameter(operation, _ACCEPT_LANGUAGE):
        for status in {"200", "304"} & operation["responses"].keys():
            for header in _LANGUAGE_HEADERS:
                add_header(operation["responses"][status], *header)


def has_parameter(operation: Json, name: str) -> bool:
    return any(parameter["name"] == name for parameter in operation.get("parameters", ()))
