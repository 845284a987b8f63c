"""What a check of `cts doctor` says, and how all of them run: side by side and in bounded time."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import CtsError
from chalicelib.operations.doctor.errors import trouble_of
from chalicelib.settings import Settings

State = Literal["ok", "warn", "fail", "skipped"]

_THREADS = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer; `remedy` says what to do about a warning or a failure."""

    name: str
    state: State
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who AWS says we are, and AWS's time at that moment beside ours (epoch seconds)."""

    arn: str
    account: str
    partition: str = "aws"
    their_time: float | None = None
    asked_at: float = 0.0
    answered_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Site:
    """What checks look at: a stage through botocore clients by service, an exchange, this machine's time.

    `prepare` gets each ccxt client before it is used.
    """

    settings: Settings
    exchange: str
    clients: Mapping[str, Any]
    now: Callable[[], float] = time.time
    prepare: Callable[[Any], None] | None = None
    identity: Identity = Identity("", "")

    @property
    def stage(self) -> str:
        return self.settings.stage

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of something of this account and region."""
        place = f"{self.settings.region}:{self.identity.account}"
        return f"arn:{self.identity.partition}:{service}:{place}:{resource}"


@dataclass(frozen=True, slots=True)
class Check:
    """A question and its name; the answer may be several findings."""

    name: str
    work: Callable[[Site], Finding | Iterable[Finding]]


def run(checks: Sequence[Check], site: Site, seconds: float) -> list[Finding]:
    """Run all checks side by side and return their findings in order; late ones fail after `seconds`.

    Threads are daemons: a look-up of a host's name that hangs keeps nobody from ending.
    """
    todo: SimpleQueue[int] = SimpleQueue()
    for number in range(len(checks)):
        todo.put(number)
    found: dict[int, list[Finding]] = {}

    def work() -> None:
        while True:
            try:
                number = todo.get_nowait()
            except Empty:
                return
            found[number] = _examined(checks[number], site)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(_THREADS, len(checks)))]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [
        one for number, check in enumerate(checks) for one in found.get(number) or [_late(check, seconds)]
    ]


def skipped(checks: Iterable[Check], reason: str) -> list[Finding]:
    """Return one line per check that was not run."""
    return [Finding(check.name, "skipped", reason) for check in checks]


def _examined(check: Check, site: Site) -> list[Finding]:
    try:
        answer = check.work(site)
        return [answer] if isinstance(answer, Finding) else list(answer)
    except (BotoCoreError, ClientError) as error:
        trouble = trouble_of(error)
        return [Finding(check.name, "fail", trouble.found, trouble.remedy)]
    except CtsError as error:
        return [Finding(check.name, "fail", " ".join(str(error).split()))]
    except Exception as error:
        # One check that fails in a way nobody thought of must not hide what the others found.
        said = f"{type(error).__name__}: {error}"[:200]
        return [Finding(check.name, "fail", f"the check itself failed ({said})", "report it with this line")]


def _late(check: Check, seconds: float) -> Finding:
    return Finding(check.name, "fail", f"no answer within {seconds:g} s", "check the network and any proxy")
