# In: the `sources` section of the configuration, and files on disk or on a server.
# Out: videos/index.csv, videos/leaks.csv; for each shard videos/<shard>.csv and
#      videos/<shard>.sha256.
# Steps: index_videos; render_videos (of the miniature corpus); for each shard a table and
#        checksums, by fetch_videos (from a server) or checksum_videos (of files on disk).


rule index_videos:
    output:
        index="<results>/videos/index.csv",
        leaks=report(
            "<results>/videos/leaks.csv",
            caption="../report/leaks.rst",
            category="1 Data",
            labels={"result": "leaks of the official splits"},
        ),
    log:
        "<logs>/index_videos.log",
    benchmark:
        "<benchmarks>/index_videos.tsv"
    resources:
        **SMALL,
    params:
        rows=JOBS.index_fingerprint(),
        sources=JOBS.all_sources,
        code=code_version("index_videos"),
    shell:
        "python -m pipeline.index_videos --sources {params.sources:q} "
        "--index {output.index:q} --leaks {output.leaks:q} > {log:q} 2>&1"


# Steps of a shard list its source again: the index is a report for people. As an input it
# would make all shards stale whenever one changes. `rows` says which shards change.
# A rule for each shard: wildcards cannot express which files it writes.
for shard in JOBS.drawn_shards():

    rule:
        name:
            f"render_videos_{shard}"
        output:
            JOBS.drawn_files(shard),
        log:
            f"<logs>/render_videos/{shard}.log",
        benchmark:
            f"<benchmarks>/render_videos/{shard}.tsv"
        resources:
            **LONG,
        params:
            shard=shard,
            rows=JOBS.fingerprint_of(shard),
            drawing=JOBS.drawing_config,
            source=JOBS.drawing_source,
            code=code_version("render_videos", LISTING),
        shell:
            "python -m pipeline.render_videos --shard {params.shard:q} "
            "--source {params.source:q} > {log:q} 2>&1"


if JOBS.shards_from("fetched"):

    localrules:
        fetch_videos,

    # No `code`: a fetched file is the same, whatever code fetched it. The files are not
    # outputs, since Snakemake deletes outputs before a job runs again.
    rule fetch_videos:
        output:
            table="<results>/videos/{shard}.csv",
            checksums="<results>/videos/{shard}.sha256",
        log:
            "<logs>/fetch_videos/{shard}.log",
        benchmark:
            "<benchmarks>/fetch_videos/{shard}.tsv"
        wildcard_constraints:
            shard=JOBS.shards_from("fetched"),
        resources:
            fetching=1,
            mem_mb=1000,
            runtime=24 * 60,
        params:
            root=JOBS.data_root,
            rows=JOBS.shard_fingerprint,
            source=JOBS.source_config,
            config=JOBS.fetch_config,
        shell:
            "python -m pipeline.fetch_videos --shard {wildcards.shard:q} "
            "--source {params.source:q} --config {params.config:q} "
            "--table {output.table:q} --checksums {output.checksums:q} > {log:q} 2>&1"


rule checksum_videos:
    input:
        JOBS.shard_files,
    output:
        table="<results>/videos/{shard}.csv",
        checksums="<results>/videos/{shard}.sha256",
    log:
        "<logs>/checksum_videos/{shard}.log",
    benchmark:
        "<benchmarks>/checksum_videos/{shard}.tsv"
    wildcard_constraints:
        shard=JOBS.shards_from("drawn", "on_disk") or "(?!)",
    resources:
        **LONG,
    params:
        root=JOBS.data_root,
        rows=JOBS.shard_fingerprint,
        source=JOBS.source_config,
        code=code_version("checksum_videos", LISTING),
    shell:
        "python -m pipeline.checksum_videos --shard {wildcards.shard:q} "
        "--source {params.source:q} --table {output.table:q} "
        "--checksums {output.checksums:q} > {log:q} 2>&1"


rule videos:
    input:
        rules.index_videos.output,
        expand(rules.checksum_videos.output, shard=JOBS.shards()),
