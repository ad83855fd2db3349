"""Trained encoders and decoders as ONNX graphs, for programs without Keras."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from latentome._version import __version__
from latentome.errors import InputError, extra
from latentome.estimators.vectors import make_vectors
from latentome.io import atomic_path, guard_writing
from latentome.models import Autoencoder, TiedDecoder

if TYPE_CHECKING:
    import onnx

    from latentome.estimators.base import BaseAutoencoder

#: The first set of operators with an own GELU, and the format of its time: what older runtimes read too.
OPSET, IR_VERSION = 20, 9
#: How far the exported model may be from ours, as a share of the largest value where that is above 1.
TOLERANCE = 1e-5
#: Activations by their Keras name: operator and attributes.
ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "relu": ("Relu", {}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "gelu": ("Gelu", {"approximate": "none"}),
    "elu": ("Elu", {"alpha": 1.0}),
    "selu": ("Selu", {}),
    "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}),
    "softmax": ("Softmax", {"axis": -1}),
    "exponential": ("Exp", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.2}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1.0 / 6.0, "beta": 0.5}),
    "mish": ("Mish", {}),
}
#: Operations of two tensors by the name of their class in Keras.
BINARY = {"Add": "Add", "Subtract": "Sub", "Multiply": "Mul", "Divide": "Div", "TrueDivide": "Div"}
#: What does nothing once a model is trained.
IDENTITIES = ("Dropout", "Cast", "Identity", "InputNoise")


def export_onnx(estimator: BaseAutoencoder, folder: Path) -> list[Path]:
    """Write ``encoder.onnx`` and ``decoder.onnx``, and run both beside our own model before they get their names."""
    _require()
    import onnx

    if folder.exists() and not folder.is_dir():
        raise InputError(
            "The graphs are written into a folder.",
            where=f"{folder}, a file",
            expected="a folder, or a path at which nothing exists",
            todo="give another path",
        )
    if (folder / "preprocessing.json").exists() and not (folder / "encoder.onnx").exists():
        raise InputError(
            "There is the preprocessing of something else.",  # of another run, say, which would be lost without it
            where=str(folder / "preprocessing.json"),
            expected="a new folder, or one with an earlier export",
            todo="give another folder",
        )
    with guard_writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    models = [_in_float32(model) for model in estimator.models_]
    made = make_vectors(models, estimator.n_features_in_)
    written = []
    for part, source, result in (("encoder", "x", "codes"), ("decoder", "decoder_input", "reconstruction")):
        given, expected = made[source], made[result]
        proto = _whole(models, part, given.shape[1], expected.shape[1])
        names = getattr(estimator, "feature_names_in_", None)
        told = {"latentome": __version__, "estimator": type(estimator).__name__, "part": part}
        told |= {} if names is None else {"features": json.dumps([str(name) for name in names])}
        onnx.helper.set_model_props(proto, told)
        onnx.checker.check_model(proto, full_check=True)
        path = folder / f"{part}.onnx"
        with atomic_path(path) as aside:
            aside.write_bytes(proto.SerializeToString())
            _compare(aside, given, expected)
        written.append(path)
    preprocessing = getattr(estimator, "preprocessing_", None)
    if preprocessing is not None:
        written.append(folder / "preprocessing.json")
        preprocessing.save(written[-1])
    return written


def _require() -> None:
    missing, expected = "The export needs packages that are not installed.", "onnx to write, onnxruntime to check"
    with extra("onnx", missing, where="import onnx, onnxruntime", expected=expected):
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401


def _in_float32(model: Autoencoder) -> Autoencoder:
    """The model itself, or where its products are in bfloat16, of which runtimes know little, a copy without."""
    config = model.get_config()
    if config.get("precision", "float32") == "float32":
        return model
    copy = type(model).from_config({**config, "precision": "float32"})
    copy.set_weights(model.get_weights())
    return copy


def _compare(path: Path, given: np.ndarray, expected: np.ndarray) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {session.get_inputs()[0].name: given})
    off = float(np.abs(got - expected).max() / max(1.0, np.abs(expected).max()))
    if not off <= TOLERANCE:
        raise RuntimeError(f"The exported model is off by {off:.3g} of its largest value; at most {TOLERANCE:g} is.")


def _whole(models: list[Autoencoder], part: str, n_in: int, n_out: int) -> onnx.ModelProto:
    """The encoders of all members side by side, or the mean of what their decoders make of their own codes."""
    from onnx import TensorProto, helper

    source, result = ("x", "z") if part == "encoder" else ("z", "x")
    graph = _Graph()
    inputs = [source] * len(models)
    if part == "decoder" and len(models) > 1:
        widths = graph.constant(np.array([model.decoder.input_shape[-1] for model in models], np.int64))
        inputs = graph.add("Split", source, widths, outputs=len(models), axis=1)
    outputs = [graph.member(getattr(model, part), name) for model, name in zip(models, inputs, strict=True)]
    if len(models) == 1:
        last = graph.add("Identity", *outputs)
    else:
        last = graph.add("Concat", *outputs, axis=1) if part == "encoder" else graph.add("Mean", *outputs)
    graph.add("Identity", *last, names=[result])
    described = helper.make_graph(
        graph.nodes,
        part,
        [helper.make_tensor_value_info(source, TensorProto.FLOAT, ["samples", n_in])],
        [helper.make_tensor_value_info(result, TensorProto.FLOAT, ["samples", n_out])],
        graph.constants,
    )
    return helper.make_model(
        described,
        producer_name="latentome",
        producer_version=__version__,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )


class _Graph:
    """Nodes and constants in the making; tensors go by their names."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: Any) -> str:
        """Hold an array, float32 unless it is of integers; gives its name."""
        from onnx import numpy_helper

        array = np.asarray(value)
        array = array if array.dtype == np.int64 else array.astype(np.float32)
        self.constants.append(numpy_helper.from_array(array, f"constant_{len(self.constants)}"))
        return self.constants[-1].name

    def add(
        self, operator: str, *inputs: str, outputs: int = 1, names: list[str] | None = None, **how: Any
    ) -> list[str]:
        """Add a node; gives the names of its outputs."""
        from onnx import helper

        names = names or [f"tensor_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, **how))
        return names

    def one(self, operator: str, *inputs: str, **how: Any) -> str:
        """Add a node of one output; gives its name."""
        return self.add(operator, *inputs, **how)[0]

    def member(self, model: keras.Model, source: str) -> str:
        """Add all that a Keras model does to the tensor `source`; gives the name of its output."""
        known = {id(model.inputs[0]): source}

        def value(tensor: Any) -> str:
            if id(tensor) not in known:
                operation, index, _ = tensor._keras_history  # how Keras walks its own graphs
                arguments = operation._inbound_nodes[index].arguments
                known[id(tensor)] = self.operation(operation, value, arguments.args, arguments.kwargs)
            return known[id(tensor)]

        return value(model.outputs[0])

    def operation(self, operation: Any, value: Callable[[Any], str], args: tuple, kwargs: dict[str, Any]) -> str:
        """Add one operation of Keras; gives the name of what it makes."""
        kind = type(operation).__name__
        given = args[0] if isinstance(args[0], list | tuple) else args
        x = [value(item) for item in given if keras.backend.is_keras_tensor(item)]
        if kind in IDENTITIES:
            return x[0]
        if kind in BINARY:
            operands = [value(item) if keras.backend.is_keras_tensor(item) else self.constant(item) for item in given]
            return self.one(BINARY[kind], *operands)
        if kind == "GetItem":
            return self._columns(operation, x[0], args[1])
        maker = getattr(self, f"_{kind.lower()}", None)
        if maker is None or len(x) != 1 or any(v is not None for v in kwargs.values()):
            raise _unsupported(f"The layer '{operation.name}' ({kind})")
        return maker(operation, x[0])

    def _dense(self, layer: keras.layers.Dense, x: str) -> str:
        x = self.one("MatMul", x, self.constant(layer.kernel))
        x = x if layer.bias is None else self.one("Add", x, self.constant(layer.bias))
        return self._activation(layer, x)

    def _activation(self, layer: keras.layers.Layer, x: str) -> str:
        name = keras.activations.serialize(layer.activation)
        if name in ("silu", "swish"):
            return self.one("Mul", x, self.one("Sigmoid", x))
        if name == "relu6":
            return self.one("Clip", x, self.constant(0.0), self.constant(6.0))
        if name == "linear":
            return x
        if not isinstance(name, str) or name not in ACTIVATIONS:
            raise _unsupported(f"The activation '{name}' of the layer '{layer.name}'")
        operator, how = ACTIVATIONS[name]
        return self.one(operator, x, **how)

    def _relu(self, layer: keras.layers.ReLU, x: str) -> str:
        if layer.max_value is not None or layer.negative_slope or layer.threshold:
            raise _unsupported(f"The layer '{layer.name}' (ReLU with arguments)")
        return self.one("Relu", x)

    def _batchnormalization(self, layer: keras.layers.BatchNormalization, x: str) -> str:
        values = (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
        return self.one("BatchNormalization", x, *map(self.constant, values), epsilon=layer.epsilon)

    def _tieddecoder(self, layer: TiedDecoder, x: str) -> str:
        kernel = self.constant(np.asarray(layer.kernel).T)
        if not layer.own_bias:
            return self.one("MatMul", self.one("Sub", x, self.constant(layer.code_bias)), kernel)
        return self.one("Add", self.one("MatMul", x, kernel), self.constant(layer.bias))

    def _standardise(self, layer: Any, x: str) -> str:
        mean, scale = self.constant(layer.mean), self.constant(layer.scale)
        if layer.inverse:
            return self.one("Add", self.one("Mul", x, scale), mean)
        return self.one("Div", self.one("Sub", x, mean), scale)

    def _columns(self, operation: Any, x: str, key: Any) -> str:
        """``x[:, start:stop]``."""
        whole = isinstance(key, tuple) and len(key) == 2 and key[0] == slice(None) and isinstance(key[1], slice)
        if not whole or key[1].step not in (None, 1):
            raise _unsupported(f"The operation '{operation.name}' (the part {key} of a tensor)")
        ends = (key[1].start or 0, np.iinfo(np.int64).max if key[1].stop is None else key[1].stop)
        return self.one("Slice", x, *(self.constant(np.array([v], np.int64)) for v in (*ends, 1)))


def _unsupported(what: str) -> InputError:
    return InputError(
        f"{what} cannot be exported.",
        where="the export to ONNX",
        expected=f"layers of latentome's models; activations: linear, silu, relu6, {', '.join(sorted(ACTIVATIONS))}",
        todo="train a model with another activation, or load it with latentome",
    )
