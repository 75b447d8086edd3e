"""Run Snakemake's linter on the workflow: `python workflow/lint.py`.

One of its complaints does not apply: that each rule should name a conda environment or
a container. All steps run in the locked environment of the Python that runs Snakemake
(`use_this_python` in the Snakefile), which `make install` or environment.yml makes.
"""

import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
ANSWERED = "Specify a conda environment or container for each rule."


def main() -> None:
    command = [sys.executable, "-m", "snakemake", "--lint"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    # "Lints for <place>:", then for each complaint "    * <title>:" and its text.
    found = re.findall(r"^Lints for (.*):$|^    \* (.*):$", done.stderr, re.MULTILINE)
    complaints, place = [], ""
    for heading, title in found:
        place = heading or place
        if title and title != ANSWERED:
            complaints.append(f"{place}: {title}")
    if complaints or (done.returncode and not found):
        sys.exit("\n".join([done.stderr, *complaints]))
    print("snakemake --lint: no complaints")


if __name__ == "__main__":
    main()
