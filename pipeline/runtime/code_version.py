"""A fingerprint of the code that a step reaches, to make it stale when that changes.

What cannot change a result does not count: comments, docstrings, layout, log lines, the
messages of errors that end a step, the marks that say which steps a configuration key
makes stale, and all of `pipeline.runtime`.
"""

import ast
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
RUNTIME = "pipeline.runtime"  # nothing in it may change a result
PLANNING = "Reruns"  # marks on configuration keys, which only planning reads
LOG = "log"  # the name of every module's logger
# Errors that end a step: their messages reach a log and never a result.
STEP_ERRORS = {"StepError", "ChecksumError", "ConfigError", "NotANumber", "Stopped"}


# Modules that list the videos of a source, and the sections that they read. What they
# give for a shard is a parameter of its jobs, a fingerprint of its rows.
LISTING = (
    *("pipeline.config.source", "pipeline.config.sources", "pipeline.config.miniature"),
    *("pipeline.videos.listing", "pipeline.videos.sources"),
)


def code_version(step: str, covered: Sequence[str] = ()) -> str:
    """Hash of the script `pipeline.<step>` and of every module of ours that it imports.

    The modules of `pipeline.runtime` do not count, nor do those of `covered` (modules
    and packages): another parameter of the step covers what they give.
    """
    modules = sorted(_reached(f"{PACKAGE.name}.{step}", (RUNTIME, *covered)))
    text = "\n".join(f"{name} {_digest(name)}" for name in modules)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def use_cache(file: Path) -> None:
    """Keep digests of modules in `file`, so that an unchanged module is not parsed.

    A module is known by its path, size and time of modification. A file that cannot be
    read is ignored and written again by `save_cache`.
    """
    _cache.clear()
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    if isinstance(known, dict) and known.get("version") == _own_digest():
        _cache.update(known["modules"])


def save_cache(file: Path) -> None:
    """Write what `use_cache` reads; a folder that cannot be written to is no fault."""
    known = {"version": _own_digest(), "modules": _cache}
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        part.write_text(json.dumps(known), encoding="utf-8")
        part.replace(file)
    except OSError:
        return


# Stamp of a module's file -> its digest and the modules of ours that it imports.
_cache: dict[str, tuple[str, list[str]]] = {}


@cache
def _own_digest() -> str:
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]


def _reached(start: str, left_out: Sequence[str] = (RUNTIME,)) -> set[str]:
    """Names of the modules that `start` imports, directly or not, and itself.

    Modules and packages of `left_out` do not count, and neither do their imports.
    """
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in reached or any(f"{name}.".startswith(f"{n}.") for n in left_out):
            continue
        reached.add(name)
        waiting += _facts(name)[1]
    return reached


def _digest(module: str) -> str:
    return _facts(module)[0]


@cache
def _facts(module: str) -> tuple[str, list[str]]:
    """The digest of a module's code, and the modules of ours that it imports."""
    file = _file(module)
    assert file is not None, module
    status = file.stat()
    stamp = f"{file} {status.st_size} {status.st_mtime_ns}"
    if stamp not in _cache:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        imports = sorted(name for name in _imports(tree) if _file(name))
        code = ast.dump(_WithoutMessages().visit(tree))
        _cache[stamp] = hashlib.sha256(code.encode()).hexdigest(), imports
    digest, imports = _cache[stamp]
    return digest, list(imports)


@cache
def _file(module: str) -> Path | None:
    """The file of one of our modules; None for any other name."""
    head, *rest = module.split(".")
    if head != PACKAGE.name:
        return None
    path = PACKAGE.joinpath(*rest)
    options = (path.with_suffix(".py"), path / "__init__.py")
    return next((option for option in options if option.is_file()), None)


def _imports(tree: ast.Module) -> set[str]:
    """Names that a module imports, anywhere in it, and the packages above them."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    parents = [
        name.rsplit(".", n)[0] for name in names for n in range(1, name.count("."))
    ]
    return {*names, *parents}


class _WithoutMessages(ast.NodeTransformer):
    """Removes what a result cannot depend on: see the module's docstring."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for block in ("body", "orelse", "finalbody"):
            statements = getattr(node, block, None)
            if isinstance(statements, list):
                kept = list(_that_count(statements))
                needs_one = block == "body" and not isinstance(node, ast.Module)
                setattr(node, block, kept or [ast.Pass()] if needs_one else kept)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if _name(node.func) == PLANNING:
            node.args, node.keywords = [], []
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        error = node.exc
        if isinstance(error, ast.Call) and _name(error.func) in STEP_ERRORS:
            error.args, error.keywords = [], []
        return self.generic_visit(node)


def _that_count(statements: Iterable[ast.stmt]) -> Iterable[ast.stmt]:
    """Statements without docstrings, log lines, and what serves the logger alone."""
    for node in statements:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            function = node.value.func
            if isinstance(function, ast.Attribute) and _name(function.value) == LOG:
                continue
        if isinstance(node, ast.Assign) and _name(node.targets[0]) == LOG:
            continue
        if isinstance(node, ast.Import) and [a.name for a in node.names] == ["logging"]:
            continue
        if isinstance(node, ast.ImportFrom) and f"{node.module}".startswith(RUNTIME):
            continue
        yield node


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""
