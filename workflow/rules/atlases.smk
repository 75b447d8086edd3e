# In: the attributions and face shards of the test set, the thresholds of the detectors.
# Out: atlases/<model>/<protocol>/<baseline>/*; atlases/<model>/<protocol>/baselines.*;
#      atlases/<model>/<protocol>/interventions.*; atlases/<model>/<protocol>/curves.csv;
#      atlases/models-<baseline>.*; atlases/significance.*.
# Steps: sum_attributions and cluster_maps (arrays and tables); mark_significant (one
#        test of all differences of the run); draw_atlas (pictures); summarize_controls
#        and draw_interventions;
#        compare_baselines and draw_baselines for each detector; compare_atlases and
#        draw_comparison over the detectors; export_virelay on request.


rule sum_attributions:
    input:
        JOBS.needed_for("sum_attributions"),
        attributions=expand(
            rules.attribute_frames.output,
            shard=JOBS.shards("test"),
            allow_missing=True,
        ),
        faces=expand(rules.extract_faces.output, shard=JOBS.shards("test")),
        originals=expand(
            rules.align_originals.output, shard=JOBS.shards_with_originals()
        ),
        controls=expand(
            rules.measure_controls.output,
            shard=JOBS.control_shards(),
            allow_missing=True,
        ),
        references=JOBS.references_file,
        points=rules.choose_operating_point.output,
    output:
        arrays="<atlas>/arrays.h5",
        sample="<atlas>/sample.h5",
        frames="<atlas>/frames.csv",
        cells=report(
            "<atlas>/cells.csv",
            caption="../report/cells.rst",
            category="5 Atlases",
            subcategory="{model}/{protocol}",
            labels={"result": "cells, table", "baseline": "{baseline}"},
        ),
        regions=report(
            "<atlas>/regions.csv",
            caption="../report/regions_table.rst",
            category="5 Atlases",
            subcategory="{model}/{protocol}",
            labels={"result": "regions, table", "baseline": "{baseline}"},
        ),
        masks=report(
            "<atlas>/masks.csv",
            caption="../report/masks.rst",
            category="5 Atlases",
            subcategory="{model}/{protocol}",
            labels={"result": "agreement with masks, table", "baseline": "{baseline}"},
        ),
        registration=report(
            "<atlas>/registration.csv",
            caption="../report/registration.rst",
            category="5 Atlases",
            subcategory="{model}/{protocol}",
            labels={"result": "registration, table", "baseline": "{baseline}"},
        ),
    log:
        "<logs>/sum_attributions/<detector>/{baseline}.log",
    benchmark:
        "<benchmarks>/sum_attributions/<detector>/{baseline}.tsv"
    resources:
        mem_mb=growing(6000),
        runtime=growing(120),
    params:
        margin=CONFIG.faces.margin,
        resamples=CONFIG.evaluation.bootstrap,
        seed=CONFIG.seed,
        code=code_version("sum_attributions"),
    shell:
        "python -m pipeline.sum_attributions --attributions {input.attributions:q} "
        "--faces {input.faces:q} --originals {input.originals:q} "
        "--controls {input.controls:q} --references={input.references:q} --baseline {wildcards.baseline} "
        "--points {input.points:q} --arrays {output.arrays:q} "
        "--sample {output.sample:q} --frames {output.frames:q} "
        "--cells {output.cells:q} --regions {output.regions:q} --masks {output.masks:q} "
        "--registration {output.registration:q} "
        "--margin {params.margin} --resamples {params.resamples} "
        "--seed {params.seed} > {log:q} 2>&1"


rule cluster_maps:
    input:
        sample=rules.sum_attributions.output.sample,
    output:
        clusters=report(
            "<atlas>/clusters.csv",
            caption="../report/clusters_table.rst",
            category="5 Atlases",
            subcategory="{model}/{protocol}",
            labels={"result": "clusters, table", "baseline": "{baseline}"},
        ),
        cells="<atlas>/cluster_cells.csv",
        members="<atlas>/cluster_members.csv",
    log:
        "<logs>/cluster_maps/<detector>/{baseline}.log",
    benchmark:
        "<benchmarks>/cluster_maps/<detector>/{baseline}.tsv"
    resources:
        **FIGURES,
    params:
        margin=CONFIG.faces.margin,
        resamples=CONFIG.evaluation.bootstrap,
        seed=CONFIG.seed,
        code=code_version("cluster_maps"),
    shell:
        "python -m pipeline.cluster_maps --sample {input.sample:q} "
        "--clusters {output.clusters:q} --cells {output.cells:q} "
        "--members {output.members:q} "
        "--margin {params.margin} --resamples {params.resamples} "
        "--seed {params.seed} > {log:q} 2>&1"


