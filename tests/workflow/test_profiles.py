"""Profiles: Snakemake drops a misspelt key or rule in silence; here it is found."""

import re
import shlex

import pytest
import yaml
from snakemake.cli import get_argument_parser

from tests.support.runs import REPOSITORY

PROFILES = {
    "default": REPOSITORY / "profiles/default/profile.yaml",
    "slurm": REPOSITORY / "profiles/slurm/profile.yaml",
    "site": REPOSITORY / "profiles/slurm/site.yaml",
}
BY_RULE = ("groups", "set-resources", "set-threads")
RESOURCES = {"mem_mb", "runtime", "slurm_partition", "slurm_account", "slurm_extra"}
RESOURCES |= {"gpu_model"}


def read(name: str, with_examples: bool = False) -> dict:
    """A profile; with the lines that are commented out and are settings, too."""
    text = PROFILES[name].read_text()
    if with_examples:
        text = re.sub(r"^( *)# ( *[a-z_-]+:.*)$", r"\1\2", text, flags=re.MULTILINE)
    return yaml.safe_load(text)


def rules() -> set[str]:
    files = (REPOSITORY / "workflow/rules").glob("*.smk")
    return {
        r for f in files for r in re.findall(r"^ *rule (\w+):", f.read_text(), re.M)
    }


@pytest.mark.parametrize("name", PROFILES)
def test_every_key_is_an_option_of_snakemakes(name):
    options = get_argument_parser()._option_string_actions
    assert {key for key in read(name, True) if f"--{key}" not in options} == set()


@pytest.mark.parametrize("name", ["slurm", "site"])
def test_every_rule_is_one_of_ours(name):
    profile = read(name, True)
    named = {rule for key in BY_RULE for rule in profile.get(key, {})}
    assert named
    assert named <= rules()


def test_every_resource_is_known_to_slurm():
    site = read("site", True)
    given = [site["default-resources"], *site["set-resources"].values()]
    assert {name for keys in given for name in keys} <= RESOURCES


def test_every_component_is_a_group():
    profile = read("slurm")
    assert profile["group-components"].keys() <= set(profile["groups"].values())


def test_no_key_stands_in_both_files():
    """The workflow's would win, and the user's be dropped."""
    assert not read("slurm").keys() & read("site", True).keys()


def test_the_sites_example_keeps_the_warning_before_the_end():
    rule = (REPOSITORY / "workflow/rules/models.smk").read_text()
    (ours,) = re.findall(r"slurm_extra=\"'(.*?)'\"", rule)
    example = read("site", True)["set-resources"]["train_model"]["slurm_extra"]
    assert shlex.split(example.strip("'"))[0] == ours
