"""Numbers, seeds and random generators that depend on names and places alone."""

import hashlib

import numpy as np


def stable_share(name: str) -> float:
    """A number in 0..1 that depends on `name` alone, uniform over names."""
    return stable_number(name) / 2**64


def stable_number(name: str) -> int:
    """An integer below 2**64 that depends on `name` alone."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big")


def named_generator(seed: int, name: str) -> np.random.Generator:
    """A generator that depends on the seed and on `name` alone."""
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def place_seed(seed: int, *place: int) -> int:
    """A seed below 2**32 for one place of a computation, such as (epoch, step).

    Different places get independent seeds (NumPy's SeedSequence).
    """
    return int(np.random.SeedSequence(seed, spawn_key=place).generate_state(1)[0])
