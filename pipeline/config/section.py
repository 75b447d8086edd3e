"""What every section of the configuration has in common."""

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

# A name that becomes a folder or a Snakemake wildcard.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]

# A folder's path: part of Snakemake's patterns, where {} and <> have a meaning.
Folder = Annotated[
    str,
    Field(pattern=r"^[^{}<>\x00-\x1f]+$"),
    AfterValidator(lambda path: path.rstrip("/") or "/"),
]


class Section(BaseModel):
    """A section: unknown keys and wrong types are errors, values never change.

    The docstring below each attribute is its description in `config/config.yaml`, in
    the JSON schema and in the README, which are all generated from these classes.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


def section_of(annotation: Any) -> type[Section] | None:
    """The section class that a key holds, or may hold; None for a plain value."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, Section):
            return kind
    return None


Compression = Literal["raw", "c23", "c40", "native"]
