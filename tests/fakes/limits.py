"""Rate limits of a fake exchange, counted exactly, with a log that tests read."""

import threading
from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass
from typing import Literal

_SLACK = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """At most `limit` units within `seconds`, per address or per key."""

    name: str
    limit: int
    seconds: float
    scope: Literal["address", "key"] = "address"
    counts: Literal["weight", "requests", "orders"] = "weight"
    window: Literal["sliding", "fixed"] = "sliding"
    """Fixed windows start at multiples of `seconds` (Binance's minutes), sliding ones look back."""
    group: str = ""
    """Only routes of this group; empty: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Penalty:
    """What follows when a rule is broken."""

    ban_after: int | None = None
    """Refusals without a pause until the address or key is banned; None: never, 0: the first one bans."""
    ban_seconds: float = 120.0
    extension_seconds: float = 0.0
    """Added to the ban by each further call during it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call was refused for its rate; `until` is the epoch second from which calls are admitted again."""

    rule: str
    until: float
    banned: bool


@dataclass(frozen=True, slots=True)
class Charge:
    """One line of the log."""

    time: float
    route: str
    group: str
    key: str
    weight: int
    orders: int
    admitted: bool


class Limits:
    """Counts every call against the rules; `log` keeps them all, refused ones too."""

    def __init__(self, rules: Sequence[Rule] = (), penalty: Penalty = Penalty()) -> None:
        self.rules = tuple(rules)
        self.penalty = penalty
        self.log: MutableSequence[Charge] = []
        self._barred: dict[str, Refusal] = {}
        self._refused: dict[str, int] = {}
        self._lock = threading.Lock()

    def charge(
        self, route: str, weight: int, key: str, now: float, group: str = "", orders: int = 0
    ) -> Refusal | None:
        """Count a call; return why it is refused, None if it is admitted."""
        with self._lock:
            refusal = self._still_barred(key, now) or self._broken(weight, key, now, group, orders)
            self.log.append(Charge(now, route, group, key, weight, orders, refusal is None))
            return refusal

    def bar(self, seconds: float, now: float, banned: bool, key: str = "") -> Refusal:
        """Refuse all calls (of a key, or of everybody) for a while."""
        refusal = Refusal("forced", now + seconds, banned)
        self._barred[key] = refusal
        return refusal

    def used(self, rule: Rule, now: float, key: str = "") -> int:
        """Return the units that count against a rule now."""
        since = now - rule.seconds if rule.window == "sliding" else now // rule.seconds * rule.seconds
        total = 0
        for charge in reversed(self.log):
            if not _within(charge.time, since, rule.window):
                break
            if rule.scope == "address" or charge.key == key:
                total += _units(charge, rule)
        return total

    def peak(self, seconds: float, group: str = "") -> int:
        """Return the largest weight that was sent within any `seconds`, refused calls counted too."""
        charges = [charge for charge in self.log if not group or charge.group == group]
        return max(
            (
                sum(other.weight for other in charges if first.time <= other.time < first.time + seconds)
                for first in charges
            ),
            default=0,
        )

    def refused(self) -> list[Charge]:
        """Return the calls that were refused."""
        return [charge for charge in self.log if not charge.admitted]

    def _still_barred(self, key: str, now: float) -> Refusal | None:
        for scope in ("", key):
            refusal = self._barred.get(scope)
            if refusal is None or now >= refusal.until:
                continue
            if refusal.banned:
                longer = refusal.until + self.penalty.extension_seconds
                self._barred[scope] = Refusal(refusal.rule, longer, True)
                return self._barred[scope]
            return self._count_refusal(scope, refusal, now)
        return None

    def _broken(self, weight: int, key: str, now: float, group: str, orders: int) -> Refusal | None:
        call = Charge(now, "", group, key, weight, orders, True)
        for rule in self.rules:
            units = _units(call, rule)
            if units and self.used(rule, now, key) + units > rule.limit + _SLACK:
                scope = key if rule.scope == "key" else ""
                return self._count_refusal(scope, Refusal(rule.name, self._free_from(rule, now), False), now)
        self._refused.clear()
        return None

    def _count_refusal(self, scope: str, refusal: Refusal, now: float) -> Refusal:
        refused = self._refused[scope] = self._refused.get(scope, 0) + 1
        after = self.penalty.ban_after
        if after is not None and refused > after:
            refusal = Refusal(refusal.rule, now + self.penalty.ban_seconds, True)
            self._barred[scope] = refusal
        return refusal

    def _free_from(self, rule: Rule, now: float) -> float:
        if rule.window == "fixed":
            return (now // rule.seconds + 1) * rule.seconds
        counted = [charge.time for charge in self.log if charge.time > now - rule.seconds]
        return (counted[0] if counted else now) + rule.seconds


def _units(charge: Charge, rule: Rule) -> int:
    if not charge.admitted or (rule.group and rule.group != charge.group):
        return 0
    return {"weight": charge.weight, "orders": charge.orders, "requests": 1}[rule.counts]


def _within(moment: float, since: float, window: str) -> bool:
    return moment > since if window == "sliding" else moment >= since
