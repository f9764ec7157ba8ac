"""Who may log in, for how long, and who may change whom: on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher, Type, extract_parameters
from databases import QUICK, quick_passwords
from savers import in_threads
from sqlalchemy import select, text

from dapatlas.review.accounts import (
    IDLE,
    LONGEST,
    MAX_PASSWORD,
    AccountError,
    Passwords,
    Reader,
    Role,
    WrongLogin,
    token_digest,
)
from dapatlas.review.database.connect import reading, writing
from dapatlas.review.database.login_rows import end_logins
from dapatlas.review.database.reader_rows import change_reader
from dapatlas.review.database.tables import LoginRow, ReaderRow
from dapatlas.review.store import Store

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
GOOD, OTHER = "correct horse battery", "staple correct horse"


class Counting(Passwords):
    """Notes what is checked against what."""

    def __init__(self) -> None:
        super().__init__(QUICK)
        self.checked: list[str | None] = []

    def fits(self, password: str, kept: str | None) -> bool:
        self.checked.append(kept)
        return super().fits(password, kept)


@pytest.fixture
def readers(store: Store) -> Store:
    """An admin and a reader with passwords, one who has none, one who was deactivated."""
    store.add_reader("boss", Role.ADMIN, GOOD, NOON)
    store.add_reader("r-01", Role.READER, GOOD, NOON)
    store.add_reader("r-02", Role.ADJUDICATOR)
    store.add_reader("r-03", Role.READER, GOOD)
    store.change_reader("r-03", active=False)
    return store


def kept_hash(store: Store, name: str) -> str | None:
    with reading(store.engine) as session:
        return session.scalars(select(ReaderRow.password_hash).where(ReaderRow.name == name)).one()


def test_by_default_passwords_are_hashed_as_rfc_9106_recommends() -> None:
    parameters = extract_parameters(Passwords().hash(GOOD))
    assert parameters.type is Type.ID
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (65536, 3, 4)
    assert (parameters.hash_len, parameters.salt_len) == (32, 16)


def test_a_hash_is_salted_and_any_argon2_can_check_it() -> None:
    passwords = Passwords(QUICK)
    first, second = passwords.hash(GOOD), passwords.hash(GOOD)
    assert first != second
    assert PasswordHasher().verify(first, GOOD)
    assert passwords.fits(GOOD, second)
    assert not passwords.fits(GOOD + " ", second)
    assert not passwords.fits(GOOD, "no hash at all")
    assert not passwords.fits(GOOD, None)


@pytest.mark.parametrize("password", ["", "nine char", "x" * (MAX_PASSWORD + 1)])
def test_passwords_that_are_too_short_or_too_long_are_refused(store: Store, password: str) -> None:
    with pytest.raises(AccountError, match="expected 10 to"):
        store.add_reader("r-01", Role.READER, password)
    assert store.readers() == ()


def test_any_characters_may_be_in_a_password(store: Store) -> None:
    odd = "pä\0ß \ud83d\U0001f600 x" * 10
    store.add_reader("r-01", Role.READER, odd)
    assert store.login("r-01", odd)[1].reader.name == "r-01"


def test_readers_are_listed_by_name(readers: Store) -> None:
    assert readers.readers() == (
        Reader("boss", Role.ADMIN, True, NOON, True),
        Reader("r-01", Role.READER, True, NOON, True),
        *readers.readers()[2:],
    )
    assert [(each.name, each.active, each.has_password) for each in readers.readers()[2:]] == [
        ("r-02", True, False),
        ("r-03", False, True),
    ]
    assert readers.readers()[0].as_dict() == {
        "name": "boss",
        "role": "admin",
        "active": True,
        "created_at": "2026-05-04T12:00:00+00:00",
        "has_password": True,
    }


@pytest.mark.parametrize("name", ["", "a b", "ä", "a/b", "x" * 65, "a\n", "a\0", "\ud800", "r-0１"])
def test_names_that_cannot_be_are_refused(store: Store, name: str) -> None:
    with pytest.raises(AccountError, match="cannot be a reader's name"):
        store.add_reader(name)
    with pytest.raises(AccountError):
        store.login_local(name)
    with pytest.raises(WrongLogin):
        store.login(name, GOOD)
    assert store.reader(name) is None


def test_names_differ_in_more_than_case(readers: Store) -> None:
    with pytest.raises(AccountError, match="named r-01 already"):
        readers.add_reader("R-01")
    assert readers.login("R-01", GOOD)[1].reader.name == "r-01"
    assert readers.login_local("R-02")[1].reader.name == "r-02"
    assert readers.reader("BOSS") == readers.reader("boss")
    assert readers.reader("\u212a") is None  # the sign of kelvin, whose lower case is k


def test_who_knows_the_password_is_logged_in(readers: Store) -> None:
    token, login = readers.login("r-01", GOOD, NOON)
    assert (login.reader.name, login.created_at, login.expires_at) == ("r-01", NOON, NOON + IDLE)
    assert readers.logged_in(token, NOON + SECOND) == login
    again, other = readers.login("r-01", GOOD, NOON)
    assert again != token
    assert other.csrf not in (login.csrf, token, again)
    assert len(token) >= 43  # 256 bits


def test_the_database_keeps_neither_password_nor_token(readers: Store) -> None:
    token, _ = readers.login("r-01", GOOD, NOON)
    with readers.engine.connect() as connection:
        rows = [
            str(row)
            for table in ("readers", "logins")
            for row in connection.execute(text(f"SELECT * FROM {table}"))
        ]
    assert any(token_digest(token) in row for row in rows)
    assert not any(token in row or GOOD in row for row in rows)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("r-01", OTHER),
        ("r-01", ""),
        ("nobody", GOOD),
        ("r-02", ""),
        ("r-02", GOOD),
        ("r-03", GOOD),
        ("r-01", "x" * 10**6),
    ],
)
def test_all_others_get_one_answer_and_one_hash_is_computed_for_each(
    readers: Store, name: str, password: str
) -> None:
    counting = Counting()
    with pytest.raises(WrongLogin, match="^name or password is wrong$"):
        Store(readers.engine, counting).login(name, password)
    assert len(counting.checked) == 1


def test_a_name_that_nobody_has_costs_as_much_to_check_as_one_that_somebody_has() -> None:
    verified: list[str] = []

    class Noting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Any:
            verified.append(str(hash))
            return super().verify(hash, password)

    passwords = Passwords(Noting(time_cost=2, memory_cost=16, parallelism=1))
    kept = passwords.hash(GOOD)
    assert not passwords.fits(OTHER, kept)
    assert not passwords.fits(OTHER, None)
    somebodys, nobodys = map(extract_parameters, verified)
    assert somebodys == nobodys


def test_a_hash_with_older_settings_is_renewed_at_login(readers: Store) -> None:
    before = kept_hash(readers, "r-01")
    stronger = Store(readers.engine, Passwords(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1)))
    stronger.login("r-01", GOOD)
    after = kept_hash(readers, "r-01")
    assert before is not None
    assert after is not None
    assert (extract_parameters(before).time_cost, extract_parameters(after).time_cost) == (1, 2)
    stronger.login("r-01", GOOD)
    assert kept_hash(readers, "r-01") == after


def test_a_login_that_nobody_uses_is_over_after_twelve_hours(readers: Store) -> None:
    token, _ = readers.login("r-01", GOOD, NOON)
    assert readers.logged_in(token, NOON + IDLE) is None
    assert readers.logged_in(token, NOON + IDLE - SECOND) is not None  # asking is using
    assert readers.logged_in(token, NOON + IDLE + IDLE - 2 * SECOND) is not None


def test_a_login_that_is_used_all_the_time_is_over_after_a_week(readers: Store) -> None:
    token, _ = readers.login("r-01", GOOD, NOON)
    now = NOON
    while now < NOON + LONGEST - SECOND:
        assert readers.logged_in(token, now) is not None
        now += timedelta(hours=11)
    assert readers.logged_in(token, NOON + LONGEST - SECOND) is not None
    assert readers.logged_in(token, NOON + LONGEST) is None


def test_looking_again_within_a_minute_writes_nothing(readers: Store) -> None:
    token, login = readers.login("r-01", GOOD, NOON)
    assert readers.logged_in(token, NOON + 59 * SECOND) == login
    later = readers.logged_in(token, NOON + 61 * SECOND)
    assert later is not None
    assert later.expires_at == NOON + 61 * SECOND + IDLE


def test_logins_that_are_over_are_swept_away(readers: Store) -> None:
    readers.login("r-01", GOOD, NOON)
    readers.login("boss", GOOD, NOON + IDLE)
    with reading(readers.engine) as session:
        assert [row.reader.name for row in session.scalars(select(LoginRow))] == ["boss"]


def test_who_logs_out_is_out_and_nobody_else(readers: Store) -> None:
    first, second = (readers.login("r-01", GOOD, NOON)[0] for _ in range(2))
    readers.logout(first)
    readers.logout(first)
    assert readers.logged_in(first, NOON) is None
    assert readers.logged_in(second, NOON) is not None


@pytest.mark.parametrize("token", ["", "x", "\0", "\ud800", "ä" * 10_000])
def test_what_was_never_a_token_is_no_login(readers: Store, token: str) -> None:
    assert readers.logged_in(token, NOON) is None


def test_who_is_deactivated_is_out_at_once_and_stays_out(readers: Store) -> None:
    token, _ = readers.login("r-01", GOOD, NOON)
    assert not readers.change_reader("r-01", active=False).active
    assert readers.logged_in(token, NOON) is None
    with pytest.raises(WrongLogin):
        readers.login("r-01", GOOD, NOON)
    with pytest.raises(WrongLogin):
        readers.login_local("r-01", NOON)
    readers.change_reader("r-01", active=True)
    assert readers.logged_in(token, NOON) is None  # the old login does not come back
    assert readers.login("r-01", GOOD, NOON)


def test_a_new_password_ends_the_readers_other_logins(readers: Store) -> None:
    mine, elsewhere = (readers.login("r-01", GOOD, NOON)[0] for _ in range(2))
    bosses, _ = readers.login("boss", GOOD, NOON)
    readers.change_reader("r-01", password=OTHER, keep=mine)
    assert readers.logged_in(mine, NOON) is not None
    assert readers.logged_in(elsewhere, NOON) is None
    assert readers.logged_in(bosses, NOON) is not None
    with pytest.raises(WrongLogin):
        readers.login("r-01", GOOD)
    assert readers.login("r-01", OTHER)
    readers.change_reader("r-01", password=GOOD)  # by an admin
    assert readers.logged_in(mine, NOON) is None


def test_who_logs_in_while_the_password_changes_is_not_in_with_the_old_one(readers: Store) -> None:
    new = quick_passwords().hash(OTHER)
    with ThreadPoolExecutor() as pool:
        with writing(readers.engine) as session:
            row = change_reader(session, "r-01", None, None, new)
            old = pool.submit(readers.login, "r-01", GOOD)
            with pytest.raises(TimeoutError):  # it knows the old hash fits, and waits
                old.result(0.5)
            end_logins(session, row.id)
        with pytest.raises(WrongLogin):
            old.result(30)
    assert readers.login("r-01", OTHER)


def test_a_new_role_counts_from_the_next_request(readers: Store) -> None:
    token, _ = readers.login("r-01", GOOD, NOON)
    readers.change_reader("r-01", role=Role.ADJUDICATOR)
    login = readers.logged_in(token, NOON)
    assert login is not None
    assert login.reader.role is Role.ADJUDICATOR


@pytest.mark.parametrize(
    "change", [{"role": Role.READER}, {"active": False}, {"role": Role.ADJUDICATOR, "active": True}]
)
def test_the_last_admin_stays(readers: Store, change: dict[str, Any]) -> None:
    with pytest.raises(AccountError, match="boss is the last admin"):
        readers.change_reader("boss", password=OTHER, **change)
    assert readers.login("boss", GOOD)[1].reader.role is Role.ADMIN  # nothing of it was done
    readers.change_reader("r-01", role=Role.ADMIN)
    readers.change_reader("boss", **change)
    with pytest.raises(AccountError, match="r-01 is the last admin"):
        readers.change_reader("r-01", **change)


def test_an_admin_without_a_password_is_no_stand_in_for_one_with(readers: Store) -> None:
    readers.change_reader("r-02", role=Role.ADMIN)
    with pytest.raises(AccountError, match="last admin"):
        readers.change_reader("boss", active=False)
    readers.change_reader("r-02", role=Role.READER)  # while the other way round it is


def test_two_admins_who_demote_each_other_at_once_are_not_both_gone(readers: Store) -> None:
    readers.change_reader("r-01", role=Role.ADMIN)
    with ThreadPoolExecutor() as pool:
        with writing(readers.engine) as session:
            change_reader(session, "boss", Role.READER, None, None)
            other = pool.submit(readers.change_reader, "r-01", role=Role.READER)
            with pytest.raises(TimeoutError):  # it waits until the first is through, and then sees it
                other.result(0.5)
        with pytest.raises(AccountError, match="r-01 is the last admin"):
            other.result(30)


def test_of_two_who_take_a_name_at_once_one_gets_it(store: Store) -> None:
    def add(name: str, barrier: Any, answer: Any) -> None:
        barrier.wait(30)
        try:
            answer(store.add_reader(name).name)
        except AccountError as error:
            answer(str(error).partition(" named")[0])

    jobs = [lambda barrier, answer, name=name: add(name, barrier, answer) for name in ("r-01", "R-01")]
    assert sorted(name.lower() for name in in_threads(jobs)) == ["r-01", "there is a reader"]
    assert len(store.readers()) == 1


def test_without_accounts_a_new_name_becomes_somebody_who_may_do_all(store: Store) -> None:
    token, login = store.login_local("r-01", NOON)
    assert login.reader == Reader("r-01", Role.ADMIN, True, NOON, False)
    assert store.logged_in(token, NOON) == login
    assert store.login_local("r-01", NOON)[1].reader == login.reader
    store.add_reader("r-02", Role.READER, GOOD)
    assert store.login_local("r-02")[1].reader.role is Role.READER  # who is known stays what they are


def test_two_tabs_of_a_new_name_are_one_reader(store: Store) -> None:
    def log_in(barrier: Any, answer: Any) -> None:
        barrier.wait(30)
        answer(store.login_local("r-01")[1].reader.name)

    assert in_threads([log_in, log_in, log_in]) == ["r-01"] * 3
    assert len(store.readers()) == 1


def test_nobody_changes_who_is_not_there(store: Store) -> None:
    with pytest.raises(AccountError, match="no reader named 'r-09'"):
        store.change_reader("r-09", role=Role.ADMIN)
