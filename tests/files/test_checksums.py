"""Checksums: coreutils accepts them, and a changed file is found before its use."""

import subprocess

import pytest

from pipeline.files.checksums import (
    ChecksumError,
    read_checksums,
    take_checksums,
    verify,
    write_checksums,
)


def test_sha256sum_accepts_the_file(corpus, tmp_path):
    names = sorted(str(p.relative_to(corpus)) for p in corpus.rglob("*.mp4"))
    sums = take_checksums(corpus, names)
    write_checksums(sums, tmp_path / "sums")
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", str(tmp_path / "sums")],
        cwd=corpus,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": OK") == len(names) == len(sums)
    assert read_checksums(tmp_path / "sums") == sums


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [(b"a", b"b", "changed"), (b"a", None, "is gone"), (None, b"a", "is new")],
)
def test_a_change_is_found(tmp_path, before, after, word):
    file = tmp_path / "a.mp4"
    if before:
        file.write_bytes(before)
    sums = take_checksums(tmp_path, ["a.mp4"])
    verify(tmp_path, "a.mp4", sums)
    file.unlink(missing_ok=True)
    if after:
        file.write_bytes(after)
    with pytest.raises(ChecksumError, match=rf"a\.mp4 {word}.*touch"):
        verify(tmp_path, "a.mp4", sums)


def test_an_incomplete_line_of_checksums_is_an_error(tmp_path):
    file = tmp_path / "sums"
    file.write_text(f"{'a' * 64}  fine.mp4\n{'b' * 20}")
    with pytest.raises(ChecksumError, match="sums: line 2 is not a checksum"):
        read_checksums(file)
