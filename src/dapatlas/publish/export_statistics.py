"""A table of all structures of all cases, as Parquet and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from dapatlas.dataset import Case
from dapatlas.errors import GridMismatchError
from dapatlas.extras import needed
from dapatlas.files import whole_file, write_json, write_text
from dapatlas.publish.exports import Export, Written
from dapatlas.publish.statistics import COLUMNS, structure_statistics

PARTS = Path(".dapatlas") / "statistics"  # a file a case: what a run that was killed need not measure again
TABLE = "structures"
EXTRA = "tables"


@dataclass(frozen=True)
class StatisticsExport(Export):
    """``OUT/structures.parquet`` and ``OUT/structures.csv``, a row a structure of a case."""

    kind: ClassVar[str] = "stats"
    needs_ct: ClassVar[bool] = True

    def outputs(self, case: Case, out: Path) -> tuple[Path, ...]:
        """The case's rows, out of which the tables are made in the end."""
        return (out / PARTS / f"{case.id}.json",)

    def write(self, case: Case, out: Path) -> Written:
        """Measure a case.

        Raises
        ------
        GridMismatchError
            CT and label map are not on one grid.
        """
        ct, (volume, lost) = case.ct(), self.read(case)
        differences = volume.grid.differences(ct.grid)
        if differences:
            raise GridMismatchError(
                f"{case.mask_path}: not on the grid of {case.image_path}: {'; '.join(differences)}; "
                "`dapatlas validate` tells more"
            )
        rows = structure_statistics(volume.array, ct.array, volume.grid, self.labels.scheme)
        who = {"case": case.id, "subject": case.subject}
        (path,) = self.outputs(case, out)
        write_json(path, [{**who, **row.as_dict()} for row in rows])
        return Written(len(rows), lost)

    def finish(self, out: Path, cases: Sequence[Case], failed: Sequence[Case]) -> None:
        """Put the tables together."""
        rows = list(self._rows(out, cases))
        write_text(out / f"{TABLE}.csv", _csv(rows))
        pyarrow = needed("pyarrow", EXTRA, "to write Parquet")
        parquet = needed("pyarrow.parquet", EXTRA, "to write Parquet")
        types = pyarrow.schema([(name, pyarrow.type_for_alias(kind)) for name, kind in COLUMNS.items()])
        with whole_file(out / f"{TABLE}.parquet") as scratch:
            parquet.write_table(pyarrow.Table.from_pylist(rows, types), scratch)

    def _rows(self, out: Path, cases: Sequence[Case]) -> Iterator[dict[str, Any]]:
        for case in cases:
            (path,) = self.outputs(case, out)
            yield from json.loads(path.read_text(encoding="utf-8"))


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
