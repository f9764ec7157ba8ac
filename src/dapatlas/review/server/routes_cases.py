"""The cases: the queue's rows, everything about one, and the files of its volumes."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse

from dapatlas.review.accounts import Role
from dapatlas.review.layers import MAP, layer_sources, open_layer, open_layers
from dapatlas.review.outcome import outcome_of
from dapatlas.review.plan import Claim
from dapatlas.review.server.access import Asking, Shared
from dapatlas.review.server.case_findings import finding_bodies
from dapatlas.review.server.context import Review, utc_now
from dapatlas.review.server.errors import Refusal, answers
from dapatlas.review.server.present import (
    also_read,
    case_row,
    grid_body,
    layer_body,
    own_reading,
    state_for,
    structure_bodies,
    verdict_body,
    version_of,
)
from dapatlas.review.server.schemas.cases import CaseDetail
from dapatlas.review.server.schemas.queue import Cases, PlanBody
from dapatlas.review.verdict import Kind

router = APIRouter(prefix="/api/cases", tags=["cases"])

FOR_EVER = "private, max-age=31536000, immutable"
ASK_AGAIN = "private, no-cache"
CHUNK_BYTES = 1 << 20

_RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))")


class VolumeFile(FileResponse):
    """A volume, sent in large pieces; it is compressed already."""

    chunk_size = CHUNK_BYTES


@router.get("", responses=answers(401))
def cases(shared: Shared, login: Asking) -> Cases:
    """The cases that the plan wants read, in its order."""
    plan, facts = shared.store.plan(), shared.known().facts
    claims: defaultdict[str, list[Claim]] = defaultdict(list)
    for claim in shared.store.claims(utc_now()):
        claims[claim.case].append(claim)
    found, said = shared.standing.outcomes(facts, plan), shared.standing.said()
    return Cases(
        plan=PlanBody.model_validate(plan.as_dict()),
        cases=[
            case_row(facts[case], found[case], said.get(case, ()), claims.get(case, ()), login)
            for case in shared.standing.order(facts, plan)
        ],
    )


@router.get("/{case_id}", responses=answers(401, 404))
def case(case_id: str, shared: Shared, login: Asking) -> CaseDetail:
    """Everything that a case is opened with; at the first time its volumes are made ready, which takes seconds."""
    found = shared.case(case_id)
    facts, settings = shared.facts(found), shared.settings
    layers = open_layers(settings.dataset, found, settings.compare, settings.cache)
    files = layers[MAP].files
    digest = facts.map_sha256 if files is None else files.sha256
    verdicts = list(shared.store.verdicts(found.id))
    outcome = outcome_of(found.id, verdicts, digest, shared.store.plan().readings)
    others, own = also_read(verdicts, login), own_reading(verdicts, login)
    settled = next((each for each in verdicts if each.kind is Kind.ADJUDICATION), None)
    may_see = login.reader.role.may(Role.ADJUDICATOR)
    return CaseDetail(
        case=found.id,
        subject=facts.subject,
        sex=None if facts.sex is None else facts.sex.value,
        age_years=facts.age_years,
        map_sha256=digest,
        grid=None if files is None else grid_body(files.grid),
        layers=[layer_body(found, layer, str(settings.dataset.path)) for layer in layers.values()],
        structures=[] if files is None else structure_bodies(files, shared.scheme),
        findings=finding_bodies(settings.dataset, facts, files),
        verdict=None if own is None else verdict_body(own, digest, others),
        adjudication=verdict_body(settled, digest, others) if settled is not None and may_see else None,
        also_read_by=others,
        state=state_for(outcome, verdicts, facts, login),
    )


@router.get(
    "/{case_id}/layers/{layer}/{step}.nii.gz",
    response_class=Response,
    responses={
        **answers(401, 404, 416),
        200: {"description": "The volume", "content": {"application/gzip": {}}},
        206: {"description": "A part of it", "content": {"application/gzip": {}}},
        304: {"description": "It is what the browser has"},
    },
)
def volume(
    case_id: str,
    layer: str,
    step: Annotated[Literal["1", "2", "4"], Path()],
    request: Request,
    shared: Shared,
    login: Asking,
    v: Annotated[str | None, Query(max_length=64, description="Which content of the layer")] = None,
) -> Response:
    """A volume in one of its resolutions, for ever the same under one ``v``."""
    found = shared.case(case_id)
    path, version = _level(shared, found.id, layer, int(step))
    if v is not None and v != version:
        raise Refusal(404, "This volume has changed since; open the case again.", "changed")
    tag = f'"{version}-{step}"'
    headers = {"ETag": tag, "Cache-Control": ASK_AGAIN if v is None else FOR_EVER}
    if _has(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    _drop_odd_ranges(request)
    try:
        status = os.stat(path)  # noqa: PTH116 - what FileResponse takes
    except OSError:
        raise Refusal(404, "This volume is gone; open the case again.", "changed") from None
    return VolumeFile(path, headers=headers, media_type="application/gzip", stat_result=status)


def _level(shared: Review, case_id: str, layer: str, step: int) -> tuple[str, str]:
    """The file of a level, and the version of its content."""
    settings = shared.settings
    source = layer_sources(settings.dataset, shared.case(case_id), settings.compare).get(layer)
    if source is None:
        raise Refusal(404, "This case has no such layer.", "no-layer")
    opened = open_layer(source, case_id, settings.cache)
    files = opened.files
    if files is None:
        raise Refusal(404, "This layer cannot be shown.", "no-layer")
    level = next((each for each in files.levels if each.step == step), None)
    if level is None:
        raise Refusal(404, "This layer has no such level.", "no-level")
    return str(level.path), version_of(files)


def _has(if_none_match: str, tag: str) -> bool:
    tags = [part.strip().removeprefix("W/") for part in if_none_match.split(",")]
    return tag in tags or "*" in tags


def _drop_odd_ranges(request: Request) -> None:
    """A range that is not understood counts as none (RFC 9110, 14.2); so do several, which nobody needs."""
    match = _RANGE.fullmatch(request.headers.get("range", "").strip())
    sound = match is not None and not (match[2] and int(match[2]) < int(match[1]))
    if not sound:
        request.scope["headers"] = [item for item in request.scope["headers"] if item[0] != b"range"]
