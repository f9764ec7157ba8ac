"""May a data set go up? What has to be there, and that it is sound."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from dapatlas import __version__
from dapatlas.dataset import Code, Dataset, validate
from dapatlas.dataset.manifest import MANIFEST
from dapatlas.errors import DapatlasError
from dapatlas.extras import needed
from dapatlas.files import write_json
from dapatlas.findings import Finding, Severity, has_errors
from dapatlas.publish.upload_plan import CARD, CROISSANT, DATA, UploadPlan

STAMP = Path(".dapatlas", "validated.json")
FILE_MISSING, PREVIEW_STALE, NO_SPLITS = "publish-file-missing", "preview-stale", "no-splits"

Progress = Callable[[int, int], None]


def missing_parts(dataset: Dataset, plan: UploadPlan) -> list[Finding]:
    """What a published data set has and this one lacks, and the command that makes it; reads no volume."""
    folder = dataset.path
    wanted = (
        (CARD in plan.names, CARD, f"dapatlas card {folder}"),
        (CROISSANT in plan.names, CROISSANT, f"dapatlas card {folder}"),
        (_has(plan, f"{DATA}/"), f"{DATA}/*.parquet", f"dapatlas preview {folder}"),
        (
            "labels.json" in plan.names,
            "labels.json",
            f"dapatlas labels export --out {folder / 'labels.json'}",
        ),
        (_has(plan, "masks/"), "masks/*.nii.gz", f"dapatlas build RECIPE.toml --out {folder}"),
    )
    findings = [
        Finding(
            "",
            Severity.ERROR,
            FILE_MISSING,
            f"there is no {name}",
            file=str(folder / name),
            expected=name,
            remedy=f"run `{command}`",
        )
        for there, name, command in wanted
        if not there
    ]
    if _has(plan, f"{DATA}/"):
        findings += _stale_preview(dataset)
    if not _has(plan, "splits/"):
        story = "there are no splits, so everybody will make others"
        findings.append(
            Finding("", Severity.WARNING, NO_SPLITS, story, remedy=f"run `dapatlas split {folder}`")
        )
    return findings


def _has(plan: UploadPlan, folder: str) -> bool:
    return any(file.name.startswith(folder) for file in plan.files)


def _stale_preview(dataset: Dataset) -> list[Finding]:
    """A preview has a row a case."""
    parquet = needed("pyarrow.parquet", "hub", "to look into the preview table")
    paths = sorted((dataset.path / DATA).glob("*.parquet"))
    try:
        rows = sum(parquet.read_metadata(path).num_rows for path in paths)
    except Exception as error:  # pyarrow's own, of several kinds
        raise DapatlasError(
            f"{dataset.path / DATA}: a file cannot be read as Parquet ({error}); run `dapatlas preview {dataset.path}`"
        ) from None
    if not dataset.cases or rows == len(dataset.cases):  # without CTs the preview cannot be made again here
        return []
    return [
        Finding(
            "",
            Severity.ERROR,
            PREVIEW_STALE,
            f"the preview table has {rows} rows, the data set {len(dataset.cases)} cases",
            file=str(dataset.path / DATA),
            expected=f"{len(dataset.cases)} rows",
            found=f"{rows} rows",
            remedy=f"run `dapatlas preview {dataset.path}`, then `dapatlas card {dataset.path}`",
        )
    ]


def unsound(dataset: Dataset, jobs: int | None = None, progress: Progress | None = None) -> list[Finding]:
    """Errors that ``dapatlas validate`` finds; a data set found sound is not read again until a file changes.

    That CTs are missing is no error in a data set that has none at all.
    """
    stamp = dataset.path / STAMP
    now = _fingerprint(dataset)
    if _read_stamp(stamp) == now:
        return []
    findings = validate(dataset, jobs, progress, deep=True)
    if not any(case.image_path for case in (*dataset.cases, *dataset.unpaired)):
        findings = [finding for finding in findings if not _misses_a_ct(finding, dataset)]
    if not has_errors(findings):
        write_json(stamp, now)
        return []
    return [finding for finding in findings if finding.severity is Severity.ERROR]


def _misses_a_ct(finding: Finding, dataset: Dataset) -> bool:
    """Whether a label map lacks its CT, or the manifest's CT is not there."""
    if finding.code == Code.MANIFEST_MISSING:
        return Path(finding.file).parent == dataset.images_dir
    return finding.code == Code.MISSING_IMAGE


def _fingerprint(dataset: Dataset) -> str:
    """Of all that validation looks at: version, scheme, and name, size and time of every file."""
    digest = hashlib.sha256(f"{__version__}\0{dataset.scheme.name}".encode())
    folders = (dataset.images_dir, dataset.masks_dir)
    files = [path for folder in folders if folder.is_dir() for path in folder.iterdir()]
    for path in sorted([*files, dataset.labels_path, dataset.path / MANIFEST, *dataset.path.glob("*.csv")]):
        if path.exists():
            status = path.stat()
            digest.update(
                f"\0{path.relative_to(dataset.path)}\0{status.st_size}\0{status.st_mtime_ns}".encode()
            )
    return digest.hexdigest()


def _read_stamp(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return ""
