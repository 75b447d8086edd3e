# In: a model's weights, the face shards of test.
# Out: attributions/<model>/<protocol>/<shard>.h5, atlases/<model>/<protocol>/*.
# Steps: attribute_frames a shard (the GPU's work), build_atlas (pictures and tables).


rule attribute_frames:
    input:
        weights=rules.train_model.output.weights,
        faces=rules.extract_faces.output,
    output:
        ensure(
            f"{RESULTS}/attributions/{{model}}/{{protocol}}/{{shard}}.h5",
            non_empty=True,
        ),
    log:
        f"{RESULTS}/logs/attribute_frames/{{model}}/{{protocol}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/attribute_frames/{{model}}/{{protocol}}/{{shard}}.tsv"
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
            shard=shard_names(CONFIG.sources, "test"),
            allow_missing=True,
        ),
        faces=face_shards("test"),
        points=rules.choose_threshold.output,
    output:
        atlas=f"{RESULTS}/atlases/{{model}}/{{protocol}}/atlas.png",
        gallery=f"{RESULTS}/atlases/{{model}}/{{protocol}}/gallery.png",
        arrays=f"{RESULTS}/atlases/{{model}}/{{protocol}}/arrays.h5",
        cells=f"{RESULTS}/atlases/{{model}}/{{protocol}}/cells.csv",
        masks=f"{RESULTS}/atlases/{{model}}/{{protocol}}/masks.csv",
    log:
        f"{RESULTS}/logs/build_atlas/{{model}}/{{protocol}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/build_atlas/{{model}}/{{protocol}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        config=as_json(CONFIG.atlases),
        code=code_version("build_atlas"),
    shell:
        "python -m pipeline.build_atlas --attributions {input.attributions:q} "
        "--faces {input.faces:q} --atlas {output.atlas:q} "
        "--gallery {output.gallery:q} --arrays {output.arrays:q} "
        "--cells {output.cells:q} --masks {output.masks:q} "
        "--title {wildcards.model}/{wildcards.protocol} --config {params.config:q} "
        "--points {input.points:q} > {log:q} 2>&1"


rule atlases:
    input:
        of_each_detector(rules.build_atlas.output),
