"""Each source lists its data set in the same table, from names only."""

import hashlib
import json
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.made_up_lists import PLACES, SIZES, write_names, write_splits
from pipeline.config.fetch import FetchConfig
from pipeline.config.sources import SourcesConfig
from pipeline.videos.download.dataset import read_manifest
from pipeline.videos.download.lists import fetch_lists
from pipeline.videos.listing import leak_report, list_source, list_videos
from pipeline.videos.paths import path_fault
from pipeline.videos.sharding import shard_names
from pipeline.videos.sources import faceforensics
from pipeline.videos.table import COLUMNS, UNKNOWN_LABEL, used, with_units
from tests.support.servers import FileServer

METHODS = ["Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter"]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    write_splits(folder / "splits")
    write_names(folder / "misc/deepfake_detection_filenames.json")
    return folder


def complete_config(root: Path, **changes) -> SourcesConfig:
    """All of FaceForensics++ and DeepFakeDetection, from a server."""
    served = {"root": str(root), "server": "http://localhost", "agree_to_terms": True}
    own = {"official_splits": False, "methods": METHODS, **changes}
    return SourcesConfig(faceforensics={**served, **own}, deepfakedetection={**served})


def sequences(table: pd.DataFrame) -> set[str]:
    return {*table["target"], *table["source"]} - {""}


def test_faceforensics_has_the_official_numbers_of_videos(root):
    table = list_videos(complete_config(root))
    assert list(table.columns) == [*COLUMNS, "shard"]
    assert table["video"].is_unique
    assert table["path"].is_unique
    counts = table.groupby(["dataset", "method"]).size()
    assert counts["faceforensics"].to_dict() == dict.fromkeys(["real", *METHODS], 1000)
    assert counts["deepfakedetection"].to_dict() == {
        "real": 363,
        "DeepFakeDetection": 3068,
    }
    mine = table[table["dataset"] == "faceforensics"]
    for split, size in SIZES.items():
        part = mine[mine["split"] == split]
        assert part.groupby("method").size().to_dict() == dict.fromkeys(
            ["real", *METHODS], size
        )
    pairs = set(zip(mine["target"], mine["source"], strict=True))
    assert all((b, a) in pairs for a, b in pairs if b)  # both orders of every pair
    without = mine[(mine["mask"] == "") & (mine["label"] == 1)]
    assert set(without["method"]) == {"FaceShifter"}
    row = mine[mine["method"] == "Face2Face"].iloc[0]
    name = f"{row.target}_{row.source}.mp4"
    assert row["path"] == f"manipulated_sequences/Face2Face/c23/videos/{name}"
    assert row["mask"] == f"manipulated_sequences/Face2Face/masks/videos/{name}"


def originals(table: pd.DataFrame) -> pd.DataFrame:
    """The fakes whose original is known, joined with it."""
    real = table[table["method"] == "real"].set_index("video")
    assert not (table["original"] != "")[table["method"] == "real"].any()
    fakes = table[table["original"] != ""]
    return fakes.join(real.add_suffix("_real"), on="original")


def test_every_fake_has_its_original(root):
    table = list_videos(complete_config(root, compressions=["raw", "c40"]))
    found = originals(table)
    assert (found["compression"] == found["compression_real"]).all()
    assert (found["target"] == found["target_real"]).all()
    assert (found["split"] == found["split_real"])[found["split"] != ""].all()
    known = found["dataset"].value_counts()
    assert known["faceforensics"] == 2 * 5 * 1000
    actors = found[found["dataset"] == "deepfakedetection"]
    scenes = [
        actors[c].str.split("/").str[-1].str.split("__").str[1]
        for c in ("video", "original")
    ]
    assert len(actors) > 1000
    assert (scenes[0] == scenes[1]).all()


def test_the_unit_of_faceforensics_is_the_pair(root):
    table = list_videos(complete_config(root))
    mine = table[table["dataset"] == "faceforensics"]
    fakes = mine[mine["label"] == 1]
    pairs = [
        f"faceforensics/{'+'.join(sorted(pair))}"
        for pair in zip(fakes["target"], fakes["source"], strict=True)
    ]
    assert fakes["unit"].tolist() == pairs
    assert (mine["second_unit"] == "").all()
    used_videos = mine[mine["split"] == "test"]
    assert used_videos["unit"].nunique() == SIZES["test"] // 2
    sizes = used_videos.groupby("unit").size()  # two real videos, and two a method
    assert (sizes == 2 + 2 * len(METHODS)).all()


def test_crossed_sources_are_second_units(root):
    table = list_videos(complete_config(root))
    actors = table[(table["dataset"] == "deepfakedetection") & (table["split"] != "")]
    assert (actors["unit"] == "deepfakedetection/" + actors["target"]).all()
    fakes = actors[actors["label"] == 1]
    assert (fakes["second_unit"] == "deepfakedetection/" + fakes["source"]).all()
    assert (actors.loc[actors["label"] == 0, "second_unit"] == "").all()


