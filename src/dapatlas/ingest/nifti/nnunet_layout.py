"""nnU-Net's layout, in which the data of autoPET III, IV and V comes: ``imagesTr/<name>_<channel>.nii.gz``.

Channel 0000 is the CT, 0001 the PET in SUV, and ``labelsTr/<name>.nii.gz`` the lesions (description of
PSMA-FDG-PET-CT-Lesions, fdat.uni-tuebingen.de/records/6gjsg-zcg93); autoPET IV adds channels for clicks. **The CT
there is resampled to the grid of the PET.** The released masks of the atlas lie on the CTs' own grids, so that
these CTs do not go with them; to have those, ingest the DICOM series from TCIA.

Names are ``fdg_<subject>_<date>-NA-<description>-<study5>`` and ``psma_<subject>_<date>``; what becomes of them
:func:`dapatlas.ingest.case_names.challenge_name` tells.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dapatlas.dataset.names import SUFFIXES, parse_case_name
from dapatlas.findings import Finding
from dapatlas.ingest.case_names import Named, case_name, challenge_name
from dapatlas.ingest.codes import Code, finding
from dapatlas.ingest.fault import IngestError
from dapatlas.ingest.nifti.autopet import check_folder
from dapatlas.ingest.nifti.found import Found, Item, on_grid_of_pet, without_clashes
from dapatlas.ingest.nifti.hounsfield import shows_air

IMAGE_FOLDERS = {"imagesTr": "labelsTr", "imagesTs": "labelsTs"}  # images, and where their labels are
DESCRIPTION = "dataset.json"
CT_CHANNEL, PET_CHANNEL = 0, 1  # where the description does not say
PET_NAMES = ("pet", "pt", "suv")
LOOKS = 3  # cases whose slices are looked at, to see that the CT is the CT

_FILE = re.compile(r"(?P<name>.+)_(?P<channel>[0-9]{4})")


@dataclass(frozen=True, slots=True)
class Channels:
    """Which channel is which; ``pet`` is ``None`` where there is none, ``declared`` if a description says so."""

    ct: int
    pet: int | None
    declared: bool


@dataclass(frozen=True, slots=True)
class _Case:
    """One name in a folder of images: its files by channel, and where its labels would be."""

    name: str
    files: Mapping[int, Path]
    labels: Path


def find_nnunet(source: Path) -> Found:
    """Find the cases in nnU-Net's layout.

    Parameters
    ----------
    source
        The folder with ``imagesTr`` or ``imagesTs``, one of those, or a folder above.

    Returns
    -------
    Found
        One item a case that has a CT. Studies of autoPET get the names that the atlas knows them by; others keep
        theirs. Findings are, among others: that CTs were resampled to the PET, once for all of them; names that
        cannot be a case's; cases without a CT; labels without images; a description that cannot be read.

    Raises
    ------
    IngestError
        There is no such folder; or the channel that should be the CT shows no air while another does.
    """
    check_folder(source)
    items: list[Item] = []
    findings: list[Finding] = []
    for folder in _image_folders(source):
        some, said = _of_folder(folder)
        items += some
        findings += said
    taken, clashes = without_clashes(items)
    findings += [*clashes, *_resampled(taken)]
    if not items and not findings:
        findings.append(_nothing(source))
    return Found(taken, tuple(findings))


def channels_of(description: Mapping[str, Any]) -> Channels:
    """Which channel is the CT, by ``channel_names`` (nnU-Net v2) or ``modality`` (v1) of a dataset.json.

    Several channels may be called CT, since nnU-Net takes from that name how to normalise; then it is the first.
    """
    names = description.get("channel_names") or description.get("modality") or {}
    pairs = names.items() if isinstance(names, Mapping) else ()
    named = {int(n): str(name).casefold() for n, name in pairs if str(n).isdecimal()}
    cts = sorted(n for n, name in named.items() if name in ("ct", "ctres"))
    pets = sorted(n for n, name in named.items() if name in PET_NAMES)
    if not cts:
        return Channels(CT_CHANNEL, PET_CHANNEL, declared=False)
    others = [n for n in named if n != cts[0]]
    assumed = PET_CHANNEL if PET_CHANNEL in others else None
    return Channels(cts[0], pets[0] if pets else assumed, declared=True)


def _image_folders(source: Path) -> Iterator[Path]:
    for place, folders, _ in os.walk(source.absolute()):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if Path(place).name in IMAGE_FOLDERS:
            yield Path(place)
            folders.clear()


def _of_folder(folder: Path) -> tuple[list[Item], list[Finding]]:
    """Items and findings of one folder of images."""
    description, findings = _description(folder.parent / DESCRIPTION)
    channels = channels_of(description)
    cases, strays = _cases(folder)
    findings += [
        finding("", Code.UNUSED_FILE, f"{stray}: no <name>_<channel>", file=str(stray)) for stray in strays
    ]
    _check_channels(cases, channels)
    items = []
    for case in cases:
        told = _item(case, channels)
        if isinstance(told, Item):
            items.append(told)
            findings += _plain_name(told)
        else:
            findings.append(told)
    return items, [*findings, *_lone_labels(folder, {case.name for case in cases})]


def _description(path: Path) -> tuple[dict[str, Any], list[Finding]]:
    if not path.is_file():
        return {}, []
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        why = "" if isinstance(told, dict) else "it is no JSON object"
    except (OSError, ValueError) as error:
        told, why = {}, str(error)
    if not why:
        return told, []
    said = f"{path}: cannot be read ({why}); channel {CT_CHANNEL:04d} was taken for the CT"
    return {}, [finding("", Code.CORRUPT_FILE, said, file=str(path))]


def _cases(folder: Path) -> tuple[list[_Case], list[Path]]:
    """Cases by name, and files that are of none."""
    files: dict[str, dict[int, Path]] = {}
    strays = []
    for path in sorted(folder.iterdir()):
        stem, suffix = _split(path.name)
        match = _FILE.fullmatch(stem)
        if path.name.startswith(".") or not path.is_file():
            continue
        if suffix and match:
            files.setdefault(match["name"], {})[int(match["channel"])] = path
        else:
            strays.append(path)
    labels = folder.parent / IMAGE_FOLDERS[folder.name]
    return [_Case(name, files[name], _labels(labels, name)) for name in sorted(files)], strays


def _labels(folder: Path, name: str) -> Path:
    return next(
        (path for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").is_file()),
        folder / f"{name}.nii.gz",
    )


def _split(file_name: str) -> tuple[str, str]:
    suffix = next((suffix for suffix in SUFFIXES if file_name.endswith(suffix)), "")
    return file_name.removesuffix(suffix), suffix


def _check_channels(cases: Iterable[_Case], channels: Channels) -> None:
    """Raise IngestError where the first cases show that another channel is the CT."""
    for case in [case for case in cases if channels.ct in case.files][:LOOKS]:
        if shows_air(case.files[channels.ct]):
            continue
        for channel, path in case.files.items():
            if channel != channels.ct and shows_air(path):
                source = DESCRIPTION if channels.declared else "the usual order"
                raise IngestError(
                    Code.NOT_A_CT,
                    f"{case.files[channels.ct]} is the CT by {source}, and shows no air; {path.name} does, so "
                    f"the channels seem to be swapped; say in {DESCRIPTION}, under channel_names, which is the CT",
                )


def _item(case: _Case, channels: Channels) -> Item | Finding:
    ct = case.files.get(channels.ct)
    known = challenge_name(case.name)
    if ct is None:
        return finding(
            known.case if known else case.name,
            Code.NO_CT,
            f"{case.name} has no channel {channels.ct:04d}, which is the CT",
            file=str(next(iter(case.files.values()))),
            expected=f"{case.name}_{channels.ct:04d}.nii.gz",
            found=", ".join(path.name for path in case.files.values()),
        )
    try:
        named = known or _own(case.name)
    except IngestError as error:
        return finding(
            "", error.code, f"{ct}: {error}; it was left out", file=str(ct), remedy="rename its files"
        )
    pet = None if channels.pet is None else case.files.get(channels.pet)
    lesions = case.labels if case.labels.is_file() else None
    return Item(named.case, named.subject, named.study5, ct, pet, lesions, case.name)


def _own(name: str) -> Named:
    """A case that is not of autoPET keeps its name; raises IngestError where that cannot be a case's."""
    told = parse_case_name(case_name(name))
    return Named(name, told.subject, told.study or "")


