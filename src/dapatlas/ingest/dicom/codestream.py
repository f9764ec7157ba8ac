"""What the first bytes of compressed pixels say of their size, looked at before a decoder is let loose on them.

Decoders take that size on trust: one flipped bit makes them ask for all memory there is, or end the whole process. JPEG
and JPEG-LS: ITU-T T.81 B.2.2 and T.87 C.2.2, frame header; JPEG 2000: ITU-T T.800 A.5.1, image and tile size.
"""

from __future__ import annotations

import struct

J2K_START = b"\xff\x4f\xff\x51"  # start of codestream, then image and tile size
JPEG_START = b"\xff\xd8"
SOF = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})  # frame headers, F7 of JPEG-LS
BARE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length
JP2_BOXES = 200  # bytes: some writers put the codestream into the boxes of a JP2 file
MOST_TILES = 4096


def size_of(code: bytes) -> tuple[int, int] | None:
    """Rows and columns of a JPEG, JPEG-LS or JPEG 2000 codestream; ``None`` where it makes no sense.

    Of JPEG 2000 all components must be as large as the image, in a sensible number of tiles.
    """
    try:
        start = code.find(J2K_START, 0, JP2_BOXES)
        if start >= 0:
            return _j2k(code[start + 4 :])
        return _jpeg(code) if code.startswith(JPEG_START) else None
    except (struct.error, IndexError):
        return None


def _j2k(code: bytes) -> tuple[int, int] | None:
    x, y, x0, y0, tile_x, tile_y, tile_x0, tile_y0, components = struct.unpack(">8IH", code[4:38])
    columns, rows = x - x0, y - y0
    steps = [tuple(code[39 + 3 * n : 41 + 3 * n]) for n in range(components)]
    if min(columns, rows, tile_x, tile_y) < 1 or steps != [(1, 1)] * components:
        return None
    tiles = -(-(x - tile_x0) // tile_x) * -(-(y - tile_y0) // tile_y)
    return (rows, columns) if 0 < tiles <= MOST_TILES else None


def _jpeg(code: bytes) -> tuple[int, int] | None:
    place = 2
    while code[place] == 0xFF:
        marker = code[place + 1]
        if marker == 0xFF:  # markers may be filled up
            place += 1
        elif marker in BARE:
            place += 2
        elif marker in SOF:
            rows, columns = struct.unpack(">HH", code[place + 5 : place + 9])
            return rows, columns
        else:
            place += 2 + int(struct.unpack(">H", code[place + 2 : place + 4])[0])
    return None
