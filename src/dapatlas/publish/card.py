"""The dataset card: YAML front matter as the Hugging Face Hub reads it, a marker, and the text."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from dapatlas.errors import DapatlasError
from dapatlas.extras import needed
from dapatlas.publish.atlas_info import AtlasInfo
from dapatlas.publish.card_summary import CardFacts
from dapatlas.publish.card_text import card_text
from dapatlas.publish.schema import PREVIEW_FEATURES
from dapatlas.publish.table import DATA, TableFacts

CARD = "README.md"
DIGEST_LENGTH = 16

# The Hub's buckets: https://huggingface.co/docs/hub/datasets-cards
SIZES = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")

# SPDX identifiers, in lower case, of licences that the Hub spells otherwise:
# https://huggingface.co/docs/hub/repositories-licenses
SPELT_OTHERWISE = {"odbl-1.0": "odbl", "odc-by-1.0": "odc-by", "pddl-1.0": "pddl"}
HUB_LICENCES = {
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "isc", "unlicense", "cc0-1.0"),
    *("cc-by-2.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nd-4.0"),
    *("cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0"),
    *("cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
    *("cdla-sharing-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "etalab-2.0"),
    *SPELT_OTHERWISE.values(),
}
OTHER = "other"

_MARKER = re.compile(r"<!-- Written by `dapatlas card` \(([0-9a-f]+) ([0-9a-f]+)\).*? -->\n\n", re.DOTALL)


def front_matter(info: AtlasInfo, table: TableFacts | None, volumes: int) -> dict[str, Any]:
    """Keys and values of the card's YAML block, in order.

    Parameters
    ----------
    info
        The fixed texts.
    table
        The preview table; without it there are no sizes, and no files for the Hub to show.
    volumes
        Number of cases.
    """
    licence = hub_licence(info.mask_licence)
    front: dict[str, Any] = {"license": licence}
    if licence == OTHER:
        front["license_name"] = info.mask_licence.lower()
    front |= {
        "task_categories": list(info.task_categories),
        "modality": list(info.modality),
        "language": list(info.language),
        "tags": list(info.tags),
        "pretty_name": info.pretty_name,
        "size_categories": [size_category(table.examples if table else volumes)],
    }
    features = [
        {"name": name, "dtype": kind} for name, kind in (table.features if table else PREVIEW_FEATURES)
    ]
    if table is None:
        return {**front, "dataset_info": {"features": features}}
    files = [{"split": split.name, "path": f"{DATA}/{split.name}-*"} for split in table.splits]
    front["configs"] = [{"config_name": "default", "data_files": files}]
    front["dataset_info"] = {
        "features": features,
        "splits": [
            {"name": split.name, "num_bytes": split.num_bytes, "num_examples": split.num_examples}
            for split in table.splits
        ],
        "download_size": table.download_size,
        "dataset_size": table.dataset_size,
    }
    return front


def hub_licence(spdx: str) -> str:
    """The Hub's spelling of an SPDX identifier; ``other`` where it has none.

    Examples
    --------
    >>> hub_licence("Apache-2.0"), hub_licence("ODbL-1.0"), hub_licence("TCIA-Restricted")
    ('apache-2.0', 'odbl', 'other')
    """
    lowered = SPELT_OTHERWISE.get(spdx.lower(), spdx.lower())
    return lowered if lowered in HUB_LICENCES else OTHER


def size_category(examples: int) -> str:
    """The Hub's bucket for a number of examples.

    Examples
    --------
    >>> size_category(533), size_category(1000), size_category(2 * 10**12)
    ('n<1K', '1K<n<10K', 'n>1T')
    """
    bucket = next((place for place in range(len(SIZES)) if examples < 1000 * 10**place), None)
    if bucket is None:
        return f"n>{SIZES[-1]}"
    return f"n<{SIZES[0]}" if bucket == 0 else f"{SIZES[bucket - 1]}<n<{SIZES[bucket]}"


def dataset_card(info: AtlasInfo, facts: CardFacts, croissant: str) -> str:
    """The whole ``README.md``.

    Parameters
    ----------
    info, facts
        The fixed texts, and what was measured.
    croissant
        Text of the ``croissant.json`` that goes with it; the marker remembers it.

    Raises
    ------
    DapatlasError
        huggingface_hub is not installed, or does not read the card as it was meant.
    """
    hub = needed("huggingface_hub", "hub", "to write the dataset card")
    front = front_matter(info, facts.table, facts.dataset.cases)
    block = hub.DatasetCardData(**front).to_yaml(original_order=list(front))
    text = card_text(info, facts)
    marker = (
        f"<!-- Written by `dapatlas card` ({_digest(block + text)} {_digest(croissant)}). Its facts are measured: "
        "change its words in atlas.toml and run it again, or delete this line to keep your edits. -->"
    )
    card = f"---\n{block}\n---\n\n{marker}\n\n{text}"
    read = hub.DatasetCard(card)
    if read.data.to_dict() != front or read.data.to_yaml(original_order=list(front)) != block:
        raise DapatlasError(
            f"{info.pretty_name}: huggingface_hub reads another front matter from the card than was written; look for "
            "odd characters in atlas.toml"
        )
    return card


def refused_by_hub(card: str) -> str:
    """Ask the Hub whether it takes a card; what it objects to, or nothing. Needs the network.

    Raises
    ------
    DapatlasError
        The Hub does not answer.
    """
    hub = needed("huggingface_hub", "hub", "to ask the Hub about the card")
    try:
        hub.DatasetCard(card).validate(repo_type="dataset")
    except ValueError as error:
        return str(error)
    except Exception as error:  # whatever client it uses: no network, no answer, a refusal for other reasons
        raise DapatlasError(f"the Hugging Face Hub cannot be asked about the card: {error}") from None
    return ""


def foreign_files(card: Path, croissant: Path) -> list[Path]:
    """Which of both files somebody else wrote, or changed since ``dapatlas card`` wrote them.

    The marker in the card holds digests of what was written.
    """
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    marker = _MARKER.search(text)
    if marker is None:
        return [path for path in (card, croissant) if path.is_file()]
    block, rest = text[: marker.start()], text[marker.end() :]
    foreign = []
    if _digest(block.removeprefix("---\n").removesuffix("\n---\n\n") + rest) != marker[1]:
        foreign.append(card)
    if croissant.is_file() and _digest(croissant.read_text(encoding="utf-8")) != marker[2]:
        foreign.append(croissant)
    return foreign


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]
