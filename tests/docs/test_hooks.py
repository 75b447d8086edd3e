"""The hooks of pre-commit run the same commands as `make check`."""

import re

import yaml

from tests.support.documents import REPOSITORY


def test_hooks_and_make_check_run_the_same_commands():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE).group(1)
    lines = recipe.replace("$(BIN)", ".venv/bin").splitlines()
    file = REPOSITORY / ".pre-commit-config.yaml"
    (local,) = yaml.safe_load(file.read_text(encoding="utf-8"))["repos"]
    hooks = {hook["entry"] for hook in local["hooks"]}
    assert hooks == {line.strip() for line in lines}
