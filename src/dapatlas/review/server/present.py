"""From what the review knows to what goes over the wire; and who gets to see what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import quote

from dapatlas.dataset import Case
from dapatlas.labels import LabelScheme, Side
from dapatlas.review.accounts import Login, Role
from dapatlas.review.case_index import CaseFacts
from dapatlas.review.layer_files import LayerFiles
from dapatlas.review.layers import Layer
from dapatlas.review.outcome import DECIDED, Outcome, State, is_stale, outcome_of
from dapatlas.review.plan import Claim
from dapatlas.review.server.schemas.cases import GridBody, LayerBody, LevelBody, StructureBody
from dapatlas.review.server.schemas.queue import CaseRow
from dapatlas.review.server.schemas.session import Scheme, SchemeStructure
from dapatlas.review.server.schemas.verdicts import AlsoRead, VerdictBody
from dapatlas.review.verdict import Kind, Verdict
from dapatlas.volumes import Grid

TELLING = {*DECIDED.values(), State.DISAGREEMENT}  # states that tell what somebody said


def scheme_body(scheme: LabelScheme) -> Scheme:
    """What the numbers of every map mean, background left out."""
    return Scheme(
        name=scheme.name,
        structures=[
            SchemeStructure(
                id=each.id,
                name=each.name,
                title=each.display_name,
                color="#{:02x}{:02x}{:02x}".format(*each.colour),
                side=None if each.side is Side.NONE else each.side.value,
                region=each.region.value,
            )
            for each in scheme
            if each.id
        ],
    )


def own_reading(verdicts: Iterable[Verdict], login: Login) -> Verdict | None:
    """What whoever asks said of a case."""
    name = login.reader.name
    return next((each for each in verdicts if each.reader == name and each.kind is Kind.READING), None)


def also_read(verdicts: Iterable[Verdict], login: Login) -> list[AlsoRead]:
    """Who else has read a case, and when: all that a plain reader gets to know of it."""
    return [
        AlsoRead(reader=each.reader, saved_at=each.saved_at)
        for each in verdicts
        if each.kind is Kind.READING
        and each.reader != login.reader.name
        and each.content.decision is not None
    ]


def verdict_body(verdict: Verdict, map_sha256: str, others: list[AlsoRead]) -> VerdictBody:
    """A verdict, and whether its map has changed since."""
    stale = is_stale(verdict, map_sha256)
    return VerdictBody.model_validate({**verdict.as_dict(), "stale": stale, "also_read_by": others})


def state_for(outcome: Outcome, verdicts: Iterable[Verdict], facts: CaseFacts, login: Login) -> State:
    """How a case stands, as far as whoever asks may know.

    A plain reader gets what follows from their own verdict; what others said shows as ``reading``: somebody read it.
    """
    if login.reader.role.may(Role.ADJUDICATOR) or outcome.state not in TELLING:
        return outcome.state
    own = own_reading(verdicts, login)
    alone = outcome_of(outcome.case, [own] if own else [], facts.map_sha256, outcome.needed).state
    return alone if alone in TELLING else State.READING


def case_row(
    facts: CaseFacts, outcome: Outcome, verdicts: Sequence[Verdict], claims: Sequence[Claim], login: Login
) -> CaseRow:
    """A case in the queue."""
    own, me = own_reading(verdicts, login), login.reader.name
    decision = None if own is None else own.content.decision or "open"
    by = sorted(claims, key=lambda claim: (claim.reader == me, claim.reader))
    return CaseRow(
        case=facts.case,
        subject=facts.subject,
        errors=facts.errors,
        warnings=facts.warnings,
        remarks=facts.remarks,
        outliers=facts.outliers,
        disagreement=facts.disagreement,
        state=state_for(outcome, verdicts, facts, login),
        readings=len(outcome.readings),
        needed=outcome.needed,
        mine=decision,
        mine_stale=own is not None and is_stale(own, facts.map_sha256),
        claimed_by=by[0].reader if by else None,
    )


def grid_body(grid: Grid) -> GridBody:
    """Where voxels lie."""
    return GridBody(shape=grid.shape, spacing_mm=grid.spacing, affine=grid.affine.tolist())


def layer_body(case: Case, layer: Layer, folder: str) -> LayerBody:
    """A volume that can be shown; its addresses change with its content. Paths of the server are not told."""
    return LayerBody(
        name=layer.name,
        title=layer.title,
        kind=layer.kind,
        levels=[] if layer.files is None else _levels(case, layer.name, layer.files),
        error=layer.error.replace(f"{layer.source.parent}/", "").replace(f"{folder}/", "") or None,
    )


def version_of(files: LayerFiles) -> str:
    """What tells one content of a layer from another, in addresses and tags."""
    return files.sha256[:16]


def _levels(case: Case, layer: str, files: LayerFiles) -> list[LevelBody]:
    base = f"/api/cases/{quote(case.id, safe='')}/layers/{quote(layer, safe='')}"
    return [
        LevelBody(
            step=level.step,
            url=f"{base}/{level.step}.nii.gz?v={version_of(files)}",
            shape=level.shape,
            spacing_mm=level.spacing_mm,
            bytes=level.bytes,
        )
        for level in files.levels
    ]


def structure_bodies(files: LayerFiles, scheme: LabelScheme) -> list[StructureBody]:
    """Where each structure of a map is; a number that the scheme does not know is its own name."""
    return [
        StructureBody(
            id=place.id,
            name=scheme[place.id].name if place.id in scheme else str(place.id),
            voxels=place.voxels,
            ml=place.ml,
            center=place.center,
            center_mm=place.center_mm,
            box=place.box,
        )
        for place in files.places
    ]
