"""`dapatlas publish`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dapatlas.cli.options import JobsOption, JsonOption, QuietOption, SchemeOption, print_json
from dapatlas.cli.publish_approved import approval_as_dict, approved_cases, published_view
from dapatlas.cli.review_words import DATABASE_VARIABLE
from dapatlas.files import size_in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dapatlas.dataset import Dataset
    from dapatlas.findings import Finding
    from dapatlas.pipeline.approved import Approval
    from dapatlas.publish.push import Pushed
    from dapatlas.publish.upload_plan import UploadPlan

CACHE = Path(".dapatlas", "sha256.json")


def publish(
    dataset: Annotated[
        Path, typer.Argument(help="Folder with masks/, README.md, data/.", show_default=False)
    ],
    repo: Annotated[
        str | None, typer.Option(help="Where to, e.g. `my-lab/my-atlas`.", show_default=False)
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would go up and what not; touch no network.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check the files against SHA256SUMS, and stop.")
    ] = False,
    private: Annotated[bool, typer.Option("--private", help="Make the repository private.")] = False,
    with_cts: Annotated[
        bool, typer.Option("--with-cts", help="The CTs too, where their licence allows it (atlas.toml).")
    ] = False,
    with_subjects: Annotated[bool, typer.Option("--with-subjects", help="subjects.csv too.")] = False,
    approved_only: Annotated[
        bool,
        typer.Option("--approved-only", help="Only cases that readers approved, with remarks or without."),
    ] = False,
    database: Annotated[
        str | None,
        typer.Option(
            envvar=DATABASE_VARIABLE,
            help="Database of the review, for --approved-only; that in the data set by default.",
            show_default=False,
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File with the token; by default HF_TOKEN or `hf auth login`.", show_default=False),
    ] = None,
    scheme: SchemeOption = "dap",
    jobs: JobsOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Upload a data set to the Hugging Face Hub: masks, card, preview, splits, checksums.

    Only what belongs to a published data set goes up; everything else is listed as left out, with the reason. Before
    anything is sent, the data set is validated and SHA256SUMS written. Run it again after an interruption: what has
    arrived is not sent twice. Tokens are never printed. With `--approved-only`, neither the maps of other cases go up
    nor their rows of the preview, their names in splits, their share in the card's numbers. Exit code 1 when something
    is missing or unsound, or when `--verify` finds a difference.

    **Examples**

        dapatlas publish DAP_Atlas --dry-run

        dapatlas publish DAP_Atlas --repo my-lab/dap-atlas --private

        dapatlas publish DAP_Atlas --approved-only --repo my-lab/dap-atlas

        dapatlas publish DAP_Atlas --verify
    """
    from dataclasses import replace
    from functools import partial

    from dapatlas.dataset import Dataset
    from dapatlas.labels import find_scheme
    from dapatlas.publish.atlas_info import atlas_info
    from dapatlas.publish.push import check_repo_name
    from dapatlas.publish.ready import missing_parts
    from dapatlas.publish.upload_plan import plan_upload

    opened = Dataset(dataset, find_scheme(scheme))
    silent = quiet or as_json
    if verify:
        _verify(published_view(opened) if approved_only else opened, as_json=as_json, silent=silent)
        return
    if repo is None and not dry_run:
        raise typer.BadParameter("give where to publish", param_hint="--repo")
    if repo is not None:
        check_repo_name(repo)
    info = atlas_info(dataset, opened.scheme.name)
    planned = partial(
        plan_upload,
        with_cts=with_cts,
        cts_allowed=info.ct_redistributable,
        ct_licence=info.ct_licence,
        with_subjects=with_subjects,
    )
    plan = planned(opened)
    findings = missing_parts(opened, plan)
    allowed = None
    if approved_only:
        _stop_at_errors(opened, findings, as_json=as_json, quiet=quiet)
        whole, stays = opened, plan.left_out
        opened, allowed = approved_cases(whole, database, jobs, silent=silent)
        plan = replace(planned(opened), left_out=(*stays, *allowed.as_left_out(whole)))
    if dry_run:
        _show(opened, plan, findings, allowed, as_json=as_json, quiet=quiet)
        return
    _stop_at_errors(opened, findings, as_json=as_json, quiet=quiet)
    _stop_at_errors(opened, _unsound(opened, jobs, silent=silent), as_json=as_json, quiet=quiet)
    assert repo is not None  # seen to above
    pushed = _send(opened, plan, repo, private, token_file, allowed, silent=silent)
    _tell(pushed, plan, findings, allowed, as_json=as_json, quiet=quiet)


def _unsound(dataset: Dataset, jobs: int | None, *, silent: bool) -> list[Finding]:
    from dapatlas.cli.progress import case_progress
    from dapatlas.publish.ready import unsound

    with case_progress("validating", quiet=silent) as progress:
        return unsound(dataset, jobs, progress)


