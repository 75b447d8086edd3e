"""Numbers, seeds and random generators that depend only on names and positions."""

import hashlib

import numpy as np


def stable_share(name: str) -> float:
    """A number in 0..1 that depends only on `name`, uniform over names."""
    return stable_number(name) / 2**64


def stable_number(name: str) -> int:
    """An integer in 0..2**64 - 1 that depends only on `name`."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big")


def named_generator(seed: int, name: str) -> np.random.Generator:
    """A random generator that depends only on `seed` and `name`."""
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def place_seed(seed: int, *position: int) -> int:
    """A seed in 0..2**32 - 1 for one position in a computation, such as (epoch, step).

    Different positions have independent seeds (NumPy's SeedSequence).
    """
    return int(np.random.SeedSequence(seed, spawn_key=position).generate_state(1)[0])
