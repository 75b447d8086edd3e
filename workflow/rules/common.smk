# What the rules share: the folders of results, classes of resources, and the parameters
# of jobs, which pipeline/orchestration/job_parameters.py computes.


pathvars:
    results=RESULTS,
    logs="<results>/logs",
    benchmarks="<results>/benchmarks",
    detector="{model}/{protocol}",
    atlas="<results>/atlases/{model}/{protocol}/{baseline}",


PUBLISHED = REPOSITORY / "workflow" / "resources" / "published.csv"
JOBS = JobParameters(CONFIG, LISTED, PUBLISHED)

# Resources of a job: MB of memory, and minutes. Both grow with the attempts.
SMALL = {"mem_mb": growing(1000), "runtime": growing(10)}
LONG = {"mem_mb": growing(1000), "runtime": growing(60)}
TABLES = {"mem_mb": growing(2000), "runtime": growing(30)}
FIGURES = {"mem_mb": growing(4000), "runtime": growing(60)}

# The templates and the dictionary of the report are no modules.
REPORT_FOLDER = REPOSITORY / "pipeline" / "report"
REPORT_FILES = "".join(
    file_sha256(file)[:8]
    for file in sorted(
        [*REPORT_FOLDER.glob("templates/*"), REPORT_FOLDER / "dictionary.csv"]
    )
)
