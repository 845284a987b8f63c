"""The public API of Binance on the loopback over TLS, and what leads the deployed functions to it."""

import shutil
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.exchanges.binance_loopback import Binance, served
from tests.fakes.certificates import authority, certificate_for

HOST = "api.binance.com"
_REDIRECT = Path(__file__).parent / "redirect"


class LiveBinance(Binance):
    """The fake at the present time: its candles go on as they close."""

    @property
    def now(self) -> float:  # type: ignore[override]
        return time.time()

    @now.setter
    def now(self, _: float) -> None:
        return


@contextmanager
def exchange(folder: Path) -> Iterator[tuple[LiveBinance, dict[str, str]]]:
    """Serve the exchange; gives it with the variables that a function's process needs to find it."""
    trusted = shutil.copy(authority().path, folder / "authority.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_for((HOST,)))
    binance = LiveBinance(0)
    with served(binance, context) as port:
        yield (
            binance,
            {
                "PYTHONPATH": str(_REDIRECT.absolute()),
                "TEST_EXCHANGE_HOSTS": f"{HOST}={port}",
                "TEST_EXCHANGE_AUTHORITY": str(trusted),
            },
        )
