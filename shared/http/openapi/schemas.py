"""Names and titles of the schemas of a document."""

from collections.abc import Mapping
from typing import Any, Final

Json = dict[str, Any]

_SCHEMAS: Final = "#/components/schemas/"
_VALUE_KEYWORDS: Final = frozenset({"const", "default", "enum", "example", "examples"})
"""Keywords that hold values, not schemas."""


def rename_schemas(document: Json) -> None:
    """Rename schemas, in place, to one word: `Page_Case_` becomes `PageCase`.

    Of a module's path its last part is kept: `…__simulations__State` becomes `SimulationsState`.
    Raises ValueError if two schemas would have one name.
    """
    schemas = document["components"]["schemas"]
    names = {name: _one_word(name) for name in schemas if "_" in name}
    new_names = list(names.values())
    clashes = sorted(new for new in new_names if new in schemas or new_names.count(new) > 1)
    if clashes:
        raise ValueError(f"two schemas of one name: {clashes}")
    renamed = ((names.get(name, name), schema) for name, schema in schemas.items())
    document["components"]["schemas"] = dict(sorted(renamed))
    _replace_texts(document, {_SCHEMAS + old: _SCHEMAS + new for old, new in names.items()})


def drop_titles(part: Any) -> None:
    """Remove, in place, the titles that the framework makes of names."""
    if isinstance(part, list):
        for item in part:
            drop_titles(item)
    elif isinstance(part, dict):
        if isinstance(part.get("title"), str):
            del part["title"]
        for name, inner in part.items():
            if name not in _VALUE_KEYWORDS:
                drop_titles(inner)


def _one_word(name: str) -> str:
    parts = (part.removesuffix("_schemas") for part in name.split("__")[-2:])
    words = (word for part in parts for word in part.split("_"))
    return "".join(word[:1].upper() + word[1:] for word in words)


def _replace_texts(part: Any, replacements: Mapping[str, str]) -> None:
    if isinstance(part, list):
        for item in part:
            _replace_texts(item, replacements)
    elif isinstance(part, dict):
        for name, inner in part.items():
            if isinstance(inner, str) and inner in replacements:
                part[name] = replacements[inner]
            else:
                _replace_texts(inner, replacements)
