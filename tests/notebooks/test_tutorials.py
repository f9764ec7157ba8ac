"""The tutorials run as a reader would run them, and what the pages show is what they say today."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"
NOTEBOOKS = sorted(TUTORIALS.glob("*.ipynb"))
MOST_BYTES = 1_500_000
NEEDED = ("nbclient", "ipykernel", "torch", "pandas", "blosc2")

# a kernel starts, makes phantoms and builds from them: 15 to 45 s each
by_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def runner() -> ModuleType:
    """docs/tutorials/run.py, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("run_tutorials", TUTORIALS / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_both_tutorials_are_there() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["build_an_atlas", "use_the_atlas"]


@by_notebook
def test_committed_notebook_is_small_executed_and_names_no_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    notebook = json.loads(text)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(text.encode()) < MOST_BYTES
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert not [output for cell in code for output in cell["outputs"] if output["output_type"] == "error"]
    assert not [output for cell in code for output in cell["outputs"] if output.get("name") == "stderr"]
    assert not re.search(r"/(?:home|root|tmp|work|Users|usr|opt|var)/", said(notebook))


@pytest.mark.slow
@by_notebook
def test_notebook_runs_and_says_what_is_committed(path: Path, tmp_path: Path) -> None:
    for module in NEEDED:
        pytest.importorskip(module)
    fresh = tmp_path / path.name
    # in a process of its own, as by hand: the kernel's client leaves an event loop and sockets behind
    code = (
        f"import sys, nbformat; from pathlib import Path; sys.path.insert(0, {str(TUTORIALS)!r}); import run; "
        f"nbformat.write(run.executed(Path({str(path)!r}), Path({str(tmp_path)!r})), {str(fresh)!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=400, env=quiet(), check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert said(json.loads(fresh.read_text(encoding="utf-8"))) == said(
        json.loads(path.read_text(encoding="utf-8"))
    )


def test_what_differs_from_run_to_run_is_left_out() -> None:
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("nbclient")
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python"}, "widgets": {}}
    )
    cell = nbformat.v4.new_code_cell("1", metadata={"execution": {"iopub.status.busy": "2026-01-01"}})
    picture = {"image/png": "aa", "image/jpeg": "bb", "text/plain": "picture"}
    cell.outputs = [nbformat.v4.new_output("display_data", picture, metadata={"needs": "background"})]
    notebook.cells = [cell]
    clean = runner().cleaned(notebook)
    assert clean.cells[0].metadata == {}
    assert clean.cells[0].outputs[0].data == {"image/png": "aa", "text/plain": "picture"}
    assert clean.cells[0].outputs[0].metadata == {}
    assert "widgets" not in clean.metadata


def said(notebook: dict) -> str:
    """All text that cells put out, one after the other; pictures are compared by their size alone."""
    parts = []
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            for text in (output.get("text"), data.get("text/plain"), data.get("text/html")):
                parts.append("".join(text or ""))
    return "\n".join(parts)


def quiet() -> dict[str, str]:
    """The environment without what coverage and pytest put there for processes that they start."""
    return {
        key: value for key, value in os.environ.items() if not key.startswith(("COV_", "COVERAGE", "PYTEST"))
    }
