# In: a model's weights, the face shards, the threshold of its decisions.
# Out: references/<protocol>.h5, originals/<shard>.h5,
#      attributions/<model>/<protocol>/<baseline>/<shard>.h5,
#      atlases/<model>/<protocol>/<baseline>/*, atlases/<model>/<protocol>/baselines.*,
#      atlases/models-<baseline>.*
# Steps: collect_references and align_originals (what baselines are made of),
#        attribute_frames a shard (the GPU's work), sum_attributions, draw_atlas,
#        cluster_maps, compare_baselines, compare_atlases (pictures and tables).

ATLAS = f"{RESULTS}/atlases/{{model}}/{{protocol}}/{{baseline}}"


rule collect_references:
    input:
        face_shards("train"),
    output:
        ensure(f"{RESULTS}/references/{{protocol}}.h5", non_empty=True),
    log:
        f"{RESULTS}/logs/collect_references/{{protocol}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/collect_references/{{protocol}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        protocol=protocol_config,
        code=code_version("collect_references"),
    shell:
        "python -m pipeline.collect_references --train {input:q} --output {output:q} "
        "--protocol {params.protocol:q} > {log:q} 2>&1"


rule align_originals:
    input:
        videos=original_files,
        tables=original_tables,
        faces=rules.extract_faces.output,
    output:
        ensure(f"{RESULTS}/originals/{{shard}}.h5", non_empty=True),
    log:
        f"{RESULTS}/logs/align_originals/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/align_originals/{{shard}}.tsv"
    conda:
        "../../environment.yml"
    threads: 2
    resources:
        mem_mb=growing(5000),
        runtime=growing(120),
    params:
        root=data_root,
        config=faces_config,
        originals=original_settings,
        code=code_version("align_originals"),
    shell:
        "python -m pipeline.align_originals --faces {input.faces:q} "
        "--root {params.root:q} --output {output:q} --tables {input.tables:q} "
        "--workers {threads} --memory {resources.mem_mb} --config {params.config:q} "
        "> {log:q} 2>&1"


rule attribute_frames:
    input:
        weights=rules.train_model.output.weights,
        faces=rules.extract_faces.output,
        references=rules.collect_references.output,
        originals=aligned_originals,
    output:
        ensure(
            f"{RESULTS}/attributions/{{model}}/{{protocol}}/{{baseline}}/{{shard}}.h5",
            non_empty=True,
        ),
    log:
        f"{RESULTS}/logs/attribute_frames/{{model}}/{{protocol}}/{{baseline}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/attribute_frames/{{model}}/{{protocol}}/{{baseline}}/{{shard}}.tsv"
    conda:
        "../../environment.yml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=growing(16000),
        runtime=growing(240),
    params:
        config=attribution_config,
        seed=CONFIG.seed,
        code=code_version("attribute_frames"),
    shell:
        "python -m pipeline.attribute_frames --weights {input.weights:q} "
        "--faces {input.faces:q} --references {input.references:q} "
        "--originals={input.originals:q} --baseline {wildcards.baseline} "
        "--output {output:q} --config {params.config:q} --seed {params.seed} "
        "--threads {threads} > {log:q} 2>&1"


rule sum_attributions:
    input:
        attributions=expand(
            rules.attribute_frames.output,
            shard=shard_names(CONFIG.sources, "test"),
            allow_missing=True,
        ),
        faces=face_shards("test"),
        references=rules.collect_references.output,
        points=rules.choose_operating_point.output,
    output:
        arrays=f"{ATLAS}/arrays.h5",
        sample=f"{ATLAS}/sample.h5",
        frames=f"{ATLAS}/frames.csv",
        cells=f"{ATLAS}/cells.csv",
        regions=f"{ATLAS}/regions.csv",
        masks=f"{ATLAS}/masks.csv",
    log:
        f"{RESULTS}/logs/sum_attributions/{{model}}/{{protocol}}/{{baseline}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/sum_attributions/{{model}}/{{protocol}}/{{baseline}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(6000),
        runtime=growing(120),
    params:
        detector=CONFIG.faces.detector,
        margin=CONFIG.faces.margin,
        resamples=CONFIG.evaluation.bootstrap,
        seed=CONFIG.seed,
        code=code_version("sum_attributions"),
    shell:
        "python -m pipeline.sum_attributions --attributions {input.attributions:q} "
        "--faces {input.faces:q} --references {input.references:q} "
        "--points {input.points:q} --arrays {output.arrays:q} "
        "--sample {output.sample:q} --frames {output.frames:q} "
        "--cells {output.cells:q} --regions {output.regions:q} --masks {output.masks:q} "
        "--detector {params.detector} --margin {params.margin} "
        "--resamples {params.resamples} "
        "--seed {params.seed} > {log:q} 2>&1"


rule draw_atlas:
    input:
        attributions=rules.sum_attributions.input.attributions,
        faces=face_shards("test"),
        arrays=rules.sum_attributions.output.arrays,
        sample=rules.sum_attributions.output.sample,
        frames=rules.sum_attributions.output.frames,
        cells=rules.sum_attributions.output.cells,
        regions=rules.sum_attributions.output.regions,
    output:
        atlas=f"{ATLAS}/atlas.png",
        statistics=f"{ATLAS}/statistics.png",
        ledger=f"{ATLAS}/regions.png",
        gallery=f"{ATLAS}/gallery.png",
    log:
        f"{RESULTS}/logs/draw_atlas/{{model}}/{{protocol}}/{{baseline}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/draw_atlas/{{model}}/{{protocol}}/{{baseline}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        config=as_json(CONFIG.atlases),
        code=code_version("draw_atlas"),
    shell:
        "python -m pipeline.draw_atlas --attributions {input.attributions:q} "
        "--faces {input.faces:q} --arrays {input.arrays:q} --sample {input.sample:q} "
        "--frames {input.frames:q} --cells {input.cells:q} --regions {input.regions:q} "
        "--atlas {output.atlas:q} --statistics {output.statistics:q} "
        "--ledger {output.ledger:q} --gallery {output.gallery:q} "
        "--title '{wildcards.model}/{wildcards.protocol}, from {wildcards.baseline}' "
        "--config {params.config:q} > {log:q} 2>&1"


