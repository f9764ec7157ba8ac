"""How often somebody may try to log in."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from threading import Lock

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from dapatlas.review.server.errors import Refusal

PER_NAME = RateLimitItemPerMinute(5, 5, "name")  # failures in five minutes
PER_ADDRESS = RateLimitItemPerMinute(20, 5, "address")
IPV6_PREFIX = 64  # bits that one customer has


@dataclass(slots=True)
class Attempt:
    """One try; it counts if it failed."""

    failed: bool = False


class LoginLimits:
    """Counts failed tries by name and by address; for a name, those under way count as failed until they are over.

    For an address they don't: a whole department may log in at nine o'clock from one. As many as the server works on at
    a time may so slip through.
    """

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._under_way: Counter[str] = Counter()
        self._lock = Lock()

    @contextmanager
    def attempt(self, name: str, address: str) -> Iterator[Attempt]:
        """Try once.

        Raises
        ------
        Refusal
            There were too many failures.
        """
        who, where = name.lower(), network_of(address)
        with self._lock:
            self._check(PER_ADDRESS, where, 1)
            self._check(PER_NAME, who, self._under_way[who] + 1)
            self._under_way[who] += 1
        attempt = Attempt()
        try:
            yield attempt
        finally:
            with self._lock:
                if attempt.failed:
                    self._limiter.hit(PER_NAME, who)
                    self._limiter.hit(PER_ADDRESS, where)
                self._under_way[who] -= 1
                if not self._under_way[who]:
                    del self._under_way[who]

    def _check(self, item: RateLimitItem, key: str, cost: int) -> None:
        if self._limiter.test(item, key, cost=cost):
            return
        wait = max(1, math.ceil(self._limiter.get_window_stats(item, key).reset_time - time.time()))
        raise Refusal(
            429,
            f"There were too many failed tries; wait {wait} seconds.",
            "too-many",
            headers={"Retry-After": str(wait)},
        )


def network_of(address: str) -> str:
    """What counts as one address: an IPv6 customer has a whole network of them."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(int(ip) >> (128 - IPV6_PREFIX))
    return str(ip)
