"""The problems that operations may answer, in a document."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from shared.http.openapi.headers import add_header, has_parameter
from shared.http.problems import PROBLEM_JSON, PROBLEMS, ProblemBody, ProblemKind

Json = dict[str, Any]

UNAUTHORIZED: Final = ProblemKind(401, "unauthorized", "The key is missing or wrong.")
UNAVAILABLE: Final = ProblemKind(
    503,
    "unavailable",
    "The database or a service behind this one does not answer. Send the same request again.",
)
INVALID: Final = ProblemKind(
    422, "invalid", "A parameter or the body is not as documented; `errors` names each field."
)
INVALID_CURSOR: Final = ProblemKind(
    422, "invalid_cursor", "`cursor` is not a `next_cursor` of this list."
)
UNREADABLE: Final = ProblemKind(400, "unreadable", "The body is not JSON.")
TOO_LARGE: Final = ProblemKind(413, "too_large", "The body is larger than allowed.")
TOO_SLOW: Final = ProblemKind(408, "too_slow", "The body did not arrive within 30 seconds.")
OVERLOADED: Final = ProblemKind(
    503, "overloaded", "Too much is under way: send the same request again."
)
_JSON: Final = "application/json"
_SCHEMAS: Final = "#/components/schemas/"
_HEADERS: Final[Mapping[int, tuple[str, str]]] = {
    301: ("Location", "Where the same is found now."),
    308: ("Location", "Where the same is to be sent now."),
    401: ("WWW-Authenticate", "`Bearer`"),
    **dict.fromkeys(
        (429, 503), ("Retry-After", "Seconds to wait before sending the same request again.")
    ),
}


def problem_schemas() -> Json:
    """The schemas of a problem's body, by name."""
    schema = ProblemBody.model_json_schema(ref_template=f"{_SCHEMAS}{{model}}")
    inner: Json = schema.pop("$defs")
    return {"Problem": schema, **inner}


def common_problems(operation: Json, *, is_open: bool) -> list[ProblemKind]:
    """The problems that any operation of this shape may answer; `is_open` if it takes no key."""
    kinds = [] if is_open else [UNAUTHORIZED, UNAVAILABLE]
    kinds.append(INVALID)
    if has_parameter(operation, "cursor"):
        kinds.append(INVALID_CURSOR)
    if "requestBody" in operation:
        kinds += [UNREADABLE, TOO_SLOW, TOO_LARGE, OVERLOADED]
    return kinds


def describe_problems(operation: Json, common: Sequence[ProblemKind], shared: Json) -> None:
    """Describe the problems of an operation, its own and the common ones.

    Answers that are nothing but problems are kept in `shared`, once each.
    """
    responses: Json = operation["responses"]
    _drop_framework_error(responses)
    for kind in common:
        kinds = responses.setdefault(str(kind.status), {}).setdefault(PROBLEMS, [])
        if all(code != kind.code for _, code, _ in kinds):
            kinds.append(kind)
    for status, response in sorted(responses.items()):
        kinds = [ProblemKind(*kind) for kind in response.pop(PROBLEMS, ())]
        if not kinds:
            continue
        is_only_problems = not response.keys() - {"description"}
        _describe(response, int(status), kinds)
        if is_only_problems:
            name = "_or_".join(kind.code for kind in kinds)
            if shared.setdefault(name, response) == response:
                responses[status] = {"$ref": f"#/components/responses/{name}"}
    operation["responses"] = dict(sorted(responses.items()))


def _drop_framework_error(responses: Json) -> None:
    content = responses.get("422", {}).get("content", {}).get(_JSON, {})
    if content.get("schema", {}).get("$ref", "").endswith("/HTTPValidationError"):
        del responses["422"]


def _describe(response: Json, status: int, kinds: Sequence[ProblemKind]) -> None:
    meanings = "\n\n".join(f"`{kind.code}`: {kind.meaning}" for kind in kinds)
    phrase = HTTPStatus(status).phrase
    before = response.get("description", phrase)
    response["description"] = meanings if before == phrase else f"{before}\n\n{meanings}"
    about = {"status": {"const": status}, "code": {"enum": [kind.code for kind in kinds]}}
    response.setdefault("content", {})[PROBLEM_JSON] = {
        "schema": {"allOf": [{"$ref": f"{_SCHEMAS}Problem"}, {"properties": about}]},
        "example": _example(status, phrase, kinds[0]),
    }
    if status in _HEADERS:
        add_header(response, *_HEADERS[status])


def _example(status: int, phrase: str, kind: ProblemKind) -> Json:
    return {
        "type": "about:blank",
        "title": phrase,
        "status": status,
        "code": kind.code,
        "detail": kind.meaning,
        "errors": [],
    }
