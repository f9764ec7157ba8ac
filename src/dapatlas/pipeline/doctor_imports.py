"""Imports modules one after the other and says how each went.

A program of its own, of nothing but the standard library: a broken module may take the process down with it, and a
large one (torch) is better not kept. Started as ``python -P doctor_imports.py MODULE ...``; it prints one JSON object a
line: ``{"module": ..., "state": "begun" | "fine" | "broken", "error": ...}``, and at the end ``{"torch": {...}}`` where
torch was among them.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import IO, Any


def main(names: list[str]) -> None:
    """Import them; what they print themselves goes to stderr, so that stdout has our lines alone."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as lines:
        os.dup2(2, 1)
        fine = [name for name in names if _imports(name, lines)]
        if "torch" in fine:
            _say(lines, torch=_torch())


def _imports(name: str, lines: IO[str]) -> bool:
    _say(lines, module=name, state="begun")
    try:
        importlib.import_module(name)
    except BaseException as error:  # some modules leave with SystemExit
        first = (str(error).splitlines() or [""])[0]
        _say(lines, module=name, state="broken", error=f"{type(error).__name__}: {first}")
        return False
    _say(lines, module=name, state="fine")
    return True


def _torch() -> dict[str, Any]:
    torch = importlib.import_module("torch")
    facts: dict[str, Any] = {"version": str(torch.__version__), "cuda": torch.version.cuda, "gpus": []}
    try:
        for number in range(torch.cuda.device_count()):
            about = torch.cuda.get_device_properties(number)
            facts["gpus"].append({"name": about.name, "memory_gb": about.total_memory / 1e9})
        facts["mps"] = bool(torch.backends.mps.is_available())
    except Exception as error:  # a driver that doesn't fit
        facts["error"] = (str(error).splitlines() or [type(error).__name__])[0]
    return facts


def _say(lines: IO[str], **words: Any) -> None:
    lines.write(json.dumps(words) + "\n")
    lines.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
