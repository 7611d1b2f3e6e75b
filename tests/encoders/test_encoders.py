import json
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from celltransfer_core.encoders import (
    BUILTIN,
    DEFAULT_ENCODERS,
    add_encoder,
    available_encoders,
    load_encoder,
    parse_encoders,
)
from celltransfer_core.errors import EncoderError, OutputError

UNKNOWN = np.full(9, np.nan, dtype=np.float32)
DESCRIPTION = {
    "name": "Tiny",
    "input_size": 16,
    "mean": [0.5, 0.4, 0.3],
    "std": [0.2, 0.25, 0.3],
    "dim": 5,
    "source": "made by a test",
    "licence": "none",
}
WEIGHTS = np.random.default_rng(1).normal(size=(5, 3, 1, 1)).astype(np.float32)


def model(folder, name="tiny", *, batch="n", last=False, pool=True, inputs=1, side=16, **changes):
    """Write a 1 × 1 convolution and a global mean as ONNX, with its JSON."""
    shape = [batch, side, side, 3] if last else [batch, 3, side, side]
    given = [
        helper.make_tensor_value_info(f"x{n}", TensorProto.FLOAT, shape) for n in range(inputs)
    ]
    nodes, source = [], "x0"
    if last:
        nodes.append(helper.make_node("Transpose", ["x0"], ["t"], perm=[0, 3, 1, 2]))
        source = "t"
    nodes.append(helper.make_node("Conv", [source, "w"], ["c"]))
    if pool:
        nodes += [
            helper.make_node("GlobalAveragePool", ["c"], ["p"]),
            helper.make_node("Flatten", ["p"], ["y"]),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["c"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "tiny",
        given,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(WEIGHTS, "w")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.onnx"
    onnx.save(made, path)
    path.with_suffix(".json").write_text(json.dumps({**DESCRIPTION, **changes}))
    return path


def images(rng, count=9, shape=(16, 16)):
    return [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for _ in range(count)]


@pytest.mark.parametrize("spec", BUILTIN, ids=lambda spec: spec.id)
class TestBuiltin:
    def test_rows_are_finite_and_as_described(self, spec, nine):
        encoder = load_encoder(spec.id)
        rows = encoder.encode(nine, UNKNOWN)
        assert rows.shape == (9, spec.dim)
        assert rows.dtype == np.float32
        assert np.isfinite(rows).all()
        assert len(np.unique(rows, axis=0)) == 9
        assert 0.1 < rows.std() < 10  # comparable scales

    def test_a_row_depends_on_its_own_image_alone(self, spec, rng):
        encoder = load_encoder(spec.id)
        cells = images(rng, 4, (40, 40))
        together = encoder.encode(cells, UNKNOWN[:4])
        alone = [encoder.encode([cell], UNKNOWN[:1])[0] for cell in cells]
        np.testing.assert_array_equal(together, alone)

    @pytest.mark.parametrize("shape", [(8, 8), (9, 200), (700, 500)])
    @pytest.mark.parametrize("value", [0, 128, 255])
    def test_blank_images_of_any_size(self, spec, shape, value):
        blank = np.full((*shape, 3), value, np.uint8)
        assert np.isfinite(load_encoder(spec.id).encode([blank], UNKNOWN[:1])).all()


@pytest.mark.parametrize("name", ["colour", "texture", "shape"])
def test_turning_a_cell_changes_little(name, nine):
    encoder = load_encoder(name)
    rows = encoder.encode(nine, UNKNOWN)
    turned = encoder.encode([np.rot90(cell).copy() for cell in nine], UNKNOWN)
    moved = np.linalg.norm(turned - rows, axis=1).mean()
    assert moved < 0.3 * np.linalg.norm(rows - rows.mean(axis=0), axis=1).mean()


def test_colour_does_not_depend_on_the_light(nine):
    encoder = load_encoder("colour")
    rows = encoder.encode(nine, UNKNOWN)
    filtered = [np.rint(cell * np.array([0.95, 0.8, 0.7])).astype(np.uint8) for cell in nine]
    moved = np.linalg.norm(encoder.encode(filtered, UNKNOWN) - rows, axis=1).mean()
    assert moved < 0.3 * np.linalg.norm(rows - rows.mean(axis=0), axis=1).mean()


def test_unknown_extent_is_no_outlier(nine):
    cell = nine[0]
    rows = load_encoder("shape").encode([cell] * 3, np.array([30, np.nan, 80], np.float32))
    assert rows[0, 0] < rows[1, 0] < rows[2, 0]


def test_magnification_is_a_constant_offset_of_shape(nine):
    encoder = load_encoder("shape")
    cells = nine[:3]
    extents = np.array([20, 30, 50], np.float32)
    shift = encoder.encode(cells, 2 * extents) - encoder.encode(cells, extents)
    np.testing.assert_allclose(shift, np.tile(shift[0], (3, 1)), atol=1e-6)
    assert np.count_nonzero(shift[0]) == 1


@pytest.mark.parametrize(
    "options", [{}, {"last": True}, {"batch": 4}, {"batch": 1, "last": True}, {"pool": False}]
)
def test_onnx_gives_what_the_model_says(tmp_path, rng, options):
    model(tmp_path, **options)
    encoder = load_encoder("tiny", tmp_path)
    cells = images(rng)
    scaled = (np.stack(cells) / 255 - DESCRIPTION["mean"]) / DESCRIPTION["std"]
    expected = scaled.mean(axis=(1, 2)) @ WEIGHTS[:, :, 0, 0].T
    np.testing.assert_allclose(encoder.encode(cells, UNKNOWN), expected, rtol=1e-4, atol=1e-5)


def test_onnx_gives_every_image_its_own_row(tmp_path, rng):
    path = model(tmp_path)
    made = onnx.load(path)
    made.graph.node[-1].output[0] = "each"
    made.graph.node.append(helper.make_node("ReduceMean", ["each"], ["y"], axes=[0], keepdims=1))
    onnx.save(made, path)
    with pytest.raises(EncoderError, match=r"outputs of shape \(1, 5\) for 8 images"):
        load_encoder("tiny", tmp_path).encode(images(rng, 1), UNKNOWN[:1])


def test_weights_in_another_file_are_refused(tmp_path, home, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where ONNX Runtime would look for them
    path = model(tmp_path)
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location="tiny.data", size_threshold=0
    )
    with pytest.raises(EncoderError, match="one file that contains its weights"):
        add_encoder("mine", path)
    assert not (home / "encoders" / "mine.onnx").exists()


def test_a_model_that_fails_when_run_is_not_added(tmp_path, home):
    path = model(tmp_path)
    made = onnx.load(path)
    made.graph.initializer.append(numpy_helper.from_array(np.array([7, 11]), "to"))
    made.graph.node[-1].CopyFrom(helper.make_node("Reshape", ["p", "to"], ["y"]))
    onnx.save(made, path)
    with pytest.raises(EncoderError, match="The encoder mine fails on a batch"):
        add_encoder("mine", path)
    assert not (home / "encoders" / "mine.onnx").exists()


def test_onnx_rows_do_not_depend_on_their_batch(tmp_path, rng):
    model(tmp_path)
    encoder = load_encoder("tiny", tmp_path)
    cells = images(rng)
    together = encoder.encode(cells, UNKNOWN)
    np.testing.assert_array_equal(together[4:5], encoder.encode(cells[4:5], UNKNOWN[:1]))


def test_the_whole_image_is_resized(tmp_path):
    model(tmp_path)
    wide = np.zeros((16, 64, 3), np.uint8)
    wide[:, :8] = 255  # would be lost by a centre crop
    encoder = load_encoder("tiny", tmp_path)
    rows = encoder.encode([wide, np.zeros_like(wide)], UNKNOWN[:2])
    assert np.abs(rows[0] - rows[1]).max() > 0.1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": 7}, "says dim 7"),
        ({"dim": "5"}, "dim must be a whole number"),
        ({"mean": [0.5]}, "mean must be three numbers"),
        ({"mean": [0.5, float("nan"), 0.5]}, "mean must be three numbers"),
        ({"std": [0.5, float("inf"), 0.5]}, "std must be three numbers above 0"),
        ({"std": [0.5, 0, 0.5]}, "std must be three numbers above 0"),
        ({"input_size": 32}, r"must take float images of shape \(n, 3, 32, 32\)"),
        ({"inputs": 2}, "takes 2 inputs"),
        ({"batch": "n", "side": 8}, "must take float images"),
    ],
)
def test_onnx_that_does_not_fit_its_description(tmp_path, changes, message):
    model(tmp_path, **changes)
    with pytest.raises(EncoderError, match=message):
        load_encoder("tiny", tmp_path).encode([np.zeros((16, 16, 3), np.uint8)], UNKNOWN[:1])


