# In: the configuration's `sources` section, and files on disk or on a server.
# Out: videos/index.csv, leaks.csv; a shard's videos/<shard>.csv, checksums/<shard>.sha256.
# Steps: index_videos; render_videos (only for the miniature corpus); a shard's table and
#        checksums from fetch_videos (from a server) or checksum_videos (of files on disk).


rule index_videos:
    output:
        index=f"{RESULTS}/videos/index.csv",
        leaks=f"{RESULTS}/videos/leaks.csv",
    log:
        f"{RESULTS}/logs/index_videos.log",
    benchmark:
        f"{RESULTS}/benchmarks/index_videos.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        rows=fingerprint(LISTED),
        sources=all_sources,
        code=code_version("index_videos"),
    shell:
        "python -m pipeline.index_videos --sources {params.sources:q} "
        "--index {output.index:q} --leaks {output.leaks:q} > {log:q} 2>&1"


# A rule a shard: which files it writes cannot be told by wildcards.
for shard in sorted(set(VIDEOS.loc[VIDEOS["dataset"] == "miniature", "shard"])):

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
            mem_mb=growing(1000),
            runtime=growing(30),
        params:
            shard=shard,
            root=drawn_root,
            rows=fingerprint(rows_of(shard)),
            drawing=drawing_config,
            source=drawn_source,
            code=code_version("render_videos"),
        shell:
            "python -m pipeline.render_videos --shard {params.shard:q} "
            "--source {params.source:q} > {log:q} 2>&1"


if shards_of("fetched"):

    localrules:
        fetch_videos,

    # No `code`: what has come is what it is, whatever fetched it. The files are no
    # outputs, which Snakemake would delete before a job runs again.
    rule fetch_videos:
        output:
            table=f"{RESULTS}/videos/{{shard}}.csv",
            checksums=f"{RESULTS}/checksums/{{shard}}.sha256",
        log:
            f"{RESULTS}/logs/fetch_videos/{{shard}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/fetch_videos/{{shard}}.tsv"
        wildcard_constraints:
            shard=shards_of("fetched"),
        conda:
            "../../environment.yml"
        resources:
            fetching=1,
            mem_mb=1000,
            runtime=24 * 60,
        params:
            root=data_root,
            rows=shard_fingerprint,
            source=source_config,
            config=fetch_config,
        shell:
            "python -m pipeline.fetch_videos --shard {wildcards.shard:q} "
            "--source {params.source:q} --config {params.config:q} "
            "--table {output.table:q} --checksums {output.checksums:q} > {log:q} 2>&1"


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
    wildcard_constraints:
        shard=shards_of("drawn", "on_disk") or "(?!)",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        root=data_root,
        rows=shard_fingerprint,
        source=source_config,
        code=code_version("checksum_videos"),
    shell:
        "python -m pipeline.checksum_videos --shard {wildcards.shard:q} "
        "--source {params.source:q} --table {output.table:q} "
        "--checksums {output.checksums:q} > {log:q} 2>&1"


rule videos:
    input:
        rules.index_videos.output,
        expand(
            rules.checksum_videos.output,
            shard=[
                name for split in SPLITS for name in shard_names(CONFIG.sources, split)
            ],
        ),
