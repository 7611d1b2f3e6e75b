"""Published encoders on their real architectures, kept tiny, with random weights."""

import errno
import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

for needed in ("huggingface_hub", "open_clip", "safetensors", "timm", "torch", "transformers"):
    pytest.importorskip(needed, reason="needs the extra encoders")

import numpy as np
import open_clip
import timm
import torch
from safetensors.torch import load_file, save_file
from transformers import ViTMAEConfig, ViTMAEModel

from celltransfer_core.encoders import (
    add_encoder,
    available_encoders,
    catalogue,
    encode,
    encoder_names,
    fetch,
    file_hash,
    foundation as foundation_module,
    load_encoder,
    published_encoders,
    registry as registry_module,
    standardise,
    weights_folder,
)
from celltransfer_core.encoders.foundation import (
    FoundationEncoder,
    _alike,
    batch_size,
    forward_pass,
    in_torch,
)
from celltransfer_core.errors import EncoderError

TINY = {
    "dinov2": {"embed_dim": 24, "depth": 2, "num_heads": 2},
    "sam": {"embed_dim": 24, "depth": 2, "num_heads": 2, "global_attn_indexes": (1,)},
    "swin": {"embed_dim": 12, "depths": (1, 1, 1, 1), "num_heads": (1, 2, 2, 2)},
    "convnext": {"depths": (1, 1, 1, 1), "dims": (8, 12, 16, 24)},
}
# What each has of its own in the published file, and in the model that is run.
STORED = {"dinov2": {"img_size": 70}, "sam": {"img_size": 128}}
RUN = {"dinov2": {"img_size": 56}, "sam": {"img_size": 128}}
SIDE = {"dinov2": 56, "sam": 64, "swin": 224, "convnext": 64}


@pytest.fixture
def images(rng):
    return [rng.integers(0, 256, size, dtype=np.uint8) for size in ((40, 50, 3), (90, 70, 3))] * 3


def no_extents(images):
    return np.full(len(images), np.nan, dtype=np.float32)


def published(name, folder):
    """Save random weights as the hub has them, and tell of them as the registry would."""
    torch.manual_seed(0)
    spec = published_encoders()[name]
    here = weights_folder(spec, folder)
    here.mkdir(parents=True)
    if spec.loader == "timm":
        model = timm.create_model(
            spec.architecture, pretrained=False, num_classes=0, **TINY[name], **STORED.get(name, {})
        )
        # Fresh blocks count for next to nothing, trained ones do not.
        state = {
            k: torch.ones_like(v) if "gamma" in k else v for k, v in model.state_dict().items()
        }
        save_file(state, here / spec.files[0])
        options = {**TINY[name], **RUN.get(name, {})}
        dim = (
            model(torch.zeros(1, 3, *model.default_cfg["input_size"][1:])).shape[1]
            if (name in ("swin", "convnext"))
            else {"dinov2": 24, "sam": 256}[name]
        )
        return replace(spec, dim=dim, input_size=SIDE[name], options=options)
    if spec.loader == "open_clip":
        options = {
            "force_custom_text": False,
            "vision_cfg": {
                "layers": 2,
                "width": 48,
                "head_width": 24,
                "image_size": 64,
                "patch_size": 32,
            },
            "text_cfg": {
                "layers": 1,
                "width": 16,
                "heads": 2,
                "vocab_size": 32,
                "context_length": 8,
            },
            "embed_dim": 16,
        }
        model = open_clip.create_model(spec.architecture, **options)
        save_file(model.state_dict(), here / spec.files[0])
        return replace(spec, dim=16, input_size=64, options=options)
    config = ViTMAEConfig(
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        image_size=64,
        patch_size=16,
        decoder_hidden_size=16,
        decoder_num_hidden_layers=1,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=16,
    )
    model = ViTMAEModel(config)
    config.save_pretrained(here)
    # Published with its decoder: the encoder's keys carry a prefix.
    torch.save({f"vit.{k}": v for k, v in model.state_dict().items()}, here / spec.files[0])
    return replace(spec, dim=24, input_size=64)


MODULE = (sys.executable, "-m", "celltransfer_core")
EVERY = ("dinov2", "sam", "swin", "convnext", "clip", "vitmae")


