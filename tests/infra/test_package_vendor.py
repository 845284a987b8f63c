"""The slim exchange library: what the exchanges in use can import, and nothing else."""

import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import pytest

from chalicelib.errors import UsageError
from chalicelib.exchanges import ccxt_public
from infra import vendor

WHEEL = {
    "ccxt/__init__.py": b"from ccxt import async_support\n",
    "ccxt/async_support/__init__.py": b"import aiohttp\n",
    "ccxt/base/__init__.py": b"from ccxt.base import errors\n",
    "ccxt/base/errors.py": b"class BaseError(Exception): pass\n",
    "ccxt/base/order_router.py": b"import asyncio\n",
    "ccxt/base/exchange.py": b"""
from ccxt.base.errors import BaseError
class Exchange:
    def hash(self):
        from ccxt.static_dependencies import keccak
    def sign_typed(self):
        from ccxt.static_dependencies.ethabi import encode
    def wrapped(self):
        return self.hash()
""",
    "ccxt/abstract/__init__.py": b"",
    "ccxt/abstract/plain.py": b"class ImplicitAPI: pass\n",
    "ccxt/abstract/hashing.py": b"class ImplicitAPI: pass\n",
    "ccxt/plain.py": b"""
from ccxt.base.exchange import Exchange
from ccxt.abstract.plain import ImplicitAPI
""",
    "ccxt/hashing.py": b"""
from ccxt.base.exchange import Exchange
from ccxt.abstract.hashing import ImplicitAPI
class hashing(Exchange):
    def sign(self):
        return self.wrapped()
""",
    "ccxt/typed.py": b"class typed:\n    def sign(self):\n        return self.sign_typed()\n"
    b"from ccxt.base.exchange import Exchange\n",
    "ccxt/child.py": b"from ccxt.hashing import hashing\n",
    "ccxt/static_dependencies/__init__.py": b"",
    "ccxt/static_dependencies/keccak/__init__.py": b"from .keccak import SHA3\n",
    "ccxt/static_dependencies/keccak/keccak.py": b"SHA3 = 1\n",
    "ccxt/static_dependencies/ethabi/__init__.py": b"from .abi import encode\n",
    "ccxt/static_dependencies/ethabi/abi.py": b"from ..keccak import SHA3\nencode = 1\n",
}
BASE = {"ccxt/base/__init__.py", "ccxt/base/errors.py", "ccxt/base/exchange.py"}
KECCAK = {name for name in WHEEL if "keccak" in name} | {"ccxt/static_dependencies/__init__.py"}


def test_only_what_the_exchange_imports_stays():
    kept = set(vendor.slim(WHEEL, ["plain"]))
    assert kept == BASE | {"ccxt/plain.py", "ccxt/abstract/__init__.py", "ccxt/abstract/plain.py"}


def test_what_a_signing_scheme_imports_stays_for_an_exchange_that_reaches_it():
    kept = set(vendor.slim(WHEEL, ["hashing"]))
    assert kept >= KECCAK
    assert not any("ethabi" in name for name in kept)


def test_an_exchange_made_of_another_brings_it_along():
    kept = set(vendor.slim(WHEEL, ["child"]))
    assert kept >= {"ccxt/child.py", "ccxt/hashing.py", "ccxt/abstract/hashing.py"} | KECCAK


def test_relative_imports_of_bundled_packages_are_followed():
    kept = set(vendor.slim(WHEEL, ["typed"]))
    assert kept >= KECCAK | {name for name in WHEEL if "ethabi" in name}


def test_an_exchange_that_ccxt_does_not_have_is_named():
    with pytest.raises(UsageError, match="no exchange 'pionex'"):
        vendor.slim(WHEEL, ["plain", "pionex"])


def test_a_wheel_is_written_with_its_license_in_place_of_the_last_one(tmp_path):
    out = tmp_path / "vendor"
    wheel = _zipped(tmp_path, {**WHEEL, "ccxt-9.dist-info/licenses/LICENSE.txt": b"MIT"})
    (out / "ccxt").mkdir(parents=True)
    (out / "ccxt" / "old.py").touch()
    vendor.write(wheel, "9", out, ["plain"])
    assert (out / "ccxt" / "LICENSE.txt").read_text() == "MIT"
    assert '__version__ = "9"' in (out / "ccxt" / "__init__.py").read_text()
    assert not (out / "ccxt" / "old.py").exists()
    assert not (out / "ccxt" / "async_support").exists()


def test_the_exchanges_are_those_of_the_market_feed():
    assert vendor.EXCHANGES == ccxt_public.EXCHANGES


def test_the_real_exchanges_load_from_the_slim_library_alone(tmp_path):
    spec = find_spec("ccxt")
    assert spec is not None
    assert spec.origin is not None
    site = Path(spec.origin).parents[1]
    parts = ("*.py", "base/*.py", "abstract/*.py", "static_dependencies/**/*.py")
    files = {path for part in parts for path in (site / "ccxt").glob(part)}
    wheel = _zipped(tmp_path, {path.relative_to(site).as_posix(): path.read_bytes() for path in files})
    slim = tmp_path / "slim"
    vendor.write(wheel, "9", slim)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from chalicelib.exchanges.ccxt_public import EXCHANGES, load_exchange_class\n"
        "for exchange in EXCHANGES: assert load_exchange_class(exchange)({}).describe()['id'] == exchange\n"
        "print(*(m.__file__ for n, m in sys.modules.items() if n.startswith('ccxt.') and m.__file__))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(slim)], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert len(loaded) >= 2 * len(vendor.EXCHANGES)
    assert all(name.startswith(str(slim)) for name in loaded)


def _zipped(folder: Path, files: Mapping[str, bytes]) -> Path:
    path = folder / "ccxt-9-py3-none-any.whl"
    with ZipFile(path, "w") as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return path
