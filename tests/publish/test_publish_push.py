"""Publishing: the plan, checksums against coreutils, and uploads to a stand-in of the Hub."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import typer
from stand_in_hub import Hub, running
from typer.testing import CliRunner, Result

from dapatlas.cli.publish import publish
from dapatlas.dataset import Dataset
from dapatlas.dataset.manifest_writing import write_manifest
from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.labels import dap
from dapatlas.publish import push as pushing
from dapatlas.publish.checksums import SUMS, checksums, read_sums, sums_text, verify_sums, write_sums
from dapatlas.publish.push import batched, read_token, without_secrets
from dapatlas.publish.ready import unsound
from dapatlas.publish.upload_plan import PlannedFile, plan_upload

pytest.importorskip("huggingface_hub")
pytest.importorskip("pyarrow")

# huggingface_hub 2.4 still hands files to its HTTP client in the old way
pytestmark = pytest.mark.filterwarnings(
    "ignore:Use 'content=<...>' to upload raw bytes/text:DeprecationWarning"
)

app = typer.Typer()
app.command()(publish)

TOKEN = "hf_" + "NotARealTokenButSecret42"
REPO = "my-lab/my-atlas"
CASES = [f"AutoPET_0{n}_0000{n}" for n in range(4)]
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
PUBLISHED = {"README.md", "croissant.json", "data/train-00000-of-00001.parquet", "labels.json", SUMS} | {
    f"masks/{case}.nii.gz" for case in CASES
}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})


def said(result: Result) -> str:
    """Everything that a person could see of it, tracebacks and chained errors too."""
    text = result.output + (result.stderr or "")
    if result.exception:
        text += "".join(traceback.format_exception(result.exception)) + repr(result.exception)
    return text


@pytest.fixture
def atlas(tmp_path: Path) -> Path:
    """A sound data set of four cases, one CT a link to another disk, with card and preview, and what stays at home."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    dataset = Dataset.create(tmp_path / "atlas")
    for number, case in enumerate(CASES):
        draw = np.random.default_rng(number)
        ct = draw.integers(-1000, 900, (14, 12, 10)).astype(np.int16)
        mask = np.where(draw.random(ct.shape) < 0.5, 13, 26).astype(np.uint8)
        nib.save(nib.Nifti1Image(ct, AFFINE), dataset.image_path(case))
        nib.save(nib.Nifti1Image(mask, AFFINE), dataset.mask_path(case))
    elsewhere = tmp_path / "disk"
    elsewhere.mkdir()
    for path in (dataset.image_path(CASES[0]), dataset.mask_path(CASES[1])):
        shutil.move(path, elsewhere / path.name)
        path.symlink_to(elsewhere / path.name)
    (dataset.path / "README.md").write_text("---\nlicense: apache-2.0\n---\n# An atlas\n")
    (dataset.path / "croissant.json").write_text("{}\n")
    (dataset.path / "subjects.csv").write_text("subject,sex\n00,F\n")
    (dataset.path / "data").mkdir()
    table = pa.table({"sample_id": CASES})
    pq.write_table(table, dataset.path / "data" / "train-00000-of-00001.parquet")
    for name in ("reports", ".dapatlas"):
        (dataset.path / name).mkdir()
        (dataset.path / name / "private.json").write_text("{}")
    (dataset.path / "masks" / ".half.partial.nii.gz").write_bytes(b"1")
    return dataset.path


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    from huggingface_hub import constants

    monkeypatch.setattr(
        constants, "HF_HUB_DISABLE_XET", True, raising=False
    )  # Xet needs a storage server of its own
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_ENDPOINT", "")
    with running(TOKEN) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)  # read from the environment on import
        yield hub


def allow_cts(atlas: Path, allowed: bool) -> None:
    (atlas / "atlas.toml").write_text(f'like = "dap"\nct_redistributable = {str(allowed).lower()}\n')


# --- plan ----------------------------------------------------------------------------------------------------------


