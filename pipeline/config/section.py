"""What all sections of the configuration have in common."""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

# A name that becomes a folder or a Snakemake wildcard.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]

# A folder's path: part of Snakemake's patterns, where {} and <> have a meaning.
Folder = Annotated[
    str,
    Field(pattern=r"^[^{}<>\x00-\x1f]+$"),
    AfterValidator(lambda path: path.rstrip("/") or "/"),
]

Compression = Literal["raw", "c23", "c40", "native"]


@dataclass(frozen=True)
class Reruns:
    """The steps that a key makes stale when its value changes; none of them by default.

    It is an annotation of the key: `size: Annotated[int, Reruns("extract_faces")]`.
    Steps that follow a stale step are stale as well and are not named. `when` names
    conditions: the values of other keys, or facts that `json_for` is given.
    """

    steps: tuple[str, ...]
    when: dict[str, Any] = field(default_factory=dict, hash=False)

    def __init__(self, *steps: str, **when: Any) -> None:
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "when", when)


class Section(BaseModel):
    """A section: unknown keys and wrong types are errors, values never change.

    The docstring below each attribute is its description in `config/config.yaml`, in
    the JSON schema and in `config/README.md`, which are generated from these classes.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )

    # What keys without an annotation of their own make stale.
    reruns: ClassVar[Reruns] = Reruns()

    @classmethod
    def reruns_of(cls, key: str) -> Reruns:
        """What a key makes stale: by its annotation, else by its section."""
        marks = cls.model_fields[key].metadata
        return next((mark for mark in marks if isinstance(mark, Reruns)), cls.reruns)

    def keys_for(self, step: str, **facts: str) -> set[str]:
        """The keys that a step's result depends on, given these facts."""
        known = {**self.__dict__, **facts}
        return {
            key
            for key in type(self).model_fields
            for mark in [self.reruns_of(key)]
            if step in mark.steps
            and all(known.get(name) == value for name, value in mark.when.items())
        }

    def json_for(self, step: str, **facts: str) -> str:
        """JSON of `keys_for` and their values.

        As a parameter of a Snakemake job it makes the step stale when one of them
        changes, and at no other time.
        """
        return self.model_dump_json(include=self.keys_for(step, **facts))


def section_of(annotation: Any) -> type[Section] | None:
    """The section class that a key holds, or may hold; None for a plain value."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, Section):
            return kind
    return None
