"""The miniature corpus: H.264 files in FaceForensics++'s layout, from one seed."""

import av
import numpy as np
import pandas as pd
import pytest

from pipeline.config.miniature import MiniatureConfig
from pipeline.videos.listing import list_source
from pipeline.videos.miniature.corpus import render_sequence, write_video
from pipeline.videos.miniature.forgeries import forged_frames
from pipeline.videos.miniature.scene import make_scene
from pipeline.videos.sources.miniature import list_videos

METHODS = ["Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures"]


def decode(path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack(
            [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
        )


def test_files_are_h264_in_the_official_layout(corpus):
    found = {str(p.relative_to(corpus)) for p in corpus.rglob("*.mp4")}
    expected = {
        f"original_sequences/youtube/{c}/videos/{n}.mp4"
        for c in ("c23", "c40")
        for n in ("000", "001")
    }
    for method in METHODS:
        for name in ("000_001", "001_000"):
            for folder in ("c23", "c40", "masks"):
                expected.add(
                    f"manipulated_sequences/{method}/{folder}/videos/{name}.mp4"
                )
    assert found == expected
    for name in found:
        with av.open(str(corpus / name)) as container:
            assert container.streams.video[0].codec_context.name == "h264"


def test_stronger_compression_is_smaller(corpus):
    sizes = {
        c: sum(p.stat().st_size for p in corpus.rglob(f"*/{c}/videos/*.mp4"))
        for c in ("c23", "c40")
    }
    assert sizes["c40"] < 0.6 * sizes["c23"]


@pytest.mark.parametrize("method", METHODS)
def test_masks_mark_the_manipulated_pixels(corpus, method):
    forged = corpus / f"manipulated_sequences/{method}"
    fake = decode(forged / "c23/videos/000_001.mp4")
    mask = decode(forged / "masks/videos/000_001.mp4")[..., 0] > 127
    real = decode(corpus / "original_sequences/youtube/c23/videos/000.mp4")
    count = min(len(fake), len(real))
    assert len(mask) == len(fake)
    change = np.abs(fake[:count].astype(int) - real[:count]).mean(3)
    mask = mask[:count]
    assert 0.002 < mask.mean() < 0.25
    assert change[mask].mean() > 3 * change[~mask].mean()


def test_each_method_gives_the_right_length(corpus):
    forged = corpus / "manipulated_sequences"
    originals = corpus / "original_sequences/youtube/c23/videos"
    target, source = (len(decode(originals / f"{n}.mp4")) for n in ("000", "001"))
    lengths = {m: len(decode(forged / m / "c23/videos/000_001.mp4")) for m in METHODS}
    assert lengths["Face2Face"] == source
    assert lengths["FaceSwap"] == lengths["Deepfakes"] == min(target, source)


def test_same_seed_gives_the_same_bytes(tmp_path):
    config = MiniatureConfig(min_frames=3, max_frames=4)
    row = pd.Series({"method": "FaceSwap", "target": "004", "source": "005"})
    row["path"] = "manipulated_sequences/FaceSwap/c23/videos/004_005.mp4"
    row["mask"] = "manipulated_sequences/FaceSwap/masks/videos/004_005.mp4"
    written = []
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        seeded = config.model_copy(update={"seed": seed})
        render_sequence(row, seeded, tmp_path / name)
        written.append((tmp_path / name / row["path"]).read_bytes())
    assert written[0] == written[1] != written[2]


def test_bytes_do_not_depend_on_memory_addresses(tmp_path):
    """Those that x264's AVX-512 code writes do."""
    target, source = make_scene(0, 2, (6, 8)), make_scene(0, 3, (6, 8))
    written, kept = set(), []
    rng = np.random.default_rng(0)
    for _ in range(12):
        frames = [frame for frame, _ in forged_frames("Deepfakes", target, source, 0.5)]
        kept.append(np.empty(rng.integers(1, 5_000_000), np.uint8))
        write_video(tmp_path / "x.mp4", frames, 23)
        written.add((tmp_path / "x.mp4").read_bytes())
    assert len(written) == 1


def test_the_default_test_set_is_large_enough():
    table = list_videos(MiniatureConfig(), "miniature")
    test = table[table.split == "test"]
    assert (test.label == 0).sum() >= 24
    assert (test.label == 1).sum() >= 96


def test_no_person_is_in_two_splits():
    table = list_videos(MiniatureConfig(), "miniature")
    people = pd.concat(
        [
            table[["split", "target"]],
            table[["split", "source"]].rename(columns={"source": "target"}),
        ]
    )
    people = people[people.target != ""]
    assert (people.groupby("target").split.nunique() == 1).all()


def test_the_shard_of_a_video_depends_on_its_id_only():
    few, many = (
        list_source("miniature", config).set_index("video")["shard"]
        for config in (
            MiniatureConfig(methods=["FaceSwap"]),
            MiniatureConfig(compressions=["c40", "c23"]),
        )
    )
    assert (many[few.index] == few).all()
