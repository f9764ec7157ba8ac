"""Upload to the Hugging Face Hub: in batches that are each a commit, so that an interrupted upload goes on.

Before anything is sent, the repository is asked what it has: a file of the same SHA-256 is not sent again. The Hub's
client has had several ways to upload large folders, each tied to its version; commits in batches work in all of them,
over Xet as well as plain LFS. Tokens are handed to the client and never printed.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dapatlas import __version__
from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.extras import needed
from dapatlas.publish.upload_plan import LAST, PlannedFile, UploadPlan

BATCH_FILES, BATCH_BYTES = 100, 2 * 10**9  # of one commit
REPO_TYPE = "dataset"
REPO_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
TOKEN = re.compile(r"hf_[A-Za-z0-9]{6,}")
TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
THEIR_OWN = (".gitattributes",)  # the Hub writes it
CLIENTS = ("huggingface_hub", "hf_xet", "httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3")

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Pushed:
    """How an upload ended.

    Attributes
    ----------
    url
        Where the data set is.
    sent, sent_bytes
        Files that went up in this run, and their size.
    already_there
        Files that the repository had.
    others
        Files in the repository that are not of this plan; they were left.
    """

    url: str
    sent: int
    sent_bytes: int
    already_there: int
    others: tuple[str, ...]


def read_token(path: Path) -> str:
    """The token in a file.

    Raises
    ------
    BadFileError
        The file cannot be read, or does not hold one word; the message never shows what it holds.
    """
    try:
        words = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise BadFileError(f"{path}: cannot be read as a token ({type(error).__name__})") from None
    if len(words) != 1:
        raise BadFileError(f"{path}: expected one token and nothing else, found {len(words)} words")
    return words[0]


def check_repo_name(repo: str) -> None:
    """Refuse what cannot be a repository's name."""
    if not REPO_NAME.fullmatch(repo):
        raise DapatlasError(f"expected ORGANISATION/NAME, such as my-lab/my-atlas, found {repo!r}")


def push(
    plan: UploadPlan,
    digests: Mapping[str, str],
    repo: str,
    *,
    private: bool = False,
    token: str | None = None,
    endpoint: str | None = None,
    progress: Progress | None = None,
) -> Pushed:
    """Make the repository if there is none, and send what it lacks; large files first, the card last.

    Parameters
    ----------
    plan
        What goes up.
    digests
        SHA-256 of each file of the plan.
    repo
        ``ORGANISATION/NAME``.
    private
        Make it private; an existing public one is refused then.
    token
        By default the one that the Hub's client finds: ``HF_TOKEN``, or ``hf auth login``.
    endpoint
        Address of the Hub; ``HF_ENDPOINT`` or huggingface.co by default.
    progress
        Called as ``progress(done, total)`` in files.

    Raises
    ------
    DapatlasError
        No client, no token, no right, no connection, or something arrived otherwise than it was sent; the message says
        what to do.
    """
    check_repo_name(repo)
    hub = needed("huggingface_hub", "hub", "to publish on the Hugging Face Hub")
    with _told_clearly(repo, _secrets(hub, token)), _silent(hub):
        api = hub.HfApi(endpoint=endpoint or os.environ.get("HF_ENDPOINT"), token=token)
        api.whoami()
        url = str(api.create_repo(repo, repo_type=REPO_TYPE, private=private or None, exist_ok=True))
        if private and not api.repo_info(repo, repo_type=REPO_TYPE).private:
            raise DapatlasError(
                f"{repo} exists and is public; leave --private out, or make it private first: {url}"
            )
        there = _remote_files(api, repo)
        due = [file for file in plan.files if not _is_there(file, digests[file.name], there.get(file.name))]
        done = len(plan.files) - len(due)
        if progress:
            progress(done, len(plan.files))
        batches = batched(due)
        for number, batch in enumerate(batches, 1):
            _send(hub, api, repo, batch, f"{number} of {len(batches)}")
            done += len(batch)
            if progress:
                progress(done, len(plan.files))
        arrived = _remote_files(api, repo)
    _check_arrival(repo, plan, digests, arrived)
    others = sorted(set(arrived) - plan.names - set(THEIR_OWN))
    return Pushed(url, len(due), sum(file.bytes for file in due), len(plan.files) - len(due), tuple(others))


def batched(files: Sequence[PlannedFile]) -> list[list[PlannedFile]]:
    """Commits of at most so many files and bytes, one file at least; the card and what goes with it by themselves."""
    batches: list[list[PlannedFile]] = []
    size = 0
    ordered = sorted(files, key=lambda file: (file.name in LAST, file.name))
    for file in ordered:
        fresh = not batches or len(batches[-1]) == BATCH_FILES or size + file.bytes > BATCH_BYTES
        if fresh or (file.name in LAST) != (batches[-1][-1].name in LAST):
            batches.append([])
            size = 0
        batches[-1].append(file)
        size += file.bytes
    return batches


