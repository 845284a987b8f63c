"""What the functions run on: architecture and Python version; used by every step of `infra.package`."""

import platform
import sys
from dataclasses import dataclass
from typing import Literal, get_args

from chalicelib.errors import UsageError

Architecture = Literal["x86_64", "arm64"]
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)

OLDEST_PYTHON = (3, 12)
RUNTIME_GLIBC = 34
"""Lambda's runtimes from Python 3.12 on are Amazon Linux 2023, which has glibc 2.34."""
_OLDEST_GLIBC = 17

_MACHINES: dict[Architecture, str] = {"x86_64": "x86_64", "arm64": "aarch64"}
_ELF_MACHINES: dict[Architecture, int] = {"x86_64": 62, "arm64": 183}


@dataclass(frozen=True, slots=True)
class Target:
    """One Lambda runtime; its Python version is that of the Python that packages, as in Chalice."""

    architecture: Architecture
    python: tuple[int, int]

    @property
    def version(self) -> str:
        return ".".join(map(str, self.python))

    @property
    def machine(self) -> str:
        """The name of the architecture in wheels."""
        return _MACHINES[self.architecture]

    @property
    def elf_machine(self) -> int:
        """The number of the architecture in the header of a shared object."""
        return _ELF_MACHINES[self.architecture]

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platform tags of wheels that run there; pip does not add the older ones by itself."""
        glibc = range(_OLDEST_GLIBC, RUNTIME_GLIBC + 1)
        tags = [f"manylinux_2_{minor}_{self.machine}" for minor in glibc]
        return (*tags, f"manylinux2014_{self.machine}")

    @property
    def extension_suffixes(self) -> tuple[str, ...]:
        """The endings of extension modules that this runtime imports, in the order in which it looks."""
        version = "".join(map(str, self.python))
        return (f".cpython-{version}-{self.machine}-linux-gnu.so", ".abi3.so", ".so")

    @property
    def native(self) -> bool:
        """Whether its shared objects load in this process."""
        return platform.machine() == self.machine and sys.version_info[:2] == self.python


def require_python(running: tuple[int, int] = sys.version_info[:2]) -> tuple[int, int]:
    """Return the version to package for; UsageError where Chalice would leave numpy out without failing."""
    if running < OLDEST_PYTHON:
        oldest, this = (".".join(map(str, version)) for version in (OLDEST_PYTHON, running))
        raise UsageError(
            f"packaging needs Python {oldest} or newer, this is {this}: the runtime of older ones is too old "
            "for numpy's wheels. Make the environment anew: "
            "rm -rf .venv && make install PYTHON=/path/to/python3.12"
        )
    return running
