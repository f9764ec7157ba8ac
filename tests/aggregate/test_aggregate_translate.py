"""From an expert's words into the atlas's."""

from __future__ import annotations

import numpy as np
import pytest

from dapatlas.aggregate import Bench, TrustOrder, Wholes, merge, settle_wholes, translate
from dapatlas.aggregate.claims import Claim
from dapatlas.aggregate.sides import split_sides
from dapatlas.experts import Proposal
from dapatlas.findings import Finding
from dapatlas.labels import Container, LabelScheme, dap, load_scheme
from dapatlas.volumes import Grid, reorient

TS = load_scheme("totalsegmentator")
SHAPE = (20, 10, 12)
GRID = Grid.from_spacing(SHAPE, (2, 2, 2), "RAS", (-13, 0, 0))  # mid-line, x = 0, between i = 6 and i = 7


def proposal(**structures: tuple[slice, slice, slice]) -> Proposal:
    label_map = np.zeros(SHAPE, np.uint8, order="F")
    for name, place in structures.items():
        label_map[place] = TS[name].id
    return Proposal("ts", TS, label_map)


def box(i: slice, j: int = 5, k: int = 5) -> tuple[slice, slice, slice]:
    return i, slice(j, j + 2), slice(k, k + 2)


SPINE = box(slice(5, 9), j=1)  # x = -3 … 3


WHOLES = Wholes.of([TS], dap())


def claim_of(said: Proposal, grid: Grid = GRID, **options: object) -> tuple[Claim, list[Finding]]:
    return translate(said, grid, WHOLES, **options)  # type: ignore[arg-type]


def settled(
    *proposals: Proposal, grid: Grid = GRID, **options: object
) -> tuple[list[np.ndarray], list[Finding]]:
    """Each proposal as a map of atlas ids, sides cut and wholes settled, and what was said."""
    wholes = Wholes.of([proposal.scheme for proposal in proposals], dap())
    answers = [translate(proposal, grid, wholes, case="x", **options) for proposal in proposals]  # type: ignore[arg-type]
    claims, findings = split_sides([claim for claim, _ in answers], wholes, grid, "x")
    maps = []
    for claim in claims:
        label_map, said = settle_wholes(claim.label_map, wholes, grid, "x")
        maps.append(label_map)
        findings += said
    return maps, [finding for _, said in answers for finding in said] + findings


def ids(*names: str) -> set[int]:
    return {0, *(dap()[name].id for name in names)}


def test_ids_become_the_atlass():
    claim, findings = claim_of(proposal(liver=box(slice(10, 14)), rib_left_12=box(slice(0, 2))))
    assert set(np.unique(claim.label_map)) == ids("liver", "costa_1_left")
    assert (claim.label_map[10:14, 5:7, 5:7] == dap()["liver"].id).all()
    assert findings == []


def test_several_structures_may_become_one():
    said = proposal(sacrum=box(slice(5, 7)), vertebrae_S1=box(slice(7, 9)))
    claim, _ = claim_of(said)
    assert (claim.label_map == dap()["sacrum"].id).sum() == (said.label_map > 0).sum()


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR"])
def test_what_the_atlas_divides_by_side_is_cut_at_the_spine_in_any_orientation(codes: str):
    said = proposal(thyroid_gland=box(slice(2, 14)), vertebrae_C7=SPINE)
    turned, grid = reorient(said.label_map, GRID, codes)
    (label_map,), findings = settled(Proposal("ts", TS, turned), grid=grid)
    back, _ = reorient(label_map, grid, "RAS")
    left, right = dap()["thyroid_left"].id, dap()["thyroid_right"].id
    assert (back[2:7, 5:7, 5:7] == left).all()  # x < 0 is the patient's left
    assert (back[7:14, 5:7, 5:7] == right).all()
    (finding,) = findings
    assert (finding.case, finding.code, finding.structure, finding.voxels) == (
        "x",
        "split-by-midline",
        "thyroid_gland",
        48,
    )


def test_only_the_half_that_is_wanted_is_taken():
    said = proposal(thyroid_gland=box(slice(2, 14)), vertebrae_C7=SPINE)
    (label_map,), _ = settled(said, structures=["thyroid_left"])
    assert set(np.unique(label_map)) == ids("thyroid_left")


def test_what_the_atlas_divides_otherwise_needs_a_choice():
    said = proposal(sternum=box(slice(5, 9)))
    (label_map,), (finding,) = settled(said)
    assert not label_map.any()
    assert (finding.code, finding.severity, finding.voxels) == ("one-to-many", "warning", 16)
    assert 'choose = { sternum = "sternum_manubrium" }' in finding.remedy
    (label_map,), findings = settled(said, choose={"sternum": "sternum_corpus"})
    assert set(np.unique(label_map)) == ids("sternum_corpus")
    assert findings == []


