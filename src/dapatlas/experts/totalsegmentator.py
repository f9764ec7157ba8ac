"""TotalSegmentator as an expert, where the user has it: its Python API, in a process of its own.

It is not part of any extra of dapatlas: it brings its own versions of nnU-Net and torch, and weights with their own
terms. So it may also live in another environment, whose interpreter the recipe names. The function that is called, its
arguments and the names of its devices are those of ``totalsegmentator/python_api.py`` of TotalSegmentator 2.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal, Self

from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from dapatlas.dataset import Case
from dapatlas.errors import BadFileError, BadLabelsError, DapatlasError
from dapatlas.experts.expert import Proposal
from dapatlas.experts.kept import Kept, made_from
from dapatlas.experts.label_maps import read_ids
from dapatlas.experts.nnunet.device import alone_on
from dapatlas.experts.ready import ReadyExpert, SchemeName, check_ids, on_ct_grid
from dapatlas.labels import load_scheme, scheme_names
from dapatlas.volumes import Grid

TOTAL = "total"  # the task whose scheme has no suffix
PREFIX = "totalsegmentator"
V1 = f"{PREFIX}_v1"  # of the same task in an older version; no task of version 2
ABSENT = 42  # exit status that says: no such package
LAST_LINES = 12  # of its output that an error repeats

# What the other interpreter runs; it may lack dapatlas, so this stands by itself.
SCRIPT = f"""
import json, os, sys
from importlib.util import find_spec
if find_spec("totalsegmentator") is None:
    sys.exit({ABSENT})
from totalsegmentator.python_api import totalsegmentator
asked = json.loads(sys.argv[1])
target = asked.pop("target")
made = totalsegmentator(output=target, ml=True, quiet=True, **asked)
if not os.path.isfile(target) and made is not None:
    made.to_filename(target)
"""


class TotalSegmentator(ReadyExpert):
    """TotalSegmentator, run on each CT when it is asked, or read from what it said before."""

    kind: Literal["totalsegmentator"] = "totalsegmentator"
    scheme: SchemeName = Field("", validate_default=False, description="follows from the task")
    files: str = Field("", description="where its maps are kept, with {case}; nowhere when absent")
    task: str = Field(TOTAL, description="as TotalSegmentator calls it")
    fast: bool = Field(False, description="its model at 3 mm")
    device: str = Field("cpu", description="cpu, cuda, cuda:1 … or mps")
    python: str | None = Field(None, description="interpreter of the environment that has TotalSegmentator")

    @model_validator(mode="before")
    @classmethod
    def _scheme_of_task(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or not isinstance(raw.get("task", TOTAL), str):
            return raw
        task = raw.get("task", TOTAL)
        scheme = PREFIX if task == TOTAL else f"{PREFIX}_{task}"
        if scheme not in tasks().values():
            raise ValueError(f"task: no label scheme for the task {task!r}; known are {', '.join(tasks())}")
        if raw.get("scheme", scheme) != scheme:
            raise ValueError(f"scheme: the task {task!r} labels in {scheme}; leave `scheme` out")
        return {**raw, "scheme": scheme}

    @field_validator("device")
    @classmethod
    def _known_device(cls, value: str) -> str:
        kind, _, number = value.partition(":")
        if kind not in ("cpu", "cuda", "mps") or (number and not number.isdigit()):
            raise ValueError(f"expected cpu, cuda, cuda:1 … or mps, found {value!r}")
        return value

    @model_validator(mode="after")
    def _one_file_a_case(self) -> Self:
        if self.files and ("{case}" not in self.files or not self.files.endswith((".nii.gz", ".nii"))):
            raise ValueError("files: expected one file a case, such as totalsegmentator/{case}.nii.gz")
        return self

    @property
    def interpreter(self) -> Path:
        """The Python that has TotalSegmentator; this one where the recipe names none."""
        return Path(self.python or sys.executable)

    def path(self, case: Case) -> Path:
        """Where this case's map is kept; the interpreter where it is not."""
        return super().path(case) if self.files else self.interpreter

    def inputs(self, case: Case) -> tuple[Path, ...]:
        """The interpreter, if it is there: nothing else is known of an installation without asking it."""
        return (self.interpreter,) if self.interpreter.is_file() else ()

    def propose(self, case: Case) -> Proposal:
        """Run TotalSegmentator on the case's CT, unless a kept map is up to date.

        Raises
        ------
        DapatlasError
            It is not installed, it failed (the end of its output is repeated), or it wrote ids that its task does not
            have; the message names the case.
        """
        who = f"{case.id}: expert {self.name!r}"
        if case.image_path is None:
            raise BadFileError(f"{who}: the case has no CT to label")
        if not self.interpreter.is_file():
            raise DapatlasError(
                f"{who}: there is no interpreter {self.interpreter}; name with `python` that of the environment "
                "which has TotalSegmentator"
            )
        settings = {"task": self.task, "fast": self.fast}
        kept = Kept(self.path(case), made_from((case.image_path, self.interpreter), settings))
        if self.files and kept.is_fresh:
            array, grid = read_ids(kept.path)
        else:
            array, grid = self._labelled(who, case.image_path)
            if self.files:
                kept.write(array, grid, None, settings)
        return on_ct_grid(self.name, case, load_scheme(self.scheme), array, grid)

    def _labelled(self, who: str, image: Path) -> tuple[NDArray[Any], Grid]:
        """What it says of a CT, on the grid that it wrote."""
        with tempfile.TemporaryDirectory(prefix="dapatlas-") as scratch:
            made = Path(scratch) / "labels.nii.gz"
            self._run(who, image, made)
            array, grid = read_ids(made)
        try:
            check_ids(array, load_scheme(self.scheme), made)
        except BadLabelsError as error:
            raise BadLabelsError(f"{who}: {error}") from None
        return array, grid

    def _run(self, who: str, image: Path, target: Path) -> None:
        """Call it in a process of its own, which gives all its memory back when it ends."""
        asked = {
            "input": str(image.resolve()),
            "target": str(target),
            "task": self.task,
            "fast": self.fast,
            "device": self.device.replace("cuda", "gpu"),
        }
        command = [str(self.interpreter), "-c", SCRIPT, json.dumps(asked)]
        with alone_on(self.device):
            done = subprocess.run(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
            )
        if done.returncode == ABSENT:
            raise DapatlasError(
                f"{who}: TotalSegmentator is not installed for {self.interpreter}; install it there (pip install "
                "TotalSegmentator), or name with `python` the interpreter of an environment that has it. Maps that it "
                'wrote elsewhere are read with kind = "label-maps"'
            )
        if done.returncode or not target.is_file():
            said = "\n".join(done.stdout.strip().splitlines()[-LAST_LINES:])
            raise DapatlasError(
                f"{who}: TotalSegmentator ended with exit status {done.returncode} and no label map; it said:\n{said}"
            )


def tasks() -> dict[str, str]:
    """The tasks whose labels we know, and the scheme of each."""
    schemes = [name for name in scheme_names() if name.startswith(PREFIX) and name != V1]
    return {name.removeprefix(PREFIX).removeprefix("_") or TOTAL: name for name in schemes}
