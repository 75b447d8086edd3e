# In: the face shards of train and val; pre-trained weights from the network, if wanted.
# Out: weights/<network>.safetensors, models/<model>/<protocol>/*.
# Steps: fetch_weights (where Snakemake runs), train_model one at a time, plot_history.


rule fetch_weights:
    output:
        weights=f"{RESULTS}/weights/{{network}}.safetensors",
        checksum=f"{RESULTS}/weights/{{network}}.sha256",
    log:
        f"{RESULTS}/logs/fetch_weights/{{network}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/fetch_weights/{{network}}.tsv"
    retries: 3
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime=60,
    # No `code`: an edit of ours must not delete weights that a host cannot fetch again.
    shell:
        "python -m pipeline.fetch_weights --network {wildcards.network:q} "
        "--weights {output.weights:q} --checksum {output.checksum:q} > {log:q} 2>&1"


rule train_model:
    input:
        train=face_shards("train"),
        val=face_shards("val"),
        pretrained=weights_file,
    output:
        weights=ensure(
            f"{RESULTS}/models/{{model}}/{{protocol}}/weights.safetensors",
            non_empty=True,
        ),
        history=f"{RESULTS}/models/{{model}}/{{protocol}}/history.csv",
    log:
        f"{RESULTS}/logs/train_model/{{model}}/{{protocol}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_model/{{model}}/{{protocol}}.tsv"
    conda:
        "../../environment.yml"
    threads: for_each_device(8)
    resources:
        gpu=for_each_device(1),
        mem_mb=training_memory,
        runtime=24 * 60,  # what it does not finish, the next attempt does
        nodes=1,  # its processes are on one, with all of its GPUs
        slurm_extra="'--signal=USR1@180'",  # s before the end, to save its state
    params:
        config=model_config,
        protocol=protocol_config,
        state=training_state,
        seed=CONFIG.seed,
        code=code_version("train_model"),
    # `exec`: no shell is in between, which would die of SIGTERM before it has saved.
    shell:
        "exec python -m pipeline.train_model --train {input.train:q} --val {input.val:q} "
        "--weights {output.weights:q} --history {output.history:q} "
        "--state {params.state:q} --config {params.config:q} "
        "--protocol {params.protocol:q} --seed {params.seed} --threads {threads} "
        "> {log:q} 2>&1"


rule plot_history:
    input:
        rules.train_model.output.history,
    output:
        f"{RESULTS}/models/{{model}}/{{protocol}}/curves.png",
    log:
        f"{RESULTS}/logs/plot_history/{{model}}/{{protocol}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_history/{{model}}/{{protocol}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=code_version("plot_history"),
    shell:
        "python -m pipeline.plot_history --history {input:q} --curves {output:q} "
        "--title {wildcards.model}/{wildcards.protocol} > {log:q} 2>&1"


rule models:
    input:
        of_each_detector(rules.train_model.output),
        of_each_detector(rules.plot_history.output),
