"""A paragraph on the methods of a run, to paste into a paper, with its references."""

from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import Markup

from pipeline.report.run_description import RunDescription, flat
from pipeline.report.values import Setting, fixed

# Key of the reference -> its BibTeX entry.
REFERENCES = {
    "roessler2019": """@inproceedings{roessler2019,
  title = {{FaceForensics++}: Learning to Detect Manipulated Facial Images},
  author = {R{\\"o}ssler, Andreas and Cozzolino, Davide and Verdoliva, Luisa and
            Riess, Christian and Thies, Justus and Nie{\\ss}ner, Matthias},
  booktitle = {ICCV}, year = {2019}}""",
    "xu2019": """@misc{xu2019,
  title = {{CenterFace}: Joint Face Detection and Alignment Using Face as Point},
  author = {Xu, Yuanyuan and Yan, Wan and Sun, Haixin and Yang, Genke and Luo, Jiliang},
  note = {arXiv:1911.03599}, year = {2019}}""",
    "wightman2019": """@misc{wightman2019,
  title = {{PyTorch} Image Models}, author = {Wightman, Ross},
  doi = {10.5281/zenodo.4414861}, year = {2019}}""",
    "sundararajan2017": """@inproceedings{sundararajan2017,
  title = {Axiomatic Attribution for Deep Networks},
  author = {Sundararajan, Mukund and Taly, Ankur and Yan, Qiqi},
  booktitle = {ICML}, year = {2017}}""",
    "efron1987": """@article{efron1987,
  title = {Better Bootstrap Confidence Intervals}, author = {Efron, Bradley},
  journal = {Journal of the American Statistical Association},
  volume = {82}, number = {397}, pages = {171--185}, year = {1987}}""",
    "westfall1993": """@book{westfall1993,
  title = {Resampling-Based Multiple Testing},
  author = {Westfall, Peter H. and Young, S. Stanley},
  publisher = {Wiley}, year = {1993}}""",
    "moelder2021": """@article{moelder2021,
  title = {Sustainable Data Analysis with {Snakemake}},
  author = {M{\\"o}lder, Felix and Jablonski, Kim Philipp and Letcher, Brice and
            Hall, Michael B. and Tomkins-Tinch, Christopher H. and Sochat, Vanessa and
            Forster, Jan and Lee, Soohyun and Twardziok, Sven O. and others},
  journal = {F1000Research}, volume = {10}, number = {33}, year = {2021}}""",
}
FACE_DETECTORS = {
    "centerface": ("CenterFace", ("xu2019",)),
    "haar": ("the Haar cascade of OpenCV", ()),
    "retinaface": ("RetinaFace", ()),
}


def methods_paragraph(run: RunDescription) -> tuple[Markup, list[str]]:
    """The paragraph, and the BibTeX entries of its references.

    Each number in it is a value of the configuration.
    """
    values = dict(flat(run.config))
    cited: list[str] = []

    def setting(key: str) -> Setting:
        return Setting(key, values[key])

    def cite(*keys: str) -> Markup:
        cited.extend(key for key in keys if key not in cited)
        return fixed(f"[{', '.join(keys)}]")

    sentences = [
        *_faces(run, setting, cite),
        *_training(run, cite),
        _metrics(run, setting, cite),
        _attributions(run, setting, cite),
        _atlases(cite),
        Markup("All steps were run with Snakemake {}, by deepfake-atlas.").format(
            cite("moelder2021")
        ),
    ]
    entries = [REFERENCES[key] for key in cited]
    return Markup(" ").join(sentences), entries


def _faces(run: RunDescription, setting: Any, cite: Any) -> list[Markup]:
    sources = data_sets(run)
    detector, keys = FACE_DETECTORS[run.config["faces"]["detector"]]
    cites = [cite(*keys)] if keys else []
    if run.config["sources"].get("faceforensics"):
        cites.append(cite("roessler2019"))
    text = Markup(
        "Videos of {} were used. Faces were found by {}, and cropped with {} times the "
        "side of their box, in {} frames of each video. {}"
    ).format(
        _names(sources),
        detector,
        setting("faces.margin"),
        setting("faces.frames"),
        Markup(" ").join(cites),
    )
    return [text]


def data_sets(run: RunDescription) -> list[str]:
    """Names of the data sets: of the sources, and of folders of clips."""
    found = []
    for name, value in run.config["sources"].items():
        if value:
            found += list(value) if name == "folders" else [name]
    return found


def _training(run: RunDescription, cite: Any) -> list[Markup]:
    """What was trained, and what was given."""
    models, sentences = run.config["models"], []
    trained = {n: m for n, m in models.items() if m["epochs"] and not m.get("weights")}
    given = [name for name in models if name not in trained]
    if trained:
        parts = [
            Markup("{} ({}), for at most {} epochs{}").format(
                fixed(name),
                Setting(f"models.{name}.timm", model["timm"]),
                Setting(f"models.{name}.epochs", model["epochs"]),
                ", on shuffled labels as a control" if model["shuffle_labels"] else "",
            )
            for name, model in trained.items()
        ]
        sentences.append(
            Markup(
                "Networks of timm {} were trained for each protocol ({}): {}. Number "
                "of trainings of each: {}. The epoch with the highest validation AUC "
                "was kept."
            ).format(
                cite("wightman2019"),
                _names(run.config["protocols"]),
                Markup("; ").join(parts),
                Setting("seeds", run.config["seeds"]),
            )
        )
    if given:
        text = Markup("Not trained here: {}.")
        sentences.append(text.format(_names(given)))
    return sentences


def _metrics(run: RunDescription, setting: Any, cite: Any) -> Markup:
    chosen = "on validation videos" if run.has_thresholds else "at even odds"
    return Markup(
        "The score of a video is the mean logit of its frames. Thresholds were chosen "
        "{}. Intervals are by a Poisson bootstrap over units, people whose videos "
        "depend on each other, with {} resamples, bias-corrected and accelerated {}."
    ).format(chosen, setting("evaluation.bootstrap"), cite("efron1987"))


def _attributions(run: RunDescription, setting: Any, cite: Any) -> Markup:
    if run.config["attribution"]["engine"] == "captum":
        return Markup(
            "The logit of fake was attributed to pixels by Integrated Gradients {} of "
            "captum, from the baselines {}, with {} steps."
        ).format(
            cite("sundararajan2017"),
            _names(run.baselines),
            setting("attribution.steps"),
        )
    return Markup(
        "The logit of fake was attributed to pixels by Integrated Gradients {}, from "
        "the baselines {}. Each map got gradients until the error of its sum was "
        "within {} and the error of the map within {}, or {} gradients were used."
    ).format(
        cite("sundararajan2017"),
        _names(run.baselines),
        setting("attribution.tolerance"),
        setting("attribution.map_tolerance"),
        setting("attribution.max_steps"),
    )


def _atlases(cite: Any) -> Markup:
    return Markup(
        "Maps were brought onto a canonical face and averaged. All differences of mean "
        "maps were tested together, by the largest t over all squares and pictures {}."
    ).format(cite("westfall1993"))


def _names(names: Iterable[str]) -> Markup:
    return Markup(", ").join(fixed(name) for name in names)


def config_rows(config: Mapping[str, Any]) -> list[Setting]:
    """All keys of the configuration with their values."""
    return [Setting(key, value) for key, value in flat(config)]
