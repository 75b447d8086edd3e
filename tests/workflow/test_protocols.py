"""Protocols through the workflow: training videos, test slices, and the model card."""

import pandas as pd
import pytest
import yaml

from pipeline.models.header import read_header
from tests.support.runs import ONE_MODEL, Run

pytestmark = pytest.mark.slow(minutes=1)

PROTOCOLS = {
    "all": {},
    "only": {"methods": ["Deepfakes"]},
    "unseen": {"leave_out": ["FaceSwap", "NeuralTextures"]},
    "c23": {"compressions": ["c23"]},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """One small model in four protocols, on both compressions."""
    changes = {
        "sources": {
            "miniature": {
                "compressions": ["c23", "c40"],
                "written": ["c23", "c40"],
                "methods": ["Deepfakes", "FaceSwap", "NeuralTextures"],
            },
        },
        "protocols": PROTOCOLS,
    }
    run = Run(tmp_path_factory.mktemp("protocols") / "run")
    run.configure(changes, ONE_MODEL)
    run.snakemake("metrics")
    return run


def test_each_protocol_trains_on_its_own_videos(run):
    seen = {}
    for protocol in PROTOCOLS:
        file = run.folder / f"results/models/small/{protocol}/weights.safetensors"
        told = read_header(file)["provenance"]
        seen[protocol] = (told["methods"], told["compressions"])
    every, both = ["Deepfakes", "FaceSwap", "NeuralTextures"], ["c23", "c40"]
    assert seen == {
        "all": (every, both),
        "only": (["Deepfakes"], both),
        "unseen": (["Deepfakes"], both),
        "c23": (every, ["c23"]),
    }


def test_one_tidy_table_holds_all_protocols_slices_and_metrics(run):
    for level in ("videos", "frames"):
        table = pd.read_csv(run.folder / f"results/metrics/{level}.csv")
        assert set(table["protocol"]) == set(PROTOCOLS)
        assert set(table["compression"]) == {"all", "c23", "c40"}
        key = ["model", "protocol", "dataset", "compression", "method", "metric"]
        assert not table.duplicated(key).any()
        # 3 compressions x 4 slices of methods x 14 metrics, for each protocol
        assert len(table) == 4 * 3 * 4 * 14
        uncertain = table["metric"] == "unit_correlation"  # of one unit
        assert (table["value"].isna() == uncertain).all()
        unseen = table[(table.protocol == "unseen") & (table.method == "FaceSwap")]
        assert (unseen["fake"] > 0).all()


def test_the_same_protocol_by_another_name_gives_the_same_figures(run):
    table = pd.read_csv(run.folder / "results/metrics/videos.csv")
    only, unseen = (
        table[table.protocol == name].drop(columns="protocol").reset_index(drop=True)
        for name in ("only", "unseen")
    )
    assert only.equals(unseen)


def test_nothing_of_the_miniature_corpus_stands_beside_the_literature(run):
    assert len(pd.read_csv(run.folder / "results/metrics/literature.csv")) == 0


def test_the_card_warns_of_drawings_and_marks_unseen_methods(run):
    card = (run.folder / "results/models/small/unseen/card.md").read_text()
    assert "Nothing in this\n> card is evidence about real deepfakes" in card
    assert "FaceSwap (not trained on)" in card


def test_a_new_protocol_trains_nothing_of_the_others(run, tmp_path):
    other = run.copy(tmp_path / "run")
    config = yaml.safe_load(other.config.read_text())
    config["protocols"]["new"] = {"methods": ["FaceSwap"]}
    other.config.write_text(yaml.safe_dump(config))
    printed = other.snakemake("metrics", "--dry-run")
    stale = [line for line in printed.splitlines() if "protocol=" in line]
    assert stale
    assert all("protocol=new" in line for line in stale)
