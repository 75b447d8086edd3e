# In: a shard's videos, its table and checksums; RetinaFace's weights.
# Out: faces/weights/retinaface.*; faces/<shard>.h5 and its contact sheet; over all shards
#      faces/summary.csv.
# Steps: fetch_face_detector (where Snakemake runs), extract_faces, draw_contact_sheet,
#        summarize_faces.


# No `code`: an edit of ours must not delete weights that a host cannot fetch again.
rule fetch_face_detector:
    output:
        weights="<results>/faces/weights/retinaface.pth",
        checksum="<results>/faces/weights/retinaface.sha256",
    log:
        "<logs>/fetch_face_detector.log",
    benchmark:
        "<benchmarks>/fetch_face_detector.tsv"
    retries: 3
    resources:
        fetching=1,
        mem_mb=2000,
        runtime=60,
    params:
        addresses=JOBS.face_detector_addresses,
        config=JOBS.fetch_config,
    shell:
        "python -m pipeline.fetch_face_detector --weights {output.weights:q} "
        "--checksum {output.checksum:q} --addresses {params.addresses:q} "
        "--config {params.config:q} > {log:q} 2>&1"


rule extract_faces:
    input:
        videos=JOBS.shard_files,
        table=rules.checksum_videos.output.table,
        checksums=rules.checksum_videos.output.checksums,
        weights=JOBS.face_detector_weights(),
    output:
        ensure("<results>/faces/{shard}.h5", non_empty=True),
    log:
        "<logs>/extract_faces/{shard}.log",
    benchmark:
        "<benchmarks>/extract_faces/{shard}.tsv"
    threads: 8
    resources:
        gpu=JOBS.extraction_gpus(),
        mem_mb=JOBS.extraction_memory,
        runtime=growing(240),
    params:
        root=JOBS.data_root,
        config=JOBS.faces_config,
        crops=JOBS.crop_settings,
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
        report(
            "<results>/faces/{shard}.png",
            caption="../report/contact_sheet.rst",
            category="1 Data",
            labels={"result": "contact sheet", "shard": "{shard}"},
        ),
    log:
        "<logs>/draw_contact_sheet/{shard}.log",
    benchmark:
        "<benchmarks>/draw_contact_sheet/{shard}.tsv"
    resources:
        **SMALL,
    params:
        code=code_version("draw_contact_sheet"),
    shell:
        "python -m pipeline.draw_contact_sheet --faces {input:q} --sheet {output:q} "
        "> {log:q} 2>&1"


rule summarize_faces:
    input:
        expand(rules.extract_faces.output, shard=JOBS.shards()),
    output:
        report(
            "<results>/faces/summary.csv",
            caption="../report/faces_summary.rst",
            category="1 Data",
            labels={"result": "faces of every video"},
        ),
    log:
        "<logs>/summarize_faces.log",
    benchmark:
        "<benchmarks>/summarize_faces.tsv"
    resources:
        **SMALL,
    params:
        code=code_version("summarize_faces"),
    shell:
        "python -m pipeline.summarize_faces --shards {input:q} "
        "--summary {output:q} > {log:q} 2>&1"


rule faces:
    input:
        expand(rules.extract_faces.output, shard=JOBS.shards()),
        expand(rules.draw_contact_sheet.output, shard=JOBS.shards()),
        rules.summarize_faces.output,