def test_units_of_own_clips(tmp_path):
    table = own(
        tmp_path,
        "path,label,target,source,split\na.mp4,real,ann,,test\nb.mp4,fake,ann,bob,test\n"
        "c.mp4,fake,cid,dan,test\nd.mp4,fake,cid,eve,test\ne.mp4,real,,,test\n"
        "f.mp4,real,eve,,test\n",
    ).set_index("path")
    assert table["unit"].str.split("/", n=1).str[1].to_dict() == {
        "a.mp4": "ann+bob",
        "b.mp4": "ann+bob",
        "c.mp4": "cid",
        "d.mp4": "cid",
        "e.mp4": "e.mp4",
        "f.mp4": "eve",
    }
    second = table.loc[table["second_unit"] != "", "second_unit"]
    assert second.str.split("/").str[1].to_dict() == {"c.mp4": "dan", "d.mp4": "eve"}


def test_videos_without_mask_have_that_of_a_fake_of_the_same_recording(root):
    table = list_videos(complete_config(root))
    mine = table[table["dataset"] == "faceforensics"].set_index("video")
    masked = mine["mask"] != ""
    assert (mine.loc[masked, "subject_mask"] == "").all()
    without = mine[~masked & (mine["split"] != "")]
    names = without["subject_mask"].str.split("/")
    assert set(names.str[1]) == {
        "Deepfakes"
    }  # the same frames and size as the original
    shown = names.str[-1].str.removesuffix(".mp4").str.split("_").str[0]
    assert (shown == without["target"]).all()
    assert set(without["method"]) == {"real", "FaceShifter"}


def test_an_ambiguous_original_is_left_empty(tmp_path):
    table = own(
        tmp_path,
        "path,label,target\na.mp4,real,ann\nb.mp4,real,bob\nc.mp4,real,bob\n"
        "d.mp4,fake,ann\ne.mp4,fake,bob\nf.mp4,fake,\n",
    )
    table = table.set_index("path")
    assert table.loc["d.mp4", "original"] == table.loc["a.mp4", "video"]
    assert (table["original"] == "").sum() == 5


def test_a_video_that_is_left_out_is_not_an_original(celeb):
    """Training videos change no row of a testing video, so test shards are stable."""
    config = SourcesConfig(celebdf={"root": str(celeb)}).celebdf
    tested = list_source("celebdf", config)
    everything = list_source("celebdf", config.model_copy(update={"use": "all"}))
    again = everything[everything["split"] == "test"].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, tested)
    assert originals(everything)["left_out_real"].eq("").all()


def test_dfdc_originals_are_in_the_folder_of_the_fake(tmp_path):
    for part in ("a", "b"):
        (tmp_path / part).mkdir()
        about = {"x.mp4": {"label": "REAL"}}
        about["y.mp4"] = {"label": "FAKE", "original": "x.mp4"}
        (tmp_path / part / "metadata.json").write_text(json.dumps(about))
    table = list_source("dfdc", SourcesConfig(dfdc={"root": str(tmp_path)}).dfdc)
    original_paths = originals(table).set_index("path")["path_real"]
    assert original_paths.to_dict() == {"a/y.mp4": "a/x.mp4", "b/y.mp4": "b/x.mp4"}
    # The actors are unknown, but a folder shows the same few.
    assert set(zip(table["path"].str[0], table["unit"], strict=True)) == {
        ("a", "dfdc/a"),
        ("b", "dfdc/b"),
    }


def test_no_person_is_in_two_splits(root):
    config = complete_config(root, leaks="drop", compressions=["raw", "c40"])
    table = used(list_videos(config))
    for _, part in table.groupby("dataset"):
        places = [sequences(rows) for _, rows in part.groupby("split")]
        assert sum(map(len, places)) == len(set().union(*places))


def test_each_actor_is_in_one_split_and_mixed_fakes_are_left_out(root):
    table = list_videos(complete_config(root))
    table = table[table["dataset"] == "deepfakedetection"]
    out = table[table["left_out"] != ""]
    assert set(out["left_out"]) == {"its two actors are in different splits"}
    assert (out["split"] == "").all()
    assert (out["shard"] == "").all()
    assert (out["label"] == 1).all()
    for split, last in (("train", 18), ("val", 22), ("test", 28)):
        people = sequences(table[table["split"] == split])
        assert max(map(int, people)) == last
    tested = SourcesConfig(
        deepfakedetection={
            "root": str(root),
            "use": "test",
            "names": str(root / "misc/deepfake_detection_filenames.json"),
        }
    )
    table = list_source("deepfakedetection", tested.deepfakedetection)
    assert set(table["split"]) == {"test"}
    assert len(table) == 363 + 3068


