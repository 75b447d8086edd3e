# In: all results of the stages above.
# Out: report/index.html, report/pages/ for large runs, report/*.csv, report/run.json.
# Steps: describe_run (the configuration, for the page), build_report; list_leftovers on
#        request.


rule describe_run:
    output:
        "<results>/report/run.json",
    log:
        "<logs>/describe_run.log",
    benchmark:
        "<benchmarks>/describe_run.tsv"
    priority: 100  # before all steps, so that there is a report of a run that fails
    resources:
        **SMALL,
    params:
        run=JOBS.description_file,
        code=code_version("describe_run"),
    shell:
        "python -m pipeline.describe_run --run {params.run:q} --description {output:q} "
        "> {log:q} 2>&1"


rule build_report:
    input:
        rules.videos.input,
        rules.faces.input,
        rules.models.input,
        rules.metrics.input,
        rules.attributions.input,
        rules.atlases.input,
        run=rules.describe_run.output,
        compared=JOBS.compared_run(),
    output:
        page="<results>/report/index.html",
        pages=directory("<results>/report/pages"),
        tables=multiext(
            "<results>/report/",
            *("data.csv", "detectors.csv", "maps.csv", "problems.csv"),
            *(
                "map_totals.csv",
                "problem_counts.csv",
                "checksums.csv",
                "dictionary.csv",
            ),
        ),
    log:
        "<logs>/build_report.log",
    benchmark:
        "<benchmarks>/build_report.tsv"
    threads: 4
    resources:
        **TABLES,
    params:
        code=code_version("build_report") + REPORT_FILES,
    shell:
        "python -m pipeline.build_report --run {input.run:q} --page {output.page:q} "
        "--workers {threads} > {log:q} 2>&1"


# Prints a list, and changes nothing.
rule list_leftovers:
    input:
        rules.describe_run.output,
    log:
        "<logs>/list_leftovers.log",
    shell:
        "python -m pipeline.list_leftovers --run {input:q} > {log:q} 2>&1 || "
        "{{ cat {log:q}; exit 1; }}; cat {log:q}"


rule report:
    input:
        JOBS.needed_for("all"),
        rules.build_report.output,
