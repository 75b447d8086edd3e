# In: the face shards of train and val; pre-trained weights from the network, if wanted.
#     Finished detectors (`weights` in the configuration) have no step here.
# Out: models/weights/<network>.*; models/<model>/<protocol>/*.
# Steps: fetch_weights (where Snakemake runs), train_model one at a time, plot_history.


# No `code`: an edit of ours must not delete weights that a host cannot fetch again.
rule fetch_weights:
    output:
        weights="<results>/models/weights/{network}.safetensors",
        checksum="<results>/models/weights/{network}.sha256",
    log:
        "<logs>/fetch_weights/{network}.log",
    benchmark:
        "<benchmarks>/fetch_weights/{network}.tsv"
    retries: 3
    resources:
        mem_mb=4000,
        runtime=60,
    shell:
        "python -m pipeline.fetch_weights --network {wildcards.network:q} "
        "--weights {output.weights:q} --checksum {output.checksum:q} > {log:q} 2>&1"


rule train_model:
    input:
        JOBS.needed_for("train_model"),
        train=expand(rules.extract_faces.output, shard=JOBS.shards("train")),
        val=expand(rules.extract_faces.output, shard=JOBS.shards("val")),
        pretrained=JOBS.weights_file,
    output:
        weights=ensure(
            "<results>/models/{model}/{protocol}/weights.safetensors",
            non_empty=True,
        ),
        history=report(
            "<results>/models/{model}/{protocol}/history.csv",
            caption="../report/history.rst",
            category="2 Detectors",
            subcategory="{model}/{protocol}",
            labels={"result": "training, table"},
        ),
    log:
        "<logs>/train_model/<detector>.log",
    benchmark:
        "<benchmarks>/train_model/<detector>.tsv"
    wildcard_constraints:
        model=JOBS.trained_models(),
    threads: JOBS.for_each_device(8)
    resources:
        gpu=JOBS.for_each_device(1),
        mem_mb=JOBS.training_memory,
        runtime=24 * 60,  # the next attempt goes on where this one stopped
        nodes=1,  # its processes share one node, with all of its GPUs
        slurm_extra="'--signal=USR1@180'",  # s before the end, to save its state
    params:
        config=JOBS.model_config,
        protocol=JOBS.protocol_config,
        state=JOBS.training_state,
        seed=JOBS.training_seed,
        code=code_version("train_model"),
    # `exec`: a shell in between would end at SIGTERM before the step has saved.
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
        report(
            "<results>/models/<detector>/curves.png",
            caption="../report/curves.rst",
            category="2 Detectors",
            subcategory="{model}/{protocol}",
            labels={"result": "training curves"},
        ),
    log:
        "<logs>/plot_history/<detector>.log",
    benchmark:
        "<benchmarks>/plot_history/<detector>.tsv"
    resources:
        **SMALL,
    params:
        code=code_version("plot_history"),
    shell:
        "python -m pipeline.plot_history --history {input:q} --curves {output:q} "
        "--title {wildcards.model}/{wildcards.protocol} > {log:q} 2>&1"


rule models:
    input:
        JOBS.needed_for("models"),
        JOBS.of_each_training(rules.train_model.output),
        JOBS.of_each_training(rules.plot_history.output),
