"""The base class of all sections, and types that several sections use."""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

# A name that becomes a folder or a Snakemake wildcard.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]

# A folder's path. It becomes part of Snakemake's patterns, where {} and <> have a
# meaning.
Folder = Annotated[
    str,
    Field(pattern=r"^[^{}<>\x00-\x1f]+$"),
    AfterValidator(lambda path: path.rstrip("/") or "/"),
]

Compression = Literal["raw", "c23", "c40", "native"]


@dataclass(frozen=True)
class Reruns:
    """The steps that become stale when the value of a key changes. None by default.

    It annotates the key: `size: Annotated[int, Reruns("extract_faces")]`. Steps that
    follow a stale step become stale too and are not named. `when` restricts the mark to
    given values of other keys, or of the facts that are passed to `json_for`.
    """

    steps: tuple[str, ...]
    when: dict[str, Any] = field(default_factory=dict, hash=False)

    def __init__(self, *steps: str, **when: Any) -> None:
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "when", when)


class Section(BaseModel):
    """A section. Unknown keys and wrong types are errors. Values are immutable.

    The docstring below each attribute is its description in `config/config.yaml`, in
    the JSON schema and in `config/README.md`, which are generated from these classes.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )

    # The mark of all keys of the section that have no annotation `Reruns`.
    reruns: ClassVar[Reruns] = Reruns()

    @classmethod
    def reruns_of(cls, key: str) -> Reruns:
        """The mark of a key: its own annotation, otherwise that of the section."""
        marks = cls.model_fields[key].metadata
        return next((mark for mark in marks if isinstance(mark, Reruns)), cls.reruns)

    def keys_for(self, step: str, **facts: str) -> set[str]:
        """The keys that the result of a step depends on, given these facts."""
        known = {**self.__dict__, **facts}
        return {
            key
            for key in type(self).model_fields
            for mark in [self.reruns_of(key)]
            if step in mark.steps
            and all(known.get(name) == value for name, value in mark.when.items())
        }

    def json_for(self, step: str, **facts: str) -> str:
        """JSON of the keys that `keys_for` returns, with their values.

        As a parameter of a Snakemake job it makes the step stale only if the value of
        one of these keys changes.
        """
        return self.model_dump_json(include=self.keys_for(step, **facts))


def section_of(annotation: Any) -> type[Section] | None:
    """The section class in the annotation of a key; None for a plain value."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, Section):
            return kind
    return None
