# In: a model's weights, the face shards of test.
# Out: attributions/<model>/<shard>.h5, atlases/<model>/*.
# Steps: attribute_frames a shard (the GPU's work), build_atlas (pictures and tables).


rule attribute_frames:
    input:
        weights=rules.train_model.output.weights,
        faces=rules.extract_faces.output,
    output:
        ensure(f"{RESULTS}/attributions/{{model}}/{{shard}}.h5", non_empty=True),
    log:
        f"{RESULTS}/logs/attribute_frames/{{model}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/attribute_frames/{{model}}/{{shard}}.tsv"
    conda:
        "../../environment.yml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=16000,
        runtime=240,
    params:
        config=as_json(CONFIG.attribution),
        code=code_version("attribute_frames"),
    shell:
        "python -m pipeline.attribute_frames --weights {input.weights:q} "
        "--faces {input.faces:q} --output {output:q} --config {params.config:q} "
        "--threads {threads} > {log:q} 2>&1"


rule build_atlas:
    input:
        attributions=expand(
            rules.attribute_frames.output,
            shard=shard_names(CONFIG.videos, "test"),
            allow_missing=True,
        ),
        faces=face_shards("test"),
    output:
        atlas=f"{RESULTS}/atlases/{{model}}/atlas.png",
        gallery=f"{RESULTS}/atlases/{{model}}/gallery.png",
        arrays=f"{RESULTS}/atlases/{{model}}/arrays.h5",
        cells=f"{RESULTS}/atlases/{{model}}/cells.csv",
        masks=f"{RESULTS}/atlases/{{model}}/masks.csv",
    log:
        f"{RESULTS}/logs/build_atlas/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/build_atlas/{{model}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        config=as_json(CONFIG.atlases),
        threshold=CONFIG.evaluation.threshold,
        code=code_version("build_atlas"),
    shell:
        "python -m pipeline.build_atlas --attributions {input.attributions:q} "
        "--faces {input.faces:q} --atlas {output.atlas:q} "
        "--gallery {output.gallery:q} --arrays {output.arrays:q} "
        "--cells {output.cells:q} --masks {output.masks:q} "
        "--model {wildcards.model:q} --config {params.config:q} "
        "--threshold {params.threshold} > {log:q} 2>&1"


rule atlases:
    input:
        expand(rules.build_atlas.output, model=CONFIG.models),
