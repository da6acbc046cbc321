"""The language of labels: chosen by `Accept-Language`, stated in `Content-Language`."""

from enum import StrEnum
from typing import Annotated, Final

from fastapi import Depends, Header, Response

_MAX_RANGES: Final = 20


class Language(StrEnum):
    """A language that labels are written in."""

    ENGLISH = "en"
    GERMAN = "de"


def preferred(accept_language: str | None) -> Language:
    """The language that fits best by RFC 9110; English if none is requested or none fits."""
    weights = dict[str, float]()
    for language_range in (accept_language or "").lower().split(",")[:_MAX_RANGES]:
        tag, _, weight = language_range.partition(";")
        primary = tag.strip().partition("-")[0]
        weights[primary] = max(weights.get(primary, 0.0), _quality(weight))
    others = weights.get("*", 0.0)
    german = weights.get(Language.GERMAN, others)
    english = weights.get(Language.ENGLISH, others)
    return Language.GERMAN if german > english else Language.ENGLISH


def _quality(parameter: str) -> float:
    """The value of `q=0.5`: 1 if it is missing, 0 if it cannot be read."""
    if not parameter.strip():
        return 1.0
    name, _, value = parameter.strip().partition("=")
    try:
        quality = float(value) if name.strip() == "q" else 0.0
    except ValueError:
        return 0.0
    return quality if 0.0 <= quality <= 1.0 else 0.0


async def _language(
    response: Response,
    accept_language: Annotated[
        str | None,
        Header(
            alias="Accept-Language",
            description="Language of the labels: `de` or `en`.",
            examples=["de"],
        ),
    ] = None,
) -> Language:
    language = preferred(accept_language)
    response.headers["Content-Language"] = language
    response.headers["Vary"] = "Accept-Language"
    return language


LabelLanguage = Annotated[Language, Depends(_language)]
"""Declares that a route has labels in the language that the client prefers."""
