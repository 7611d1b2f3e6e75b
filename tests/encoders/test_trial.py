import json
from functools import partial

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from celltransfer_core.encoders import add_encoder, available_encoders, onnx, trial
from celltransfer_core.errors import EncoderError
from celltransfer_core.runtime.system import LIMITS_MEMORY

DESCRIPTION = {
    "name": "Tiny",
    "input_size": 8,
    "mean": [0.5, 0.5, 0.5],
    "std": [0.2, 0.2, 0.2],
    "dim": 3,
    "source": "made for a test",
    "licence": "none",
}
MEAN = {"axes": [2, 3], "keepdims": 0}


def write(folder, nodes, weights):
    """Write a model of these nodes, from ``x`` to ``y``, with its description."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", 3, 8, 8))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.array(value), name) for name, value in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 9
    folder.mkdir(exist_ok=True)
    save(made, folder / "m.onnx")
    (folder / "m.json").write_text(json.dumps(DESCRIPTION))
    return folder / "m.onnx"


def looping(folder):
    """A model whose loop has no end; it is run when the model is read, where nothing varies."""
    scalar = partial(helper.make_tensor_value_info, shape=[])
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Add", ["v", "v"], ["w"])],
        "body",
        [
            scalar("i", TensorProto.INT64),
            scalar("go", TensorProto.BOOL),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, None),
        ],
        [
            scalar("on", TensorProto.BOOL),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, None),
        ],
    )
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["p"], **MEAN),
        helper.make_node("Loop", ["t", "c", "p"], ["y"], body=body),
    ]
    return write(folder, nodes, {"t": np.int64(2**62), "c": True})


def greedy(folder):
    """A model that fills 6 GB."""
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["big"]),
        helper.make_node("ReduceMean", ["big"], ["m"], keepdims=0),
        helper.make_node("ReduceMean", ["x"], ["p"], **MEAN),
        helper.make_node("Add", ["p", "m"], ["y"]),
    ]
    return write(folder, nodes, {"s": [40_000, 40_000]})


def plain(folder):
    return write(folder, [helper.make_node("ReduceMean", ["x"], ["y"], **MEAN)], {})


@pytest.fixture
def nothing_here(monkeypatch):
    """Nothing is read or run in this process, as in a server."""

    def refuse(*_):
        raise AssertionError("a model was opened in the server")

    monkeypatch.setattr(onnx.OnnxEncoder, "__init__", refuse)


def test_a_loop_without_an_end_is_not_waited_for(tmp_path, home, monkeypatch, nothing_here):
    monkeypatch.setattr(trial, "SECONDS", 4.0)
    with pytest.raises(EncoderError, match=r"m\.onnx cannot be used: it took over 4 s"):
        add_encoder("loop", looping(tmp_path))
    assert not (home / "encoders").exists()


@pytest.mark.skipif(not LIMITS_MEMORY, reason="this system cannot limit memory")
def test_a_model_that_fills_the_memory_is_not_added(tmp_path, home, nothing_here):
    with pytest.raises(EncoderError, match=r"m\.onnx cannot be used: it needed more than 4\.0 GB"):
        add_encoder("greedy", greedy(tmp_path))
    assert not (home / "encoders").exists()


def test_encoders_are_listed_without_being_opened_here(tmp_path, home, monkeypatch, nothing_here):
    add_encoder("mine", plain(tmp_path))
    tried = []
    real = trial.run_apart
    monkeypatch.setattr(trial, "run_apart", lambda *a, **k: (tried.append(a), real(*a, **k)))
    for _ in range(2):
        listed = {one.id: one for one in available_encoders()}
        assert listed["mine"].spec.dim == 3
        assert listed["mine"].problem == ""
    assert len(tried) == 1  # once for each version of the files
