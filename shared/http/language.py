"""The language of labels: chosen by `Accept-Language`, told in `Content-Language`."""

from enum import StrEnum
from typing import Annotated, Final

from fastapi import Depends, Header, Response

_MOST_WISHES: Final = 20


class Language(StrEnum):
    """A language that labels are written in."""

    ENGLISH = "en"
    GERMAN = "de"


def preferred(accept_language: str | None) -> Language:
    """The best of our languages by RFC 9110; English where none is asked for, or none that we have."""
    weights = dict[str, float]()
    for wish in (accept_language or "").lower().split(",")[:_MOST_WISHES]:
        tag, _, weight = wish.partition(";")
        primary = tag.strip().partition("-")[0]
        weights[primary] = max(weights.get(primary, 0.0), _quality(weight))
    others = weights.get("*", 0.0)
    german, english = (
        weights.get(language, others) for language in (Language.GERMAN, Language.ENGLISH)
    )
    return Language.GERMAN if german > english else Language.ENGLISH


def _quality(parameter: str) -> float:
    """`q=0.5`; 1 where nothing is said, 0 where it cannot be read."""
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
"""Declares that a route has labels, in the language that the client prefers."""
