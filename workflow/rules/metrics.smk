# In: each detector's weights, the face shards of test, and those of val if it has both
#     kinds of videos. Only predictions are possible without labels in test.
# Out: metrics/<model>/<protocol>/*, with predictions/* of frames and videos; over all
#      detectors metrics/*.csv, overview.md and auc.png.
# Steps: predict_frames for each shard; choose_operating_point on val; predict_videos,
#        evaluate_model, draw_scores and write_model_card for each detector;
#        collect_metrics, draw_auc and compare_models over all detectors.


rule predict_frames:
    input:
        weights=JOBS.detector_file,
        faces=rules.extract_faces.output,
    output:
        "<results>/metrics/<detector>/predictions/{shard}.csv",
    log:
        "<logs>/predict_frames/<detector>/{shard}.log",
    benchmark:
        "<benchmarks>/predict_frames/<detector>/{shard}.tsv"
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
            shard=JOBS.validation_shards(),
            allow_missing=True,
        ),
    output:
        report(
            "<results>/metrics/<detector>/operating_point.csv",
            caption="../report/operating_point.rst",
            category="3 Metrics",
            subcategory="{model}/{protocol}",
            labels={"result": "threshold and temperature"},
        ),
    log:
        "<logs>/choose_operating_point/<detector>.log",
    benchmark:
        "<benchmarks>/choose_operating_point/<detector>.tsv"
    resources:
        **TABLES,
    params:
        protocol=JOBS.protocol_config,
        code=code_version("choose_operating_point"),
    shell:
        "python -m pipeline.choose_operating_point --predictions {input:q} "
        "--points {output:q} --protocol {params.protocol:q} > {log:q} 2>&1"


rule predict_videos:
    input:
        JOBS.needed_for("predict_videos"),
        predictions=expand(
            rules.predict_frames.output,
            shard=JOBS.shards("test"),
            allow_missing=True,
        ),
    output:
        "<results>/metrics/<detector>/predictions/videos.csv",
    log:
        "<logs>/predict_videos/<detector>.log",
    benchmark:
        "<benchmarks>/predict_videos/<detector>.tsv"
    resources:
        **TABLES,
    params:
        code=code_version("predict_videos"),
    shell:
        "python -m pipeline.predict_videos --predictions {input.predictions:q} "
        "--predicted {output:q} > {log:q} 2>&1"


# Snakemake applies constraints of wildcards only where they are written out, and not
# within `<detector>`. Here they keep `predictions/videos.csv` away.
rule evaluate_model:
    input:
        JOBS.needed_for("evaluate_model"),
        predictions=rules.predict_videos.input.predictions,
        predicted=rules.predict_videos.output,
        points=rules.choose_operating_point.output,
    output:
        videos="<results>/metrics/{model}/{protocol}/videos.csv",
        frames="<results>/metrics/{model}/{protocol}/frames.csv",
    log:
        "<logs>/evaluate_model/<detector>.log",
    benchmark:
        "<benchmarks>/evaluate_model/<detector>.tsv"
    resources:
        **FIGURES,
    params:
        config=JOBS.evaluation_config,
        seed=CONFIG.seed,
        code=code_version("evaluate_model"),
    shell:
        "python -m pipeline.evaluate_model --predictions {input.predictions:q} "
        "--predicted {input.predicted:q} --points {input.points:q} "
        "--videos {output.videos:q} --frames {output.frames:q} "
        "--model {wildcards.model:q} --protocol {wildcards.protocol:q} "
        "--config {params.config:q} --seed {params.seed} > {log:q} 2>&1"


rule draw_scores:
    input:
        JOBS.needed_for("draw_scores"),
        predictions=rules.predict_videos.input.predictions,
        points=rules.choose_operating_point.output,
    output:
        roc=report(
            "<results>/metrics/<detector>/roc.png",
            caption="../report/roc.rst",
            category="3 Metrics",
            subcategory="{model}/{protocol}",
            labels={"result": "ROC curves"},
        ),
        recall=report(
            "<results>/metrics/<detector>/precision_recall.png",
            caption="../report/precision_recall.rst",
            category="3 Metrics",
            subcategory="{model}/{protocol}",
            labels={"result": "precision and recall"},
        ),
        det=report(
            "<results>/metrics/<detector>/det.png",
            caption="../report/det.rst",
            category="3 Metrics",
            subcategory="{model}/{protocol}",
            labels={"result": "DET curves"},
        ),
        reliability=report(
            "<results>/metrics/<detector>/reliability.png",
            caption="../report/reliability.rst",
            category="3 Metrics",
            subcategory="{model}/{protocol}",
            labels={"result": "reliability"},
        ),
        scores=report(
            "<results>/metrics/<detector>/scores.png",
            caption="../report/scores.rst",
            category="3 Metrics",
            subcategory="{model}/{protocol}",
            labels={"result": "score of every video"},
        ),
    log:
        "<logs>/draw_scores/<detector>.log",
    benchmark:
        "<benchmarks>/draw_scores/<detector>.tsv"
    resources:
        **FIGURES,
    params:
        code=code_version("draw_scores"),
    shell:
        "python -m pipeline.draw_scores --predictions {input.predictions:q} "
        "--points {input.points:q} --roc {output.roc:q} --recall {output.recall:q} "
        "--det {output.det:q} --reliability {output.reliability:q} "
        "--scores {output.scores:q} --model {wildcards.model:q} "
        "--protocol {wildcards.protocol:q} > {log:q} 2>&1"


