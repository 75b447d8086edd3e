# In: the configuration's `videos` section, and files on disk.
# Out: videos/<shard>.csv and checksums/<shard>.sha256.
# Steps: render_videos (only for the miniature corpus), checksum_videos.


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
            root=data_root,
            rows=rows_of(VIDEOS, shard),
            drawing=drawing_config,
            config=videos_config,
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
        root=data_root,
        rows=lambda wildcards: rows_of(VIDEOS, wildcards.shard),
        config=videos_config,
        code=code_version("checksum_videos"),
    shell:
        "python -m pipeline.checksum_videos --shard {wildcards.shard:q} "
        "--config {params.config:q} --table {output.table:q} "
        "--checksums {output.checksums:q} > {log:q} 2>&1"
