"""The program as a user starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = str(Path(sys.executable).with_name("dapatlas"))


def run(*words: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=os.environ | env,
        timeout=300,
    )


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["build"],
        ["validate"],
        ["demo"],
        ["phantom"],
        ["labels"],
        ["labels", "map"],
        ["review", "serve"],
        ["review", "plan"],
    ],
)
def test_help_comes_with_examples(command: list[str]):
    done = run(*command, "--help")
    assert done.returncode == 0
    if command not in ([], ["labels"]):
        assert "Examples" in done.stdout


def test_version():
    assert run("--version").stdout.startswith("dapatlas ")


def test_what_a_user_can_mend_is_one_message_and_exit_code_2(tmp_path: Path):
    done = run("build", str(tmp_path / "none.toml"), "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert run("labels", "show", "livr").stderr.strip().endswith("did you mean liver?")
    assert run("validate", str(tmp_path / "nowhere")).returncode == 2


def test_no_colour_where_none_is_wanted():
    assert "\x1b[" not in run("labels", "list", NO_COLOR="1", FORCE_COLOR="").stdout


def test_a_closed_pipe_is_no_error():
    done = subprocess.run(
        f"{PROGRAM} labels list --json | head -1", shell=True, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr


@pytest.mark.real_data
def test_build_and_validate_speak_json_and_exit_codes(real_data: Path, tmp_path: Path):
    example = Path(__file__).parents[2] / "examples" / "totalsegmentator.toml"
    shared = str(real_data.parents[1])
    done = run("build", str(example), "--out", str(tmp_path / "out"), "--json", DAPATLAS_SHARED=shared)
    assert done.returncode == 0, done.stderr
    assert [case["state"] for case in json.loads(done.stdout)["cases"]] == ["built"]
    done = run("validate", str(tmp_path / "out"), "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["errors"] == 0
    done = run(
        "build", str(example), "--out", str(tmp_path / "bad"), "--json",
        "--expert", f"totalsegmentator={real_data / 'ct.nii.gz'}", DAPATLAS_SHARED=shared,
    )  # fmt: skip
    assert done.returncode == 1
    (case,) = json.loads(done.stdout)["cases"]
    assert case["state"] == "failed"
    assert "negative ids" in case["error"]


def demo(folder: Path) -> list[str]:
    return ["demo", "--out", str(folder), "--subjects", "2", "--size", "64", "--jobs", "2"]


def test_a_demo_that_is_killed_goes_on_and_ends_as_if_it_had_not_been(tmp_path: Path):
    whole = run(*demo(tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr
    assert "0 errors" in whole.stdout
    process = subprocess.Popen([PROGRAM, *demo(tmp_path / "killed")], start_new_session=True)
    masks = tmp_path / "killed" / "atlas" / "masks"
    deadline = time.monotonic() + 120
    while not list(masks.glob("[!.]*.nii.gz")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    again = run(*demo(tmp_path / "killed"))
    assert again.returncode == 0, again.stderr
    for kind in ("atlas/masks", "atlas/reports", "truth/images", "truth/masks", "generalist"):
        one, other = (
            {
                p.relative_to(tmp_path / name): p.read_bytes()
                for p in sorted((tmp_path / name / kind).rglob("[!.]*"))
                if p.is_file() and p.name != "recipe.json"
            }
            for name in ("whole", "killed")
        )
        assert one == other, kind
    third = run(*demo(tmp_path / "killed"))
    assert "up to date" in third.stdout
