"""Merging claims: trust, votes, silence, wholes, and what is said about disputes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dapatlas.aggregate import Bench, Claim, Merged, TrustOrder, Wholes, merge
from dapatlas.aggregate import claims as claims_module
from dapatlas.labels import dap, load_scheme

LIVER, SPLEEN, STOMACH, UNKNOWN = 13, 26, 7, 1
IDS = st.sampled_from([0, LIVER, SPLEEN, STOMACH])
MAPS = hnp.arrays(np.uint8, (3, 4, 2), elements=IDS)
NAMES = "abcd"
EVERYTHING = frozenset({LIVER, SPLEEN, STOMACH})


def claims(*rows: list[int], denies: Sequence[str] = ()) -> list[Claim]:
    """One claim a row; those named in ``denies`` know everything, and their silence is evidence."""
    return [
        Claim.of(
            name,
            np.array(row, np.uint8),
            knows=EVERYTHING,
            denies=EVERYTHING if name in denies else frozenset(),
        )
        for name, row in zip(NAMES, rows, strict=False)
    ]


def run(
    made: Sequence[Claim],
    disagreement: str = "trust",
    *,
    order: Sequence[str] | None = None,
    specialists: dict[str, tuple[str, ...]] | None = None,
    weights: dict[str, float] | None = None,
    wholes: Wholes | None = None,
    case: str = "",
) -> Merged:
    wholes = wholes or Wholes(dap())
    trust = TrustOrder(tuple(order or (claim.expert for claim in made)), specialists or {})
    bench = Bench.of(made, trust, wholes, weights or {})
    return merge(made, bench, wholes, disagreement, case=case)  # type: ignore[arg-type]


def merged(rows: list[list[int]], disagreement: str = "trust", **specialists: tuple[str, ...]) -> list[int]:
    return run(claims(*rows), disagreement, specialists=specialists).label_map.tolist()


def test_what_one_expert_claims_is_that_experts():
    assert merged([[LIVER, 0, 0], [0, SPLEEN, 0]]) == [LIVER, SPLEEN, 0]


def test_the_expert_trusted_most_wins_a_dispute():
    assert merged([[LIVER], [SPLEEN]]) == [LIVER]
    assert run(claims([LIVER], [SPLEEN]), order=("b", "a")).label_map.tolist() == [SPLEEN]


def test_a_specialist_beats_a_generalist_inside_the_structure_it_is_trusted_for_and_nowhere_else():
    rows = [[LIVER, LIVER, SPLEEN], [SPLEEN, STOMACH, LIVER]]
    assert merged(rows, spleen=("b",)) == [SPLEEN, LIVER, SPLEEN]


@pytest.mark.parametrize(
    ("column", "winner"),
    [
        ([LIVER, SPLEEN, SPLEEN], SPLEEN),  # two against one
        ([LIVER, SPLEEN, STOMACH], LIVER),  # a tie: trust decides
        ([0, SPLEEN, 0], SPLEEN),  # silence is no vote
        ([LIVER, 0, SPLEEN], LIVER),
    ],
)
def test_a_vote_goes_by_majority_and_trust_breaks_ties(column: list[int], winner: int):
    assert merged([[id_] for id_ in column], "vote") == [winner]


def test_unknown_marks_disputed_voxels_and_leaves_the_others():
    rows = [[LIVER, LIVER, 0, 0], [SPLEEN, LIVER, SPLEEN, 0]]
    assert merged(rows, "unknown") == [UNKNOWN, LIVER, SPLEEN, 0]


def test_every_lost_voxel_is_told_with_claimant_and_winner():
    (finding,) = run(claims([LIVER, LIVER, 0], [SPLEEN, SPLEEN, SPLEEN]), case="x").findings
    assert (finding.case, finding.code, finding.structure, finding.voxels) == (
        "x",
        "experts-disagree",
        "spleen",
        2,
    )
    assert finding.message == "2 voxels that b calls spleen became liver"


@given(st.lists(MAPS, min_size=1, max_size=3), st.sampled_from(["trust", "vote"]))
def test_every_voxel_gets_a_word_that_somebody_said_and_none_is_lost(
    maps: list[np.ndarray], disagreement: str
):
    made = [Claim.of(name, array) for name, array in zip("abc", maps, strict=False)]
    before = [array.copy() for array in maps]
    result = run(made, disagreement).label_map
    stacked = np.stack(maps)
    assert ((stacked == result) | ((stacked == 0).all(axis=0) & (result == 0))).any(axis=0).all()
    assert ((result == 0) == (stacked == 0).all(axis=0)).all()
    assert all((a == b).all() for a, b in zip(maps, before, strict=True)), "inputs must not change"


@given(MAPS, MAPS)
def test_findings_count_the_disputed_voxels(first: np.ndarray, second: np.ndarray):
    result = run([Claim.of("a", first), Claim.of("b", second)])
    disputed = int(((first != second) & (first != 0) & (second != 0)).sum())
    assert sum(finding.voxels for finding in result.findings) == disputed


# --- silence ------------------------------------------------------------------------------------------------


def test_a_specialists_silence_strikes_out_what_it_would_have_said():
    """b knows the liver better than a, sees the voxel, and does not call it liver."""
    special = {"liver": ("b",)}
    assert run(claims([LIVER], [0], denies="b"), specialists=special).label_map.tolist() == [0]
    assert run(claims([LIVER], [0]), specialists=special).label_map.tolist() == [
        LIVER
    ]  # it may not have looked
    assert run(claims([LIVER], [0], denies="b")).label_map.tolist() == [LIVER]  # no specialist for liver
    # what it says instead counts by its general rank, once its silence has struck the rival's word
    assert run(claims([LIVER], [STOMACH], denies="b"), specialists=special).label_map.tolist() == [STOMACH]


def test_a_specialist_does_not_silence_one_that_is_trusted_more():
    special = {"liver": ("a", "b")}
    assert run(claims([LIVER], [0], denies="b"), specialists=special).label_map.tolist() == [LIVER]


def test_struck_words_are_told():
    result = run(claims([LIVER, LIVER], [0, LIVER], denies="b"), specialists={"liver": ("b",)})
    (finding,) = result.findings
    assert finding.message == "1 voxels that a calls liver were left unclaimed: others deny them"


@pytest.mark.parametrize(
    ("column", "weights", "winner"),
    [
        ([LIVER, 0, 0], {}, 0),  # two who know the liver do not see one
        ([LIVER, LIVER, 0], {}, LIVER),
        ([LIVER, 0], {}, LIVER),  # one against one: a word outweighs silence
        ([LIVER, 0, 0], {"a": 3.0}, LIVER),
        ([LIVER, SPLEEN, SPLEEN], {"a": 3.0}, LIVER),
        ([LIVER, SPLEEN, 0, 0], {}, 0),
    ],
)
def test_votes_of_experts_whose_silence_is_evidence(
    column: list[int], weights: dict[str, float], winner: int
):
    made = claims(*[[id_] for id_ in column], denies=NAMES)
    assert run(made, "vote", weights=weights).label_map.tolist() == [winner]


# --- wholes and spaces --------------------------------------------------------------------------------------

LOBES = tuple(dap()[f"lung_{lobe}_lobe_left"].id for lobe in ("upper", "lower"))
UPPER, LOWER = (dap()[f"lung_{lobe}_lobe_left"].id for lobe in ("upper", "lower"))
LUNG = 200
BODY, CAVITY = 210, 211


def lung_wholes() -> Wholes:
    from dapatlas.labels import Container

    return Wholes(
        dap(),
        {LUNG: LOBES},
        {LUNG: "lung_left", BODY: "body", CAVITY: "abdominal_cavity"},
        {Container.BODY: BODY, Container.ABDOMINAL_CAVITY: CAVITY},
    )


@pytest.mark.parametrize("disagreement", ["trust", "vote", "unknown"])
def test_a_whole_gives_way_to_its_parts_whoever_is_trusted_more(disagreement: str):
    made = claims([LUNG, LUNG, LUNG], [UPPER, 0, LOWER])
    result = run(made, disagreement, wholes=lung_wholes())
    assert result.label_map.tolist() == [UPPER, LUNG, LOWER]
    assert result.findings == ()  # no dispute


def test_a_part_speaks_with_the_trust_of_whoever_said_the_whole():
    """a, trusted most, says lung; c says which lobe; b, trusted more than c, says liver."""
    made = claims([LUNG], [LIVER], [UPPER])
    assert run(made, wholes=lung_wholes()).label_map.tolist() == [UPPER]
    assert run(claims([LIVER], [LUNG], [UPPER]), wholes=lung_wholes()).label_map.tolist() == [LIVER]


@pytest.mark.parametrize("disagreement", ["trust", "vote"])
def test_a_space_gives_way_to_everything_and_the_body_to_a_cavity(disagreement: str):
    made = claims([BODY, BODY, BODY, CAVITY, 0], [CAVITY, LIVER, 0, LUNG, BODY])
    result = run(made, disagreement, wholes=lung_wholes())
    assert result.label_map.tolist() == [CAVITY, LIVER, BODY, LUNG, BODY]
    assert result.findings == ()


def test_a_space_adds_no_vote():
    """Two say abdominal cavity, which is no word for the liver."""
    made = claims([CAVITY], [CAVITY], [LIVER], [SPLEEN])
    assert run(made, "vote", wholes=lung_wholes()).label_map.tolist() == [LIVER]


def test_chambers_are_parts_of_the_heart():
    heart, ventricle = dap()["heart"].id, dap()["heart_ventricle_left"].id
    result = run(claims([heart, heart], [ventricle, 0]))
    assert result.label_map.tolist() == [ventricle, heart]
    assert result.findings == ()


def test_every_scheme_together_leaves_ids_for_its_wholes():
    from dapatlas.labels import scheme_names

    wholes = Wholes.of((load_scheme(name) for name in scheme_names()), dap())
    ids = [*wholes.parts, *wholes.spaces.values()]
    assert len(ids) == len(set(ids))
    assert not set(ids) & set(dap().ids.tolist())


# --- who decided, who disagreed -----------------------------------------------------------------------------


def test_provenance_and_dissent():
    result = run(claims([LIVER, LIVER, 0, 0], [SPLEEN, LIVER, SPLEEN, 0], denies="a"))
    assert result.decided.tolist() == [1, 1, 2, 0]
    assert result.dissent.tolist() == [1, 0, 1, 0]  # a's silence on the spleen is evidence


def test_the_specialist_decided_what_both_say():
    assert run(claims([LIVER], [LIVER]), specialists={"liver": ("b",)}).decided.tolist() == [2]


@settings(deadline=None)
@given(st.lists(MAPS, min_size=2, max_size=4), st.sampled_from(["trust", "vote", "unknown"]))
def test_slabs_make_no_difference(maps: list[np.ndarray], disagreement: str):
    whole = run([Claim.of(n, m, denies=EVERYTHING) for n, m in zip(NAMES, maps, strict=False)], disagreement)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims_module, "SLAB_VOXELS", 1)
        made = [Claim.of(n, m, denies=EVERYTHING) for n, m in zip(NAMES, maps, strict=False)]
    sliced = run(made, disagreement)
    assert len(made[0].words) == 2
    for one, other in ((whole.label_map, sliced.label_map), (whole.decided, sliced.decided)):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(whole.dissent, sliced.dissent)
    assert whole.findings == sliced.findings
    np.testing.assert_array_equal(whole.agreement.both, sliced.agreement.both)


@given(st.lists(MAPS, min_size=2, max_size=4), st.integers(0, 2**16))
def test_trust_is_what_its_definition_says_voxel_by_voxel(maps: list[np.ndarray], seed: int):
    """Oracle: of all words said, the one whose speaker ranks first for it, specialists before generalists."""
    random = np.random.default_rng(seed)
    names = NAMES[: len(maps)]
    special = {
        name: tuple(random.permutation(list(names))[: random.integers(1, len(names) + 1)].tolist())
        for name in ("liver", "spleen")
    }
    made = [Claim.of(n, m) for n, m in zip(names, maps, strict=True)]
    result = run(made, specialists=special).label_map
    for place in np.ndindex(result.shape):
        said = [(name, dap()[int(m[place])].name) for name, m in zip(names, maps, strict=True) if m[place]]

        def rank(word: tuple[str, str]) -> tuple[int, int]:
            order = special.get(word[1], ())
            return (0, order.index(word[0])) if word[0] in order else (1, names.index(word[0]))

        expected = dap()[min(said, key=rank)[1]].id if said else 0
        assert result[place] == expected
