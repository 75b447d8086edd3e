# deepfake-atlas: from face-forgery videos to detectors, metrics and attribution atlases.
#
#   snakemake all --cores 8 --resources gpu=1
#
# The data's way: videos -> faces -> models -> metrics and atlases, a file of rules each.
import hashlib
import json
import sys
from pathlib import Path

REPOSITORY = Path(workflow.basedir)
sys.path.insert(0, str(REPOSITORY))

from pipeline.checksums import file_sha256
from pipeline.code_version import code_version
from pipeline.config.run import check_config
from pipeline.run_folder import check_writable, clear_stale_lock, use_this_python
from pipeline.summary import summarize
from pipeline.videos import list_videos, shard_names

if not workflow.overwrite_configfiles:

    configfile: REPOSITORY / "config" / "config.yaml"


try:
    CONFIG = check_config(config, workflow.configfiles)
    VIDEOS = list_videos(CONFIG.videos)
except ValueError as error:
    raise WorkflowError(f"The configuration cannot be run:\n{error}") from None

RESULTS = CONFIG.results
if workflow.is_main_process:
    try:
        check_writable(Path(RESULTS))
        clear_stale_lock(Path.cwd())
    except OSError as error:
        raise WorkflowError(str(error)) from None

use_this_python(REPOSITORY)


wildcard_constraints:
    model="|".join(CONFIG.models),
    protocol="|".join(CONFIG.protocols),
    network=r"[\w.-]+",
    shard=r"(train|val|test)-\d+",


include: "workflow/rules/common.smk"
include: "workflow/rules/videos.smk"
include: "workflow/rules/faces.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/metrics.smk"
include: "workflow/rules/atlases.smk"


localrules:
    all,
    faces,
    models,
    metrics,
    atlases,
    fetch_weights,


rule all:
    default_target: True
    input:
        rules.faces.input,
        rules.models.input,
        rules.metrics.input,
        rules.atlases.input,


onsuccess:
    print(summarize(Path(RESULTS)))