rule cluster_maps:
    input:
        attributions=rules.sum_attributions.input.attributions,
        faces=face_shards("test"),
        sample=rules.sum_attributions.output.sample,
    output:
        clusters=f"{ATLAS}/clusters.csv",
        cells=f"{ATLAS}/cluster_cells.csv",
        members=f"{ATLAS}/cluster_members.csv",
        figure=f"{ATLAS}/clusters.png",
    log:
        f"{RESULTS}/logs/cluster_maps/{{model}}/{{protocol}}/{{baseline}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/cluster_maps/{{model}}/{{protocol}}/{{baseline}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        config=as_json(CONFIG.atlases),
        detector=CONFIG.faces.detector,
        margin=CONFIG.faces.margin,
        resamples=CONFIG.evaluation.bootstrap,
        seed=CONFIG.seed,
        code=code_version("cluster_maps"),
    shell:
        "python -m pipeline.cluster_maps --attributions {input.attributions:q} "
        "--faces {input.faces:q} --sample {input.sample:q} "
        "--clusters {output.clusters:q} --cells {output.cells:q} "
        "--members {output.members:q} --figure {output.figure:q} "
        "--title '{wildcards.model}/{wildcards.protocol}, from {wildcards.baseline}' "
        "--detector {params.detector} --margin {params.margin} "
        "--resamples {params.resamples} --seed {params.seed} "
        "--config {params.config:q} > {log:q} 2>&1"


rule compare_baselines:
    input:
        arrays=expand(
            rules.sum_attributions.output.arrays,
            baseline=CONFIG.attribution.baselines,
            allow_missing=True,
        ),
        samples=expand(
            rules.sum_attributions.output.sample,
            baseline=CONFIG.attribution.baselines,
            allow_missing=True,
        ),
        frames=expand(
            rules.sum_attributions.output.frames,
            baseline=CONFIG.attribution.baselines,
            allow_missing=True,
        ),
        points=rules.choose_operating_point.output,
    output:
        audit=f"{RESULTS}/atlases/{{model}}/{{protocol}}/baselines.csv",
        agreement=f"{RESULTS}/atlases/{{model}}/{{protocol}}/baseline_agreement.csv",
        figure=f"{RESULTS}/atlases/{{model}}/{{protocol}}/baselines.png",
    log:
        f"{RESULTS}/logs/compare_baselines/{{model}}/{{protocol}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare_baselines/{{model}}/{{protocol}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        names=" ".join(CONFIG.attribution.baselines),
        config=as_json(CONFIG.atlases),
        code=code_version("compare_baselines"),
    shell:
        "python -m pipeline.compare_baselines --arrays {input.arrays:q} "
        "--samples {input.samples:q} --frames {input.frames:q} --points {input.points:q} "
        "--audit {output.audit:q} --agreement {output.agreement:q} "
        "--figure {output.figure:q} --names {params.names:q} "
        "--title {wildcards.model}/{wildcards.protocol} --config {params.config:q} "
        "> {log:q} 2>&1"


rule compare_atlases:
    input:
        arrays=of_each_detector(rules.sum_attributions.output.arrays),
    output:
        table=f"{RESULTS}/atlases/models-{{baseline}}.csv",
        figure=f"{RESULTS}/atlases/models-{{baseline}}.png",
    log:
        f"{RESULTS}/logs/compare_atlases/{{baseline}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare_atlases/{{baseline}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        detectors=detector_names,
        config=as_json(CONFIG.atlases),
        code=code_version("compare_atlases"),
    shell:
        "python -m pipeline.compare_atlases --arrays {input.arrays:q} "
        "--table {output.table:q} --figure {output.figure:q} "
        "--detectors {params.detectors:q} --config {params.config:q} > {log:q} 2>&1"


rule export_virelay:
    input:
        attributions=rules.sum_attributions.input.attributions,
        faces=face_shards("test"),
        members=rules.cluster_maps.output.members,
    output:
        project=f"{ATLAS}/virelay/project.yaml",
        files=expand(
            f"{ATLAS}/virelay/{{file}}",
            file=["label-map.json", "dataset.h5", "attribution.h5", "analysis.h5"],
            allow_missing=True,
        ),
    log:
        f"{RESULTS}/logs/export_virelay/{{model}}/{{protocol}}/{{baseline}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/export_virelay/{{model}}/{{protocol}}/{{baseline}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        code=code_version("export_virelay"),
    shell:
        "python -m pipeline.export_virelay --attributions {input.attributions:q} "
        "--faces {input.faces:q} --members {input.members:q} "
        "--project {output.project:q} --model {wildcards.model} "
        "--title '{wildcards.model}/{wildcards.protocol}, from {wildcards.baseline}' "
        "> {log:q} 2>&1"


# Not part of `all`: for those who have the viewer.
rule virelay:
    input:
        of_each_atlas(rules.export_virelay.output),


rule atlases:
    input:
        of_each_atlas(rules.draw_atlas.output),
        of_each_atlas(rules.cluster_maps.output),
        of_each_detector(rules.compare_baselines.output),
        compared_atlases(rules.compare_atlases.output),
