# In: a shard's videos, its table and checksums; RetinaFace's weights.
# Out: faces/<shard>.h5 and its contact sheet, and faces/summary.csv over all shards.
# Steps: fetch_face_detector (where Snakemake runs), extract_faces, draw_contact_sheet, summarize_faces.


rule fetch_face_detector:
    output:
        weights=f"{RESULTS}/weights/retinaface.pth",
        checksum=f"{RESULTS}/weights/retinaface.sha256",
    log:
        f"{RESULTS}/logs/fetch_face_detector.log",
    benchmark:
        f"{RESULTS}/benchmarks/fetch_face_detector.tsv"
    retries: 3
    conda:
        "../../environment.yml"
    resources:
        fetching=1,
        mem_mb=2000,
        runtime=60,
    # No `code`, as for `fetch_weights`.
    params:
        addresses=detector_addresses,
        config=fetch_config,
    shell:
        "python -m pipeline.fetch_face_detector --weights {output.weights:q} "
        "--checksum {output.checksum:q} --addresses {params.addresses:q} "
        "--config {params.config:q} > {log:q} 2>&1"


rule extract_faces:
    input:
        videos=shard_files,
        table=rules.checksum_videos.output.table,
        checksums=rules.checksum_videos.output.checksums,
        weights=detector_weights(),
    output:
        ensure(f"{RESULTS}/faces/{{shard}}.h5", non_empty=True),
    log:
        f"{RESULTS}/logs/extract_faces/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/extract_faces/{{shard}}.tsv"
    conda:
        "../../environment.yml"
    threads: 8
    resources:
        gpu=1 if CONFIG.faces.detector == "retinaface" else 0,
        mem_mb=extraction_memory,
        runtime=growing(240),
    params:
        root=data_root,
        config=faces_config,
        crops=crop_settings,
        code=code_version("extract_faces"),
    shell:
        "python -m pipeline.extract_faces --table {input.table:q} "
        "--checksums {input.checksums:q} --root {params.root:q} "
        "--workers {threads} --memory {resources.mem_mb} --config {params.config:q} "
        "--output {output:q} > {log:q} 2>&1"


rule draw_contact_sheet:
    input:
        rules.extract_faces.output,
    output:
        f"{RESULTS}/faces/{{shard}}.png",
    log:
        f"{RESULTS}/logs/draw_contact_sheet/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/draw_contact_sheet/{{shard}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=code_version("draw_contact_sheet"),
    shell:
        "python -m pipeline.draw_contact_sheet --faces {input:q} --sheet {output:q} "
        "> {log:q} 2>&1"


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
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=code_version("summarize_faces"),
    shell:
        "python -m pipeline.summarize_faces --shards {input:q} "
        "--summary {output:q} > {log:q} 2>&1"


rule faces:
    input:
        face_shards("train", "val", "test"),
        contact_sheets(),
        rules.summarize_faces.output,
