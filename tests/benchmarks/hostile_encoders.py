"""ONNX files with their JSON: valid, mutated, truncated, or made to misbehave."""

from __future__ import annotations

import json
from functools import lru_cache

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.benchmarks.hostile_mutations import mutate


def model(nodes, *, opset=17, shape=("n", 3, 8, 8), out=("n", 4), weights=()) -> bytes:
    """Return an ONNX file of these nodes, from ``x`` to ``y``."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
        [numpy_helper.from_array(value, name) for name, value in weights],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    made.ir_version = 9
    return made.SerializeToString()


@lru_cache(maxsize=1)
def encoders() -> dict[str, bytes]:
    """Whole models: one that encodes, and others that must be refused or run astray."""
    rng = np.random.default_rng(2)
    weights = [("w", rng.normal(size=(4, 3, 3, 3)).astype(np.float32))]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    huge = [
        helper.make_node("ConstantOfShape", ["s"], ["big"]),
        helper.make_node("ReduceMean", ["big"], ["m"], keepdims=0),
        helper.make_node("GlobalAveragePool", ["x"], ["p"]),
        helper.make_node("Add", ["p", "m"], ["y"]),
    ]
    wrong = [helper.make_node("Reshape", ["x", "s"], ["y"])]
    text = [helper.make_node("NoSuchOperator", ["x"], ["y"])]
    many = [("s", np.array([40_000, 40_000], np.int64))]
    return {
        "whole": model(nodes, weights=weights),
        "no weights": model(nodes),
        "tensor of 6 GB": model(huge, out=None, weights=many),
        "shape that does not fit": model(wrong, weights=[("s", np.array([7, 5], np.int64))]),
        "unknown operator": model(text),
        "endless loop": _loop(2**62),
        "short loop": _loop(3),
        "weights outside": _outside(model(nodes, weights=weights)),
    }


def _loop(times) -> bytes:
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Add", ["v", "v"], ["w"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, None),
        ],
    )
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["p"], axes=[2, 3], keepdims=0),
        helper.make_node("Loop", ["t", "c", "p"], ["l"], body=body),
        helper.make_node("Identity", ["l"], ["y"]),
    ]
    weights = [("t", np.array(times, np.int64)), ("c", np.array(True))]
    return model(nodes, out=None, weights=weights)


def _outside(data) -> bytes:
    made = onnx.load_from_string(data)
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../../../etc/passwd"
    return made.SerializeToString()


def draw_encoder(rng) -> tuple[str, tuple[bytes, bytes]]:
    """Draw a model and its JSON, one of them changed; return what was done and the bytes."""
    fields = {
        "name": "x", "input_size": 8, "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2],
        "dim": 4, "source": "drawn", "licence": "none",
    }  # fmt: skip
    whole = encoders()
    draw = rng.random()
    name = "whole" if draw < 0.8 else str(rng.choice(list(whole)))
    dim = 3 if "loop" in name or name == "tensor of 6 GB" else 4
    described = json.dumps(fields | {"dim": dim}).encode()
    if draw >= 0.8:
        return name, (whole[name], described)
    if draw < 0.15:
        return "JSON mutated", (whole[name], mutate(described, rng))
    if draw < 0.2:
        odd = (b"[" * 100_000, b"1" * 10_000, described.replace(b"8", b"1e400"),
               described.replace(b" 8", b" 65536"), described.replace(b"0.2", b"1e-320"),
               described.replace(b'"x"', b'"\\ud800"'))  # fmt: skip
        return "odd JSON", (whole[name], odd[int(rng.integers(len(odd)))])
    if draw < 0.3:
        return "truncated", (whole[name][: int(rng.integers(len(whole[name])))], described)
    return "mutated", (mutate(whole[name], rng), described)