def _send(
    dataset: Dataset,
    plan: UploadPlan,
    repo: str,
    private: bool,
    token_file: Path | None,
    allowed: Approval | None,
    *,
    silent: bool,
) -> Pushed:
    from dapatlas.cli.progress import case_progress
    from dapatlas.publish.checksums import write_sums
    from dapatlas.publish.push import push, read_token
    from dapatlas.publish.upload_plan import with_sums

    token = read_token(token_file) if token_file else None
    with case_progress("checksums", quiet=silent) as progress:
        digests = write_sums(dataset.path, plan.sources, dataset.path / CACHE, progress)
    if allowed is not None:
        allowed.check(digests)
    with case_progress("uploading", quiet=silent) as progress:
        return push(with_sums(plan, dataset), digests, repo, private=private, token=token, progress=progress)


def _verify(dataset: Dataset, *, as_json: bool, silent: bool) -> None:
    from dapatlas.cli.progress import case_progress
    from dapatlas.cli.validate import print_findings
    from dapatlas.findings import has_errors
    from dapatlas.publish.checksums import SUMS, read_sums, verify_sums
    from dapatlas.publish.upload_plan import plan_upload

    listed = read_sums(dataset.path / SUMS)
    there = plan_upload(dataset).sources
    with case_progress("verifying", quiet=silent) as progress:
        findings = verify_sums(dataset.path, listed, there, progress)
    if as_json:
        print_json({"files": len(listed), "findings": [finding.as_dict() for finding in findings]})
    elif not silent:
        if findings:
            print_findings(dataset, findings)
        typer.echo(f"{len(listed)} files listed in {dataset.path / SUMS}, {len(findings)} findings")
    if has_errors(findings):
        raise typer.Exit(1)


def _stop_at_errors(dataset: Dataset, findings: Sequence[Finding], *, as_json: bool, quiet: bool) -> None:
    from dapatlas.cli.validate import print_findings
    from dapatlas.findings import has_errors

    if not has_errors(findings):
        return
    if as_json:
        print_json({"state": "not ready", "findings": [finding.as_dict() for finding in findings]})
    elif not quiet:
        print_findings(dataset, findings)
        typer.echo("nothing was sent")
    raise typer.Exit(1)


def _show(
    dataset: Dataset,
    plan: UploadPlan,
    findings: Sequence[Finding],
    allowed: Approval | None,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """What would happen."""
    from dapatlas.cli.validate import print_findings
    from dapatlas.findings import has_errors

    if as_json:
        said = [finding.as_dict() for finding in findings]
        print_json({"state": "dry run", **_plan_as_dict(plan), **approval_as_dict(allowed), "findings": said})
    elif not quiet:
        _print_plan(plan)
        if findings:
            print_findings(dataset, findings)
        typer.echo("dry run: nothing was sent; before an upload the data set is validated too")
    if has_errors(findings):
        raise typer.Exit(1)


def _plan_as_dict(plan: UploadPlan) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "files": [{"name": file.name, "bytes": file.bytes} for file in plan.files],
        "bytes": plan.bytes,
        "left_out": [asdict(left) for left in plan.left_out],
    }


def _print_plan(plan: UploadPlan) -> None:
    """A line a file; of a folder with many, a line for all of them."""
    from rich.table import Table
    from rich.text import Text

    from dapatlas.cli.console import output

    table = Table("goes up", "files", "size", box=None, pad_edge=False)
    stays = Table("stays here", "files", "size", "why", box=None, pad_edge=False)
    for column in (*table.columns[1:3], *stays.columns[1:3]):
        column.justify = "right"
    groups: dict[str, list[int]] = {}
    for file in plan.files:
        folder, slash, _ = file.name.rpartition("/")
        groups.setdefault(f"{folder}{slash}" or file.name, []).append(file.bytes)
    for name, sizes in groups.items():
        table.add_row(Text(name), str(len(sizes)), size_in_words(sum(sizes)))
    table.add_row(Text("together (and SHA256SUMS)"), str(len(plan.files)), size_in_words(plan.bytes))
    for left in plan.left_out:
        stays.add_row(Text(left.name), str(left.files), size_in_words(left.bytes), Text(left.why))
    output().print(table)
    if plan.left_out:
        output().print(stays)


def _tell(
    pushed: Pushed,
    plan: UploadPlan,
    findings: Sequence[Finding],
    allowed: Approval | None,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    from dataclasses import asdict

    if as_json:
        said = [finding.as_dict() for finding in findings]
        rest = {"bytes": plan.bytes, **approval_as_dict(allowed), "findings": said}
        print_json({"state": "published", **asdict(pushed), **rest})
        return
    if quiet:
        return
    for finding in findings:
        typer.echo(f"{finding.severity}: {finding.message}; {finding.remedy}")
    if pushed.others:
        few = ", ".join(pushed.others[:3]) + (", …" if len(pushed.others) > 3 else "")
        typer.echo(
            f"{len(pushed.others)} files in the repository are not of this data set and were left: {few}"
        )
    typer.echo(
        f"{pushed.sent} files sent ({size_in_words(pushed.sent_bytes)}), {pushed.already_there} were there; all "
        f"have the checksums of SHA256SUMS: {pushed.url}"
    )