def test_deepfakedetection_on_disk_is_listed_from_its_folders(root, tmp_path):
    names = {
        "original_sequences/actors/c23/videos": ["01__a_b", "25__a"],
        "manipulated_sequences/DeepFakeDetection/c23/videos": ["25_28__a__ABCD1234"],
    }
    for folder, stems in names.items():
        (tmp_path / folder).mkdir(parents=True)
        for stem in stems:
            (tmp_path / folder / f"{stem}.mp4").touch()
    config = SourcesConfig(deepfakedetection={"root": str(tmp_path)})
    table = list_source("deepfakedetection", config.deepfakedetection)
    assert table["split"].tolist() == ["train", "test", "test"]
    assert table["mask"].tolist()[2] == (
        "manipulated_sequences/DeepFakeDetection/masks/videos/25_28__a__ABCD1234.mp4"
    )
    (tmp_path / next(iter(names)) / "x; rm -rf.mp4").touch()
    with pytest.raises(
        ValueError, match="is not a name of DeepFakeDetection like 01__"
    ):
        list_source("deepfakedetection", config.deepfakedetection)


def test_the_leak_report_names_the_seven_videos(root):
    leaks = leak_report(list_videos(complete_config(root)))
    assert leaks["what"].nunique() == 7
    reported = {tuple(row) for row in leaks[["split", "members"]].values}
    assert reported == {(place, name) for name, place in PLACES.items()}


def test_dropping_leaks_removes_training_videos_only(root):
    kept = list_videos(complete_config(root))
    dropped = list_videos(complete_config(root, leaks="drop"))
    assert not len(leak_report(dropped))
    out = dropped[(dropped["left_out"] != "") & (dropped["dataset"] == "faceforensics")]
    assert out["left_out"].str.contains("of one YouTube video, in two splits").all()
    before = kept.set_index("video")["split"]
    assert set(before[out["video"]]) == {"train"}
    # For each of the seven: itself, and its fakes as target and source in 5 methods.
    assert out.groupby("method").size().to_dict() == {
        "real": 7,
        **dict.fromkeys(METHODS, 14),
    }


def test_a_subset_has_complete_pairs(root):
    table = list_videos(complete_config(root, videos=51))
    table = table[table["dataset"] == "faceforensics"]
    for _, part in table.groupby("split"):
        assert part.groupby("method").size().to_dict() == dict.fromkeys(
            ["real", *METHODS], 50
        )
        fakes = part[part["label"] == 1]
        assert sequences(fakes) == sequences(part[part["label"] == 0])


def test_a_subset_of_scenes_keeps_their_fakes(root):
    config = complete_config(root).deepfakedetection.model_copy(update={"videos": 6})
    table = list_source("deepfakedetection", config)
    real = table[table["label"] == 0]
    assert real.groupby("split").size().to_dict() == dict.fromkeys(SIZES, 6)
    scenes = {Path(path).stem for path in real["path"]}
    fakes = table[table["label"] == 1]
    parts = fakes["path"].map(lambda path: Path(path).stem.split("__"))
    assert {f"{a[:2]}__{scene}" for a, scene, _ in parts} <= scenes
    assert len(fakes) > 50


def test_split_files_other_than_the_authors_are_refused(root):
    config = complete_config(root, official_splits=True)
    with pytest.raises(ValueError, match=r"train\.json: is not the authors'") as caught:
        list_videos(config)
    assert faceforensics.OFFICIAL_SHA256["train"] in str(caught.value)
    assert "official_splits: false" in str(caught.value)


@pytest.fixture
def server(root):
    server = FileServer(root)
    yield server
    server.close()


def listed_by(server, folder, monkeypatch, official=True) -> SourcesConfig:
    """A configuration that names addresses; the served splits are made the authors'."""
    sums = {
        split: hashlib.sha256((server.root / f"splits/{split}.json").read_bytes())
        for split in SIZES
    }
    if official:
        digests = {split: digest.hexdigest() for split, digest in sums.items()}
        monkeypatch.setattr(faceforensics, "OFFICIAL_SHA256", digests)
    server.prefix = "/v3"
    served = {"server": server.address, "agree_to_terms": True, "root": str(folder)}
    address = f"{server.address}/v3/splits"
    return SourcesConfig(
        faceforensics={**served, "splits": address}, deepfakedetection=served
    )


def test_lists_are_fetched_once(server, tmp_path, monkeypatch):
    config = listed_by(server, tmp_path, monkeypatch)
    fetch_lists(config, FetchConfig())
    assert len(list_videos(config)) == 5 * 1000 + 3431
    asked = len(server.asked)
    assert asked == 4
    fetch_lists(config, FetchConfig())
    assert len(server.asked) == asked


def test_fetched_split_files_other_than_the_authors_are_refused(
    server, tmp_path, monkeypatch
):
    config = listed_by(server, tmp_path, monkeypatch, official=False)
    with pytest.raises(ValueError, match=r"cannot be fetched .*should be e59386911255"):
        fetch_lists(config, FetchConfig())
    assert not list(tmp_path.rglob("*.json"))


