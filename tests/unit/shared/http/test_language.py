"""The language of labels is what the client prefers among those that there are."""

import httpx
import pytest

from shared.http.language import preferred


@pytest.mark.parametrize(
    ("wish", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("de", "de"),
        ("DE-at", "de"),
        ("de-DE,de;q=0.9,en;q=0.8", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("fr, de;q=0.5", "de"),
        ("fr, *;q=0.5", "en"),
        ("*", "en"),
        ("en;q=0, *", "de"),
        ("de;q=0", "en"),
        ("de;q=0.7, en;q=0.7", "en"),
        ("de;q=zero", "en"),
        ("de;q=nan", "en"),
        ("de;q=7", "en"),
        ("de;v=1", "en"),
        (";;;,,,q=", "en"),
        ("," * 1000 + "de", "en"),
    ],
)
def test_the_best_of_ours_is_chosen_and_english_in_doubt(wish: str | None, language: str) -> None:
    assert preferred(wish) == language


async def test_labels_come_in_the_language_that_the_client_prefers(
    client: httpx.AsyncClient,
) -> None:
    german = await client.get("/v1/word", headers={"Accept-Language": "fr, de-AT;q=0.9, en;q=0.8"})
    assert (german.json(), german.headers["content-language"]) == ({"word": "Kunde"}, "de")
    english = await client.get("/v1/word")
    assert (english.json(), english.headers["content-language"]) == ({"word": "customer"}, "en")
    assert english.headers["vary"] == "Accept-Language"
