"""The slim exchange library: what the exchanges in use can import, and nothing else."""

import json
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import pytest

from chalicelib.errors import UsageError
from chalicelib.exchanges.ccxt_loader import OWN_MODULES
from chalicelib.exchanges.quirks import QUIRKS
from infra import vendor
from tests.infra.small_package import REPOSITORY

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


def test_what_our_own_classes_reach_in_the_base_class_stays():
    module = b"from ccxt.base.exchange import Exchange\nclass own(Exchange):\n    pass\n"
    calling = module + b"    def sign(self):\n        return self.wrapped()\n"
    assert set(vendor.slim(WHEEL, [], {"chalicelib/exchanges/own.py": module})) == BASE
    assert set(vendor.slim(WHEEL, [], {"chalicelib/exchanges/own.py": calling})) == BASE | KECCAK


def test_a_module_that_ours_import_and_the_wheel_lacks_is_named():
    with pytest.raises(UsageError, match=r"exchanges/own\.py imports ccxt\.base\.gone"):
        vendor.slim(WHEEL, [], {"chalicelib/exchanges/own.py": b"from ccxt.base.gone import name\n"})


def test_the_exchanges_are_those_that_are_traded_on():
    assert {*vendor.EXCHANGES, *OWN_MODULES} == QUIRKS.keys()
    own = vendor.own_modules(REPOSITORY)
    assert {f"{module.replace('.', '/')}.py" for module in OWN_MODULES.values()} <= own.keys()


SIGN = """
import json, sys
sys.path.insert(0, sys.argv[1])
from chalicelib.exchanges.ccxt_loader import load_exchange_class
signed = {}
token = {"token": "granted", "expires": 1e12}
for name, (path, api) in json.loads(sys.argv[2]).items():
    client = load_exchange_class(name)({"apiKey": "key", "secret": "secret"})
    client.options["accessToken"] = token
    signed[name] = client.sign(path, api, "POST", {"symbol": "BTCUSDT"})
files = [m.__file__ for n, m in sys.modules.items() if n.startswith("ccxt.") and m.__file__]
print(json.dumps({"signed": signed, "files": files}))
"""
ORDERS = {
    "binance": ("order", ["private"]),
    "bybit": ("v5/order/create", ["private"]),
    "bingx": ("trade/order", ["swap", "v2", "private"]),
    "pionex": ("api/v1/trade/order", ["private"]),
    "orangex": ("private/buy", ["private"]),
}
PROOFS = {
    "binance": "signature=",
    "bybit": "X-BAPI-SIGN",
    "bingx": "signature=",
    "pionex": "PIONEX-SIGNATURE",
    "orangex": "bearer granted",
}
"""What the exchange knows a signed request by."""


def test_the_real_exchanges_sign_requests_with_the_slim_library_alone(tmp_path):
    spec = find_spec("ccxt")
    assert spec is not None
    assert spec.origin is not None
    site = Path(spec.origin).parents[1]
    parts = ("*.py", "base/*.py", "abstract/*.py", "static_dependencies/**/*.py")
    files = {path for part in parts for path in (site / "ccxt").glob(part)}
    wheel = _zipped(tmp_path, {path.relative_to(site).as_posix(): path.read_bytes() for path in files})
    slim = tmp_path / "slim"
    vendor.write(wheel, "9", slim, own=vendor.own_modules(REPOSITORY))
    command = [sys.executable, "-c", SIGN, str(slim), json.dumps(ORDERS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["signed"].keys() == QUIRKS.keys()
    for name, request in answer["signed"].items():
        assert PROOFS[name] in json.dumps(request), name
    assert len(answer["files"]) >= 2 * len(vendor.EXCHANGES)
    assert all(name.startswith(str(slim)) for name in answer["files"])


def _zipped(folder: Path, files: Mapping[str, bytes]) -> Path:
    path = folder / "ccxt-9-py3-none-any.whl"
    with ZipFile(path, "w") as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return path