rule mark_significant:
    input:
        arrays=JOBS.of_each_atlas(rules.sum_attributions.output.arrays),
    output:
        table=report(
            "<results>/atlases/significance.csv",
            caption="../report/significance.rst",
            category="7 Comparisons",
            labels={"result": "significance, table"},
        ),
        squares="<results>/atlases/significance.h5",
    log:
        "<logs>/mark_significant.log",
    benchmark:
        "<benchmarks>/mark_significant.tsv"
    resources:
        **FIGURES,
    params:
        detectors=JOBS.detectors,
        baselines=" ".join(CONFIG.attribution.baselines),
        code=code_version("mark_significant"),
    shell:
        "python -m pipeline.mark_significant --arrays {input.arrays:q} "
        "--table {output.table:q} --squares {output.squares:q} "
        "--detectors {params.detectors:q} --baselines {params.baselines:q} "
        "> {log:q} 2>&1"


rule draw_atlas:
    input:
        significance=rules.mark_significant.output.table,
        attributions=rules.sum_attributions.input.attributions,
        faces=rules.sum_attributions.input.faces,
        arrays=rules.sum_attributions.output.arrays,
        sample=rules.sum_attributions.output.sample,
        frames=rules.sum_attributions.output.frames,
        cells=rules.sum_attributions.output.cells,
        regions=rules.sum_attributions.output.regions,
        clusters=rules.cluster_maps.output.clusters,
        cluster_cells=rules.cluster_maps.output.cells,
        members=rules.cluster_maps.output.members,
    output:
        atlas=report(
            "<atlas>/atlas.png",
            caption="../report/atlas.rst",
            category="5 Atlases",
            subcategory="{model}/{protocol}",
            labels={"result": "atlas", "baseline": "{baseline}"},
        ),
        outcomes=report(
            "<atlas>/outcomes.png",
            caption="../report/outcomes.rst",
            category="5 Atlases",
            subcategory="{model}/{protocol}",
            labels={"result": "right and wrong frames", "baseline": "{baseline}"},
        ),
        statistics=report(
            "<atlas>/statistics.png",
            caption="../report/statistics.rst",
            category="5 Atlases",
            subcategory="{model}/{protocol}",
            labels={"result": "statistics of maps", "baseline": "{baseline}"},
        ),
        ledger=report(
            "<atlas>/regions.png",
            caption="../report/regions.rst",
            category="5 Atlases",
            subcategory="{model}/{protocol}",
            labels={"result": "regions", "baseline": "{baseline}"},
        ),
        gallery=report(
            "<atlas>/gallery.png",
            caption="../report/gallery.rst",
            category="5 Atlases",
            subcategory="{model}/{protocol}",
            labels={"result": "single faces", "baseline": "{baseline}"},
        ),
        cluster_figure=report(
            "<atlas>/clusters.png",
            caption="../report/clusters.rst",
            category="5 Atlases",
            subcategory="{model}/{protocol}",
            labels={"result": "clusters", "baseline": "{baseline}"},
        ),
    log:
        "<logs>/draw_atlas/<detector>/{baseline}.log",
    benchmark:
        "<benchmarks>/draw_atlas/<detector>/{baseline}.tsv"
    resources:
        **FIGURES,
    params:
        config=JOBS.atlases_config("draw_atlas"),
        code=code_version("draw_atlas"),
    shell:
        "python -m pipeline.draw_atlas --attributions {input.attributions:q} "
        "--faces {input.faces:q} --arrays {input.arrays:q} --sample {input.sample:q} "
        "--frames {input.frames:q} --cells {input.cells:q} --regions {input.regions:q} "
        "--clusters {input.clusters:q} --cluster_cells {input.cluster_cells:q} "
        "--members {input.members:q} --significance {input.significance:q} "
        "--atlas {output.atlas:q} --outcomes {output.outcomes:q} "
        "--statistics {output.statistics:q} --ledger {output.ledger:q} "
        "--gallery {output.gallery:q} --cluster_figure {output.cluster_figure:q} "
        "--model {wildcards.model} --protocol {wildcards.protocol} "
        "--baseline {wildcards.baseline} "
        "--title '{wildcards.model}/{wildcards.protocol}, from {wildcards.baseline}' "
        "--config {params.config:q} > {log:q} 2>&1"


