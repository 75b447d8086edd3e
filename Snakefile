# deepfake-atlas: from face-forgery videos to detectors, metrics and attribution atlases.
#
#   snakemake all --cores 8 --resources gpu=1
#
# The stages: videos -> faces -> models -> metrics and attributions -> atlases, a file of
# rules each.
import sys
import warnings
from pathlib import Path

from snakemake.resources import Resource

REPOSITORY = Path(workflow.basedir)
sys.path.insert(0, str(REPOSITORY))

from pipeline.files.checksums import file_sha256
from pipeline.orchestration.job_parameters import JobParameters, growing
from pipeline.orchestration.run_folder import (
    check_writable,
    runs_nothing,
    use_this_python,
)
from pipeline.orchestration.run_summary import report_command, summarize
from pipeline.orchestration.slurm_jobs import QueueSilent, ignore_warnings
from pipeline.orchestration.slurm_plugin import patch_when_used
from pipeline.orchestration.start import CODE_VERSIONS, checked_run, take_folder
from pipeline.runtime.code_version import LISTING, code_version, save_cache, use_cache

if not workflow.overwrite_configfiles:

    configfile: REPOSITORY / "config" / "config.yaml"


try:
    CONFIG, LISTED = checked_run(
        config, workflow.configfiles, may_fetch=workflow.is_main_process
    )
except ValueError as error:
    raise WorkflowError(f"The configuration cannot be run:\n{error}") from None

RESULTS = CONFIG.results
if workflow.is_main_process:
    try:
        take_folder(
            Path(RESULTS),
            only_looks=workflow.output_settings.dryrun or runs_nothing(sys.argv),
        )
    except (OSError, QueueSilent) as error:
        raise WorkflowError(str(error)) from None
    patch_when_used()
else:
    ignore_warnings()

use_this_python(REPOSITORY)
# Snakemake's own warning, for each resource that a profile gives as an expression.
warnings.filterwarnings("ignore", "coroutine 'InputFiles.* was never awaited")
# One job at a time fetches. A limit in the profile would be dropped where
# `--resources gpu=1` is on the command line.
workflow.global_resources.setdefault("fetching", Resource("fetching", 1))


wildcard_constraints:
    model="|".join(training.name for training in CONFIG.trainings()),
    protocol="|".join(dict.fromkeys(protocol for _, protocol in CONFIG.detectors())),
    baseline="|".join(CONFIG.attribution.baselines),
    network=r"[\w.-]+",
    shard=r"[\w-]+-(train|val|test)-\d+",


use_cache(CODE_VERSIONS)


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/videos.smk"
include: "workflow/rules/faces.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/metrics.smk"
include: "workflow/rules/attributions.smk"
include: "workflow/rules/atlases.smk"
include: "workflow/rules/report.smk"


if workflow.is_main_process:
    save_cache(CODE_VERSIONS)


localrules:
    all,
    videos,
    faces,
    models,
    predictions,
    metrics,
    attributions,
    atlases,
    report,
    virelay,
    fetch_weights,
    fetch_face_detector,
    index_videos,
    describe_run,
    list_leftovers,


rule all:
    default_target: True
    input:
        JOBS.needed_for("all"),
        rules.videos.input,
        rules.faces.input,
        rules.models.input,
        rules.metrics.input,
        rules.attributions.input,
        rules.atlases.input,
        rules.report.input,


onstart:
    JOBS.write_description()


onsuccess:
    print(summarize(Path(RESULTS), set(JOBS.videos["shard"])))


onerror:
    # A full disk leaves no room for the reason in a step's log.
    try:
        check_writable(Path(RESULTS))
    except OSError as error:
        print(error)
    else:
        files = workflow.configfiles if workflow.overwrite_configfiles else []
        print(report_command(Path(RESULTS), files))
