"""Checks the shared objects of a package: made for its architecture, with all libraries at hand."""

from pathlib import Path

from infra.elf import read_shared_object
from infra.target import Target

SYSTEM_LIBRARIES = frozenset(
    {
        "ld-linux-aarch64.so.1",
        "ld-linux-x86-64.so.2",
        "libc.so.6",
        "libdl.so.2",
        "libgcc_s.so.1",
        "libm.so.6",
        "libpthread.so.0",
        "librt.so.1",
        "libstdc++.so.6",
        "libz.so.1",
    }
)
"""Libraries that every system has which takes manylinux wheels (PEP 600), Amazon Linux among them."""


def native_problems(target: Target, tree: Path) -> list[str]:
    """Return which shared objects cannot be loaded by the target, and why."""
    objects = [path for path in sorted(tree.rglob("*.so*")) if path.is_file()]
    carried = {path.name for path in objects}
    problems = []
    for path in objects:
        name = path.relative_to(tree).as_posix()
        found = read_shared_object(path)
        if found is None:
            problems.append(f"{name} is no 64-bit ELF file: its wheel is for another system")
            continue
        if found.machine != target.elf_machine:
            problems.append(f"{name} is for ELF machine {found.machine}, not for {target.architecture}")
        missing = sorted(set(found.needed) - carried - SYSTEM_LIBRARIES)
        problems.extend(f"{name} needs {library}, which is pruned or missing" for library in missing)
    return problems
