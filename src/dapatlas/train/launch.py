"""nnU-Net in a process of its own: its environment variables, its log, and what it tells on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dapatlas.errors import DapatlasError
from dapatlas.train.workspace import LOGS, Workspace

SIGN = "@dapatlas "  # begins the lines that are for us
LAST_LINES = 15  # of the log that an error repeats
STOP_GRACE_S = 10.0

Heard = Callable[[Mapping[str, Any]], None]


def ask(
    workspace: Workspace,
    what: str,
    settings: Mapping[str, Any],
    *,
    log: str,
    environment: Mapping[str, str] | None = None,
    heard: Heard | None = None,
) -> dict[str, Any]:
    """Have a job of :mod:`dapatlas.train.child` done, and give what it answers.

    Parameters
    ----------
    workspace
        Where.
    what
        Name of the job.
    settings
        What it is told; JSON can hold it.
    log
        Name of the file under ``logs`` that gets everything it prints.
    environment
        Further variables.
    heard
        Called with everything that it tells before its answer.

    Raises
    ------
    DapatlasError
        It failed; the message repeats its reason, or the end of the log.
    """
    path = workspace.path / LOGS / log
    path.parent.mkdir(parents=True, exist_ok=True)
    asked = json.dumps({"what": what, "dataset": workspace.dataset, **settings})
    command = [sys.executable, "-u", "-m", "dapatlas.train.child", asked]
    variables = {**os.environ, **workspace.environment(), "MPLBACKEND": "Agg", **(environment or {})}
    answer: dict[str, Any] | None = None
    last: deque[str] = deque(maxlen=LAST_LINES)
    with (
        path.open("a", encoding="utf-8") as written,
        subprocess.Popen(
            command,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        assert process.stdout is not None  # as asked for
        try:
            for line in process.stdout:
                written.write(line)
                written.flush()
                said = _for_us(line)
                if said is None:
                    last.append(line.rstrip())
                elif "answer" in said:
                    answer = said["answer"]
                elif heard is not None:
                    heard(said)
                if said is not None and "error" in said:
                    last = deque([said["error"]], maxlen=1)
            code = process.wait()
        except BaseException:  # Ctrl-C: nothing of ours runs on behind the user's back
            _stop(process)
            raise
    if answer is None or code:
        raise DapatlasError(_story(what, code, last, path))
    return answer


def _for_us(line: str) -> dict[str, Any] | None:
    if not line.startswith(SIGN):
        return None
    with suppress(ValueError):
        said = json.loads(line[len(SIGN) :])
        if isinstance(said, dict):
            return said
    return None


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()


def _story(what: str, code: int, last: deque[str], log: Path) -> str:
    if code == -signal.SIGKILL:
        return f"{what}: the process was killed, most likely because the memory ran out; its log: {log}"
    said = "\n".join(line for line in last if line)
    return f"{what}: {said or f'ended with exit status {code} and no word'}\n(whole log: {log})"
