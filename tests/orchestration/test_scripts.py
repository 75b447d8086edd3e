"""Rule scripts: each is one rule, and no module imports one."""

import ast
import re

from tests.support.runs import REPOSITORY

PIPELINE = REPOSITORY / "pipeline"
SCRIPTS = {path.stem for path in PIPELINE.glob("*.py")} - {"__init__"}
RULE_FILES = sorted((REPOSITORY / "workflow/rules").glob("*.smk"))
STAGES = [
    *("videos", "faces", "models", "metrics", "attributions", "atlases", "report"),
]
TARGETS = {*STAGES, "predictions", "virelay"}  # rules that only collect files


def rules() -> set[str]:
    """Names of all rules; those with a name of their own for each shard once."""
    text = "\n".join(file.read_text() for file in RULE_FILES)
    named = re.findall(r"^ *rule (\w+):", text, re.MULTILINE)
    for_each_shard = re.findall(r'f"(\w+)_\{shard\}"', text)
    return {*named, *for_each_shard}


def test_scripts_and_rules_are_the_same():
    assert rules() - TARGETS == SCRIPTS


def test_a_rule_runs_the_script_of_its_name():
    for file in RULE_FILES:
        blocks = re.split(r"^ *rule ?(?=\w*:)", file.read_text(), flags=re.MULTILINE)
        for block in blocks[1:]:
            run = re.findall(r"python -m pipeline\.(\w+)", block)
            name = block.partition(":")[0] or re.search(r'f"(\w+)_\{shard', block)[1]
            assert run == ([] if name in TARGETS else [name])


def test_each_stage_has_a_package_rules_tests_and_a_target():
    assert {file.stem for file in RULE_FILES} == {*STAGES, "common"}
    for stage in STAGES:
        assert (PIPELINE / stage / "__init__.py").is_file()
        assert (REPOSITORY / "tests" / stage).is_dir()
        assert stage in rules()


def test_no_module_imports_a_script():
    for file in PIPELINE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                names.append(str(node.module))
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            scripts = {f"pipeline.{script}" for script in SCRIPTS}
            assert not scripts & set(names), file
