"""Run Snakemake's linter on the workflow: `python workflow/lint.py`.

One of its complaints does not apply: that each rule should name a conda environment or
a container. All steps run in the locked environment of the Python that runs Snakemake
(`use_this_python` in the Snakefile), which `make install` or environment.yml makes.
"""

import json
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
ANSWERED = "Specify a conda environment or container for each rule."


def main() -> None:
    command = [sys.executable, "-m", "snakemake", "--lint", "json"]
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    try:
        found = json.loads(done.stdout)
    except ValueError:
        sys.exit(f"snakemake --lint printed no JSON:\n{done.stdout}")
    complaints = [
        f"{place.get('rule') or place.get('snakefile')}: {lint['title']}"
        for places in found.values()
        for place in places
        for lint in place["lints"]
        if lint["title"] != ANSWERED
    ]
    if complaints:
        sys.exit("\n\n".join(complaints))
    print("snakemake --lint: no complaints")


if __name__ == "__main__":
    main()