def test_a_web_page_instead_of_a_list_is_refused(server, tmp_path, monkeypatch):
    config = listed_by(server, tmp_path, monkeypatch)
    listed = server.root / "misc/deepfake_detection_filenames.json"
    content = listed.read_bytes()
    listed.write_text("<html>please come back later</html>")
    with pytest.raises(ValueError, match="cannot be read as the authors' list"):
        fetch_lists(config, FetchConfig())
    listed.write_bytes(content)
    fetch_lists(config, FetchConfig())
    assert len(list_videos(config)) == 5 * 1000 + 3431
    assert read_manifest(tmp_path) == {
        "misc/deepfake_detection_filenames.json": hashlib.sha256(content).hexdigest()
    }


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ({"actors": ["25__a"] * 2 + ["25__a.mp4"], "DeepFakesDetection": []}, None),
        (
            {"actors": ["25__" + "a" * 300], "DeepFakesDetection": []},
            "is not a name of",
        ),
        ({"actors": ["../25__a"], "DeepFakesDetection": []}, "is not a name of"),
        ({"actors": [3], "DeepFakesDetection": []}, "cannot be read as"),
        ({"actors": []}, "cannot be read as"),
    ],
)
def test_lists_of_names_are_checked(tmp_path, listed, message):
    names = tmp_path / "names.json"
    names.write_text(json.dumps(listed))
    section = {"root": str(tmp_path), "names": str(names)}
    config = SourcesConfig(deepfakedetection=section).deepfakedetection
    if message is None:
        assert list_source("deepfakedetection", config)["video"].is_unique
    else:
        with pytest.raises(ValueError, match=message):
            list_source("deepfakedetection", config)


def test_a_list_that_cannot_be_fetched(server, tmp_path, monkeypatch):
    config = listed_by(server, tmp_path, monkeypatch)
    server.standing["misc/deepfake_detection_filenames.json"] = "404"
    with pytest.raises(ValueError, match="404 Not Found") as caught:
        fetch_lists(config, FetchConfig())
    assert "give its place as sources.deepfakedetection.names" in str(caught.value)


CELEB = {
    "Celeb-real": [f"id{p}_{n:04d}" for p in range(12) for n in range(3)],
    "YouTube-real": [f"{n:05d}" for n in range(20)],
    "Celeb-synthesis": [
        f"id{a}_id{b}_{n:04d}"
        for a in range(12)
        for b in range(12)
        for n in range(3)
        if a != b
    ],
}


@pytest.fixture
def celeb(tmp_path) -> Path:
    for folder, stems in CELEB.items():
        (tmp_path / folder).mkdir()
        for stem in stems:
            (tmp_path / folder / f"{stem}.mp4").touch()
    lines = [f"1 Celeb-real/id{p}_0000.mp4" for p in range(4)]
    lines += [f"0 Celeb-synthesis/id{p}_id{p + 1}_0000.mp4" for p in range(4)]
    lines += ["1 YouTube-real/00003.mp4", "0 Celeb-synthesis/id9_id8_0001.mp4"]
    (tmp_path / "List_of_testing_videos.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_celebdf_tests_on_its_list_of_testing_videos(celeb):
    config = SourcesConfig(celebdf={"root": str(celeb)})
    table = list_source("celebdf", config.celebdf)
    assert set(table["split"]) == {"test"}
    assert table.groupby("method").size().to_dict() == {"Celeb-synthesis": 5, "real": 5}
    row = table.set_index("path").loc["Celeb-synthesis/id2_id3_0000.mp4"]
    assert (row["label"], row["target"], row["source"]) == (1, "id2", "id3")
    assert set(table["compression"]) == {"native"}
    original_paths = originals(table).set_index("path")["path_real"]
    assert (
        original_paths["Celeb-synthesis/id2_id3_0000.mp4"] == "Celeb-real/id2_0000.mp4"
    )
    # The original of the fifth fake is not among the testing videos.
    assert len(original_paths) == 4
    units = with_units(table).set_index("path")
    assert units.loc[row.name, "unit"] == "celebdf/id2"
    assert units.loc[row.name, "second_unit"] == "celebdf/id3"


def test_a_subset_of_celebdf_has_both_kinds(celeb):
    config = SourcesConfig(celebdf={"root": str(celeb), "videos": 2}).celebdf
    table = list_source("celebdf", config)
    assert table.groupby("label").size().to_dict() == {0: 2, 1: 2}


def test_a_slash_at_the_end_of_a_folder_is_ignored(celeb):
    config = SourcesConfig(celebdf={"root": f"{celeb}/"}).celebdf
    assert config.root == str(celeb)


def test_celebdf_trains_on_no_testing_recording_and_reports_shared_persons(celeb):
    config = SourcesConfig(celebdf={"root": str(celeb), "use": "all"})
    table = list_videos(config)
    assert len(table) == sum(map(len, CELEB.values()))
    training = used(table)[used(table)["split"] != "test"]
    for person in range(4):
        made_of = training["path"].str.contains(rf"/id{person}(?:_id\d+)?_0000\.mp4")
        assert not made_of.any()
    assert not training["path"].str.contains(r"/id9(?:_id\d+)?_0001\.mp4").any()
    reasons = set(table["left_out"]) - {""}
    assert reasons == {
        "a testing video is of the same recording",
        "its two people are in different splits",
    }
    train, val = (sequences(training[training["split"] == s]) for s in ("train", "val"))
    assert train
    assert val
    assert not train & val
    leaks = leak_report(table)
    assert set(leaks["what"]) == {f"person id{p}" for p in (0, 1, 2, 3, 4, 8, 9)}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 Celeb-real/id0_0001.mp4", "1 stands for real there"),
        ("1 Celeb-synthesis/id0_id1_0001.mp4", "1 stands for real there"),
        ("1 Celeb-real/../../etc/passwd", "not a video of Celeb-DF"),
        ("1 /etc/passwd", "not a video of Celeb-DF"),
        ("1 Celeb-real/id0_0000.mp4", "is listed twice"),
        ("nonsense", "not a video of Celeb-DF"),
    ],
)
def test_invalid_lines_of_the_celebdf_list_are_refused(celeb, line, message):
    with open(celeb / "List_of_testing_videos.txt", "a") as file:
        file.write(f"{line}\n")
    config = SourcesConfig(celebdf={"root": str(celeb)})
    with pytest.raises(ValueError, match=f"line 11: .*{message}"):
        list_source("celebdf", config.celebdf)


