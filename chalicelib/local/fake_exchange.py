"""The fake exchange of `cts run --venue fake`: a process of its own that speaks an exchange's protocol.

It comes from the tests of a clone and is no part of the installed package. This process is led to it under
the exchange's real host names, so that the connectors work as they do against the real one.
"""

import json
import logging
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import IO, Any

from chalicelib.domain.credentials import Credentials, Secret
from chalicelib.domain.market import MarketType
from chalicelib.errors import Retryable, UsageError
from chalicelib.local.options import RunOptions
from chalicelib.local.simulator import MarketSimulator
from chalicelib.local.symbols import unified_symbol

CLONE = Path(__file__).resolve().parents[2]
VOLATILITY = 4
"""How many times as far as in the usual simulated market prices move: exits within minutes, not hours."""

NOTHING_KNOWN: Mapping[str, Any] = {
    "deposit": "0",
    "orders": [],
    "positions": {},
    "spot": {},
    "requests": {},
    "refused": 0,
    "rate_refused": 0,
    "unknown": 0,
    "crashes": ["its process has ended"],
}
"""The account of an exchange whose process has ended: whatever the books hold differs from it."""

_MODULE = "tests.fakes.serve"
_START_SECONDS = 30.0
_ANSWER_SECONDS = 10.0
_END_SECONDS = 2.0
_log = logging.getLogger("cts.local")


class FakeExchange:
    """The running process: what it announced, and what only its owner may ask it beside the wire."""

    def __init__(self, process: subprocess.Popen[str], errors: IO[str]) -> None:
        """Take over a process that was just started; UsageError if it does not come up."""
        self._process = process
        self._errors = errors
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="fake exchange", daemon=True).start()
        try:
            self._told = self._answer(_START_SECONDS)
        except Retryable as error:
            raise UsageError(f"the fake exchange did not start: {self._last_words() or error}") from error

    def symbols(self, market_type: MarketType) -> tuple[str, ...]:
        """Return what it trades, in the order that was asked for."""
        return tuple(name for name in self._told["symbols"] if (":" in name) == (market_type == "swap"))

    @property
    def credentials(self) -> Credentials:
        """The key of its one account."""
        told = self._told
        return Credentials(Secret(told["key"]), Secret(told["secret"]), Secret(told["passphrase"]))

    def lead_here(self) -> Callable[[], None]:
        """Lead this process to it under the real host names; return what undoes that."""
        place = Path(self._told["environment"]["PYTHONPATH"]) / "sitecustomize.py"
        spec = spec_from_file_location("cts_redirect", place)
        assert spec is not None
        assert spec.loader is not None
        redirect = module_from_spec(spec)
        spec.loader.exec_module(redirect)
        hosts = list(self._told["hosts"])
        redirect.lead(dict.fromkeys(hosts, int(self._told["port"])), self._told["authority"])
        return lambda: redirect.forget(hosts)

    def keep(self, file: Path) -> bool:
        """Let it go on with the account of an earlier process, and leave it in that file; was there one?"""
        return bool(self._ask(f"keep {file.absolute()}")["kept"])

    def account(self) -> Mapping[str, Any]:
        """Return the account as the exchange itself has it; nothing is known if the process has ended."""
        try:
            return self._ask("account")
        except Retryable as error:
            _log.error("the fake exchange can't be asked for its account: %s", error)
            return NOTHING_KNOWN

    def stop(self) -> None:
        """End the process; a mistake inside it goes to the log."""
        self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.returncode:
            _log.error("the fake exchange failed: %s", self._written())

    def _ask(self, command: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{command}\n")
            self._process.stdin.flush()
        except OSError as error:
            raise Retryable("the process of the fake exchange has ended") from error
        return self._answer(_ANSWER_SECONDS)

    def _answer(self, seconds: float) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise Retryable(f"no answer within {seconds:.0f} s") from None
        if line is None:
            raise Retryable("the process of the fake exchange has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _written(self) -> str:
        self._errors.seek(0)
        return self._errors.read().strip()

    def _last_words(self) -> str:
        return self._written().rpartition("\n")[2]


@contextmanager
def fake_exchange(options: RunOptions) -> Iterator[FakeExchange | None]:
    """Run the fake exchange that the options ask for, none for the paper exchange."""
    if options.venue == "paper":
        yield None
        return
    if not (CLONE / "tests" / "fakes" / "serve.py").is_file():
        raise UsageError("--venue fake works only in a clone of the repository: the fakes are in its tests")
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            _command(options),
            cwd=CLONE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            # A Ctrl-C is for this process: the exchange goes on until the engine has ended.
            start_new_session=True,
        )
        exchange = None
        forget = _nothing
        try:
            exchange = FakeExchange(process, errors)
            forget = exchange.lead_here()
            yield exchange
        finally:
            forget()
            if exchange is None:
                process.kill()
            else:
                exchange.stop()
            process.wait()


def _command(options: RunOptions) -> list[str]:
    wanted = options.symbols
    symbols = str(wanted) if isinstance(wanted, int) else ",".join(_pairs(options))
    command = [sys.executable, "-m", _MODULE, "--exchange", options.exchange, "--symbols", symbols]
    if options.data is not None:
        return [*command, "--data", str(options.data.absolute())]
    return [*command, "--seed", str(options.seed), "--volatility", str(VOLATILITY)]


def _pairs(options: RunOptions) -> tuple[str, ...]:
    """Return the pairs of named symbols: the fake lists each on spot and as a swap."""
    assert isinstance(options.symbols, tuple)
    pairs = tuple(
        name.partition(":")[0] if "/" in name else unified_symbol(name, "spot") or name
        for name in options.symbols
    )
    if options.data is None:
        MarketSimulator(options.seed, Decimal(0)).markets(pairs)
    return pairs


def _nothing() -> None:
    """There is nothing to undo yet."""
