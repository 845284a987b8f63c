"""The zip: the same bytes from the same files, whenever and wherever it is written."""

import os
from zipfile import ZipFile

from infra.archive import digest, unpack, write_archive
from tests.infra.small_package import write

FILES = {"b.py": "print(1)\n" * 50, "a/c.txt": "text", "a/lib.cpython-312-x86_64-linux-gnu.so": b"\x7fELF"}


def test_times_modes_and_order_of_writing_do_not_matter(tmp_path):
    first = write(tmp_path / "first", FILES)
    second = write(tmp_path / "second", dict(reversed(FILES.items())))
    for path in second.rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            os.utime(path, (1, 1))
    one, two = (write_archive(tree, tmp_path / f"{tree.name}.zip") for tree in (first, second))
    assert one.path.read_bytes() == two.path.read_bytes()
    assert one.digest == two.digest == digest(two.path)


def test_another_content_or_name_is_another_zip(tmp_path):
    one = write_archive(write(tmp_path / "one", FILES), tmp_path / "one.zip")
    two = write_archive(write(tmp_path / "two", {**FILES, "b.py": "print(2)\n"}), tmp_path / "two.zip")
    assert one.digest != two.digest


def test_sizes_are_those_of_the_zip_and_of_its_files(tmp_path):
    archive = write_archive(write(tmp_path / "tree", FILES), tmp_path / "out" / "t.zip")
    assert archive.zipped == archive.path.stat().st_size
    assert archive.unzipped == sum(len(content) for content in FILES.values())


def test_everybody_can_read_the_files_and_load_the_shared_objects(tmp_path):
    archive = write_archive(write(tmp_path / "tree", FILES), tmp_path / "t.zip")
    with ZipFile(archive.path) as zipped:
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in zipped.infolist()}
    assert modes == {"a/c.txt": 0o644, "a/lib.cpython-312-x86_64-linux-gnu.so": 0o755, "b.py": 0o644}


def test_it_unpacks_to_what_was_packed(tmp_path):
    archive = write_archive(write(tmp_path / "tree", FILES), tmp_path / "t.zip")
    unpack(archive.path, tmp_path / "again")
    assert (tmp_path / "again" / "a/c.txt").read_text() == "text"
    assert write_archive(tmp_path / "again", tmp_path / "t2.zip").digest == archive.digest