def test_dry_run_lists_what_goes_and_what_stays_and_touches_no_network(
    atlas: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(atlas, "--dry-run", "--json")
    assert result.exit_code == 0, said(result)
    shown = json.loads(result.stdout)
    assert {file["name"] for file in shown["files"]} == PUBLISHED - {SUMS}
    masks = [atlas / "masks" / f"{case}.nii.gz" for case in CASES]
    sizes = {file["name"]: file["bytes"] for file in shown["files"]}
    assert all(sizes[f"masks/{path.name}"] == path.stat().st_size for path in masks)
    assert shown["bytes"] == sum(sizes.values())
    left = {entry["name"]: entry for entry in shown["left_out"]}
    assert left.keys() == {"images", "masks", "reports", "subjects.csv"}
    assert left["images"]["files"] == 4
    assert "licence does not allow" in left["images"]["why"]
    assert hub.requests == []
    assert not (atlas / SUMS).exists()
    words = run(atlas, "--dry-run").stdout
    assert "stays here" in words
    assert "dapatlas split" in words  # there are no splits
    assert run(atlas, "--dry-run", "--quiet").output == ""


def test_cts_need_the_flag_and_the_licence(atlas: Path) -> None:
    allow_cts(atlas, False)
    refused = run(atlas, "--dry-run", "--with-cts")
    assert isinstance(refused.exception, DapatlasError)
    assert "ct_redistributable = true" in str(refused.exception)
    allow_cts(atlas, True)
    names = {
        file["name"] for file in json.loads(run(atlas, "--dry-run", "--with-cts", "--json").stdout)["files"]
    }
    assert names == (PUBLISHED - {SUMS}) | {f"images/{case}.nii.gz" for case in CASES}
    shown = json.loads(run(atlas, "--dry-run", "--json").stdout)
    assert not any(file["name"].startswith("images/") for file in shown["files"])
    assert next(e for e in shown["left_out"] if e["name"] == "images")["why"].endswith("(--with-cts)")
    with_subjects = json.loads(run(atlas, "--dry-run", "--with-subjects", "--json").stdout)
    assert "subjects.csv" in {file["name"] for file in with_subjects["files"]}


def test_a_link_that_leads_nowhere_is_told(atlas: Path) -> None:
    (atlas / "masks" / f"{CASES[1]}.nii.gz").resolve().unlink()
    with pytest.raises(DapatlasError, match=r"01_00001.*leads nowhere"):
        plan_upload(Dataset(atlas))


def test_what_is_missing_names_the_command(atlas: Path, hub: Hub) -> None:
    (atlas / "README.md").unlink()
    (atlas / "data/train-00000-of-00001.parquet").unlink()
    result = run(atlas, "--repo", REPO)
    assert result.exit_code == 1
    assert f"dapatlas card {atlas}" in result.stdout
    assert f"dapatlas preview {atlas}" in result.stdout
    assert "nothing was sent" in result.stdout
    assert hub.requests == []
    assert run(atlas, "--dry-run").exit_code == 1


def test_a_stale_preview_and_an_unsound_mask_stop_it(atlas: Path, hub: Hub) -> None:
    mask = nib.load(atlas / "masks" / f"{CASES[2]}.nii.gz")
    array = np.asarray(mask.dataobj).copy()
    array[0, 0, 0] = 11
    nib.save(nib.Nifti1Image(array, mask.affine), atlas / "masks" / f"{CASES[2]}.nii.gz")
    result = run(atlas, "--repo", REPO, "--json", "--jobs", 1)
    assert result.exit_code == 1
    assert [finding["code"] for finding in json.loads(result.stdout)["findings"]] == ["unknown-id"]
    for folder in ("images", "masks"):
        (atlas / folder / f"{CASES[2]}.nii.gz").unlink()
    result = run(atlas, "--repo", REPO, "--json")
    assert result.exit_code == 1
    assert [f["code"] for f in json.loads(result.stdout)["findings"] if f["severity"] == "error"] == [
        "preview-stale"
    ]
    assert hub.requests == []


def test_a_sound_data_set_is_not_validated_again_until_a_file_changes(
    atlas: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dapatlas.publish import ready

    calls: list[int] = []
    really = ready.validate

    def counted(*arguments: object, **named: object) -> object:
        calls.append(1)
        return really(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(ready, "validate", counted)
    assert unsound(Dataset(atlas), 1) == []
    assert unsound(Dataset(atlas), 1) == []
    assert len(calls) == 1
    os.utime(atlas / "masks" / f"{CASES[3]}.nii.gz", ns=(1, 1))
    assert unsound(Dataset(atlas), 1) == []
    assert len(calls) == 2
    shutil.rmtree(atlas / "images")  # masks alone are published without their CTs
    assert unsound(Dataset(atlas), 1) == []
    (atlas / "labels.json").unlink()
    assert [finding.code for finding in unsound(Dataset(atlas), 1)] == ["labels-json-missing"]


def test_a_manifest_that_lists_cts_lets_masks_alone_go_up_and_no_changed_mask(atlas: Path) -> None:
    write_manifest(atlas, jobs=1)
    shutil.rmtree(atlas / "images")
    assert unsound(Dataset(atlas), 1) == []
    mask = nib.load(atlas / "masks" / f"{CASES[2]}.nii.gz")
    array = np.asarray(mask.dataobj)[::-1]
    nib.save(nib.Nifti1Image(array, mask.affine), atlas / "masks" / f"{CASES[2]}.nii.gz")
    assert [(found.case, found.code) for found in unsound(Dataset(atlas), 1)] == [
        (CASES[2], "manifest-changed")
    ]


# --- checksums ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs GNU coreutils")
def test_sums_are_what_coreutils_write_and_read(tmp_path: Path) -> None:
    names = ["b.txt", "a b.txt", "ü.txt", "back\\slash", "new\nline", "Z/deep.bin"]
    files = {}
    for number, name in enumerate(names):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes([number]) * 70_000)
        files[name] = path
    write_sums(tmp_path, files, tmp_path / "cache.json")
    peer = subprocess.run(
        ["sha256sum", "--", *sorted(names, key=os.fsencode)], cwd=tmp_path, capture_output=True, check=True
    )
    assert (tmp_path / SUMS).read_bytes() == peer.stdout
    checked = subprocess.run(
        ["sha256sum", "--strict", "-c", SUMS], cwd=tmp_path, capture_output=True, check=False
    )
    assert checked.returncode == 0
    assert read_sums(tmp_path / SUMS) == {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()
    }


def test_second_run_reads_nothing_that_did_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dapatlas.publish import checksums as module

    files = {name: tmp_path / name for name in ("a", "b", "c")}
    for name, path in files.items():
        path.write_text(name)
    first = checksums(files, tmp_path / "cache.json")
    assert first["a"] == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"  # FIPS 180's "a"
    read: list[str] = []
    really = module.sha256_of
    monkeypatch.setattr(module, "sha256_of", lambda path: read.append(path.name) or really(path))
    assert checksums(files, tmp_path / "cache.json") == first
    assert read == []
    (tmp_path / "b").write_text("B")
    assert checksums(files, tmp_path / "cache.json")["b"] == hashlib.sha256(b"B").hexdigest()
    assert read == ["b"]
    (tmp_path / "cache.json").write_text("[broken")
    assert checksums(files, tmp_path / "cache.json")["a"] == first["a"]
    files["gone"] = tmp_path / "gone"
    with pytest.raises(BadFileError, match="gone"):
        checksums(files, tmp_path / "cache.json")


def test_verification_finds_each_fault_though_size_and_time_are_the_same(atlas: Path) -> None:
    plan = plan_upload(Dataset(atlas))
    write_sums(atlas, plan.sources, atlas / "cache.json")
    listed = read_sums(atlas / SUMS)
    assert verify_sums(atlas, listed, plan.sources) == []
    victim = atlas / "masks" / f"{CASES[0]}.nii.gz"
    before, content = victim.stat(), bytearray(victim.read_bytes())
    content[40] ^= 1
    victim.write_bytes(content)
    os.utime(victim, ns=(before.st_atime_ns, before.st_mtime_ns))
    (atlas / "croissant.json").unlink()
    del listed["README.md"]
    found = verify_sums(atlas, listed, plan.sources)
    assert [(finding.code, Path(finding.file).name) for finding in found] == [
        ("file-missing", "croissant.json"),
        ("checksum-differs", victim.name),
        ("file-unlisted", "README.md"),
    ]
    result = run(atlas, "--verify", "--json")
    assert result.exit_code == 1
    assert {finding["code"] for finding in json.loads(result.stdout)["findings"]} == {
        "file-missing",
        "checksum-differs",
    }
    assert run(atlas, "--verify").exit_code == 1
    victim.write_bytes(bytes(content[:40]) + bytes([content[40] ^ 1]) + bytes(content[41:]))
    (atlas / "croissant.json").write_text("{}\n")
    assert "0 findings" in run(atlas, "--verify").stdout


@pytest.mark.parametrize(
    "line", ["abc  name", f"{'0' * 64} name", f"{'0' * 64}  /etc/passwd", f"{'0' * 64}  ../x"]
)
def test_strange_sums_are_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / SUMS).write_text(f"{'1' * 64} *fine\n{line}\n")
    with pytest.raises(BadFileError, match=f"{SUMS}:2"):
        read_sums(tmp_path / SUMS)


def test_sums_survive_a_round_trip_of_windows_line_ends(tmp_path: Path) -> None:
    digests = {"a": "0" * 64, "b/c": "f" * 64}
    (tmp_path / SUMS).write_bytes(sums_text(digests).replace("\n", "\r\n").encode())
    assert read_sums(tmp_path / SUMS) == digests


# --- upload ----------------------------------------------------------------------------------------------------------


def test_upload_arrives_byte_for_byte_and_is_not_repeated(atlas: Path, hub: Hub) -> None:
    result = run(atlas, "--repo", REPO, "--private", "--jobs", 1)
    assert result.exit_code == 0, said(result)
    assert f"{hub.address}/datasets/{REPO}" in result.stdout
    assert hub.repos[REPO]["private"] is True
    arrived = hub.content(REPO)
    assert arrived.keys() == PUBLISHED | {".gitattributes"}
    assert all(arrived[name] == (atlas / name).read_bytes() for name in PUBLISHED)
    assert set(hub.commits[-1]) == {"README.md", "croissant.json", SUMS}  # the card comes last
    assert any(large for _, large in hub.repos[REPO]["files"].values())  # both ways were taken
    assert not all(large for _, large in hub.repos[REPO]["files"].values())

    commits, puts = len(hub.commits), hub.puts
    again = run(atlas, "--repo", REPO, "--json", "--jobs", 1)
    assert again.exit_code == 0, said(again)
    told = json.loads(again.stdout)
    assert (told["sent"], told["already_there"]) == (0, len(PUBLISHED))
    assert (len(hub.commits), hub.puts) == (commits, puts)


def test_only_what_changed_goes_up_and_strangers_are_left_and_named(atlas: Path, hub: Hub) -> None:
    assert run(atlas, "--repo", REPO, "--quiet", "--jobs", 1).exit_code == 0
    hub.repos[REPO]["files"]["images/old.nii.gz"] = (b"x" * 2000, True)
    (atlas / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A better card\n")
    hub.commits.clear()
    result = run(atlas, "--repo", REPO, "--json", "--jobs", 1)
    assert json.loads(result.stdout)["others"] == ["images/old.nii.gz"]
    assert [sorted(names) for names in hub.commits] == [["README.md", SUMS]]
    assert "images/old.nii.gz" in run(atlas, "--repo", REPO, "--jobs", 1).stdout


def test_an_interrupted_upload_goes_on(atlas: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushing, "BATCH_FILES", 2)
    hub.refuse_commit = 2
    broken = run(atlas, "--repo", REPO, "--jobs", 1)
    assert isinstance(broken.exception, DapatlasError)
    assert "run the same command again" in str(broken.exception)
    assert len(hub.commits) == 2
    assert "README.md" not in hub.content(REPO)
    puts = hub.puts
    assert run(atlas, "--repo", REPO, "--quiet", "--jobs", 1).exit_code == 0
    sent = [name for names in hub.commits for name in names]
    assert sorted(sent) == sorted(PUBLISHED)  # each in one commit only
    large = [name for name, (_, is_large) in hub.repos[REPO]["files"].items() if is_large]
    assert hub.puts == len(large) > puts  # what was stored before the commit failed is not sent again


def test_batches_hold_so_many_files_and_bytes() -> None:
    files = [PlannedFile(f"masks/{n:03d}", Path("x"), 9 * 10**8) for n in range(5)]
    files += [PlannedFile("README.md", Path("x"), 1), PlannedFile(SUMS, Path("x"), 1)]
    files += [PlannedFile(f"small/{n:03d}", Path("x"), 1) for n in range(150)]
    batches = batched(files)
    assert sorted(f.name for batch in batches for f in batch) == sorted(f.name for f in files)
    assert all(len(batch) <= 100 for batch in batches)
    assert all(sum(f.bytes for f in batch) <= 2 * 10**9 for batch in batches)
    assert [f.name for f in batches[-1]] == ["README.md", SUMS]
    assert len(batched([PlannedFile("huge", Path("x"), 10**12)])) == 1
    assert batched([]) == []


def test_damage_on_the_way_is_noticed(atlas: Path, hub: Hub) -> None:
    hub.corrupt = True
    result = run(atlas, "--repo", REPO, "--jobs", 1)
    assert isinstance(result.exception, DapatlasError)
    assert "did not arrive" in str(result.exception)


def test_private_is_refused_where_the_repository_is_public(atlas: Path, hub: Hub) -> None:
    hub.repos[REPO] = {"private": False, "files": {}}
    result = run(atlas, "--repo", REPO, "--private", "--jobs", 1)
    assert isinstance(result.exception, DapatlasError)
    assert "is public" in str(result.exception)
    assert hub.commits == []


# --- tokens and errors -----------------------------------------------------------------------------------------------


def test_refused_token_is_told_and_never_shown(
    atlas: Path, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.echo_token = True  # even if the server says it aloud
    monkeypatch.setenv("HF_TOKEN", "hf_" + "WrongButStillSecret77")
    result = run(atlas, "--repo", REPO, "--jobs", 1)
    assert "does not accept the token" in str(result.exception)
    assert "StillSecret" not in said(result)
    plain = tmp_path / "token.txt"
    plain.write_text("an-odd-secret-without-prefix\n")
    result = run(atlas, "--repo", REPO, "--token-file", plain, "--jobs", 1)
    assert "does not accept the token" in str(result.exception)
    assert "odd-secret" not in said(result)
    plain.write_text(f"{TOKEN}\n")
    result = run(
        atlas, "--repo", REPO, "--token-file", plain, "--jobs", 1
    )  # it goes before the environment's
    assert result.exit_code == 0, said(result)
    assert TOKEN not in said(result)


def test_tokens_stay_out_of_any_text() -> None:
    assert without_secrets("a hf_AbCdEf123456 b odd c", ["odd"]) == "a *** b *** c"


def test_a_token_file_that_holds_none_is_refused_without_showing_it(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("two secretwords")
    with pytest.raises(BadFileError, match="one token") as caught:
        read_token(path)
    assert "secretwords" not in str(caught.value)
    with pytest.raises(BadFileError, match="cannot be read"):
        read_token(tmp_path / "absent")


def test_each_trouble_says_what_to_do(atlas: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.forbid = True
    refused = run(atlas, "--repo", REPO, "--jobs", 1)
    assert "may not write to my-lab/my-atlas (403)" in str(refused.exception)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens on the discard port
    down = run(atlas, "--repo", REPO, "--jobs", 1)
    assert "connection to the Hub failed" in str(down.exception)
    assert "run the same command again" in str(down.exception)
    assert TOKEN not in said(down)
    monkeypatch.delenv("HF_TOKEN")
    assert "hf auth login" in str(run(atlas, "--repo", REPO, "--jobs", 1).exception)


def test_faults_of_ours_keep_their_traceback(atlas: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushing, "batched", lambda files: 1 / 0)
    assert isinstance(run(atlas, "--repo", REPO, "--jobs", 1).exception, ZeroDivisionError)


@pytest.mark.parametrize("repo", ["atlas", "a/b/c", "../x", "my lab/x", "https://x/y"])
def test_what_is_no_repository_is_refused(atlas: Path, repo: str) -> None:
    assert isinstance(run(atlas, "--repo", repo).exception, DapatlasError)
    assert run(atlas).exit_code == 2


def test_installed_program_publishes_without_a_word_of_the_token(
    atlas: Path, hub: Hub, tmp_path: Path
) -> None:
    """A process of its own: what the client prints and logs by itself is seen here."""
    command = [sys.executable, "-c", "from dapatlas.cli import main; main()", "publish", str(atlas)]
    env = {
        **os.environ,
        "HF_ENDPOINT": hub.address,
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(tmp_path / "home"),
    }
    done = subprocess.run(
        [*command, "--repo", REPO, "--jobs", "1"],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert hub.content(REPO).keys() == PUBLISHED | {".gitattributes"}
    hub.token = "hf_another"
    refused = subprocess.run(
        [*command, "--repo", REPO, "--jobs", "1"],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: the Hub does not accept the token")
    assert "Traceback" not in refused.stderr
    for text in (done.stdout, done.stderr, refused.stdout, refused.stderr):
        assert TOKEN not in text


def test_scheme_of_the_fixture_is_the_atlas_own(atlas: Path) -> None:
    assert json.loads((atlas / "labels.json").read_text()) == {str(s.id): s.name for s in dap()}
