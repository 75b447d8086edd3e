"""How steps run: arguments, logging, progress, cores and GPUs.

Nothing in this package may change the bytes of a result, because `code_version` leaves
it out.
"""