def test_what_the_atlas_does_not_have_is_left_and_told():
    claim, (finding,) = claim_of(proposal(superior_vena_cava=box(slice(5, 9))))
    assert not claim.label_map.any()
    assert finding.code == "no-counterpart"


def test_an_expert_can_be_asked_for_some_structures_or_all_but_some():
    said = proposal(liver=box(slice(10, 14)), spleen=box(slice(0, 4)))
    for options, name in (({"structures": ["liver"]}, "liver"), ({"except_structures": ["liver"]}, "spleen")):
        claim, _ = claim_of(said, **options)
        assert set(np.unique(claim.label_map)) == ids(name)


def test_the_proposal_is_not_changed():
    said = proposal(thyroid_gland=box(slice(2, 14)), vertebrae_C7=SPINE)
    before = said.label_map.copy()
    settled(said)
    assert (said.label_map == before).all()


# --- sides and wholes ---------------------------------------------------------------------------------------


def scheme_of(*rows: dict[str, object], name: str = "mine", **header: object) -> LabelScheme:
    from dapatlas.labels.load import _parse

    return _parse({"name": name, "structures": [{"id": 0, "name": "background"}, *rows], **header})


KIDNEYS = scheme_of(
    {"id": 1, "name": "kidney", "dap": ["kidney_left", "kidney_right"], "relation": "contains"}
)
LOBES = ["lung_lower_lobe_left", "lung_upper_lobe_left"]
LUNG = scheme_of({"id": 1, "name": "lung_left", "dap": LOBES, "relation": "contains"})


def says(scheme: LabelScheme, expert: str, **structures: tuple[slice, slice, slice]) -> Proposal:
    label_map = np.zeros(SHAPE, np.uint8, order="F")
    for name, place in structures.items():
        label_map[place] = scheme[name].id
    return Proposal(expert, scheme, label_map)


def test_who_sees_no_spine_is_cut_by_the_spine_of_another():
    """The spine leans to the right by a voxel every two slices from the lowest vertebra up; so does the cut."""
    grid = Grid.from_spacing(SHAPE, (20, 20, 40), "RAS", (-130, 0, 0))
    spine = {
        f"vertebrae_L{n}": (slice(9 - n, 13 - n), slice(1, 3), slice(12 - 2 * n, 13 - 2 * n))
        for n in (1, 3, 5)
    }
    kidneys = says(KIDNEYS, "kidneys", kidney=(slice(0, 20), slice(5, 6), slice(0, 12)))
    (_, label_map), findings = settled(says(TS, "ts", **spine), kidneys, grid=grid)
    borders = (label_map[:, 5] == dap()["kidney_left"].id).sum(axis=0)  # how far left reaches in each slice
    assert borders[[2, 6, 10]].tolist() == [6, 8, 10]  # the middles of L5, L3 and L1
    assert (np.diff(borders) >= 0).all()
    (cut,) = [finding for finding in findings if finding.code == "split-by-midline"]
    assert cut.severity == "info"
    assert cut.message.endswith("through the spine of ts")


def test_without_any_spine_the_cut_is_in_the_middle_and_a_warning():
    kidneys = says(KIDNEYS, "kidneys", kidney=box(slice(2, 14)))
    (label_map,), (finding,) = settled(kidneys)
    assert (label_map == dap()["kidney_left"].id).sum() == (label_map == dap()["kidney_right"].id).sum() == 24
    assert finding.severity == "warning"


def test_a_lung_without_lobes_goes_to_the_nearest_lobe_and_to_nobody_without_any():
    lung, upper, lower = LUNG["lung_left"].id, *(dap()[name].id for name in reversed(LOBES))
    wholes = Wholes.of([LUNG], dap())
    (whole,) = wholes.parts
    label_map = np.zeros(SHAPE, np.uint8, order="F")
    label_map[4:8, 4:8, 0:12] = whole
    label_map[4:8, 4:8, 0:2] = lower
    label_map[4:8, 4:8, 9:12] = upper
    label_map[15, 5, 5] = dap()["liver"].id
    made, (finding,) = settle_wholes(label_map.copy(order="F"), wholes, GRID)
    assert lung == 1
    assert (made[4:8, 4:8, 2:5] == lower).all()
    assert (made[4:8, 4:8, 6:9] == upper).all()
    assert (made[4:8, 4:8, 5] == lower).all()  # as far from both: the lower id
    assert lower < upper
    assert (finding.code, finding.voxels) == ("whole-to-nearest-part", 4 * 4 * 7)
    label_map[label_map == upper] = label_map[label_map == lower] = 0
    made, (finding,) = settle_wholes(label_map, wholes, GRID)
    assert (made != 0).sum() == 1
    assert finding.code == "one-to-many"