@pytest.mark.parametrize("name", sorted(DESCRIPTION))
def test_a_missing_field_is_named(tmp_path, name):
    path = model(tmp_path)
    fields = {key: value for key, value in DESCRIPTION.items() if key != name}
    path.with_suffix(".json").write_text(json.dumps(fields))
    with pytest.raises(EncoderError, match=f"lacks the field {name}"):
        load_encoder("tiny", tmp_path)


def test_unreadable_files(tmp_path):
    path = model(tmp_path)
    path.with_suffix(".json").write_text("{")
    with pytest.raises(EncoderError, match="cannot be read"):
        load_encoder("tiny", tmp_path)
    path.with_suffix(".json").unlink()
    with pytest.raises(EncoderError, match="json is missing"):
        load_encoder("tiny", tmp_path)
    path = model(tmp_path)
    path.write_bytes(b"not a model")
    with pytest.raises(EncoderError, match="not a runnable ONNX model"):
        load_encoder("tiny", tmp_path)


def test_a_changed_file_is_another_version(tmp_path):
    versions = set()
    for name in ("Tiny", "Tinier"):
        model(tmp_path)
        (tmp_path / "tiny.json").write_text(json.dumps({**DESCRIPTION, "name": name}))
        versions.add(load_encoder("tiny", tmp_path).spec.version)
    assert len(versions) == 2


