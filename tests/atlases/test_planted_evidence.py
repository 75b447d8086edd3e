"""A detector that looks at a watermark instead of faces: the atlas must show it."""

import numpy as np
import pytest
import torch

from pipeline.atlases.clusters import cluster_maps, cluster_summary
from pipeline.atlases.ledger import ledger
from pipeline.atlases.reduction import cell_arrays, sum_shards, with_all_outcomes
from pipeline.atlases.regions import REGIONS, moved_region_grids, region_grid
from pipeline.attributions.baselines import make_baselines
from pipeline.attributions.explain import explain
from pipeline.attributions.frames import choose_frames, frame_keys
from pipeline.attributions.memory_plan import BatchSize
from pipeline.attributions.real_faces import RealFaces, write_real_faces
from pipeline.attributions.reference_faces import write_references
from pipeline.attributions.references import References
from pipeline.attributions.shards import writing_attributions
from pipeline.config.attribution import AttributionConfig
from pipeline.config.models import ModelConfig
from pipeline.config.protocols import ProtocolConfig
from pipeline.faces.shards import FaceShard
from pipeline.models.fabric import make_fabric
from pipeline.models.face_crops import FaceCrops
from pipeline.models.pretrained import build_detector
from pipeline.models.training import train
from tests.support.shards import row, write_faces
from tests.support.significance import significant_squares

SIZE, MARK = 48, 7  # px; the mark is in the lower right corner
FRAMES = 3


def crops_of(finished, marked: bool, person: int) -> np.ndarray:
    """Crops of drawn faces with some variation, if `marked` with a watermark."""
    rng = np.random.default_rng([person, marked])
    with FaceShard(finished.folder / "results/faces/miniature-train-000.h5") as shard:
        real = np.flatnonzero(shard.labelled_frames()["label"] == 0)
        faces = shard.crops[np.sort(rng.choice(real, FRAMES, replace=False))]
    light = rng.uniform(0.7, 1.3) * faces + rng.normal(0, 4, faces.shape)
    faces = np.clip(light, 0, 255).astype(np.uint8)
    if marked:
        faces[:, -MARK:, -MARK:] = [230, 40, 230]
    return faces


@pytest.fixture(scope="module")
def planted(finished, tmp_path_factory):
    """The reduced maps of a trained detector; baselines are real validation faces."""
    folder, shards = tmp_path_factory.mktemp("planted"), {}
    for number, split in enumerate(("train", "val", "test")):
        videos = [
            row(100 * number + person, method)
            for person in range(24 if split == "train" else 10)
            for method in ("A", "real")
        ]
        faces = [crops_of(finished, v["label"] == 1, int(v["target"])) for v in videos]
        masks = [np.zeros((FRAMES, SIZE, SIZE), np.uint8)] * len(videos)
        shards[split] = folder / "faces" / f"data-{split}-000.h5"
        write_faces(shards[split], videos, faces, masks)
    torch.manual_seed(0)
    config = ModelConfig(
        timm="test_resnet", input_size=SIZE, epochs=6, batch_size=8, augment=None
    )
    detector = build_detector(config.timm, SIZE)
    data = [FaceCrops([shards[split]]) for split in ("train", "val")]
    train(make_fabric(config), detector, config, *data, 0)
    detector.eval().requires_grad_(False)
    write_references(
        folder / "r.h5", [shards["train"]], ProtocolConfig(), provenance={}
    )
    write_real_faces(folder / "v.h5", [shards["val"]])
    with FaceShard(shards["test"]) as shard, RealFaces(folder / "v.h5") as real:
        rows, crops = choose_frames(shard.labelled_frames(), None), shard.crops[:]
        keys = frame_keys(rows)
        faces = real.crops_of(real.nearest(crops, rows))
        nearest = list(make_baselines("nearest_real", crops, keys, faces=faces))
    with References(folder / "r.h5") as references:
        prior = references.mean_mask
    found = explain(
        detector,
        crops,
        nearest,
        config=AttributionConfig(),
        batch_size=BatchSize(64),
    )
    assert found["converged"].mean() >= 0.99
    maps = folder / "maps" / shards["test"].name
    with writing_attributions(maps, SIZE, {}, "nearest_real") as out:
        names = ("maps", "nested_differences", "changes")
        arrays = [found.pop(name) for name in names]
        out.add(*arrays, rows.assign(**found, baseline_video=""))
    regions = region_grid(SIZE, 1.3)
    sums = sum_shards(
        [maps],
        [shards["test"]],
        mean_mask=prior,
        threshold=0.0,
        regions=regions,
        seed=0,
    )
    return sums, regions


def test_the_atlas_shows_the_mark(planted):
    found, regions = planted
    frames = found.frames
    assert ((frames["logit"] > 0) == (frames["label"] == 1)).mean() > 0.9
    cells = with_all_outcomes(found.cells)
    parts = ledger(cells, regions, moved_region_grids(SIZE, 1.3))
    fakes = parts[(parts["method"] == "A") & (parts["outcome"] == "all")]
    fakes = fakes[fakes["region"] != "all"].set_index("region")["logits"]
    assert fakes.idxmax() == "outside the face"
    assert fakes["outside the face"] > 0.8 * fakes.sum() > 0
    arrays = cell_arrays(cells)
    (cell,) = [c for c in arrays if c.method == "A" and c.outcome == "all"]
    hottest = np.unravel_index(cell.pooled.argmax(), cell.pooled.shape)
    inside = (SIZE - MARK) / SIZE * len(cell.pooled) - 1
    assert min(hottest) >= inside
    assert significant_squares(arrays, "nearest_real")["A", "all"][hottest]


def test_a_cluster_shows_the_mark(planted):
    found, _ = planted
    people = found.sampled["unit"].to_numpy()
    clusters = cluster_maps(found.sample, 0, groups=people)
    names = (REGIONS[-1], *REGIONS[:-1])
    regions = (region_grid(found.sample.shape[1], 1.3) + 1) % len(names)
    summary = cluster_summary(
        clusters, found.sampled, found.sample, regions=regions, names=names
    )
    assert clusters.count >= 2
    fake = found.sampled["label"].to_numpy() == 1
    shares = [fake[clusters.labels == c].mean() for c in range(clusters.count)]
    best = int(np.argmax(shares))
    assert shares[best] > 0.9
    assert summary["top_region"][best] == "outside the face"
    mean = found.sample[clusters.labels == best].mean(0)
    corner = mean[-len(mean) * MARK // SIZE - 1 :, -len(mean) * MARK // SIZE - 1 :]
    assert corner.sum() > 0.7 * mean.sum()
