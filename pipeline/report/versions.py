"""The versions of Python and of the packages that results depend on."""

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    *("snakemake", "torch", "torchvision", "timm", "captum", "lightning-fabric"),
    *("numpy", "scipy", "pandas", "scikit-learn", "matplotlib"),
    *("h5py", "av", "decord", "opencv-contrib-python-headless", "pillow"),
)


def installed_versions() -> dict[str, str]:
    """The version of Python and of each package, by name."""
    return {"python": platform.python_version(), **{p: _version(p) for p in PACKAGES}}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
