"""A label scheme: the structures of one labelling convention."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from operator import index
from reprlib import repr as shortened
from typing import TYPE_CHECKING, Any

from dapatlas.errors import BadLabelsError
from dapatlas.labels.structure import Absence, Region, Side, Structure, TissueClass

if TYPE_CHECKING:  # imported where it is used: most of what one asks of a scheme needs no arrays
    import numpy as np
    from numpy.typing import NDArray

MAX_ID = 255  # a label map is uint8
MAX_GAPS_LISTED = 5


@dataclass(frozen=True, slots=True)
class Layout:
    """How the files of a data set come.

    Attributes
    ----------
    kind
        The kind of expert that reads them, as in recipes; empty where none does.
    files
        Path of a case's file or folder under the data set's own folder, as in recipes; empty where there is no rule.
    note
        What else one has to know.
    """

    kind: str = ""
    files: str = ""
    note: str = ""


@dataclass(frozen=True, repr=False)
class LabelScheme:
    """An immutable collection of structures in the order of their ids.

    ``scheme["liver"]``, ``scheme["Liver"]``, ``scheme[13]`` and the names that the liver goes by elsewhere
    give the same :class:`Structure`.

    Attributes
    ----------
    name
        Short name, as in recipes.
    structures
        All structures, background (id 0) first, in rising order of ids.
    title, version, licence, citation, home_page
        Where it comes from.
    absent
        What it means that a voxel has none of these labels.
    layout
        How its files come.
    sources
        The pages and files that ids and names were checked against.

    Raises
    ------
    BadLabelsError
        Ids are not strictly rising from 0 to at most 255, or two structures share a name.
    """

    name: str
    structures: tuple[Structure, ...]
    title: str = ""
    version: str = ""
    licence: str = ""
    citation: str = ""
    home_page: str = ""
    absent: Absence = Absence.NOT_ANNOTATED
    layout: Layout = Layout()
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        ids = [structure.id for structure in self.structures]
        if not ids or ids != sorted(set(ids)) or ids[0] != 0 or ids[-1] > MAX_ID:
            raise BadLabelsError(
                f"scheme {self.name!r}: expected ids that rise from 0 to at most {MAX_ID}, found {shortened(ids)}"
            )
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise BadLabelsError(f"scheme {self.name!r}: several ids share the name {', '.join(twice)}")

    def __len__(self) -> int:
        return len(self.structures)

    def __iter__(self) -> Iterator[Structure]:
        return iter(self.structures)

    def __contains__(self, key: object) -> bool:
        if isinstance(key, str):
            return folded(key) in self._by_name
        try:
            return index(key) in self._by_id  # type: ignore[arg-type]  # whatever is no integer raises
        except TypeError:
            return False

    def __getitem__(self, key: int | str) -> Structure:
        """A structure by id, or by canonical name, display name or alias, whatever the case.

        Raises
        ------
        BadLabelsError
            There is none; the message suggests what may have been meant.
        """
        found = self._by_name.get(folded(key)) if isinstance(key, str) else self._by_id.get(index(key))
        if found is None:
            raise BadLabelsError(self._unknown_name(key) if isinstance(key, str) else self._unknown_id(key))
        return found

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"LabelScheme({self.name!r}: {len(self)} ids in 0…{self.max_id})"

    def _repr_html_(self) -> str:
        from dapatlas.labels.html import scheme_html

        return scheme_html(self)

    def __getstate__(self) -> dict[str, Any]:
        """What other processes get: the data, not what was derived from it."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def _by_id(self) -> Mapping[int, Structure]:
        return {structure.id: structure for structure in self.structures}

    @cached_property
    def _by_name(self) -> Mapping[str, Structure]:
        names: dict[str, Structure] = {}
        # canonical names first: an alias never hides another structure's own name
        for spellings in (lambda s: (s.name,), lambda s: (s.display_name,), lambda s: s.aliases):
            for structure in self.structures:
                for spelling in spellings(structure):
                    names.setdefault(folded(spelling), structure)
        return names

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Canonical names in the order of ids, background included."""
        return tuple(structure.name for structure in self.structures)

    @cached_property
    def ids(self) -> NDArray[np.uint8]:
        """All ids in rising order, background included; not to be written to."""
        import numpy as np

        ids = np.array(list(self._by_id), np.uint8)
        ids.flags.writeable = False
        return ids

    @property
    def max_id(self) -> int:
        """The largest id."""
        return self.structures[-1].id

    def find(
        self,
        text: str | None = None,
        *,
        region: Region | None = None,
        side: Side | None = None,
        tissue: TissueClass | None = None,
    ) -> tuple[Structure, ...]:
        """Structures that match everything that is given, in the order of ids.

        ``text`` is matched against canonical names, display names and aliases, whatever the case; several
        words must all occur, in any order, so that ``"left kidney"`` finds ``kidney_left``.
        """
        words = [folded(word) for word in (text or "").split()]

        def matches(structure: Structure) -> bool:
            spellings = " ".join(map(folded, (structure.name, structure.display_name, *structure.aliases)))
            return (
                region in (None, structure.region)
                and side in (None, structure.side)
                and tissue in (None, structure.tissue)
                and all(word in spellings for word in words)
            )

        return tuple(filter(matches, self.structures))

    def palette(self) -> NDArray[np.uint8]:
        """Red, green and blue of each id, shape (256, 3); black where there is no structure."""
        import numpy as np

        palette = np.zeros((MAX_ID + 1, 3), np.uint8)
        for structure in self.structures:
            palette[structure.id] = structure.colour
        return palette

    def labels_json(self) -> str:
        """Text of the scheme's ``labels.json``: id to canonical name, as published with the atlas."""
        return json.dumps({str(structure.id): structure.name for structure in self.structures}, indent=1)

    def _unknown_id(self, key: int) -> str:
        gaps = [str(id_) for id_ in range(self.max_id) if id_ not in self._by_id]
        more = " …" if len(gaps) > MAX_GAPS_LISTED else ""
        without = f" without {', '.join(gaps[:MAX_GAPS_LISTED])}{more}" if gaps else ""
        return f"{self.name} has no id {key}; its ids are 0…{self.max_id}{without}"

    def _unknown_name(self, key: str) -> str:
        from difflib import get_close_matches

        close = get_close_matches(folded(key), self._by_name, n=3, cutoff=0.6)
        meant = list(dict.fromkeys(self._by_name[name].name for name in close))
        hint = f"; did you mean {' or '.join(meant)}?" if meant else ""
        return f"{self.name} has no structure {key!r}{hint}"


def folded(name: str) -> str:
    """A name as it is compared: case, and the kind of separator between words, do not matter."""
    return name.strip().lower().replace(",", "").replace(" ", "_").replace("-", "_")