def _send(hub: Any, api: Any, repo: str, batch: Sequence[PlannedFile], place: str) -> None:
    operations = [hub.CommitOperationAdd(file.name, str(file.source)) for file in batch]
    message = f"Publish with dapatlas {__version__} ({place})"
    api.create_commit(repo, operations=operations, commit_message=message, repo_type=REPO_TYPE)


def _remote_files(api: Any, repo: str) -> dict[str, tuple[str, str | None]]:
    """Name to git's digest and, of a large file, the SHA-256 of its content."""
    errors = needed("huggingface_hub.errors", "hub", "to publish on the Hugging Face Hub")
    try:
        tree = list(api.list_repo_tree(repo, recursive=True, repo_type=REPO_TYPE))
    except (errors.EntryNotFoundError, errors.RevisionNotFoundError):  # there is no commit yet
        return {}
    return {
        entry.path: (entry.blob_id, entry.lfs.sha256 if entry.lfs else None)
        for entry in tree
        if hasattr(entry, "blob_id")  # folders have none
    }


def _is_there(file: PlannedFile, sha256: str, remote: tuple[str, str | None] | None) -> bool:
    """Whether the repository has this file: by SHA-256 where it is a large one, else by git's own digest."""
    if remote is None:
        return False
    blob, large = remote
    if large is not None:
        return large == sha256
    content = file.source.read_bytes()  # the Hub keeps only small files in git itself
    return blob == hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _check_arrival(
    repo: str, plan: UploadPlan, digests: Mapping[str, str], arrived: Mapping[str, tuple[str, str | None]]
) -> None:
    """What the repository has now is what ``SHA256SUMS`` says: nothing changed on the way, or while it was sent."""
    wrong = [f.name for f in plan.files if not _is_there(f, digests[f.name], arrived.get(f.name))]
    if wrong:
        raise DapatlasError(
            f"{repo}: {len(wrong)} files did not arrive as {'they were' if len(wrong) > 1 else 'it was'} read: "
            f"{', '.join(wrong[:3])}{', …' if len(wrong) > 3 else ''}; if nobody changed them meanwhile, run the same "
            "command again"
        )


def _secrets(hub: Any, token: str | None) -> tuple[str, ...]:
    """Every token that could turn up in a message."""
    known = [token, *(os.environ.get(name) for name in TOKEN_VARIABLES), hub.get_token()]
    return tuple(word.strip() for word in known if word and word.strip())


def without_secrets(text: str, secrets: Sequence[str]) -> str:
    """The text with every token taken out."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return TOKEN.sub("***", text)


@contextmanager
def _silent(hub: Any) -> Iterator[None]:
    """Their progress bars and log lines would run through ours."""
    logging = hub.utils.logging
    level, had_bars = logging.get_verbosity(), not hub.utils.are_progress_bars_disabled()
    logging.set_verbosity_error()
    if had_bars:
        hub.utils.disable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if had_bars:
            hub.utils.enable_progress_bars()


@contextmanager
def _told_clearly(repo: str, secrets: Sequence[str]) -> Iterator[None]:
    """Turn the client's errors into one message with what to do, free of tokens."""
    try:
        yield
    except DapatlasError:
        raise
    except Exception as error:
        if not _is_the_clients(error):
            raise  # a fault of ours keeps its traceback
        story = without_secrets(_story(repo, error), secrets)
    else:
        return
    raise DapatlasError(story) from None  # the client's error may hold what must not be shown


def _is_the_clients(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in CLIENTS or isinstance(
        error, (OSError, RuntimeError, ValueError)
    )


def _story(repo: str, error: BaseException) -> str:
    status = _status(error)
    reason = " ← ".join(_one_line(link) for link in (error, error.__cause__) if link is not None)
    again = "run the same command again: what has arrived is not sent twice"
    if type(error).__name__ == "LocalTokenNotFoundError":
        return "there is no token for the Hugging Face Hub; run `hf auth login`, set HF_TOKEN, or give --token-file"
    if status == 401:
        return (
            "the Hub does not accept the token (401); make a new one with write access at "
            "https://huggingface.co/settings/tokens, then `hf auth login`, HF_TOKEN or --token-file"
        )
    if status in (403, 404):
        return (
            f"the token may not write to {repo} ({status}); see whether the organisation is spelt right and the "
            "token has write access to it"
        )
    if status == 413 or status == 507:
        return f"{repo} has no room for this ({status}): {reason}; ask the Hub for more storage"
    if status == 429:
        return f"the Hub asks to slow down (429); wait some minutes, then {again}"
    if status is not None and status < 500:
        return f"the Hub refused the upload to {repo} ({status}): {reason}"
    if status is None and isinstance(error, ValueError):
        return f"the Hub's client could not go on ({reason}); update it: pip install -U huggingface_hub"
    what = f"the Hub is in trouble ({status})" if status else f"the connection to the Hub failed ({reason})"
    return f"{what}; {again}"


def _one_line(error: BaseException) -> str:
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__


def _status(error: BaseException | None) -> int | None:
    """HTTP status of an error, or of the first that it came from and that has one."""
    for _ in range(10):
        if error is None:
            return None
        status = getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(status, int):
            return status
        error = error.__cause__ or error.__context__
    return None
