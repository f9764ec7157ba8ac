"""`dapatlas fetch`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dapatlas.cli.fetch_words import (
    Report,
    byte_progress,
    describe,
    offer_as_dict,
    print_offer,
    print_parts,
    tell,
)
from dapatlas.cli.options import JsonOption, QuietOption, print_json

if TYPE_CHECKING:
    from dapatlas.ingest.fetch.nbia_series import Fetched
    from dapatlas.ingest.fetch.offer import Offer
    from dapatlas.ingest.fetch.sources import Part


def fetch(
    part: Annotated[
        str | None,
        typer.Argument(help="What to fetch; without it, all parts are listed.", show_default=False),
    ] = None,
    dest: Annotated[
        Path | None,
        typer.Argument(help="Folder to put it into; without it, the part is described.", show_default=False),
    ] = None,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="You have read the licence and accept it.")
    ] = False,
    subject: Annotated[
        list[str] | None,
        typer.Option(help="`ct`: only of this subject; may be given again.", show_default=False),
    ] = None,
    modality: Annotated[
        list[str] | None,
        typer.Option(help="`ct`: CT, PT or SEG, may be given again; CT by default.", show_default=False),
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(
            help="`ct`: only the studies that the masks in this zip or folder are of.", show_default=False
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be downloaded, and how much.")
    ] = False,
    sources: Annotated[
        Path | None,
        typer.Option(help="A table of sources of your own, e.g. of mirrors (TOML).", show_default=False),
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fetch the parts of the atlas from where they are published: masks, CTs, clinical data.

    Without arguments, lists what there is, how large, and under which licence. The licence is shown, and must be
    accepted, before anything is downloaded. Run it again after an interruption: what has arrived is not downloaded
    twice. Checksums are verified where they are published. What no program can fetch is explained step by step. Exit
    code 1 when single series could not be fetched, 2 when nothing could.

    **Examples**

        dapatlas fetch

        dapatlas fetch masks downloads/

        dapatlas fetch ct dicom/ --masks downloads/Atlas_final_dataset_V1_533.zip --dry-run

        dapatlas fetch ct dicom/ --subject 0011f3deaf --modality CT --modality PT --accept-licence
    """
    from dapatlas.ingest.fetch.sources import part as part_named
    from dapatlas.ingest.fetch.sources import parts

    if part is None:
        print_parts(parts(sources), as_json=as_json)
        return
    wanted = part_named(part, sources)
    if (subject or modality or masks) and not wanted.nbia:
        raise typer.BadParameter(f"{part} comes as a whole: --subject, --modality and --masks are for `ct`")
    if dest is None:
        describe(wanted, as_json=as_json)
        return
    silent = quiet or as_json
    if not dry_run and not wanted.is_by_hand:
        _accept([f"{wanted.licence} ({wanted.licence_url})"], wanted, accept_licence, silent=silent)
    with _by_hand_told(wanted):
        offer = _offer(wanted, modality, subject, masks)
    if not silent:
        print_offer(wanted, offer)
    if dry_run:
        if as_json:
            print_json({"part": wanted.name, "state": "dry run", **offer_as_dict(offer)})
        return
    if told := offer.licences_beyond(wanted.licence):
        _accept(
            [f"{licence} (by what the server says)" for licence in told],
            wanted,
            accept_licence,
            silent=silent,
        )
    _fetch(wanted, offer, dest, as_json=as_json, quiet=quiet)


def _offer(wanted: Part, modality: list[str] | None, subject: list[str] | None, masks: Path | None) -> Offer:
    from dapatlas.ingest.fetch.offer import offer_of
    from dapatlas.ingest.nifti.released_masks import find_masks

    cases = set(find_masks(masks).members) if masks else set()
    return offer_of(
        wanted, modalities=[name.upper() for name in modality or []], subjects=subject or [], cases=cases
    )


def _fetch(wanted: Part, offer: Offer, dest: Path, *, as_json: bool, quiet: bool) -> None:
    silent = quiet or as_json
    files, ended = [], []
    with _by_hand_told(wanted), byte_progress(quiet=silent) as report:
        if wanted.nbia:
            ended = _fetch_series(wanted, offer, dest, report)
        else:
            files = _fetch_files(offer, dest, report)
    failed = [one for one in ended if one.state == "failed"]
    untried = len(offer.series) - len(ended)
    if as_json:
        series = [
            {"uid": one.series.uid, "case": one.series.case, "state": one.state, "error": one.error}
            for one in ended
        ]
        state = "incomplete" if failed or untried else "fetched"
        result = {"part": wanted.name, "state": state, "files": list(map(str, files)), "series": series}
        print_json({**result, "not_tried": untried})
    elif not quiet:
        tell(wanted, files, ended, untried, dest)
    if failed or untried:
        raise typer.Exit(1)


def _fetch_files(offer: Offer, dest: Path, report: Report) -> list[Path]:
    from dapatlas.ingest.fetch.download import download

    files = []
    for file in offer.files:

        def told(done: int, total: int | None, name: str = file.name) -> None:
            report(name, done, total)

        target = dest / file.name
        files.append(
            download(
                file.url,
                target,
                sha256=file.sha256,
                md5=file.md5,
                size=file.bytes,
                about=file.about_bytes,
                progress=told,
            )
        )
    return files


def _fetch_series(wanted: Part, offer: Offer, dest: Path, report: Report) -> list[Fetched]:
    from dapatlas.ingest.fetch.nbia_series import fetch_all
    from dapatlas.ingest.space import check_space

    assert wanted.nbia is not None
    due = sum(series.bytes for series in offer.series if not (dest / series.uid).is_dir())
    check_space(dest, due, f"to fetch {len(offer.series)} series")
    places = {series.uid: place for place, series in enumerate(offer.series, 1)}

    def told(series: Any, done: int, total: int | None) -> None:
        # the server does not say how large the zip will be; the files in it say how large at most
        report(f"{places[series.uid]}/{len(places)} {series.case or series.uid}", done, total or series.bytes)

    return list(fetch_all(offer.series, wanted.nbia, dest, progress=told))


@contextmanager
def _by_hand_told(wanted: Part) -> Iterator[None]:
    """Add what a person can do where a program cannot reach the source."""
    from dapatlas.ingest.codes import Code
    from dapatlas.ingest.fetch.web import DownloadError

    try:
        yield
    except DownloadError as error:
        if error.code is not Code.NO_NETWORK or wanted.is_by_hand:
            raise
        steps = "; ".join(wanted.by_hand)
        raise DownloadError(f"{error}. By hand, from {wanted.page}: {steps or 'see there'}") from None


def _accept(licences: Sequence[str], wanted: Part, accepted: bool, *, silent: bool) -> None:
    """Show licences and have them accepted, by the option or by a person at a terminal."""
    from dapatlas.ingest.codes import Code
    from dapatlas.ingest.fault import IngestError

    said = "; ".join(licences)
    if not silent:
        typer.echo(f"{wanted.title}: licence {said}", err=True)
        typer.echo(f"stated by: {wanted.licence_from}; to cite: {wanted.citation}", err=True)
    if accepted:
        return
    if silent or not _at_terminal():
        code = Code.LICENSE_NOT_ACCEPTED
        raise IngestError(code, f"{wanted.name}: {code.meaning}: {said}; read it, then give --accept-licence")
    typer.confirm("Do you accept it?", abort=True, err=True)


def _at_terminal() -> bool:
    return sys.stdin.isatty()
