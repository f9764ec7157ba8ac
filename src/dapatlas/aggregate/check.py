"""What is wrong with a recipe and the files that it names, told before any voxel is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from dapatlas.aggregate.check_files import check_case
from dapatlas.aggregate.recipe import ExpertSettings, Recipe
from dapatlas.aggregate.supply import Way, fills, found_by_any, silence_counts, supplies
from dapatlas.aggregate.wholes import Wholes
from dapatlas.dataset import Case
from dapatlas.errors import RecipeError
from dapatlas.findings import Finding, Severity
from dapatlas.labels import LabelScheme, Relation, crosswalk, load_scheme
from dapatlas.parallel import map_cases

Progress = Callable[[int, int], None]


def check_recipe(
    recipe: Recipe, cases: Sequence[Case], *, jobs: int | None = 1, progress: Progress | None = None
) -> list[Finding]:
    """Check a recipe against its schemes and its files; of volumes, headers alone are read.

    Parameters
    ----------
    recipe
        The recipe.
    cases
        The cases that it finds.
    jobs
        Worker processes for the headers; 1 works in this process, ``None`` takes one a processor.
    progress
        Called with how many cases are done, and of how many, before the first and after each.

    Returns
    -------
    list
        Errors, which will make a build fail for all or some cases, then warnings, then what is good to know; within
        these about the recipe first, then by case.
    """
    findings = list(check_settings(recipe))
    missing = dict.fromkeys((expert.name for expert in recipe.experts if not expert.required), 0)
    if progress:
        progress(0, len(cases))
    answers = map_cases(partial(check_case, recipe=recipe), cases, jobs)
    for done, (case, answer) in enumerate(answers, 1):
        if isinstance(answer, Exception):
            findings.append(Finding(case.id, Severity.ERROR, "check-failed", str(answer)))
        else:
            findings += answer
        for expert in recipe.experts:
            if not expert.required and not expert.inputs(case):
                missing[expert.name] += 1
        if progress:
            progress(done, len(cases))
    findings += [_optional(name, count, len(cases)) for name, count in missing.items() if count]
    severities = list(Severity)
    return sorted(findings, key=lambda one: (severities.index(one.severity), one.case))


def check_settings(recipe: Recipe) -> Iterator[Finding]:
    """What can be told of a recipe from the schemes alone."""
    atlas = recipe.atlas
    try:
        Wholes.of((load_scheme(expert.scheme) for expert in recipe.experts), atlas)
        yield from _uncovered(recipe, atlas)
        yield from _idle_orders(recipe, atlas)
        yield from _idle_consensus(recipe, atlas)
        for expert in recipe.experts:
            yield from _idle_structures(expert, atlas)
            yield from _strange_choices(expert, atlas)
    except RecipeError as error:
        yield Finding("", Severity.ERROR, "too-many-wholes", str(error))
    table = recipe.refine.sex_table if recipe.refine else None
    if table is not None and not table.is_file():
        yield Finding(
            "",
            Severity.ERROR,
            "missing-file",
            f"refine.sex_table: there is no file {table}",
            file=str(table),
            remedy="add the file, correct the path, or leave the key out",
        )


def _uncovered(recipe: Recipe, atlas: LabelScheme) -> Iterator[Finding]:
    """Structures that will be in no map: those that the recipe keeps out of the same experts in one finding each."""
    found = found_by_any(recipe) | fills(recipe).keys()
    # whatever the recipe takes from them
    known = {expert.name: supplies(expert, atlas, restricted=False) for expert in recipe.experts}
    kept_out: dict[tuple[str, ...], list[str]] = {}
    for name in (structure.name for structure in atlas if structure.name not in found):
        able = tuple(expert for expert, hows in known.items() if (how := hows.get(name)) and how.finds)
        kept_out.setdefault(able, []).append(name)
    nobody = kept_out.pop((), [])
    for able, names in kept_out.items():
        them = "it" if len(names) == 1 else "them"
        yield Finding(
            "",
            Severity.WARNING,
            "left-out",
            f"{', '.join(names)}: no expert supplies {them}, for the recipe leaves {them} out of {' and '.join(able)}",
            structure=names[0] if len(names) == 1 else "",
            remedy="take what should be in the atlas from such an expert by `structures` or `except`",
        )
    if nobody:
        yield Finding(
            "",
            Severity.WARNING,
            "no-supplier",
            f"no expert supplies {len(nobody)} of the {len(atlas)} structures of {atlas.name}: "
            f"{', '.join(nobody)}",
            remedy="add an expert that knows them, or take note that they will be absent",
        )


def _idle_orders(recipe: Recipe, atlas: LabelScheme) -> Iterator[Finding]:
    experts = {expert.name: expert for expert in recipe.experts}
    for structure, order in recipe.merge.structures.items():
        for name in order:
            how = supplies(experts[name], atlas).get(atlas[structure].name)
            denies = how is not None and silence_counts(experts[name])  # says where a part cannot be
            if (how is None or not how.finds) and not denies:
                yield _idle(
                    f"merge.structures.{structure}",
                    f"the expert {name!r} never claims {structure}",
                    structure,
                )


def _idle_consensus(recipe: Recipe, atlas: LabelScheme) -> Iterator[Finding]:
    for structure in recipe.merge.staple:
        knowing = [
            expert.name
            for expert in recipe.experts
            if (how := supplies(expert, atlas).get(atlas[structure].name))
            and how.way in (Way.EQUAL, Way.SPLIT)
        ]
        if len(knowing) < 2:
            who = f"{knowing[0]} alone knows" if knowing else "no expert knows"
            yield _idle("merge.staple", f"{who} {structure}; STAPLE needs two", structure)


def _idle_structures(expert: ExpertSettings, atlas: LabelScheme) -> Iterator[Finding]:
    able = supplies(expert, atlas, restricted=False)
    for key, named in (("structures", expert.structures or ()), ("except", expert.except_structures)):
        idle = [name for name in named if atlas[name].name not in able]
        if idle:
            message = f"{expert.scheme} has nothing that goes to {', '.join(idle)}"
            yield _idle(f"expert {expert.name}: {key}", message, idle[0])


def _strange_choices(expert: ExpertSettings, atlas: LabelScheme) -> Iterator[Finding]:
    links = crosswalk(expert.scheme, atlas)
    for source, chosen in expert.choose.items():
        link = links[source]
        usual = [target.name for target in link.targets]
        if link.relation is not Relation.NONE and atlas[chosen].name not in usual:
            yield Finding(
                "",
                Severity.WARNING,
                "strange-choice",
                f"expert {expert.name}: choose gives {source} to {chosen}, but {expert.scheme} says it is "
                f"{' and '.join(usual)}",
                structure=chosen,
                remedy="make sure that this is meant",
            )


def _idle(where: str, message: str, structure: str) -> Finding:
    return Finding(
        "",
        Severity.WARNING,
        "no-effect",
        f"{where}: {message}",
        structure=structure,
        remedy="correct the name, or leave it out: it changes nothing",
    )


def _optional(name: str, missing: int, cases: int) -> Finding:
    return Finding(
        "",
        Severity.INFO,
        "optional-missing",
        f"expert {name}: is optional, and has no file for {missing} of {cases} cases",
    )
