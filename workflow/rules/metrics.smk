# In: each detector's weights, the face shards of val and test.
# Out: predictions/<model>/<protocol>/*, metrics/<model>/<protocol>/*, and over all
#      detectors metrics/*.csv, overview.md and auc.png.
# Steps: predict_frames a shard; choose_operating_point on val; evaluate_model and
#        write_model_card a detector; collect_metrics and compare_models over all.


rule predict_frames:
    input:
        weights=rules.train_model.output.weights,
        faces=rules.extract_faces.output,
    output:
        f"{RESULTS}/predictions/{{model}}/{{protocol}}/{{shard}}.csv",
    log:
        f"{RESULTS}/logs/predict_frames/{{model}}/{{protocol}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/predict_frames/{{model}}/{{protocol}}/{{shard}}.tsv"
    conda:
        "../../environment.yml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=growing(8000),
        runtime=growing(60),
    params:
        code=code_version("predict_frames"),
    shell:
        "python -m pipeline.predict_frames --weights {input.weights:q} "
        "--faces {input.faces:q} --output {output:q} --threads {threads} "
        "> {log:q} 2>&1"


rule choose_operating_point:
    input:
        expand(
            rules.predict_frames.output,
            shard=shard_names(CONFIG.sources, "val"),
            allow_missing=True,
        ),
    output:
        f"{RESULTS}/metrics/{{model}}/{{protocol}}/operating_point.csv",
    log:
        f"{RESULTS}/logs/choose_operating_point/{{model}}/{{protocol}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/choose_operating_point/{{model}}/{{protocol}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        protocol=protocol_config,
        code=code_version("choose_operating_point"),
    shell:
        "python -m pipeline.choose_operating_point --predictions {input:q} "
        "--points {output:q} --protocol {params.protocol:q} > {log:q} 2>&1"


rule evaluate_model:
    input:
        predictions=expand(
            rules.predict_frames.output,
            shard=shard_names(CONFIG.sources, "test"),
            allow_missing=True,
        ),
        points=rules.choose_operating_point.output,
    output:
        predicted=f"{RESULTS}/predictions/{{model}}/{{protocol}}/videos.csv",
        videos=f"{RESULTS}/metrics/{{model}}/{{protocol}}/videos.csv",
        frames=f"{RESULTS}/metrics/{{model}}/{{protocol}}/frames.csv",
        roc=f"{RESULTS}/metrics/{{model}}/{{protocol}}/roc.png",
        recall=f"{RESULTS}/metrics/{{model}}/{{protocol}}/precision_recall.png",
        det=f"{RESULTS}/metrics/{{model}}/{{protocol}}/det.png",
        reliability=f"{RESULTS}/metrics/{{model}}/{{protocol}}/reliability.png",
        scores=f"{RESULTS}/metrics/{{model}}/{{protocol}}/scores.png",
    log:
        f"{RESULTS}/logs/evaluate_model/{{model}}/{{protocol}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate_model/{{model}}/{{protocol}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        config=as_json(CONFIG.evaluation),
        seed=CONFIG.seed,
        code=code_version("evaluate_model"),
    shell:
        "python -m pipeline.evaluate_model --predictions {input.predictions:q} "
        "--points {input.points:q} --predicted {output.predicted:q} "
        "--videos {output.videos:q} --frames {output.frames:q} "
        "--roc {output.roc:q} --recall {output.recall:q} --det {output.det:q} "
        "--reliability {output.reliability:q} --scores {output.scores:q} "
        "--model {wildcards.model:q} --protocol {wildcards.protocol:q} "
        "--config {params.config:q} --seed {params.seed} > {log:q} 2>&1"


rule write_model_card:
    input:
        weights=rules.train_model.output.weights,
        history=rules.train_model.output.history,
        videos=rules.evaluate_model.output.videos,
        frames=rules.evaluate_model.output.frames,
        points=rules.choose_operating_point.output,
    output:
        f"{RESULTS}/models/{{model}}/{{protocol}}/card.md",
    log:
        f"{RESULTS}/logs/write_model_card/{{model}}/{{protocol}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_model_card/{{model}}/{{protocol}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=code_version("write_model_card"),
    shell:
        "python -m pipeline.write_model_card --weights {input.weights:q} "
        "--history {input.history:q} --videos {input.videos:q} "
        "--frames {input.frames:q} --points {input.points:q} --card {output:q} "
        "--model {wildcards.model:q} --protocol {wildcards.protocol:q} "
        "> {log:q} 2>&1"


rule collect_metrics:
    input:
        videos=of_each_detector(rules.evaluate_model.output.videos),
        frames=of_each_detector(rules.evaluate_model.output.frames),
    output:
        videos=f"{RESULTS}/metrics/videos.csv",
        frames=f"{RESULTS}/metrics/frames.csv",
        overview=f"{RESULTS}/metrics/overview.md",
        literature=f"{RESULTS}/metrics/literature.csv",
        heat=f"{RESULTS}/metrics/auc.png",
    log:
        f"{RESULTS}/logs/collect_metrics.log",
    benchmark:
        f"{RESULTS}/benchmarks/collect_metrics.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        runs=trained_runs,
        published=published_file,
        code=code_version("collect_metrics") + file_sha256(PUBLISHED)[:8],
    shell:
        "python -m pipeline.collect_metrics --videos {input.videos:q} "
        "--frames {input.frames:q} --published {params.published:q} "
        "--all_videos {output.videos:q} --all_frames {output.frames:q} "
        "--overview {output.overview:q} --literature {output.literature:q} "
        "--heat {output.heat:q} --runs {params.runs:q} > {log:q} 2>&1"


rule compare_models:
    input:
        predicted=of_each_detector(rules.evaluate_model.output.predicted),
        points=of_each_detector(rules.choose_operating_point.output),
    output:
        f"{RESULTS}/metrics/differences.csv",
    log:
        f"{RESULTS}/logs/compare_models.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare_models.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        runs=detector_names,
        config=as_json(CONFIG.evaluation),
        seed=CONFIG.seed,
        code=code_version("compare_models"),
    shell:
        "python -m pipeline.compare_models --predicted {input.predicted:q} "
        "--points {input.points:q} --differences {output:q} --runs {params.runs:q} "
        "--config {params.config:q} --seed {params.seed} > {log:q} 2>&1"


rule metrics:
    input:
        of_each_detector(rules.evaluate_model.output),
        of_each_detector(rules.write_model_card.output),
        rules.collect_metrics.output,
        rules.compare_models.output,