def write_dfdc(root: Path, folders: int) -> None:
    for number in range(folders):
        folder = root / f"dfdc_train_part_{number}"
        folder.mkdir(parents=True)
        about = {}
        for clip in range(4):
            name = f"real{number}x{clip}.mp4"
            about[name] = {"label": "REAL", "split": "train"}
            fake = {"label": "FAKE", "split": "train", "original": name}
            about[f"fake{number}x{clip}.mp4"] = fake
        (folder / "metadata.json").write_text(json.dumps(about))


def test_each_dfdc_folder_is_in_one_split(tmp_path):
    write_dfdc(tmp_path, 10)
    config = SourcesConfig(dfdc={"root": str(tmp_path), "use": "all"})
    table = list_videos(config)
    folder = table["path"].str.split("/").str[0]
    assert (table.groupby(folder)["split"].nunique() == 1).all()
    assert table.groupby("split").size().to_dict() == {
        "test": 16,
        "train": 56,
        "val": 8,
    }
    fake = table.set_index("path").loc["dfdc_train_part_3/fake3x1.mp4"]
    assert (fake["label"], fake["target"]) == (1, "real3x1")
    paths = originals(table).set_index("path")["path_real"]
    assert len(paths) == 40
    assert paths[fake.name] == "dfdc_train_part_3/real3x1.mp4"
    few = config.dfdc.model_copy(update={"use": "test", "videos": 7})
    table = list_source("dfdc", few)
    assert table.groupby("label").size().to_dict() == {0: 7, 1: 7}
    assert set(table["split"]) == {"test"}


def test_a_single_dfdc_folder_can_only_be_used_for_testing(tmp_path):
    write_dfdc(tmp_path, 1)
    inside = SourcesConfig(dfdc={"root": str(tmp_path / "dfdc_train_part_0")}).dfdc
    table = list_source("dfdc", inside)
    assert set(table["path"].str.count("/")) == {0}
    with pytest.raises(ValueError, match=r"needs three folders.*use: test"):
        list_source("dfdc", inside.model_copy(update={"use": "all"}))


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ("[", "cannot be read"),
        ("[1]", "is not a JSON object"),
        ('{"../a.mp4": {"label": "REAL"}}', "is not a name of a clip"),
        ('{"a.mp4": {"label": "real"}}', "neither REAL nor FAKE"),
        ('{"a.mp4": 3}', "neither REAL nor FAKE"),
        ('{"a.mp4": {"label": "FAKE", "original": "../../x"}}', "not a name of a clip"),
        ('{"a\\n.mp4": {"label": "REAL"}}', "is not a name of a clip"),
    ],
)
def test_invalid_dfdc_metadata_is_refused(tmp_path, about, message):
    (tmp_path / "metadata.json").write_text(about)
    config = SourcesConfig(dfdc={"root": str(tmp_path)})
    with pytest.raises(ValueError, match=rf"metadata\.json.*{message}"):
        list_source("dfdc", config.dfdc)


def test_dfdc_folders_with_hostile_names_are_refused(tmp_path):
    write_dfdc(tmp_path, 1)
    (tmp_path / "dfdc_train_part_0").rename(tmp_path / "a{b}")
    config = SourcesConfig(dfdc={"root": str(tmp_path)})
    with pytest.raises(ValueError, match=r"a\{b\}': the name has one of .* rename it"):
        list_source("dfdc", config.dfdc)


