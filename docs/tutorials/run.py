"""Run the tutorial notebooks anew and keep their outputs: ``python docs/tutorials/run.py [NOTEBOOK …]``.

Each runs in a fresh kernel and an empty folder of its own, as a reader would run it. What differs from run to run
is left out, so that a second run changes nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from dapatlas.files import write_text

HERE = Path(__file__).parent
SECONDS_A_CELL = 300


def executed(path: Path, folder: Path) -> NotebookNode:
    """The notebook with fresh outputs; it runs in ``folder``, and the first cell that fails raises."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=SECONDS_A_CELL,
        kernel_name="python3",  # the interpreter that runs this
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
    )
    client.execute()
    return cleaned(notebook)


def cleaned(notebook: NotebookNode) -> NotebookNode:
    """Without what differs from run to run, and with only what a page needs."""
    version = {"name": "python"}  # not the exact Python, which changes nothing
    notebook.metadata = NotebookNode(kernelspec=notebook.metadata.kernelspec, language_info=version)
    for cell in notebook.cells:
        cell.metadata = NotebookNode()
        for output in cell.get("outputs", ()):
            if "metadata" in output:
                output.metadata = NotebookNode()
            if "image/png" in output.get("data", ()):  # Pillow offers the same picture as a JPEG too
                output.data.pop("image/jpeg", None)
    return notebook


def main(names: list[str]) -> None:
    """Execute the notebooks named, all by default."""
    for path in [Path(name) for name in names] or sorted(HERE.glob("*.ipynb")):
        with TemporaryDirectory() as folder:
            notebook = executed(path, Path(folder))
        write_text(path, nbformat.writes(notebook) + "\n")
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