def _plain_name(item: Item) -> list[Finding]:
    """A finding where a name does not tell whose studies belong together."""
    if item.study5:
        return []
    return [
        finding(
            item.case,
            Code.UNKNOWN_NAME,
            f"{item.case}: the name tells no subject, so it counts as a subject of its own",
            file=str(item.ct),
            expected="fdg_<subject>_<study>, psma_<subject>_<date> or AutoPET_<subject>_<five digits>",
            remedy="rename it if other studies of the same person are there",
        )
    ]


def _lone_labels(folder: Path, names: set[str]) -> list[Finding]:
    labels = folder.parent / IMAGE_FOLDERS[folder.name]
    if not labels.is_dir():
        return []
    files = sorted(
        path for path in labels.iterdir() if _split(path.name)[1] and not path.name.startswith(".")
    )
    return [
        finding("", Code.NO_PARTNER, f"{path}: there is no image of that name", file=str(path))
        for path in files
        if _split(path.name)[0] not in names
    ]


def _resampled(items: Iterable[Item]) -> list[Finding]:
    """One finding for all CTs that have the grid of their PET."""
    with_pet = [item for item in items if item.pet is not None]
    resampled = [item for item in with_pet if on_grid_of_pet(item)]
    if not resampled:
        return []
    one = resampled[0]
    return [
        finding(
            "",
            Code.CT_RESAMPLED,
            f"{len(resampled)} of {len(with_pet)} CTs have the grid of their PET, as those of autoPET III and later "
            f"do, such as {one.ct.name}: they were resampled, and the masks of the atlas, which lie on the grids "
            "of the CTs themselves, do not fit them",
            file=str(one.ct),
            expected="the CT's own grid",
            found="the PET's",
        )
    ]


def _nothing(source: Path) -> Finding:
    return finding(
        "",
        Code.NO_FILES,
        f"{source}: no case in nnU-Net's layout was found",
        file=str(source),
        expected="imagesTr/<name>_0000.nii.gz",
        remedy="give the folder that holds imagesTr or imagesTs",
    )
