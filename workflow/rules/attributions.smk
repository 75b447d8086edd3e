# In: a model's weights, the face shards, the originals' videos.
# Out: attributions/references/<protocol>.h5, attributions/real_faces.h5,
#      attributions/originals/<shard>.h5, attributions/originals.csv,
#      attributions/<model>/<protocol>/<baseline>/<shard>.h5,
#      attributions/<model>/<protocol>/controls/<shard>.h5.
# Steps: collect_references, collect_real_faces and align_originals (images that
#        baselines are made of), summarize_originals, attribute_frames for each test
#        shard and measure_controls on a sample of its
#        fakes (the GPU's work).


rule collect_references:
    input:
        JOBS.needed_for("collect_references"),
        faces=expand(rules.extract_faces.output, shard=JOBS.shards("train")),
    output:
        ensure("<results>/attributions/references/{protocol}.h5", non_empty=True),
    log:
        "<logs>/collect_references/{protocol}.log",
    benchmark:
        "<benchmarks>/collect_references/{protocol}.tsv"
    resources:
        **FIGURES,
    params:
        protocol=JOBS.protocol_config,
        code=code_version("collect_references"),
    shell:
        "python -m pipeline.collect_references --train {input.faces:q} --output {output:q} "
        "--protocol {params.protocol:q} > {log:q} 2>&1"


rule collect_real_faces:
    input:
        JOBS.needed_for("collect_real_faces"),
        faces=expand(rules.extract_faces.output, shard=JOBS.shards("val")),
    output:
        ensure("<results>/attributions/real_faces.h5", non_empty=True),
    log:
        "<logs>/collect_real_faces.log",
    benchmark:
        "<benchmarks>/collect_real_faces.tsv"
    resources:
        **FIGURES,
    params:
        code=code_version("collect_real_faces"),
    shell:
        "python -m pipeline.collect_real_faces --validation {input.faces:q} "
        "--output {output:q} > {log:q} 2>&1"


rule align_originals:
    input:
        videos=JOBS.original_files,
        tables=JOBS.original_tables,
        faces=rules.extract_faces.output,
    output:
        ensure("<results>/attributions/originals/{shard}.h5", non_empty=True),
    log:
        "<logs>/align_originals/{shard}.log",
    benchmark:
        "<benchmarks>/align_originals/{shard}.tsv"
    threads: 2
    resources:
        mem_mb=growing(5000),
        runtime=growing(120),
    params:
        root=JOBS.data_root,
        config=JOBS.faces_config,
        originals=JOBS.original_settings,
        code=code_version("align_originals"),
    shell:
        "python -m pipeline.align_originals --faces {input.faces:q} "
        "--root {params.root:q} --output {output:q} --tables {input.tables:q} "
        "--workers {threads} --memory {resources.mem_mb} --config {params.config:q} "
        "> {log:q} 2>&1"


rule summarize_originals:
    input:
        expand(rules.align_originals.output, shard=JOBS.shards_with_originals()),
    output:
        report(
            "<results>/attributions/originals.csv",
            caption="../report/originals.rst",
            category="1 Data",
            labels={"result": "originals of fakes"},
        ),
    log:
        "<logs>/summarize_originals.log",
    benchmark:
        "<benchmarks>/summarize_originals.tsv"
    resources:
        **SMALL,
    params:
        code=code_version("summarize_originals"),
    shell:
        "python -m pipeline.summarize_originals --originals {input:q} "
        "--summary {output:q} > {log:q} 2>&1"


rule attribute_frames:
    input:
        weights=JOBS.detector_file,
        faces=rules.extract_faces.output,
        references=JOBS.baseline_references,
        real_faces=JOBS.baseline_faces,
        originals=JOBS.baseline_originals,
    output:
        ensure(
            "<results>/attributions/<detector>/{baseline}/{shard}.h5",
            non_empty=True,
        ),
    log:
        "<logs>/attribute_frames/<detector>/{baseline}/{shard}.log",
    benchmark:
        "<benchmarks>/attribute_frames/<detector>/{baseline}/{shard}.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=growing(16000),
        runtime=growing(240),
    params:
        config=JOBS.attribution_config,
        seed=CONFIG.seed,
        code=code_version("attribute_frames"),
    shell:
        "python -m pipeline.attribute_frames --weights {input.weights:q} "
        "--faces {input.faces:q} --references={input.references:q} "
        "--real_faces={input.real_faces:q} "
        "--originals={input.originals:q} --baseline {wildcards.baseline} "
        "--output {output:q} --config {params.config:q} --seed {params.seed} "
        "--threads {threads} > {log:q} 2>&1"


rule measure_controls:
    input:
        weights=JOBS.detector_file,
        faces=rules.extract_faces.output,
        attributions=expand(
            rules.attribute_frames.output,
            baseline=CONFIG.attribution.baselines,
            allow_missing=True,
        ),
        references=JOBS.control_references,
        real_faces=JOBS.control_faces,
        originals=JOBS.control_originals,
    output:
        ensure(
            "<results>/attributions/<detector>/controls/{shard}.h5",
            non_empty=True,
        ),
    log:
        "<logs>/measure_controls/<detector>/{shard}.log",
    benchmark:
        "<benchmarks>/measure_controls/<detector>/{shard}.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=growing(16000),
        runtime=growing(120),
    params:
        config=JOBS.control_config,
        frames=CONFIG.attribution.control_frames,
        margin=CONFIG.faces.margin,
        seed=CONFIG.seed,
        code=code_version("measure_controls"),
    shell:
        "python -m pipeline.measure_controls --weights {input.weights:q} "
        "--faces {input.faces:q} --attributions {input.attributions:q} "
        "--references={input.references:q} --real_faces={input.real_faces:q} "
        "--originals={input.originals:q} --output {output:q} "
        "--config {params.config:q} --frames {params.frames} "
        "--margin {params.margin} --seed {params.seed} --threads {threads} "
        "> {log:q} 2>&1"


rule attributions:
    input:
        JOBS.needed_for("attributions"),
        JOBS.of_each_atlas(
            expand(
                rules.attribute_frames.output,
                shard=JOBS.shards("test"),
                allow_missing=True,
            )
        ),
        JOBS.of_each_detector(
            expand(
                rules.measure_controls.output,
                shard=JOBS.control_shards(),
                allow_missing=True,
            )
        ),
