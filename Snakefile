# deepfake-atlas: from face-forgery videos to detectors, metrics and attribution atlases.
#
#   snakemake all --cores 8 --resources gpu=1
#
# The data's way: videos -> faces -> models -> metrics and atlases, a file of rules each.
import hashlib
import json
import sys
import warnings
from pathlib import Path

from snakemake.resources import Resource

REPOSITORY = Path(workflow.basedir)
sys.path.insert(0, str(REPOSITORY))

from pipeline.runtime.allocation import extraction_mb
from pipeline.files.checksums import file_sha256
from pipeline.runtime.code_version import code_version
from pipeline.config.check import check_config
from pipeline.orchestration.protocol_check import check_protocols
from pipeline.config.faces import NOT_OF_CROPS
from pipeline.videos.download.lists import fetch_lists
from pipeline.videos.protocols import selected, trained_on
from pipeline.orchestration.run_folder import (
    check_writable,
    enter_folder,
    runs_nothing,
    share_folder,
    use_this_python,
)
from pipeline.orchestration.run_summary import summarize
from pipeline.orchestration.slurm_jobs import (
    QueueSilent,
    ignore_warnings,
    wait_for_lost_jobs,
)
from pipeline.orchestration.slurm_plugin import mend_plugin
from pipeline.videos.table import SPLITS, used
from pipeline.videos.sharding import dataset_of, shard_names
from pipeline.videos.shard_table import files_of
from pipeline.videos.listing import list_source, list_videos

if not workflow.overwrite_configfiles:

    configfile: REPOSITORY / "config" / "config.yaml"


try:
    CONFIG = check_config(config, workflow.configfiles)
    if workflow.is_main_process:
        fetch_lists(CONFIG.sources, CONFIG.fetch)
    LISTED = list_videos(CONFIG.sources)
    VIDEOS = used(LISTED)
    check_protocols(CONFIG, VIDEOS, workflow.configfiles)
except ValueError as error:
    raise WorkflowError(f"The configuration cannot be run:\n{error}") from None

RESULTS = CONFIG.results
if workflow.is_main_process:
    looks_only = workflow.output_settings.dryrun or runs_nothing(sys.argv)
    try:
        check_writable(Path(RESULTS))
        alone = enter_folder(Path.cwd(), looks_only)
        if alone and not looks_only:
            wait_for_lost_jobs(Path.cwd())
    except (OSError, QueueSilent) as error:
        raise WorkflowError(str(error)) from None
    share_folder()
    mend_plugin()
else:
    ignore_warnings()

use_this_python(REPOSITORY)
# Of Snakemake's own, for each resource that a profile gives as an expression.
warnings.filterwarnings("ignore", "coroutine 'InputFiles.* was never awaited")
# However many jobs there are, one at a time fetches: `--resources gpu=1` on the command
# line would make a limit in the profile forgotten.
workflow.global_resources.setdefault("fetching", Resource("fetching", 1))


wildcard_constraints:
    model="|".join(CONFIG.models),
    protocol="|".join(CONFIG.protocols),
    baseline="|".join(CONFIG.attribution.baselines),
    network=r"[\w.-]+",
    shard=r"[\w-]+-(train|val|test)-\d+",


include: "workflow/rules/common.smk"
include: "workflow/rules/videos.smk"
include: "workflow/rules/faces.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/metrics.smk"
include: "workflow/rules/atlases.smk"


localrules:
    all,
    videos,
    faces,
    models,
    metrics,
    atlases,
    virelay,
    fetch_weights,
    fetch_face_detector,
    index_videos,


rule all:
    default_target: True
    input:
        rules.videos.input,
        rules.faces.input,
        rules.models.input,
        rules.metrics.input,
        rules.atlases.input,


onsuccess:
    print(summarize(Path(RESULTS), set(VIDEOS["shard"])))


onerror:
    # A full disk leaves no room for the reason in a step's log.
    try:
        check_writable(Path(RESULTS))
    except OSError as error:
        print(error)
