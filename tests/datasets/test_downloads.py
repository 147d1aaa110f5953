"""Encoder weights come over HTTP: from a hub that the test serves on loopback."""

import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from every_model import seeded
from safetensors.torch import save

ROOT = Path(__file__).parents[2]
BUILD = """
import sys
import torch
from lesionkit.models import build_model
model = build_model(sys.argv[1], variant=sys.argv[2], pretrained=True)
torch.save(model.state_dict(), sys.argv[3])
"""


@pytest.fixture
def hub():
    """A server with the hub's addresses: `files` is what it has, `asked` what came."""

    class Hub(BaseHTTPRequestHandler):
        files: dict[str, bytes] = {}
        asked: list[str] = []

        def do_HEAD(self):
            content = self.files.get("/".join(self.path.split("?")[0].split("/")[1:3]))
            self.asked.append(self.path)
            self.send_response(200 if content is not None else 404)
            if content is not None:
                config = self.path.endswith("config.json")
                self.content = b"{}" if config else content
                self.send_header("Content-Length", str(len(self.content)))
                self.send_header("ETag", f'"{hash(self.content)}"')
                asked = self.path.split("/resolve/")[1].split("/")[0]
                commit = asked if len(asked) == 40 else "0" * 40
                self.send_header("X-Repo-Commit", commit)
            self.end_headers()

        def do_GET(self):
            self.content = b""
            self.do_HEAD()
            self.wfile.write(self.content)

        def log_message(self, *_):
            pass

    Hub.files, Hub.asked = {}, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Hub.address = f"http://127.0.0.1:{server.server_port}"
    yield Hub
    server.shutdown()


def pretrained(hub, name, variant, folder, **more):
    """The state dict of a model whose weights come from that hub, or what it said."""
    environment = os.environ | {
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(folder),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": str(ROOT),
    }
    environment.pop("HF_HUB_OFFLINE", None)
    environment |= more
    folder.mkdir(exist_ok=True)
    path = folder / "state.pt"
    done = subprocess.run(
        [sys.executable, "-c", BUILD, name, variant, str(path)],
        env=environment,
        capture_output=True,
        text=True,
    )
    return torch.load(path) if done.returncode == 0 else done.stderr


@pytest.mark.slow
def test_timm_weights_arrive_in_the_encoder(hub, tmp_path):
    import timm

    torch.manual_seed(7)
    published = timm.create_model("pvt_v2_b0").state_dict()
    hub.files["timm/pvt_v2_b0.in1k"] = save(published)
    got = pretrained(hub, "emcadnet", "emcadnet_b0", tmp_path)
    key = "patch_embed.proj.weight"
    assert torch.equal(got[f"encoder.{key}"], published[key])
    assert any(path.startswith("/timm/pvt_v2_b0.in1k/resolve/") for path in hub.asked)


@pytest.mark.slow
def test_smp_weights_arrive_in_the_encoder(hub, tmp_path):
    encoder = seeded("esfpnet", "esfpnet_t").encoder.network
    published = {key: value + 1 for key, value in encoder.state_dict().items()}
    hub.files["smp-hub/mit_b0.imagenet"] = save(published)
    got = pretrained(hub, "esfpnet", "esfpnet_t", tmp_path)
    start = "encoder.network."
    assert all(torch.equal(got[start + key], published[key]) for key in published)


@pytest.mark.slow
def test_a_hub_without_the_weights_is_one_line_that_names_them(hub, tmp_path):
    said = pretrained(hub, "emcadnet", "emcadnet_b0", tmp_path)
    last = said.strip().splitlines()[-1]
    assert last.startswith("RuntimeError: the encoder weights 'pvt_v2_b0.in1k' could")


@pytest.mark.slow
def test_a_copied_cache_brings_the_weights_without_a_network(hub, tmp_path):
    torch.manual_seed(7)
    encoder = seeded("esfpnet", "esfpnet_t").encoder.network
    hub.files["smp-hub/mit_b0.imagenet"] = save(encoder.state_dict())
    first = pretrained(hub, "esfpnet", "esfpnet_t", tmp_path / "there")
    copied = tmp_path / "here"
    shutil.copytree(tmp_path / "there", copied, symlinks=True)
    hub.asked.clear()
    hub.files.clear()
    again = pretrained(hub, "esfpnet", "esfpnet_t", copied, HF_HUB_OFFLINE="1")
    names = [name for name in first if name.startswith("encoder.")]
    assert not isinstance(again, str), again[-900:]
    assert all(torch.equal(first[name], again[name]) for name in names)
    assert hub.asked == []
