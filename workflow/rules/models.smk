# In: the face shards of train and val.
# Out: models/<model>/weights.safetensors, history.csv, curves.png.
# Steps: train_model, one model at a time.


rule train_model:
    input:
        train=face_shards("train"),
        val=face_shards("val"),
    output:
        weights=ensure(
            f"{RESULTS}/models/{{model}}/weights.safetensors", non_empty=True
        ),
        history=f"{RESULTS}/models/{{model}}/history.csv",
        curves=f"{RESULTS}/models/{{model}}/curves.png",
    log:
        f"{RESULTS}/logs/train_model/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_model/{{model}}.tsv"
    conda:
        "../../environment.yml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=16000,
        runtime=24 * 60,
    params:
        config=model_config,
        seed=CONFIG.seed,
        code=code_version("train_model"),
    shell:
        "python -m pipeline.train_model --train {input.train:q} --val {input.val:q} "
        "--weights {output.weights:q} --history {output.history:q} "
        "--curves {output.curves:q} --config {params.config:q} "
        "--seed {params.seed} --threads {threads} > {log:q} 2>&1"


rule models:
    input:
        expand(rules.train_model.output, model=CONFIG.models),
