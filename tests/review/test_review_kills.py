"""A process that is killed while it saves leaves what was there before or what was to be there, never half of it."""

from __future__ import annotations

import signal
import time

import pytest
from savers import MAP, assert_whole, deaths, event_of_processes, save_until_killed, some_content, start

from dapatlas.review.store import Store
from dapatlas.review.verdict import Kind


@pytest.mark.parametrize("begun", [False, True])
def test_killed_at_any_statement_of_a_save_it_is_there_wholly_or_not_at_all(
    store: Store, review_url: str, begun: bool
) -> None:
    store.add_reader("r-01")
    if begun:
        store.save("case", "r-01", Kind.READING, some_content(4), MAP, 0)
    before, died = store.verdict("case", "r-01", Kind.READING), []
    for it_died in deaths(review_url, content=9):
        died.append(it_died)
        after = store.verdict("case", "r-01", Kind.READING)
        assert_whole(store.engine)
        assert (after == before) is it_died
    assert (
        len(died) >= 7
    )  # it begins, finds the reader and the verdict, writes verdict, marks, revision, and commits
    assert after is not None
    assert after.content == some_content(9)
    assert after.version == (before.version if before else 0) + 1


def test_killed_at_any_moment_the_database_is_whole_and_work_goes_on(store: Store, review_url: str) -> None:
    store.add_reader("r-01")
    for number, milliseconds in enumerate((3, 17, 51, 170)):
        began = event_of_processes()
        process = start(save_until_killed, review_url, began, number)
        assert began.wait(60)
        time.sleep(milliseconds / 1000)
        process.kill()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        assert_whole(store.engine)
        for kind in Kind:
            stands = store.verdict("case-0", "r-01", kind)
            version = stands.version if stands else 0
            saved = store.save("case-0", "r-01", kind, some_content(500 + number), MAP, version)
            assert saved.version == version + 1
    assert sum(verdict.version for verdict in store.verdicts()) >= 2 * 4 + 4  # the killed have worked too
    assert_whole(store.engine)