def own(root: Path, table: str | None = None, **changes):
    """A folder of the user's own, with a table of this text."""
    if table is not None:
        (root / "clips.csv").write_text(table, encoding="utf-8")
        changes["table"] = str(root / "clips.csv")
    config = SourcesConfig(folders={"mine": {"root": str(root), **changes}})
    return list_source("mine", config.folders["mine"])


def test_a_table_of_clips(tmp_path):
    table = own(
        tmp_path,
        "path,label,split,method,target,mask,sha256\n"
        f"a/one clip.mp4,real,train,,anna,,\n"
        f"b/zwölf '$(rm)'.mp4,FAKE,test,lip-sync,bob,m/b.mp4,{'AB' * 32}\n"
        "b//c.mp4,fake,val,,,,\n",
    )
    assert table["path"].tolist() == [
        "a/one clip.mp4",
        "b/zwölf '$(rm)'.mp4",
        "b/c.mp4",
    ]
    assert table["label"].tolist() == [0, 1, 1]
    assert table["method"].tolist() == ["real", "lip-sync", "fake"]
    assert table["split"].tolist() == ["train", "test", "val"]
    assert table["target"].tolist() == ["anna", "bob", "b/c.mp4"]
    assert table["known_sha256"].tolist() == ["", "ab" * 32, ""]
    assert table["mask"].tolist() == ["", "m/b.mp4", ""]


HOSTILE = {
    "../../etc/passwd": "leads out of its folder",
    "a/../../b.mp4": "leads out of its folder",
    "/etc/passwd": "is absolute",
    '"a\nb.mp4"': "has a line break",
    "a\x07b.mp4": "another control character",
    "a\u2028b.mp4": "has a line break",
    " a.mp4": "begins or ends with a space",
    "a\\b.mp4": "write folders with /",
    "a{b}.mp4": "has one of { } < >",
    "a<results>b.mp4": "has one of { } < >",
    '""': "names no file",
    "..": "names no file",
    f"{'x' * 300}.mp4": "is too long",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused_with_their_row(tmp_path, name):
    text = f"path,label\nfine.mp4,real\n{name},fake\n"
    with pytest.raises(
        ValueError, match=rf"clips\.csv: row 3: path = .*{HOSTILE[name]}"
    ):
        own(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "path,label\na.mp4,real\nb.mp4,real\na.mp4,fake\n",
            "row 4: .*in row 2 already",
        ),
        ("path,label\na.mp4,real\n./a.mp4,fake\n", "row 3: .*in row 2 already"),
        ("path,label\na.mp4,maybe\n", "row 2: label = 'maybe': is neither real nor"),
        (
            "path,label,split\na.mp4,real,dev\n",
            "row 2: split = 'dev': is not one of",
        ),
        ("path,label,method\na.mp4,fake,a b\n", "row 2: method = 'a b': is not a name"),
        ("path,label,method\na.mp4,fake,all\n", "row 2: method = 'all'"),
        ("path,label,method\na.mp4,fake,real\n", "row 2: method = 'real'"),
        ("path,label,mask\na.mp4,fake,/m.mp4\n", "row 2: mask = '/m.mp4': is absolute"),
        (
            "path,label,sha256\na.mp4,fake,xyz\n",
            "row 2: sha256 = 'xyz': is not a SHA-256",
        ),
        ("path,label,compression\na.mp4,fake,c99\n", "row 2: compression = 'c99'"),
        ("path,label,target\na.mp4,fake,\x00\n", "row 2: target"),
        ("path,lable\na.mp4,fake\n", "'lable' is unknown, 'label' is needed"),
        ('path,label\n"a.mp4,fake\n', "cannot be read as a table"),
        ("", "cannot be read as a table"),
    ],
)
def test_invalid_tables_are_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        own(tmp_path, text)
    assert str(tmp_path / "clips.csv") in str(caught.value)


def test_many_faults_are_reported_together_and_shortened(tmp_path):
    rows = "".join(f"/{n}.mp4,maybe\n" for n in range(20))
    with pytest.raises(ValueError, match=r"\.\.\. and 30 more") as caught:
        own(tmp_path, f"path,label\n{rows}")
    assert str(caught.value).count("\n") == 10


def test_a_person_in_two_splits_is_refused(tmp_path):
    text = "path,label,split,target\na.mp4,real,train,anna\nb.mp4,real,test,anna\n"
    with pytest.raises(ValueError, match="'anna' is in the splits test and train"):
        own(tmp_path, text)


def test_a_table_that_is_only_for_testing_keeps_its_own_splits(tmp_path):
    text = "path,label,split\na.mp4,real,train\nb.mp4,real,test\nc.mp4,fake,test\n"
    assert own(tmp_path, text, use="test")["path"].tolist() == ["b.mp4", "c.mp4"]
    text = "path,label\na.mp4,real\nb.mp4,fake\n"
    assert own(tmp_path, text, use="test")["split"].tolist() == ["test", "test"]


