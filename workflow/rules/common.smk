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


def drawing_config(wildcards):
    """Of the `videos` section, what rendering hangs on."""
    keys = {"root", "methods", "shards", "miniature"}
    return CONFIG.videos.model_dump_json(include=keys)


def face_shards(*splits):
    return [
        f"{RESULTS}/faces/{shard}.h5"
        for split in splits
        for shard in shard_names(CONFIG.videos, split)
    ]