rule compare_baselines:
    input:
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
        audit=report(
            "<results>/atlases/<detector>/baselines.csv",
            caption="../report/baselines_table.rst",
            category="4 Baselines",
            subcategory="{model}/{protocol}",
            labels={"result": "logits of baselines, table"},
        ),
        agreement=report(
            "<results>/atlases/<detector>/baseline_agreement.csv",
            caption="../report/baseline_agreement.rst",
            category="4 Baselines",
            subcategory="{model}/{protocol}",
            labels={"result": "agreement of baselines, table"},
        ),
    log:
        "<logs>/compare_baselines/<detector>.log",
    benchmark:
        "<benchmarks>/compare_baselines/<detector>.tsv"
    resources:
        **TABLES,
    params:
        names=" ".join(CONFIG.attribution.baselines),
        code=code_version("compare_baselines"),
    shell:
        "python -m pipeline.compare_baselines --samples {input.samples:q} "
        "--frames {input.frames:q} --points {input.points:q} "
        "--audit {output.audit:q} --agreement {output.agreement:q} "
        "--names {params.names:q} > {log:q} 2>&1"


rule draw_baselines:
    input:
        arrays=expand(
            rules.sum_attributions.output.arrays,
            baseline=CONFIG.attribution.baselines,
            allow_missing=True,
        ),
        frames=rules.compare_baselines.input.frames,
        agreement=rules.compare_baselines.output.agreement,
        significance=rules.mark_significant.output.table,
        points=rules.choose_operating_point.output,
    output:
        report(
            "<results>/atlases/<detector>/baselines.png",
            caption="../report/baselines.rst",
            category="4 Baselines",
            subcategory="{model}/{protocol}",
            labels={"result": "all baselines"},
        ),
    log:
        "<logs>/draw_baselines/<detector>.log",
    benchmark:
        "<benchmarks>/draw_baselines/<detector>.tsv"
    resources:
        **TABLES,
    params:
        names=" ".join(CONFIG.attribution.baselines),
        config=JOBS.atlases_config("draw_baselines"),
        code=code_version("draw_baselines"),
    shell:
        "python -m pipeline.draw_baselines --arrays {input.arrays:q} "
        "--frames {input.frames:q} --agreement {input.agreement:q} "
        "--significance {input.significance:q} "
        "--points {input.points:q} --figure {output:q} --names {params.names:q} "
        "--title {wildcards.model}/{wildcards.protocol} --config {params.config:q} "
        "> {log:q} 2>&1"


rule summarize_controls:
    input:
        controls=rules.sum_attributions.input.controls,
    output:
        regions=report(
            "<results>/atlases/<detector>/interventions.csv",
            caption="../report/interventions_table.rst",
            category="6 Interventions",
            subcategory="{model}/{protocol}",
            labels={"result": "effects of regions, table"},
        ),
        curves=report(
            "<results>/atlases/<detector>/curves.csv",
            caption="../report/intervention_curves.rst",
            category="6 Interventions",
            subcategory="{model}/{protocol}",
            labels={"result": "insertion and deletion, table"},
        ),
    log:
        "<logs>/summarize_controls/<detector>.log",
    benchmark:
        "<benchmarks>/summarize_controls/<detector>.tsv"
    resources:
        **TABLES,
    params:
        resamples=CONFIG.evaluation.bootstrap,
        seed=CONFIG.seed,
        code=code_version("summarize_controls"),
    shell:
        "python -m pipeline.summarize_controls --controls {input.controls:q} "
        "--regions {output.regions:q} --curves {output.curves:q} "
        "--resamples {params.resamples} --seed {params.seed} > {log:q} 2>&1"


