# What the rules share: their sections of the configuration, and the files of a shard.

PUBLISHED = REPOSITORY / "docs" / "published.csv"


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


def trained_on(name):
    """What a protocol comes to: all that is trained on, by name."""
    protocol = CONFIG.protocols[name]
    methods = protocol.trained_methods(CONFIG.videos.methods)
    kinds = protocol.trained_compressions(CONFIG.videos.compressions)
    datasets = protocol.trained_datasets([CONFIG.videos.source])
    return {
        "methods": sorted(methods),
        "compressions": sorted(kinds),
        "datasets": datasets,
    }


def protocol_config(wildcards):
    return json.dumps(trained_on(wildcards.protocol))


def training_state(wildcards):
    """Where an interrupted training is kept: no output, which would be removed."""
    return f"{RESULTS}/models/{wildcards.model}/{wildcards.protocol}/state.pt"


def of_each_detector(files):
    """A rule's files of every model in every protocol, model by model."""
    return expand(files, model=CONFIG.models, protocol=CONFIG.protocols)


def published_file(wildcards, threads):
    """Taking `threads` keeps the folder of this clone out of what makes a job stale."""
    return str(PUBLISHED)


def detector_names(wildcards):
    """Model and protocol of each detector, in the order of `of_each_detector`."""
    names = [(m, p) for m in CONFIG.models for p in CONFIG.protocols]
    return json.dumps([{"model": m, "protocol": p} for m, p in names])


def for_each_device(amount):
    """A resource that grows with the number of GPUs that a model is trained on."""
    return lambda wildcards: amount * CONFIG.models[wildcards.model].devices


def trained_runs(wildcards):
    """What each detector is and was trained on, for the comparison with others."""
    runs = [
        {
            "model": name,
            "protocol": protocol,
            "network": model.timm,
            "trained_here": model.epochs > 0 and not model.shuffle_labels,
            **trained_on(protocol),
        }
        for name, model in CONFIG.models.items()
        for protocol in CONFIG.protocols
    ]
    return json.dumps(runs)


def files_of(videos):
    """Paths of the videos and masks in a table, each once, in a fixed order."""
    names = sorted({*videos["path"], *videos["mask"]} - {""})
    return [f"{CONFIG.videos.root}/{name}" for name in names]


def shard_files(wildcards):
    """The files of a shard; of a data set on disk, those that exist."""
    paths = files_of(VIDEOS[VIDEOS["shard"] == wildcards.shard])
    if CONFIG.videos.source == "miniature":
        return paths
    return [path for path in paths if Path(path).exists()]


def drawn_files(shard):
    """All that a shard's rendering writes, in every compression."""
    compressions = CONFIG.videos.miniature.compressions
    corpus = CONFIG.videos.model_copy(update={"compressions": compressions})
    return files_of(list_videos(corpus).query("shard == @shard"))


def rows_of(videos, shard):
    """A fingerprint of a shard's rows: other shards' videos are none of its business."""
    rows = videos[videos["shard"] == shard].to_csv(index=False)
    return hashlib.sha256(rows.encode()).hexdigest()[:16]


def videos_config(wildcards, threads):
    """The whole section. Taking `threads` keeps it out of what makes a job stale: that
    is said by `rows` and the other parameters beside it."""
    return CONFIG.videos.model_dump_json()


def data_root(wildcards):
    return CONFIG.videos.root


def drawing_config(wildcards):
    """How the miniature corpus is drawn, whoever is in it."""
    keys = {"min_frames", "max_frames", "compressions", "seed"}
    return CONFIG.videos.miniature.model_dump_json(include=keys)


def face_shards(*splits):
    return [
        f"{RESULTS}/faces/{shard}.h5"
        for split in splits
        for shard in shard_names(CONFIG.videos, split)
    ]


def contact_sheets():
    shards = face_shards("train", "val", "test")
    return [str(Path(shard).with_suffix(".png")) for shard in shards]


def extraction_memory(wildcards, threads):
    """A worker holds 0.5 GB of frames, their crops, and twice those wait for the writer;
    RetinaFace brings torch and a GPU's libraries."""
    return (6000 if CONFIG.faces.detector == "retinaface" else 2000) + 1200 * threads
