"""What publishing costs a case, beside what any way must read."""

from __future__ import annotations

from pathlib import Path

from benchmarks.contest import Contest, Prepared
from benchmarks.inputs import CT, MAP


def preview(folder: Path) -> Prepared:
    from dapatlas.dataset import Case
    from dapatlas.labels import dap
    from dapatlas.publish.preview import preview_row

    case = Case("ct", folder / CT, folder / MAP, dap())
    return lambda: preview_row(case)


def card_facts(folder: Path) -> Prepared:
    from dapatlas.dataset import Case
    from dapatlas.labels import dap
    from dapatlas.publish.facts import measure_case

    case = Case("ct", folder / CT, folder / MAP, dap())
    return lambda: measure_case(case)


def read_whole(folder: Path) -> Prepared:
    from dapatlas.volumes import read_label_map, read_volume

    return lambda: (read_volume(folder / CT), read_label_map(folder / MAP))


def inflate_half(folder: Path) -> Prepared:
    """Inflate CT and map up to the end of their middle slices, into memory that is mapped already."""
    from isal import igzip

    from dapatlas.volumes import read_header

    ends = {}
    for name in (CT, MAP):
        grid, header = read_header(folder / name)
        columns, rows, slices = grid.shape
        ends[name] = columns * rows * (slices // 2 + 1) * header.get_data_dtype().itemsize
    block = memoryview(bytearray(1 << 20))

    def call() -> None:
        for name, end in ends.items():
            with igzip.open(folder / name) as stream:
                done = 0
                while done < end and (got := stream.readinto(block)):
                    done += got

    return call


def contests() -> list[Contest]:
    """Rows of the table."""
    return [
        Contest(
            "preview a case",
            preview,
            read_whole,
            "reading CT and map whole",
            inflate_half,
            "inflate up to the middle",
        ),
        Contest(
            "measure a case for the card", card_facts, limit=read_whole, limit_name="reading CT and map whole"
        ),
    ]
