# In: a model's weights, the face shards of test.
# Out: predictions/<model>/<shard>.csv and videos.csv, metrics/<model>/*.
# Steps: predict_frames a shard, evaluate_model.


rule predict_frames:
    input:
        weights=rules.train_model.output.weights,
        faces=rules.extract_faces.output,
    output:
        f"{RESULTS}/predictions/{{model}}/{{shard}}.csv",
    log:
        f"{RESULTS}/logs/predict_frames/{{model}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/predict_frames/{{model}}/{{shard}}.tsv"
    conda:
        "../../environment.yml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        code=code_version("predict_frames"),
    shell:
        "python -m pipeline.predict_frames --weights {input.weights:q} "
        "--faces {input.faces:q} --output {output:q} --threads {threads} "
        "> {log:q} 2>&1"


rule evaluate_model:
    input:
        expand(
            rules.predict_frames.output,
            shard=shard_names(CONFIG.videos, "test"),
            allow_missing=True,
        ),
    output:
        videos=f"{RESULTS}/predictions/{{model}}/videos.csv",
        metrics=f"{RESULTS}/metrics/{{model}}/metrics.csv",
        roc=f"{RESULTS}/metrics/{{model}}/roc.png",
        scores=f"{RESULTS}/metrics/{{model}}/scores.png",
    log:
        f"{RESULTS}/logs/evaluate_model/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate_model/{{model}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        config=as_json(CONFIG.evaluation),
        seed=CONFIG.seed,
        code=code_version("evaluate_model"),
    shell:
        "python -m pipeline.evaluate_model --predictions {input:q} "
        "--metrics {output.metrics:q} --videos {output.videos:q} "
        "--roc {output.roc:q} --scores {output.scores:q} "
        "--model {wildcards.model:q} --config {params.config:q} "
        "--seed {params.seed} > {log:q} 2>&1"


rule metrics:
    input:
        expand(rules.evaluate_model.output, model=CONFIG.models),
