"""Read files of weights safely: they may be from unknown sources."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from pipeline.runtime.errors import StepError


def read_weights(file: Path) -> dict[str, torch.Tensor]:
    """Tensors by name, from a .safetensors file or a plain state dict.

    No object is unpickled. Raises StepError if the file cannot be read, or contains
    anything else than tensors by name.
    """
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, SafetensorError) as error:
        raise StepError(f"{file}: is not a file of weights ({error})") from error
    except Exception as error:  # torch raises pickle.UnpicklingError and others
        raise StepError(
            f"{file}: is refused, because it holds more than tensors and could run "
            "code when loaded; save its state dict again as .safetensors"
        ) from error
    loaded = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else loaded
    if not isinstance(loaded, dict):
        raise StepError(
            f"{file}: holds a {type(loaded).__name__} instead of a state dict"
        )
    tensors = {
        name: value
        for name, value in loaded.items()
        if isinstance(name, str) and isinstance(value, torch.Tensor)
    }
    if not tensors:
        raise StepError(f"{file}: holds no tensors by name; give a plain state dict")
    return tensors
