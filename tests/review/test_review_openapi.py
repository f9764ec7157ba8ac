"""The server keeps to its own description, whatever is sent to it."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from serving import Browser, Site

from dapatlas.review.accounts import Role
from dapatlas.review.server.settings import LOOPBACK, Mode
from dapatlas.review.store import Store

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 8  # of each endpoint, of sound and of unsound requests each
OPERATIONS = 19


@pytest.fixture
def site(atlas: Path, sqlite_store: Store) -> Site:
    return Site(atlas, sqlite_store, Mode.LOCAL, hosts=(*LOOPBACK, "testserver"))


def test_every_endpoint_answers_as_described(site: Site):
    chief = site.browser("chief", Role.ADMIN)
    case = chief.get("/api/cases").json()["cases"][0]["case"]
    assert chief.get(f"/api/cases/{case}").status_code == 200
    schema = schemathesis.openapi.from_dict(site.app.openapi())
    schema.app = site.app
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) == OPERATIONS
    answered: set[int] = set()
    for operation in operations:
        browser = site.browser("chief", Role.ADMIN)  # who logs out does not log the others out
        described = site.app.openapi()["paths"][operation.path][operation.method]
        sound, unsound = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
        queries = [each for each in described.get("parameters", ()) if each["in"] == "query"]
        takes_something = "requestBody" in described or queries
        for mode in (sound, unsound) if takes_something else (sound,):
            got = statuses_of(operation, mode, browser, case)
            print(operation.label, mode, got)
            answered |= got
    assert {200, 201, 204, 404, 409, 422} <= answered


def statuses_of(
    operation: schemathesis.APIOperation, mode: schemathesis.GenerationMode, browser: Browser, real: str
) -> set[int]:
    """Send what may and what may not be sent to one endpoint; what came back kept to the description."""
    found: set[int] = set()
    headers = {**browser.headers, "Origin": "http://testserver"}
    cookies = dict(browser.client.cookies)

    @hypothesis.settings(
        max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode), known=st.booleans())
    def ask(case: schemathesis.Case, known: bool) -> None:
        if known and "case_id" in case.path_parameters:
            case.path_parameters["case_id"] = real
        if known and "layer" in case.path_parameters:
            case.path_parameters |= {"layer": "map", "step": "1"}
        if known and isinstance(case.body, dict) and "marks" in case.body:
            case.body["marks"] = []  # the names of structures are not guessed
        answer = case.call_and_validate(headers=headers, cookies=cookies, checks=CHECKS)
        found.add(answer.status_code)

    ask()
    return found