rule draw_interventions:
    input:
        regions=rules.summarize_controls.output.regions,
        curves=rules.summarize_controls.output.curves,
    output:
        report(
            "<results>/atlases/<detector>/interventions.png",
            caption="../report/interventions.rst",
            category="6 Interventions",
            subcategory="{model}/{protocol}",
            labels={"result": "effects of regions, curves"},
        ),
    log:
        "<logs>/draw_interventions/<detector>.log",
    benchmark:
        "<benchmarks>/draw_interventions/<detector>.tsv"
    resources:
        **TABLES,
    params:
        code=code_version("draw_interventions"),
    shell:
        "python -m pipeline.draw_interventions --regions {input.regions:q} "
        "--curves {input.curves:q} --figure {output:q} "
        "--title {wildcards.model}/{wildcards.protocol} > {log:q} 2>&1"


rule compare_atlases:
    input:
        arrays=JOBS.of_each_detector(rules.sum_attributions.output.arrays),
        significance=rules.mark_significant.output.table,
    output:
        report(
            "<results>/atlases/models-{baseline}.csv",
            caption="../report/models_table.rst",
            category="7 Comparisons",
            labels={
                "result": "maps of two detectors, table",
                "baseline": "{baseline}",
            },
        ),
    log:
        "<logs>/compare_atlases/{baseline}.log",
    benchmark:
        "<benchmarks>/compare_atlases/{baseline}.tsv"
    resources:
        **TABLES,
    params:
        detectors=JOBS.detectors,
        code=code_version("compare_atlases"),
    shell:
        "python -m pipeline.compare_atlases --arrays {input.arrays:q} "
        "--significance {input.significance:q} --table {output:q} "
        "--detectors {params.detectors:q} > {log:q} 2>&1"


rule draw_comparison:
    input:
        arrays=rules.compare_atlases.input.arrays,
        significance=rules.mark_significant.output.table,
    output:
        report(
            "<results>/atlases/models-{baseline}.png",
            caption="../report/models.rst",
            category="7 Comparisons",
            labels={"result": "maps of two detectors", "baseline": "{baseline}"},
        ),
    log:
        "<logs>/draw_comparison/{baseline}.log",
    benchmark:
        "<benchmarks>/draw_comparison/{baseline}.tsv"
    resources:
        **TABLES,
    params:
        detectors=JOBS.detectors,
        config=JOBS.atlases_config("draw_comparison"),
        code=code_version("draw_comparison"),
    shell:
        "python -m pipeline.draw_comparison --arrays {input.arrays:q} "
        "--figure {output:q} --detectors {params.detectors:q} "
        "--significance {input.significance:q} --config {params.config:q} > {log:q} 2>&1"


rule export_virelay:
    input:
        attributions=rules.sum_attributions.input.attributions,
        faces=expand(rules.extract_faces.output, shard=JOBS.shards("test")),
        members=rules.cluster_maps.output.members,
    output:
        project="<atlas>/virelay/project.yaml",
        files=multiext(
            "<atlas>/virelay/",
            "label-map.json",
            "dataset.h5",
            "attribution.h5",
            "analysis.h5",
        ),
    log:
        "<logs>/export_virelay/<detector>/{baseline}.log",
    benchmark:
        "<benchmarks>/export_virelay/<detector>/{baseline}.tsv"
    resources:
        **TABLES,
    params:
        code=code_version("export_virelay"),
    shell:
        "python -m pipeline.export_virelay --attributions {input.attributions:q} "
        "--faces {input.faces:q} --members {input.members:q} "
        "--project {output.project:q} --model {wildcards.model} "
        "--title '{wildcards.model}/{wildcards.protocol}, from {wildcards.baseline}' "
        "> {log:q} 2>&1"


# Not part of `all`: it is for the viewer ViRelAy.
rule virelay:
    input:
        JOBS.needed_for("virelay"),
        JOBS.of_each_atlas(rules.export_virelay.output),


rule atlases:
    input:
        JOBS.needed_for("atlases"),
        JOBS.summary_of_originals(rules.summarize_originals.output),
        JOBS.of_each_atlas(rules.draw_atlas.output),
        JOBS.of_each_atlas(rules.cluster_maps.output),
        rules.mark_significant.output,
        JOBS.of_each_detector(rules.compare_baselines.output),
        JOBS.of_each_detector(rules.draw_baselines.output),
        JOBS.with_interventions(rules.summarize_controls.output),
        JOBS.with_interventions(rules.draw_interventions.output),
        JOBS.compared_atlases(rules.compare_atlases.output),
        JOBS.compared_atlases(rules.draw_comparison.output),