@pytest.fixture(scope="module", params=EVERY)
def tiny(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    spec = published(request.param, folder)
    return (
        spec,
        weights_folder(spec, folder),
        FoundationEncoder(spec, weights_folder(spec, folder), "cpu"),
    )


def test_rows_are_those_of_the_librarys_own_forward_pass(tiny, images):
    spec, folder, encoder = tiny
    rows = encode(encoder, images, no_extents(images))
    assert rows.shape == (6, spec.dim)
    pixels = torch.from_numpy(standardise(images, spec))
    with torch.inference_mode():
        expected = OWN[spec.loader](spec, folder)(pixels)
    np.testing.assert_allclose(rows, expected.numpy(), atol=1e-5)
    assert np.ptp(rows, axis=0).max() > 1e-3
    # As devices other than the CPU run it.
    plain = in_torch(forward_pass(spec, folder), "cpu")(standardise(images, spec))
    np.testing.assert_allclose(plain, expected.numpy(), atol=1e-5)


def test_the_export_is_kept_and_made_once(tiny, images, monkeypatch):
    spec, folder, encoder = tiny
    assert len([*folder.glob("exported-*.onnx")]) == 1
    monkeypatch.setattr(foundation_module, "forward_pass", None)  # is not asked again
    again = FoundationEncoder(spec, folder, "cpu")
    blank = no_extents(images)
    np.testing.assert_array_equal(again.encode(images, blank), encoder.encode(images, blank))


def refused(*arguments, **options):
    raise RuntimeError("no such operator")


@pytest.mark.parametrize(
    ("what", "instead", "reason"),
    [("_export", refused, "no such operator"), ("_alike", lambda *_: False, "different numbers")],
)
def test_what_cannot_be_exported_runs_in_torch(
    tmp_path, images, monkeypatch, what, instead, reason
):
    spec = published("dinov2", tmp_path)
    monkeypatch.setattr(foundation_module, what, instead)
    with pytest.warns(UserWarning, match=f"dinov2 runs in torch.*{reason}"):
        encoder = FoundationEncoder(spec, weights_folder(spec, tmp_path), "cpu")
    rows = encode(encoder, images, no_extents(images))
    model = own_timm(spec, weights_folder(spec, tmp_path))
    with torch.inference_mode():
        expected = model(torch.from_numpy(standardise(images, spec)))
    np.testing.assert_allclose(rows, expected.numpy(), atol=1e-5)
    assert not [*weights_folder(spec, tmp_path).glob("exported-*")]


def test_weights_in_a_folder_for_all_run_in_torch(tmp_path, images, monkeypatch):
    spec = published("clip", tmp_path)
    folder = weights_folder(spec, tmp_path)
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != folder)
    monkeypatch.setattr(foundation_module, "_export", None)  # is not tried
    encoder = FoundationEncoder(spec, folder, "cpu")
    assert encode(encoder, images, no_extents(images)).shape == (6, spec.dim)


