"""One cold start, measured inside a fresh process of its own; `bench_startup` and the budget tests run it.

`startup_child.py import MODULE...` imports; `startup_child.py function MODULE NAME EVENT_FILE` imports a
handler and lets it answer its first event, as Lambda would. Both print one JSON object. Nothing is imported
here that the measured code would have to import itself.
"""

import json
import sys
import time
from importlib import import_module

SYMBOL = "BTC/USDT"


def peak_megabytes() -> float:
    """Return the most memory this process has held; on Linux, what its parent held does not count."""
    if sys.platform == "linux":
        with open("/proc/self/status") as status:
            line = next(line for line in status if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


class Waits:
    """Counts the seconds that requests to AWS take: the network's and the emulator's time, not ours."""

    def __init__(self) -> None:
        self.calls = 0
        self.wall = 0.0

    def attach(self) -> None:
        from botocore.httpsession import URLLib3Session

        real = URLLib3Session.send

        def send(session, request):  # type: ignore[no-untyped-def]
            begun = time.perf_counter()
            try:
                return real(session, request)
            finally:
                self.calls += 1
                self.wall += time.perf_counter() - begun

        URLLib3Session.send = send


class StillMarket:
    """A market of one price; the exchange's library is measured by itself."""

    def markets(self, symbols):  # type: ignore[no-untyped-def]
        from decimal import Decimal

        from chalicelib.domain.market import Market

        steps = (Decimal("0.00001"), Decimal("0.01"), Decimal("0.00001"), Decimal(5))
        return {symbol: Market(symbol, *symbol.split("/"), "spot", *steps) for symbol in symbols}

    def tickers(self, symbols, now):  # type: ignore[no-untyped-def]
        from decimal import Decimal

        from chalicelib.domain.market import Ticker

        price = Decimal(50_000)
        return {symbol: Ticker(symbol, price, price, price, now) for symbol in symbols}


class Context:
    aws_request_id = "request"


def measure_import(modules: list[str]) -> dict[str, float]:
    """Import modules in their order."""
    begun, cpu = time.perf_counter(), time.process_time()
    for module in modules:
        import_module(module)
    return {"ready": time.perf_counter() - begun, "cpu": time.process_time() - cpu}


def measure_function(module: str, name: str, event_file: str) -> dict[str, float]:
    """Import a handler and let it answer an event.

    `ready` is for the event: the World and its clients are made. `answered` adds the first answer, without
    the waits for AWS; `library` is what the exchange's library adds at the first price.
    """
    with open(event_file) as text:
        event = json.load(text)
    waits = Waits()
    begun, cpu = time.perf_counter(), time.process_time()
    from chalicelib import wiring

    wiring.configure(wiring.Overrides(feed=lambda _: StillMarket()))
    handler = getattr(import_module(module), name)
    imported = time.perf_counter()
    waits.attach()
    answer = handler(event, Context())
    ended, cpu_ended = time.perf_counter(), time.process_time()
    if answer != {"batchItemFailures": []}:
        raise SystemExit(f"{name} did not do its work: {answer}")
    found = {
        "ready": imported - begun,
        "answered": ended - begun - waits.wall,
        "cpu": cpu_ended - cpu,
        "calls": waits.calls,
        "modules": len(sys.modules),
        "megabytes": peak_megabytes(),
    }
    from chalicelib.exchanges.ccxt_public import load_exchange_class

    load_exchange_class("binance")({"enableRateLimit": False})
    return found | {"library": time.perf_counter() - ended, "megabytes_library": peak_megabytes()}


def main() -> None:
    kind, *arguments = sys.argv[1:]
    found = measure_import(arguments) if kind == "import" else measure_function(*arguments)
    print(json.dumps({"modules": len(sys.modules), "megabytes": peak_megabytes()} | found))


if __name__ == "__main__":
    main()
