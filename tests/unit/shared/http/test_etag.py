"""Answers that the client already has."""

import httpx


async def test_an_answer_that_the_client_has_is_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/v1/scale/7?as_of=2024-05-01T12:00:00Z")
    tag = first.headers["etag"]
    assert tag.startswith('W/"')
    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        later = await client.get(
            "/v1/scale/7?as_of=2024-05-02T12:00:00Z", headers={"If-None-Match": known}
        )
        assert (later.status_code, later.content, later.headers["etag"]) == (304, b"", tag)
        assert (later.headers["vary"], later.headers["content-language"]) == (
            "Accept-Language",
            "en",
        )
    for weight, status in ((8, 200), (0, 404)):
        other = await client.get(
            f"/v1/scale/{weight}?as_of=2024-05-01T12:00:00Z", headers={"If-None-Match": tag}
        )
        assert other.status_code == status


async def test_the_contract_knows_answers_that_are_not_sent_again(
    client: httpx.AsyncClient,
) -> None:
    contract = (await client.get("/openapi.json")).json()
    answers = contract["paths"]["/v1/scale/{weight}"]["get"]["responses"]
    assert ("content" in answers["304"], "ETag" in answers["304"]["headers"]) == (False, True)
    assert "ETag" in answers["200"]["headers"]
    assert set(answers) == {"200", "304", "401", "404", "422", "503"}
