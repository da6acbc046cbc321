"""The document of an application."""

import httpx


async def test_the_contract_documents_problems(client: httpx.AsyncClient) -> None:
    contract = (await client.get("/openapi.json")).json()
    answers = contract["paths"]["/v1/numbers"]["get"]["responses"]
    assert set(answers) == {"200", "401", "422", "503"}
    assert answers["422"] == {"$ref": "#/components/responses/invalid_or_invalid_cursor"}
    told = contract["components"]["responses"]["invalid_or_invalid_cursor"]["content"][
        "application/problem+json"
    ]
    assert told["schema"]["allOf"][1]["properties"]["code"] == {
        "enum": ["invalid", "invalid_cursor"]
    }
    assert set(contract["paths"]["/v1/parcels"]["post"]["responses"]) == {
        "200",
        "400",
        "401",
        "408",
        "413",
        "422",
        "503",
    }
    assert contract["paths"]["/livez"]["get"]["security"] == []