def test_a_full_disk_leaves_no_half_export(tmp_path, monkeypatch):
    spec = published("convnext", tmp_path)
    folder = weights_folder(spec, tmp_path)

    def full(self, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.warns(UserWarning, match="No space left"):
        FoundationEncoder(spec, folder, "cpu")
    assert {path.name for path in folder.iterdir()} == {*spec.files}


def test_exports_that_give_other_numbers_are_found():
    def some(pixels):
        return pixels.mean(axis=(2, 3))

    assert _alike(some, lambda pixels: some(pixels) + 1e-9, 8)
    assert not _alike(some, lambda pixels: some(pixels) * 1.01, 8)


def own_timm(spec, folder):
    stored = STORED.get(spec.id, {})
    model = timm.create_model(
        spec.architecture, pretrained=False, num_classes=0, **{**spec.options, **stored}
    )
    model.load_state_dict(load_file(folder / spec.files[0]))
    model.eval()
    if spec.id == "dinov2":
        model.set_input_size(spec.input_size)
    return model


def own_open_clip(spec, folder):
    model = open_clip.create_model(spec.architecture, **spec.options).eval()
    model.load_state_dict(load_file(folder / spec.files[0]))
    quick = [m for m in model.visual.modules() if type(m).__name__ == "QuickGELU"]
    assert len(quick) == 2  # what OpenAI's weights were trained with
    return model.encode_image


def own_transformers(spec, folder):
    config = ViTMAEConfig.from_pretrained(folder, mask_ratio=0.0)
    model = ViTMAEModel(config).eval()
    state = torch.load(folder / spec.files[0], weights_only=True)
    model.load_state_dict({k.removeprefix("vit."): v for k, v in state.items()})
    return lambda pixels: model(pixels).last_hidden_state[:, 1:].mean(dim=1)


OWN = {"timm": own_timm, "open_clip": own_open_clip, "transformers": own_transformers}


def test_neither_company_nor_repetition_changes_a_row(tiny, images):
    spec, folder, encoder = tiny
    rows = encoder.encode(images, no_extents(images))
    np.testing.assert_array_equal(rows, encoder.encode(images, no_extents(images)))
    alone = np.concatenate([encoder.encode([one], no_extents([one])) for one in images])
    np.testing.assert_allclose(rows, alone, atol=1e-4)
    plain = in_torch(forward_pass(spec, folder), "cpu")
    pixels = standardise(images, spec)
    alone = np.concatenate([plain(pixels[place : place + 1]) for place in range(len(images))])
    np.testing.assert_allclose(plain(pixels), alone, atol=1e-4)


def test_larger_inputs_make_smaller_batches():
    sam = published_encoders()["sam"]
    specs = [replace(sam, input_size=side) for side in (224, 512, 1024)]
    assert [batch_size(spec, "cpu") for spec in specs] == [16, 3, 1]


@pytest.mark.parametrize("name", ["dinov2", "clip"])
def test_weights_that_do_not_fit_are_refused(name, tmp_path):
    spec = published(name, tmp_path)
    folder = weights_folder(spec, tmp_path)
    save_file({"something": torch.zeros(3)}, folder / spec.files[0])
    with pytest.raises(EncoderError, match="do not fit"):
        FoundationEncoder(spec, folder, "cpu")
    (folder / spec.files[0]).write_bytes(b"truncated")
    with pytest.raises(EncoderError, match="encoders fetch"):
        FoundationEncoder(spec, folder, "cpu")


def test_the_registry_is_complete():
    for encoder_id, spec in published_encoders().items():
        assert spec.id == encoder_id
        assert spec.loader in ("timm", "open_clip", "transformers")
        assert all(
            [
                spec.hub,
                spec.files,
                spec.size_mb,
                spec.licence,
                spec.trained_on,
                spec.pooling,
                spec.dim,
            ]
        )
        if spec.loader == "timm":
            assert timm.is_model(spec.architecture.split(".")[0])
            known = timm.get_pretrained_cfg(spec.architecture)
            assert spec.mean == known.mean
            assert spec.std == known.std
            if "." in spec.architecture:
                assert known.hf_hub_id == spec.hub
        elif spec.loader == "open_clip":
            assert spec.architecture in open_clip.list_models()
    assert {"dinov2", "sam", "swin", "convnext", "clip", "vitmae", "dinobloom"} <= set(
        published_encoders()
    )
    assert "PBC" in published_encoders()["dinobloom"].overlap


@pytest.fixture
def stick(tmp_path, monkeypatch):
    """A registry of one tiny encoder, and its weights on a stick."""
    spec = published("dinov2", tmp_path / "made")
    registry_module.published_encoders.cache_clear()
    monkeypatch.setattr(registry_module, "published_encoders", lambda: {"dinov2": spec})
    monkeypatch.setattr(catalogue, "published_encoders", lambda: {"dinov2": spec})
    return spec, weights_folder(spec, tmp_path / "made") / spec.files[0]


def test_weights_from_a_stick(stick, tmp_path, images):
    _, file = stick
    assert not next(e for e in available_encoders(tmp_path) if e.id == "dinov2").here
    with pytest.raises(EncoderError, match="encoders fetch dinov2"):
        load_encoder("dinov2", tmp_path)
    added = add_encoder("dinov2", file, tmp_path)
    assert added.version == f"1-{file_hash(file)[:16]}"
    assert "dinov2" in encoder_names(tmp_path)
    encoder = load_encoder("dinov2", tmp_path)
    assert encoder.spec.version == added.version
    rows = encoder.encode(images, no_extents(images))
    # The same as a torch checkpoint, wrapped as training leaves it.
    torch.save({"state_dict": load_file(file)}, tmp_path / "model.pth")
    add_encoder("dinov2", tmp_path / "model.pth", tmp_path / "other")
    again = load_encoder("dinov2", tmp_path / "other")
    np.testing.assert_array_equal(rows, again.encode(images, no_extents(images)))


class Code:
    def __reduce__(self):
        return (print, ("this ran",))


def test_code_on_a_stick_is_not_run(stick, tmp_path, capsys):
    with (tmp_path / "bad.pth").open("wb") as file:
        pickle.dump({"state_dict": Code()}, file, protocol=2)
    with pytest.raises(EncoderError, match="code from unknown sources is not run"):
        add_encoder("dinov2", tmp_path / "bad.pth", tmp_path)
    assert "this ran" not in capsys.readouterr().out
    assert "dinov2" not in encoder_names(tmp_path)
    with pytest.raises(EncoderError, match="There is no file"):
        add_encoder("dinov2", tmp_path / "gone.pth", tmp_path)


class Hub(BaseHTTPRequestHandler):
    """Answers as the hub does for files of weights."""

    def __init__(self, state, *arguments):
        self.state = state
        super().__init__(*arguments)

    def log_message(self, *arguments):
        pass

    def head(self):
        data = self.state["data"]
        start = 0
        asked = self.headers.get("Range", "")
        if asked and self.command == "GET":
            start = int(asked.removeprefix("bytes=").split("-")[0])
            self.state["ranges"].append(start)
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{self.state["etag"]}"')
        self.send_header("X-Linked-Etag", f'"{self.state["etag"]}"')
        self.send_header("X-Linked-Size", str(len(data)))
        self.send_header("X-Repo-Commit", "c0ffee")
        self.send_header("Accept-Ranges", "bytes")
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        return data[start:]

    def do_HEAD(self):
        self.head()

    def do_GET(self):
        data = self.head()
        if self.state["breaks"]:
            self.state["breaks"] -= 1
            data = data[: len(data) // 3]
            self.close_connection = True
        self.wfile.write(data)


@pytest.fixture
def hub(stick, serve, monkeypatch):
    spec, file = stick
    state = {"data": file.read_bytes(), "etag": file_hash(file), "ranges": [], "breaks": 0}
    address = serve(partial(Hub, state))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        address + "/{repo_id}/resolve/{revision}/{filename}",
    )
    return spec, state


def test_weights_are_fetched_and_checked(hub, tmp_path):
    spec, state = hub
    fetched = fetch(spec, tmp_path)
    assert fetched.version.endswith(state["etag"][:16])
    source = json.loads((weights_folder(spec, tmp_path) / "source.json").read_text())
    assert source == {"source": f"{spec.hub}@c0ffee", "sha256": state["etag"]}
    assert load_encoder("dinov2", tmp_path).spec.version == fetched.version
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_broken_download_is_gone_on_with(hub, tmp_path, monkeypatch):
    spec, state = hub
    monkeypatch.setattr("time.sleep", lambda _: None)
    # Kept by chunks of 10 MB; these weights have 0.1.
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1024)
    state["breaks"] = 100
    with pytest.raises(EncoderError, match=r"What has arrived is kept.*encoders add dinov2 FILE"):
        fetch(spec, tmp_path)
    assert "dinov2" not in encoder_names(tmp_path)
    state["breaks"], before = 0, len(state["ranges"])
    fetch(spec, tmp_path)
    assert state["ranges"][before:][0] > 0.5 * len(state["data"])
    assert "dinov2" in encoder_names(tmp_path)


def test_a_mirror_is_asked_instead_of_the_hub(serve):
    asked = []

    class Mirror(BaseHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

        def do_HEAD(self):
            asked.append(self.path)
            self.send_error(404)

    address = serve(Mirror)
    done = subprocess.run(
        [*MODULE, "encoders", "fetch", "dinov2", "--accept-licence"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "HF_ENDPOINT": address},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    spec = published_encoders()["dinov2"]
    assert done.returncode == 2
    assert f"cannot be downloaded from {address}" in done.stderr
    assert asked[0] == f"/{spec.hub}/resolve/main/{spec.files[0]}"


def test_what_arrives_otherwise_than_sent_is_not_used(hub, tmp_path):
    spec, state = hub
    state["data"] = state["data"][:-4] + b"\0\0\0\1"
    with pytest.raises(EncoderError, match="was damaged during the download"):
        fetch(spec, tmp_path)
    assert "dinov2" not in encoder_names(tmp_path)


def test_a_hub_out_of_reach_says_both_ways_out(stick, tmp_path, monkeypatch):
    spec, _ = stick
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(EncoderError, match=r"cannot be downloaded.*encoders add dinov2 FILE"):
        fetch(spec, tmp_path)
