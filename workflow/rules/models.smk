# In: the face shards of train and val.
# Out: models/<model>/weights.safetensors, history.csv, curves.png.
# Steps: train_model, one model at a time; plot_history.


rule train_model:
    input:
        train=face_shards("train"),
        val=face_shards("val"),
        pretrained=weights_file,
    output:
        weights=ensure(
            f"{RESULTS}/models/{{model}}/weights.safetensors", non_empty=True
        ),
        history=f"{RESULTS}/models/{{model}}/history.csv",
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
        "--config {params.config:q} "
        "--seed {params.seed} --threads {threads} > {log:q} 2>&1"


rule plot_history:
    input:
        rules.train_model.output.history,
    output:
        f"{RESULTS}/models/{{model}}/curves.png",
    log:
        f"{RESULTS}/logs/plot_history/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_history/{{model}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_version("plot_history"),
    shell:
        "python -m pipeline.plot_history --history {input:q} --curves {output:q} "
        "--model {wildcards.model:q} > {log:q} 2>&1"


rule models:
    input:
        expand(rules.train_model.output, model=CONFIG.models),
        expand(rules.plot_history.output, model=CONFIG.models),
