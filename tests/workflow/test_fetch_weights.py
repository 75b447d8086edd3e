"""Pre-trained weights: fetched once where Snakemake runs, over real HTTP."""

import http.server
import os
import subprocess
import sys
import threading

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from tests.support.runs import REPOSITORY

PATH = "/timm/test_resnet.r160_in1k/resolve/main/model.safetensors"


@pytest.fixture
def hub(tmp_path):
    """A server that speaks as much of a model hub as a download takes."""
    torch.manual_seed(5)
    weights = tmp_path / "hub.safetensors"
    save_file(timm.create_model("test_resnet").state_dict(), weights)
    content = weights.read_bytes()
    asked: list[str] = []

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            asked.append(f"{self.command} {self.path}")
            known = self.path == PATH
            self.send_response(200 if known else 404)
            if known:
                self.send_header("Content-Length", str(len(content)))
                self.send_header("ETag", '"1"')
                self.send_header("X-Repo-Commit", "0" * 40)
            self.end_headers()

        def do_GET(self):
            self.do_HEAD()
            if self.path == PATH:
                self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server, weights, asked
    server.shutdown()
    server.server_close()


def environment(folder, port) -> dict[str, str]:
    return {
        **os.environ,
        "HF_ENDPOINT": f"http://127.0.0.1:{port}",
        "HF_HOME": str(folder / "cache"),
        "HF_HUB_DISABLE_XET": "1",
    }


def fetch(folder, port, network="test_resnet") -> subprocess.CompletedProcess:
    files = {"weights": folder / f"{network}.safetensors", "checksum": folder / "sum"}
    words = [w for key, value in files.items() for w in (f"--{key}", str(value))]
    return subprocess.run(
        [sys.executable, "-m", "pipeline.fetch_weights", "--network", network, *words],
        cwd=REPOSITORY,
        env=environment(folder, port),
        capture_output=True,
        text=True,
    )


def test_what_is_fetched_is_what_the_server_has(hub, tmp_path):
    server, weights, _ = hub
    done = fetch(tmp_path, server.server_port)
    assert done.returncode == 0, done.stderr[-3000:]
    fetched, given = load_file(tmp_path / "test_resnet.safetensors"), load_file(weights)
    assert all(torch.equal(fetched[name], value) for name, value in given.items())
    subprocess.run(["sha256sum", "-c", "sum"], cwd=tmp_path, check=True)


@pytest.mark.slow  # a minute of retries
def test_no_network_is_told_with_a_remedy_and_leaves_nothing(hub, tmp_path):
    server, _, _ = hub
    server.shutdown()
    server.server_close()
    done = fetch(tmp_path, server.server_port)
    assert done.returncode == 1
    assert "weights of test_resnet could not be fetched" in done.stderr
    assert "set this model's `pretrained` to the file" in done.stderr
    assert not list(tmp_path.glob("test_resnet*"))


def test_the_workflow_fetches_for_training_and_only_once(hub, finished, tmp_path):
    server, _, asked = hub
    run = finished.copy(tmp_path / "run")
    run.configure({"models": {"small": {"pretrained": True, "learning_rate": 1e-9}}})
    run.environment = environment(tmp_path, server.server_port)
    run.snakemake("models")
    folder = run.folder / "results"
    fetched = load_file(folder / "models/weights/test_resnet.safetensors")
    trained = load_file(folder / "models/small/all/weights.safetensors")
    first = "conv1.0.weight"
    assert torch.allclose(fetched[first], trained[first], atol=1e-5)
    assert asked
    asked.clear()
    run.configure({"models": {"small": {"pretrained": True, "epochs": 2}}})
    run.snakemake("models")
    assert not asked
