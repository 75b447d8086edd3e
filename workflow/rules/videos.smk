# In: the configuration's `videos` section, and files on disk.
# Out: videos/<shard>.csv and checksums/<shard>.sha256.
# Steps: render_videos (only for the miniature corpus), checksum_videos.


def shard_files(wildcards):
    """The video and mask files of a shard; of a data set on disk, those that exist."""
    rows = VIDEOS[VIDEOS["shard"] == wildcards.shard]
    names = sorted({*rows["path"], *rows["mask"]} - {""})
    paths = [f"{CONFIG.videos.root}/{name}" for name in names]
    if CONFIG.videos.source == "miniature":
        return paths
    return [path for path in paths if os.path.exists(path)]


def videos_config(wildcards):
    return CONFIG.videos.model_dump_json()


def drawn_files(shard):
    """All that a shard's rendering writes, in every compression."""
    corpus = CONFIG.videos.model_copy(
        update={"compressions": CONFIG.videos.miniature.compressions}
    )
    rows = list_videos(corpus).query("shard == @shard")
    names = sorted({*rows["path"], *rows["mask"]} - {""})
    return [f"{CONFIG.videos.root}/{name}" for name in names]


def drawing_config(wildcards):
    """Of the `videos` section, what rendering hangs on."""
    keys = {"root", "methods", "shards", "miniature"}
    return CONFIG.videos.model_dump_json(include=keys)


DRAWN = sorted(set(VIDEOS["shard"])) if CONFIG.videos.source == "miniature" else []

# A rule a shard: which files it writes cannot be told by wildcards.
for shard in DRAWN:

    rule:
        name:
            f"render_videos_{shard}"
        output:
            drawn_files(shard),
        log:
            f"{RESULTS}/logs/render_videos/{shard}.log",
        benchmark:
            f"{RESULTS}/benchmarks/render_videos/{shard}.tsv"
        conda:
            "../../environment.yml"
        resources:
            mem_mb=1000,
            runtime=30,
        params:
            shard=shard,
            config=drawing_config,
            code=code_version("render_videos"),
        shell:
            "python -m pipeline.render_videos --shard {params.shard:q} "
            "--config {params.config:q} > {log:q} 2>&1"


rule checksum_videos:
    input:
        shard_files,
    output:
        table=f"{RESULTS}/videos/{{shard}}.csv",
        checksums=f"{RESULTS}/checksums/{{shard}}.sha256",
    log:
        f"{RESULTS}/logs/checksum_videos/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/checksum_videos/{{shard}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        config=videos_config,
        code=code_version("checksum_videos"),
    shell:
        "python -m pipeline.checksum_videos --shard {wildcards.shard:q} "
        "--config {params.config:q} --table {output.table:q} "
        "--checksums {output.checksums:q} > {log:q} 2>&1"
