"""A collection on a stand-in for a server that runs NBIA: two subjects, three studies, a CT and a PET each."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile

from stand_in_server import Served, Web

from dapatlas.ingest.fetch.sources import NbiaSource

ROOT = "1.3.6.1.4.1.14519.5.2.1.4219.6651"


def dicom(number: int) -> bytes:
    return bytes(128) + b"DICM" + bytes([number]) * 5_000


def packed(files: dict[str, bytes], sums: dict[str, str] | None = None) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        if sums is not None:
            rows = [f"{name},{digest}" for name, digest in sums.items()]
            archive.writestr("md5hashes.csv", "\n".join(["Filename,MD5Hash", *rows]) + "\n")
    return stream.getvalue()


def images(count: int, seed: int) -> dict[str, bytes]:
    return {f"{n:08}.dcm": dicom(seed + n) for n in range(1, count + 1)}


def sums_of(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.md5(content).hexdigest() for name, content in files.items()}


class Nbia:
    """A collection on the stand-in server: two subjects, three studies."""

    def __init__(self, web: Web) -> None:
        self.web = web
        self.source = NbiaSource(
            api=web.url("/services/v4"), found_in="here", collection="FDG-PET-CT-Lesions"
        )
        self.rows: list[dict[str, object]] = []
        for number, (patient, study) in enumerate(
            (("PETCT_aa11", "00445"), ("PETCT_aa11", "77001"), ("PETCT_bb22", "33002"))
        ):
            for kind, modality in enumerate(("CT", "PT")):
                self.add(f"{ROOT}.{number}.{kind}", patient, f"{ROOT}.9.{study}", modality, 4)

    def add(self, uid: str, patient: str, study: str, modality: str, count: int) -> None:
        files = images(count, seed=10 * len(self.rows))
        self.rows.append(
            {
                "SeriesInstanceUID": uid,
                "StudyInstanceUID": study,
                "PatientID": patient,
                "Modality": modality,
                "ImageCount": count,
                "FileSize": sum(map(len, files.values())),
                "LicenseName": "Creative Commons Attribution 4.0 International License",
            }
        )
        for kind in ("CT", "PT", "SEG"):
            listed = [row for row in self.rows if row["Modality"] == kind]
            query = f"/services/v4/getSeries?Collection=FDG-PET-CT-Lesions&Modality={kind}"
            self.web.files[query] = Served(json.dumps(listed).encode() if listed else b"")
        self.web.files[self.name(uid)] = Served(
            packed({**files, "LICENSE": b"CC BY 4.0"}, sums_of(files)), etag="", chunked=True
        )

    def name(self, uid: str) -> str:
        return f"/services/v4/getImageWithMD5Hash?SeriesInstanceUID={uid}"

    def served(self, uid: str) -> Served:
        return self.web.files[self.name(uid)]