def test_a_heart_without_its_chambers_is_heart_tissue():
    label_map = np.zeros(SHAPE, np.uint8, order="F")
    label_map[4:8, 4:8, 4:8] = dap()["heart"].id
    unchanged, findings = settle_wholes(label_map.copy(order="F"), WHOLES, GRID)
    assert (unchanged == label_map).all()  # nobody knows chambers: it is the heart
    assert findings == []
    label_map[5, 5, 5] = dap()["heart_atrium_left"].id
    unchanged, findings = settle_wholes(label_map.copy(order="F"), WHOLES, GRID)
    assert (
        unchanged == label_map
    ).all()  # an appendage, as TotalSegmentator labels it, is no set of chambers
    assert findings == []
    label_map[6, 5, 5] = dap()["heart_ventricle_left"].id
    made, (finding,) = settle_wholes(label_map.copy(order="F"), WHOLES, GRID)
    assert (made == dap()["heart_tissue"].id).sum() == 62 == finding.voxels
    made, findings = settle_wholes(label_map.copy(order="F"), WHOLES, GRID, heart_is_tissue=False)
    assert (made == label_map).all()  # somebody told the two apart
    assert findings == []


# --- what an expert knows, and what its silence says --------------------------------------------------------


def test_knowledge_and_silence_follow_the_scheme_and_the_recipe():
    rows = (
        {"id": 1, "name": "liver"},
        {"id": 2, "name": "liver_tumour", "dap": ["liver"], "relation": "part_of"},
        {"id": 3, "name": "myoma", "dap": ["uterus"], "relation": "part_of"},
        {"id": 4, "name": "kidney", "dap": ["kidney_left", "kidney_right"], "relation": "contains"},
        {"id": 5, "name": "lung_left", "dap": LOBES, "relation": "contains"},
        {"id": 6, "name": "trunk", "relation": "none", "container": "body"},
    )
    named = {name: dap()[name].id for name in ("liver", "kidney_left", "kidney_right", "uterus", *LOBES)}
    knows = {named[name] for name in ("liver", "kidney_left", "kidney_right")}  # a part is not the whole

    def claim(absent: str, **options: object) -> Claim:
        scheme = scheme_of(*rows, absent=absent)
        made, _ = translate(
            says(scheme, "a", liver=box(slice(2, 4))), GRID, Wholes.of([scheme], dap()), **options
        )  # type: ignore[arg-type]
        return made

    assert claim("not_annotated").knows == knows
    assert claim("not_annotated").denies == set()
    assert claim("not_annotated", silence=True).denies == knows | {named[lobe] for lobe in LOBES}
    assert claim("truly_absent").denies == knows | {named[lobe] for lobe in LOBES}
    assert claim("truly_absent", silence=False).denies == set()
    assert claim("truly_absent", structures=["liver"]).denies == {named["liver"]}
    assert claim("truly_absent", except_structures=["liver"]).knows == knows - {named["liver"]}


def test_spaces_and_wholes_have_ids_beyond_the_atlas():
    scheme = scheme_of(
        {"id": 1, "name": "trunk", "relation": "none", "container": "body"},
        {"id": 2, "name": "lung_left", "dap": LOBES, "relation": "contains"},
    )
    wholes = Wholes.of([scheme], dap())
    claim, findings = translate(
        says(scheme, "a", trunk=box(slice(2, 9)), lung_left=box(slice(3, 5))), GRID, wholes
    )
    assert set(np.unique(claim.label_map)) == {0, *wholes.parts, wholes.spaces[Container.BODY]}
    assert not set(np.unique(claim.label_map)[1:]) & set(dap().ids.tolist())
    assert findings == []


def test_voxels_that_were_not_annotated_are_not_seen():
    """As in SAROS, which annotates every fifth slice: elsewhere its silence says nothing."""
    scheme = scheme_of(
        {"id": 1, "name": "liver"},
        {"id": 255, "name": "ignore", "relation": "none", "ignored": True},
        absent="truly_absent",
    )
    sparse = says(scheme, "sparse", liver=(slice(2, 9), slice(5, 7), slice(0, 12)))
    sparse.label_map[..., 1::2] = 255
    wholes = Wholes.of([scheme, TS], dap())
    claim, findings = translate(sparse, GRID, wholes)
    assert findings == []
    words, sees = claim.says(0)
    assert set(np.unique(words)) == ids("liver")
    assert sees is not None
    sees = sees.reshape(SHAPE, order="F")
    assert sees[..., ::2].all()
    assert not sees[..., 1::2].any()
    other, _ = translate(proposal(liver=(slice(2, 12), slice(5, 7), slice(0, 12))), GRID, wholes)
    order = TrustOrder(("ts", "sparse"), {"liver": ("sparse", "ts")})
    merged = merge([other, claim], Bench.of([other, claim], order, wholes, {}), wholes).label_map
    assert (merged[9:12, 5:7, ::2] == 0).all()  # denied by who looked
    assert (merged[2:12, 5:7, 1::2] == dap()["liver"].id).all()