def test_folders_of_real_and_fake_clips(tmp_path):
    for name in (
        "real/a.mp4",
        "real/deep/er/b c.MOV",
        "fake/d.mkv",
        "fake/lip-sync/e.mp4",
        "fake/notes.txt",
        "other/notes.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    table = own(tmp_path, use="test").set_index("path")
    assert table["method"].to_dict() == {
        "real/a.mp4": "real",
        "real/deep/er/b c.MOV": "real",
        "fake/d.mkv": "fake",
        "fake/lip-sync/e.mp4": "lip-sync",
    }
    (tmp_path / "real/._a.mp4").touch()  # as macOS leaves it when it copies
    assert len(own(tmp_path, use="test")) == 4
    (tmp_path / "fake/a b").mkdir()
    (tmp_path / "fake/a b/g.mp4").touch()
    with pytest.raises(ValueError, match="'a b' is not: use letters"):
        own(tmp_path)


@pytest.mark.parametrize("name", ["real", "all", "unlabelled"])
def test_reserved_names_of_methods_are_refused(tmp_path, name):
    (tmp_path / "fake" / name).mkdir(parents=True)
    (tmp_path / "fake" / name / "a.mp4").touch()
    with pytest.raises(ValueError, match="and none of real, unlabelled, all"):
        own(tmp_path)


@pytest.mark.parametrize("name", [b"a\nb.mp4", b"\xff.mp4"])
def test_invalid_file_names_are_refused(tmp_path, name):
    (tmp_path / "real").mkdir()
    Path(str(tmp_path / "real") + "/" + name.decode("utf-8", "surrogateescape")).touch()
    with pytest.raises(ValueError, match="rename it"):
        own(tmp_path)


def test_a_folder_without_videos_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"has no videos; .* name a `table`"):
        own(tmp_path)
    (tmp_path / "real").mkdir()
    with pytest.raises(ValueError, match="has no videos"):
        own(tmp_path)


def test_clips_without_folders_of_labels_are_unlabelled(tmp_path):
    for name in ("a.mp4", "day 1/b.mov", "day 1/raw/c.mkv", ".trash/d.mp4", "e.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    table = own(tmp_path)  # also with `use: all`
    assert table["path"].tolist() == ["a.mp4", "day 1/b.mov", "day 1/raw/c.mkv"]
    assert set(table["label"]) == {UNKNOWN_LABEL}
    assert set(table["method"]) == {"unlabelled"}
    assert set(table["split"]) == {"test"}
    assert table["target"].tolist() == table["path"].tolist()
    assert set(table["original"]) == {""}
    pd.testing.assert_frame_equal(own(tmp_path, use="test"), table)


@pytest.mark.parametrize("place", ["loose.mp4", "other/loose.mp4"])
def test_clips_beside_the_folders_of_labels_are_refused(tmp_path, place):
    for name in ("real/a.mp4", place):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"loose\.mp4: is neither in `real` nor in"):
        own(tmp_path)


def test_another_spelling_of_a_folder_of_labels_is_refused(tmp_path):
    (tmp_path / "Fake").mkdir()
    (tmp_path / "Fake/a.mp4").touch()
    with pytest.raises(ValueError, match="Fake: rename this folder to fake"):
        own(tmp_path)


def test_a_table_may_leave_labels_empty(tmp_path):
    """Such a clip is only tested, and its person may be in the training."""
    table = own(
        tmp_path,
        "path,label,split,target\na.mp4,real,train,anna\nb.mp4,,,anna\n"
        "c.mp4,,test,\nd.mp4,fake,train,anna\n",
    ).set_index("path")
    assert table["label"].tolist() == [0, UNKNOWN_LABEL, UNKNOWN_LABEL, 1]
    assert table["split"].tolist() == ["train", "test", "test", "train"]
    assert table.loc["d.mp4", "original"] == table.loc["a.mp4", "video"]
    assert table.loc["b.mp4", "original"] == ""
    rows = "".join(f"{n}.mp4,\n" for n in range(30))
    assert set(own(tmp_path, f"path,label\n{rows}")["split"]) == {"test"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label,split\na.mp4,,train\n", "can only be in the split test"),
        ("path,label,method\na.mp4,,swap\n", "is given for a clip without a label"),
        ("path,label,method\na.mp4,fake,unlabelled\n", "is not a name of a method"),
        ("path,label,split\na.mp4,real,\n", "is not one of train, val, test"),
    ],
)
def test_tables_with_a_wrong_use_of_empty_labels_are_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        own(tmp_path, text)


