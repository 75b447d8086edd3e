# In: a shard's videos, its table and checksums.
# Out: faces/<shard>.h5, and faces/summary.csv over all shards.
# Steps: extract_faces, summarize_faces.


rule extract_faces:
    input:
        videos=shard_files,
        table=rules.checksum_videos.output.table,
        checksums=rules.checksum_videos.output.checksums,
        weights=CONFIG.faces.retinaface_weights or [],
    output:
        ensure(f"{RESULTS}/faces/{{shard}}.h5", non_empty=True),
    log:
        f"{RESULTS}/logs/extract_faces/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/extract_faces/{{shard}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        gpu=1 if CONFIG.faces.detector == "retinaface" else 0,
        mem_mb=4000,
        runtime=120,
    params:
        root=data_root,
        config=as_json(CONFIG.faces),
        code=code_version("extract_faces"),
    shell:
        "python -m pipeline.extract_faces --table {input.table:q} "
        "--checksums {input.checksums:q} --root {params.root:q} "
        "--config {params.config:q} --output {output:q} > {log:q} 2>&1"


rule summarize_faces:
    input:
        face_shards("train", "val", "test"),
    output:
        f"{RESULTS}/faces/summary.csv",
    log:
        f"{RESULTS}/logs/summarize_faces.log",
    benchmark:
        f"{RESULTS}/benchmarks/summarize_faces.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_version("summarize_faces"),
    shell:
        "python -m pipeline.summarize_faces --shards {input:q} "
        "--summary {output:q} > {log:q} 2>&1"


rule faces:
    input:
        face_shards("train", "val", "test"),
        rules.summarize_faces.output,
