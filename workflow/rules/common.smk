# What the rules share: their sections of the configuration, and the files of a shard.


def as_json(section):
    """A params function: a literal with braces would be taken for wildcards."""
    return lambda wildcards: section.model_dump_json()


def model_config(wildcards):
    return CONFIG.models[wildcards.model].model_dump_json()


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


def weights_file(wildcards):
    """The file of weights that training starts from, if it is one of the user's."""
    given = CONFIG.models[wildcards.model].pretrained
    return given if isinstance(given, str) else []


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
