"""The export for ViRelAy: its layout and its content."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

from pipeline.atlases.virelay import write_project
from pipeline.faces.shards import FaceShard
from tests.support.shards import make_map_shard

TITLE = "a: 'b' #{c} ü, from \"black\""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project of two shards' frames, in random order, with an odd method name."""
    folder = tmp_path_factory.mktemp("virelay")
    methods = ("A/../B", "real")
    names = ("data-test-000", "data-test-001")
    people = ([1, 2], [3, 4, 5])
    shards = [
        make_map_shard(folder, name, some, n, methods=methods)
        for n, (name, some) in enumerate(zip(names, people, strict=True))
    ]
    parts = []
    for name, (_, faces, _) in zip(names, shards, strict=True):
        with FaceShard(faces) as shard:
            frames = shard.labelled_frames()
        frames = frames.assign(shard=name, crop=np.arange(len(frames)))
        parts.append(frames.assign(place=frames["crop"]))
    rng = np.random.default_rng(0)
    members = pd.concat(parts).sample(14, random_state=0)
    members = members.assign(
        logit=rng.normal(size=14), cluster=rng.integers(0, 3, 14), x=0.5, y=-0.5
    )
    paths = [[shard[k] for shard in shards] for k in (0, 1)]
    write_project(folder / "out", members, *paths, title=TITLE, model="small")
    return folder / "out", members.reset_index(drop=True), shards


def test_the_project_names_existing_files(project):
    folder, _, _ = project
    content = yaml.safe_load((folder / "project.yaml").read_text("utf-8"))["project"]
    assert content["name"] == content["dataset"]["name"] == TITLE
    sources = [source for part in content["analyses"] for source in part["sources"]]
    sources += [*content["attributions"]["sources"], content["dataset"]["path"]]
    for name in (*sources, content["label_map"]):
        assert (folder / name).is_file()
    assert len(list(folder.iterdir())) == 5


def test_frames_and_maps_equal_those_of_the_shards(project):
    folder, members, shards = project
    with (
        h5py.File(folder / "dataset.h5") as data,
        h5py.File(folder / "attribution.h5") as maps,
    ):
        assert data["data"].shape == (14, 3, 36, 36)
        assert data["data"].dtype == np.uint8
        assert maps["attribution"].shape == (14, 3, 36, 36)
        assert maps["attribution"].dtype == np.float32
        assert maps["index"][:].tolist() == list(range(14))
        assert np.allclose(maps["prediction"][:].sum(1), 1)
        likely = 1 / (1 + np.exp(-members["logit"]))
        assert np.allclose(maps["prediction"][:, 1], likely, atol=1e-6)
        fake = data["label"][:] > 0
        assert np.array_equal(fake, members["label"] == 1)
        assert np.array_equal(data["label"][:], maps["label"][:])
        for index, row in members.iterrows():
            _, faces, raw = shards[int(row["shard"][-1])]
            wanted = raw[row["place"]].astype(np.float16)
            assert np.allclose(maps["attribution"][index].sum(0), wanted, atol=1e-6)
            with FaceShard(faces) as shard:
                crop = shard.crops[row["crop"]]
            assert np.array_equal(data["data"][index].transpose(1, 2, 0), crop)


def test_categories_are_all_and_each_label(project):
    folder, members, _ = project
    labels = json.loads((folder / "label-map.json").read_text())
    assert [label["name"] for label in labels] == ["real", "A/../B"]
    names = ["all", *(label["word_net_id"] for label in labels)]
    assert not any("/" in name for name in names)
    with h5py.File(folder / "analysis.h5") as file:
        assert sorted(file) == sorted(names)
        for name in names:
            index = file[name]["index"][:]
            wanted = members["cluster"].iloc[index]
            assert np.array_equal(file[name]["cluster/spectral"][:], wanted)
            assert file[name]["embedding/spectral"].shape == (len(index), 2)
        assert len(file["all"]["index"]) == 14
        assert set(members.iloc[file["real"]["index"][:]]["method"]) == {"real"}
