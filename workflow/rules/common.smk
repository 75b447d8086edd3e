# What the rules share: their sections of the configuration, and the files of a shard.

PUBLISHED = REPOSITORY / "docs" / "published.csv"
MOST_TIMES = 3  # what a job asks for at first; no partition has any amount


def as_json(section):
    """A params function: a literal with braces would be taken for wildcards."""
    return lambda wildcards: section.model_dump_json()


def model_config(wildcards):
    """A model's section, with the file that its weights are fetched to."""
    config = CONFIG.models[wildcards.model]
    given = weights_file(wildcards) or False
    return config.model_copy(update={"pretrained": given}).model_dump_json()


def weights_file(wildcards):
    """The file of weights that training starts from: the user's, or a fetched one."""
    config = CONFIG.models[wildcards.model]
    if config.pretrained is True:
        return f"{RESULTS}/weights/{config.timm}.safetensors"
    return config.pretrained or []


def official_videos(protocol):
    """How many real videos of FaceForensics++'s official split are trained on."""
    source = CONFIG.sources.faceforensics
    if source is None or not source.official_splits:
        return 0
    trained = VIDEOS[(VIDEOS["split"] == "train") & (VIDEOS["label"] == 0)]
    trained = trained[selected(trained, CONFIG.protocols[protocol])]
    return trained.loc[trained["dataset"] == "faceforensics", "target"].nunique()


def protocol_config(wildcards):
    return json.dumps(trained_on(VIDEOS, CONFIG.protocols[wildcards.protocol]))


def training_state(wildcards):
    """Where an interrupted training is kept: no output, which would be removed."""
    return f"{RESULTS}/models/{wildcards.model}/{wildcards.protocol}/state.pt"


def of_each_detector(files):
    """A rule's files of every model in every protocol, model by model."""
    names = {"model": CONFIG.models, "protocol": CONFIG.protocols}
    return expand(files, **names, allow_missing=True)


def of_each_atlas(files):
    """A rule's files of every detector from every baseline."""
    baselines = CONFIG.attribution.baselines
    return of_each_detector(expand(files, baseline=baselines, allow_missing=True))


def compared_atlases(files):
    """A rule's files of every baseline, where there are detectors to compare."""
    several = len(CONFIG.models) * len(CONFIG.protocols) > 1
    return expand(files, baseline=CONFIG.attribution.baselines) if several else []


def attribution_config(wildcards):
    """The section, but for what these maps do not depend on: it makes none stale."""
    others = {"baselines"} | CONFIG.attribution.unused()
    if wildcards.baseline != "noise":
        others.add("noise_draws")
    return CONFIG.attribution.model_dump_json(exclude=others)


def aligned_originals(wildcards):
    """The file of a shard's originals, where attributions start from them."""
    wanted = wildcards.baseline == "real_face"
    return f"{RESULTS}/originals/{wildcards.shard}.h5" if wanted else []


def originals_of(wildcards):
    """The rows of the originals of a shard's fakes, whatever shard they are in."""
    wanted = rows_of(wildcards.shard)["original"]
    return VIDEOS[VIDEOS["video"].isin(wanted)].sort_values("video")


def original_tables(wildcards):
    """The tables of the shards that they are in, and of the fakes' own, never none."""
    shards = {wildcards.shard, *originals_of(wildcards)["shard"]}
    return [f"{RESULTS}/videos/{shard}.csv" for shard in sorted(shards)]


def original_files(wildcards):
    """What their alignment waits for: the checksums of their shards, and the files."""
    rows = originals_of(wildcards)
    sums = [
        f"{RESULTS}/checksums/{shard}.sha256" for shard in sorted(set(rows["shard"]))
    ]
    kind = kind_of_shard(wildcards)
    if kind == "fetched":
        return sums
    paths = [f"{data_root(wildcards)}/{path}" for path in rows["path"]]
    return sums + [p for p in paths if kind == "drawn" or Path(p).exists()]


def published_file(wildcards, threads):
    """Taking `threads` keeps the folder of this clone out of what makes a job stale."""
    return str(PUBLISHED)


def detector_names(wildcards):
    """Model and protocol of each detector, in the order of `of_each_detector`."""
    names = [(m, p) for m in CONFIG.models for p in CONFIG.protocols]
    return json.dumps([{"model": m, "protocol": p} for m, p in names])


def growing(amount):
    """A resource of which a job that failed is given more: once, twice, thrice it.

    Attempts are counted where Snakemake submits jobs; a run on one machine has one.
    """
    return lambda wildcards, attempt: amount * min(attempt, MOST_TIMES)


def for_each_device(amount):
    """A resource that grows with the number of GPUs that a model is trained on."""
    return lambda wildcards: amount * CONFIG.models[wildcards.model].devices


def training_memory(wildcards, attempt):
    """Twice as much if it failed, and no more: further attempts are for its time."""
    return min(attempt, 2) * for_each_device(16000)(wildcards)