rule write_model_card:
    input:
        weights=JOBS.detector_file,
        history=JOBS.history_file,
        videos=rules.evaluate_model.output.videos,
        frames=rules.evaluate_model.output.frames,
        points=rules.choose_operating_point.output,
    output:
        report(
            "<results>/models/<detector>/card.md",
            caption="../report/card.rst",
            category="2 Detectors",
            subcategory="{model}/{protocol}",
            labels={"result": "model card"},
        ),
    log:
        "<logs>/write_model_card/<detector>.log",
    benchmark:
        "<benchmarks>/write_model_card/<detector>.tsv"
    resources:
        **SMALL,
    params:
        code=code_version("write_model_card"),
    shell:
        "python -m pipeline.write_model_card --weights {input.weights:q} "
        "--history={input.history:q} --videos {input.videos:q} "
        "--frames {input.frames:q} --points {input.points:q} --card {output:q} "
        "--model {wildcards.model:q} --protocol {wildcards.protocol:q} "
        "> {log:q} 2>&1"


rule collect_metrics:
    input:
        videos=JOBS.of_each_detector(rules.evaluate_model.output.videos),
        frames=JOBS.of_each_detector(rules.evaluate_model.output.frames),
        finished=JOBS.finished_files(),
    output:
        videos=report(
            "<results>/metrics/videos.csv",
            caption="../report/metrics.rst",
            category="3 Metrics",
            subcategory="All detectors",
            labels={"result": "metrics of videos"},
        ),
        frames=report(
            "<results>/metrics/frames.csv",
            caption="../report/metrics.rst",
            category="3 Metrics",
            subcategory="All detectors",
            labels={"result": "metrics of frames"},
        ),
        overview=report(
            "<results>/metrics/overview.md",
            caption="../report/overview.rst",
            category="3 Metrics",
            subcategory="All detectors",
            labels={"result": "overview"},
        ),
        literature=report(
            "<results>/metrics/literature.csv",
            caption="../report/literature.rst",
            category="3 Metrics",
            subcategory="All detectors",
            labels={"result": "published values"},
        ),
    log:
        "<logs>/collect_metrics.log",
    benchmark:
        "<benchmarks>/collect_metrics.tsv"
    resources:
        **TABLES,
    params:
        runs=JOBS.trained_runs,
        finished=JOBS.finished_detectors,
        published=JOBS.published_file,
        code=code_version("collect_metrics") + file_sha256(PUBLISHED)[:8],
    shell:
        "python -m pipeline.collect_metrics --videos {input.videos:q} "
        "--frames {input.frames:q} --published {params.published:q} "
        "--all_videos {output.videos:q} --all_frames {output.frames:q} "
        "--overview {output.overview:q} --literature {output.literature:q} "
        "--runs {params.runs:q} --finished {params.finished:q} > {log:q} 2>&1"


rule draw_auc:
    input:
        rules.collect_metrics.output.videos,
    output:
        report(
            "<results>/metrics/auc.png",
            caption="../report/auc.rst",
            category="3 Metrics",
            subcategory="All detectors",
            labels={"result": "AUC of videos"},
        ),
    log:
        "<logs>/draw_auc.log",
    benchmark:
        "<benchmarks>/draw_auc.tsv"
    resources:
        **TABLES,
    params:
        code=code_version("draw_auc"),
    shell:
        "python -m pipeline.draw_auc --videos {input:q} --figure {output:q} "
        "> {log:q} 2>&1"


rule compare_models:
    input:
        predicted=JOBS.of_each_detector(rules.predict_videos.output),
        points=JOBS.of_each_detector(rules.choose_operating_point.output),
    output:
        report(
            "<results>/metrics/differences.csv",
            caption="../report/differences.rst",
            category="7 Comparisons",
            labels={"result": "metrics of two detectors"},
        ),
    log:
        "<logs>/compare_models.log",
    benchmark:
        "<benchmarks>/compare_models.tsv"
    resources:
        **FIGURES,
    params:
        runs=JOBS.detectors,
        config=JOBS.evaluation_config,
        seed=CONFIG.seed,
        code=code_version("compare_models"),
    shell:
        "python -m pipeline.compare_models --predicted {input.predicted:q} "
        "--points {input.points:q} --differences {output:q} --runs {params.runs:q} "
        "--config {params.config:q} --seed {params.seed} > {log:q} 2>&1"


# Not part of `all` by itself: `metrics` makes the same files, and needs labels.
rule predictions:
    input:
        JOBS.needed_for("predictions"),
        JOBS.of_each_detector(
            expand(
                rules.predict_frames.output,
                shard=JOBS.shards("test"),
                allow_missing=True,
            )
        ),
        JOBS.of_each_detector(rules.predict_videos.output),


rule metrics:
    input:
        JOBS.needed_for("metrics"),
        JOBS.of_each_detector(rules.predict_videos.output),
        JOBS.of_each_detector(rules.evaluate_model.output),
        JOBS.of_each_detector(rules.draw_scores.output),
        JOBS.of_each_detector(rules.write_model_card.output),
        rules.collect_metrics.output,
        rules.draw_auc.output,
        rules.compare_models.output,