def test_splits_of_a_folder_depend_on_the_target_only(tmp_path):
    rows = [
        f"{n}-{k}.mp4,{'real' if k else 'fake'},p{n}"
        for n in range(400)
        for k in (0, 1)
    ]
    text = "path,label,target\n"
    table = own(tmp_path, text + "\n".join(rows))
    assert (table.groupby("target")["split"].nunique() == 1).all()
    shares = table["split"].value_counts(normalize=True)
    assert shares["val"] == pytest.approx(0.15, abs=0.05)
    assert shares["test"] == pytest.approx(0.20, abs=0.05)
    few = own(tmp_path, text + "\n".join(rows[::-7])).set_index("path")
    both = table.set_index("path").loc[few.index]
    assert (both[["split", "shard"]] == few[["split", "shard"]]).all().all()


def test_clips_whose_two_persons_are_in_two_splits_are_left_out(tmp_path):
    people = [f"p{n}" for n in range(60)]
    rows = [f"{p}.mp4,real,{p}," for p in people]
    rows += [f"{p}{q}.mp4,fake,{p},{q}" for p in people for q in people[:20] if p != q]
    table = own(tmp_path, "path,label,target,source\n" + "\n".join(rows))
    out = table[table["left_out"] != ""]
    assert set(out["left_out"]) == {"its two people are in different splits"}
    assert 0.2 < len(out) / len(table) < 0.8
    places = [sequences(part) for _, part in used(table).groupby("split")]
    assert sum(map(len, places)) == len(people)


def test_a_second_source_does_not_change_the_shards_of_the_first(root, celeb):
    first = complete_config(root)
    both = first.model_copy(
        update={"celebdf": SourcesConfig(celebdf={"root": str(celeb)}).celebdf}
    )
    alone, together = (list_videos(c).set_index("video") for c in (first, both))
    assert (together.loc[alone.index, "shard"] == alone["shard"]).all()
    added = together.drop(alone.index)
    assert set(added["shard"]) <= {"celebdf-test-000", "celebdf-test-001"}
    names = shard_names(both, "test")
    assert {*names} == {
        *shard_names(first, "test"),
        "celebdf-test-000",
        "celebdf-test-001",
    }
    assert shard_names(both, "train") == shard_names(first, "train")


def test_a_run_without_training_videos_is_listed(celeb):
    config = SourcesConfig(celebdf={"root": str(celeb)})
    assert set(list_videos(config)["split"]) == {"test"}


@pytest.mark.parametrize(
    "path", ["a.mp4", "a/b c.mp4", "ä/💥'\"$(x);&|[]*?~.mp4", "-rf"]
)
def test_unusual_but_harmless_paths_are_accepted(path):
    assert path_fault(path) == ""


def test_blank_lines_are_skipped_but_count_in_row_numbers(tmp_path):
    assert len(own(tmp_path, "path,label\n\na.mp4,real\n,\nb.mp4,fake\n\n")) == 2
    with pytest.raises(ValueError, match="row 5: path = '/x': is absolute"):
        own(tmp_path, "path,label\n\na.mp4,real\n\n/x,fake\n")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("path,label\na.mp4,real,\nb.mp4,fake,\n", "a comma at their end"),
        ("path,label\na.mp4,1\n", "'1': is neither real nor fake"),
        ("path,label,target\na.mp4,real,anna \n", "that would be another person"),
    ],
)
def test_tables_that_could_be_misread_are_refused(tmp_path, table, message):
    with pytest.raises(ValueError, match=message):
        own(tmp_path, table)


def test_linked_folders_of_methods_are_listed(tmp_path):
    """Their clips are listed, with any suffix; circular links are refused."""
    root = tmp_path / "mine"
    for name in ("elsewhere/a.MPG", "mine/real/b.mp4", "mine/fake/own/c.ts"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (root / "fake/linked").symlink_to(tmp_path / "elsewhere")
    found = own(root)
    assert set(found["path"]) == {"real/b.mp4", "fake/own/c.ts", "fake/linked/a.MPG"}
    assert set(found["method"]) == {"real", "own", "linked"}
    (root / "fake/again").symlink_to(root)
    with pytest.raises(ValueError, match="links to a folder that contains it"):
        own(root)


def test_a_file_in_different_splits_of_two_sources_is_refused(tmp_path):
    rows = [
        f"{label}{split}.mp4,{label},{split}"
        for split in ("train", "val", "test")
        for label in ("real", "fake")
    ]
    (tmp_path / "a.csv").write_text("\n".join(["path,label,split", *rows]))
    (tmp_path / "link").symlink_to(tmp_path)

    def sources(*tested: str) -> SourcesConfig:
        table = tmp_path / "b.csv"
        table.write_text("\n".join(["path,label", *tested]))
        common = {"root": str(tmp_path), "table": str(tmp_path / "a.csv")}
        other = {"root": str(tmp_path / "link"), "table": str(table), "use": "test"}
        return SourcesConfig(folders={"one": common, "other": other})

    list_videos(sources("realtest.mp4,real", "new.mp4,fake"))
    with pytest.raises(ValueError, match=r"in the split 'train' as one/.* 'test' as"):
        list_videos(sources("realtrain.mp4,real", "new.mp4,fake"))