def test_an_encoder_that_cannot_be_copied_says_what_to_do(tmp_path, home):
    (home / "encoders").write_text("in the way")
    with pytest.raises(OutputError, match="free some space there, or set CELLTRANSFER_HOME"):
        add_encoder("mine", model(tmp_path / "stick"))


def test_adding_checks_and_lists(tmp_path, home):
    path = model(tmp_path / "stick", name="downloaded")
    spec = add_encoder("mine", path)
    assert spec.dim == 5
    assert (home / "encoders" / "mine.onnx").is_file()
    (home / "encoders" / "broken.onnx").write_bytes(b"")
    listed = {entry.id: entry for entry in available_encoders()}
    here = {name for name, entry in listed.items() if entry.here}
    assert here == {"cell", "cervix", "colour", "texture", "shape", "mine", "broken"}
    assert "broken.json is missing" in listed["broken"].problem
    model(home / "encoders", "a+b")  # --encoders could not name it
    problems = {entry.id: entry.problem for entry in available_encoders()}
    assert "cannot be an encoder's name" in problems["a+b"]
    with pytest.raises(EncoderError, match="cannot be an encoder's name"):
        add_encoder("shape", path)
    model(home / "encoders", "torn").write_bytes(b"no model")
    problems = {entry.id: entry.problem for entry in available_encoders()}
    assert "is not a runnable ONNX model" in problems["torn"]
    with pytest.raises(EncoderError, match=r"must end in \.onnx"):
        add_encoder("other", path.rename(path.with_suffix(".bin")))
    with pytest.raises(EncoderError, match="cannot be an encoder's name"):
        add_encoder("../up", path)
    with pytest.raises(EncoderError, match="says dim 6"):
        add_encoder("wrong", model(tmp_path / "other", dim=6))


@pytest.mark.parametrize("name", ["nothing", "../colour", ""])
def test_unknown_encoders_are_told_with_what_there_is(name):
    with pytest.raises(EncoderError, match="installed are cell, cervix, colour, texture, shape"):
        load_encoder(name)


def test_lists_of_voters():
    assert parse_encoders("a, b,c+d") == (("a",), ("b",), ("c", "d"))
    for text, message in (
        ("", "not a list"),
        ("a,,b", "not a list"),
        ("a+", "not a list"),
        ("a b", "not a list"),
        ("a+a", "one encoder twice"),
        ("a+b,b+a", "one voter twice"),
    ):
        with pytest.raises(EncoderError, match=message):
            parse_encoders(text)
    for voter in DEFAULT_ENCODERS:
        for member in voter:
            load_encoder(member)


def test_a_real_model(rng):
    beside = Path(__file__).parents[3] / "shared" / "weights"
    path = Path(os.environ.get("CELLTRANSFER_TEST_WEIGHTS", beside)) / "mobilenet_v2.onnx"
    if not path.is_file():
        pytest.skip("needs the real ONNX encoder, which is not here")
    add_encoder("mobilenet", path)
    encoder = load_encoder("mobilenet")
    cells = images(rng, 3, (60, 60))
    rows = encoder.encode(cells, UNKNOWN[:3])
    assert rows.shape == (3, 1280)
    assert np.isfinite(rows).all()
    np.testing.assert_array_equal(rows[2:], encoder.encode(cells[2:], UNKNOWN[:1]))