def trained_runs(wildcards):
    """What each detector is and was trained on, for the comparison with others."""
    runs = [
        {
            "model": name,
            "protocol": protocol,
            "network": model.timm,
            "trained_here": model.epochs > 0 and not model.shuffle_labels,
            "train_videos": official_videos(protocol),
            **trained_on(VIDEOS, CONFIG.protocols[protocol]),
        }
        for name, model in CONFIG.models.items()
        for protocol in CONFIG.protocols
    ]
    return json.dumps(runs)


def kind_of(name, source):
    """Who brings a source's files: we draw or fetch them, or they are on disk."""
    if name == "miniature":
        return "drawn"
    return "fetched" if getattr(source, "server", None) else "on_disk"


def shards_of(*kinds):
    """A pattern of the shards of all sources of these kinds; () where there are none."""
    sources = CONFIG.sources.by_name().items()
    names = [name for name, source in sources if kind_of(name, source) in kinds]
    return names and rf"({'|'.join(names)})-(train|val|test)-\d+"


def kind_of_shard(wildcards):
    name = dataset_of(wildcards.shard)
    return kind_of(name, CONFIG.sources.by_name()[name])


def data_root(wildcards):
    return CONFIG.sources.by_name()[dataset_of(wildcards.shard)].root


def rows_of(shard):
    return VIDEOS[VIDEOS["shard"] == shard]


def shard_files(wildcards):
    """The files that a shard's steps wait for: those drawn, or those that are there.

    Fetched ones are none: they are what their checksums say.
    """
    kind = kind_of_shard(wildcards)
    if kind == "fetched":
        return []
    root = data_root(wildcards)
    paths = [f"{root}/{file}" for file in files_of(rows_of(wildcards.shard))]
    return [path for path in paths if kind == "drawn" or Path(path).exists()]


def drawn_files(shard):
    """All that a shard's rendering writes, in every compression."""
    source = CONFIG.sources.miniature
    corpus = source.model_copy(update={"compressions": source.written})
    rows = list_source("miniature", corpus).query("shard == @shard")
    return [f"{source.root}/{name}" for name in files_of(rows)]


def fingerprint(videos):
    """Rows of the table as a short text: what a job makes of others is no matter."""
    return hashlib.sha256(videos.to_csv(index=False).encode()).hexdigest()[:16]


def shard_fingerprint(wildcards):
    return fingerprint(rows_of(wildcards.shard))


def source_config(wildcards, threads):
    """A shard's source. Taking `threads` keeps it out of what makes a job stale: that
    is said by `rows` and the other parameters beside it."""
    return CONFIG.sources.only(dataset_of(wildcards.shard))


def drawn_root(wildcards):
    return CONFIG.sources.miniature.root


def drawn_source(wildcards, threads):
    """The miniature corpus, likewise."""
    return CONFIG.sources.only("miniature")


def fetch_config(wildcards, threads):
    """The section, likewise: how a file came is no matter."""
    return CONFIG.fetch.model_dump_json()


def detector_addresses(wildcards, threads):
    """Where RetinaFace's weights may be had, likewise; none: where the package says."""
    return json.dumps([a for a in [CONFIG.faces.retinaface_address] if a])


def all_sources(wildcards, threads):
    """All of them, likewise."""
    return CONFIG.sources.model_dump_json()


def drawing_config(wildcards):
    """How the miniature corpus is drawn, whoever is in it."""
    keys = {"min_frames", "max_frames", "written", "seed"}
    return CONFIG.sources.miniature.model_dump_json(include=keys)


def faces_config(wildcards, threads):
    """The section, likewise, with the file that RetinaFace's weights are fetched to."""
    weights = detector_weights() or None
    return CONFIG.faces.model_copy(
        update={"retinaface_weights": weights}
    ).model_dump_json()


def crop_settings(wildcards):
    """What of the section crops depend on."""
    return CONFIG.faces.model_dump_json(exclude=NOT_OF_CROPS)


def original_settings(wildcards):
    """What of the section originals depend on, beside the crops themselves."""
    return CONFIG.faces.model_dump_json(include={"decoder", "margin", "time_limit"})


def detector_weights():
    """The file of RetinaFace's weights: the user's, or a fetched one."""
    if CONFIG.faces.detector != "retinaface":
        return []
    return CONFIG.faces.retinaface_weights or f"{RESULTS}/weights/retinaface.pth"


def face_shards(*splits):
    return [
        f"{RESULTS}/faces/{shard}.h5"
        for split in splits
        for shard in shard_names(CONFIG.sources, split)
    ]


def contact_sheets():
    shards = face_shards("train", "val", "test")
    return [str(Path(shard).with_suffix(".png")) for shard in shards]


def extraction_memory(wildcards, threads, attempt):
    return extraction_mb(CONFIG.faces.detector, threads) * min(attempt, MOST_TIMES)
