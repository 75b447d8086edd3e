"""Finished parts of a file survive an error, and are never used for other work."""

import numpy as np
import pytest

from pipeline.files.finished_parts import finished_parts


def test_parts_are_kept_after_an_error_and_removed_at_the_end(tmp_path):
    output = tmp_path / "shard.h5"

    def work(fail: bool) -> bool:
        with finished_parts(output, "this work") as parts:
            there = "a/b" in parts
            if not there:
                parts.save("a/b", {"x": np.arange(3), "t": np.array("text")})
            assert parts.load("a/b")["x"].tolist() == [0, 1, 2]
            assert str(parts.load("a/b")["t"]) == "text"
            if fail:
                raise KeyboardInterrupt
        return there

    with pytest.raises(KeyboardInterrupt):
        work(fail=True)
    assert work(fail=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("harm", ["other work", "cut", "half"])
def test_parts_of_other_work_and_damaged_parts_are_not_used(tmp_path, harm):
    folder = tmp_path / ".shard.parts"
    with pytest.raises(KeyboardInterrupt), finished_parts(tmp_path / "shard.h5", "a"):
        raise KeyboardInterrupt
    with finished_parts(tmp_path / "shard.h5", "a") as parts:
        parts.save("one", {"x": np.arange(1000)})
        (file,) = folder.glob("*.npz")
        content = file.read_bytes()
    folder.mkdir()
    (folder / "of").write_text("b" if harm == "other work" else "a")
    (folder / file.name).write_bytes(content[:100] if harm == "cut" else content)
    if harm == "half":
        (folder / file.name).rename(folder / f".{file.name}")
    with finished_parts(tmp_path / "shard.h5", "a") as parts:
        assert "one" not in parts


def test_no_part_is_unpickled(tmp_path):
    with finished_parts(tmp_path / "shard.h5", "a") as parts:
        parts.save("one", {"x": np.array([{}], dtype=object)})
        with pytest.raises(ValueError, match="allow_pickle"):
            parts.load("one")
