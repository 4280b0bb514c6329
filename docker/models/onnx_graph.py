"""Builds ONNX models node by node."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_OPSET: Final = 17
_IR_VERSION: Final = 8
"""The versions that every onnxruntime since 1.12 reads."""

Shape = Sequence[int | str]


class Graph:
    """A graph that grows from its input to its output."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, values: NDArray[Any]) -> str:
        """Adds numbers to the model; returns their name."""
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(
        self,
        operator: str,
        *inputs: str,
        outputs: int = 1,
        **attributes: Any,  # noqa: ANN401 - each operator has its own
    ) -> str:
        """Adds an operation; returns the name of its first output. The others are called so with _1, _2 ..."""
        name = f"{operator.lower()}_{len(self._nodes)}"
        names = [name, *(f"{name}_{index}" for index in range(1, outputs))]
        self._nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return name

    def lstm(
        self, sequence: str, weights: Mapping[str, NDArray[Any]], *, layers: int, bidirectional: bool
    ) -> tuple[str, str]:
        """Adds torch's LSTM of several layers over sequence x batch x features, weights named as in torch.

        Returns the names of the last layer's output and of its state after the last step.
        """
        state = ""
        for layer in range(layers):
            ways = [f"_l{layer}", f"_l{layer}_reverse"] if bidirectional else [f"_l{layer}"]
            recurrent = np.stack([gates_for_onnx(weights[f"weight_hh{way}"]) for way in ways])
            bias = [
                np.concatenate([gates_for_onnx(weights[f"bias_{side}{way}"]) for side in ("ih", "hh")]) for way in ways
            ]
            output = self.node(
                "LSTM",
                sequence,
                self.constant(np.stack([gates_for_onnx(weights[f"weight_ih{way}"]) for way in ways])),
                self.constant(recurrent),
                self.constant(np.stack(bias)),
                outputs=2,
                hidden_size=recurrent.shape[-1],
                direction="bidirectional" if bidirectional else "forward",
            )
            state = f"{output}_1"
            by_direction = self.node("Transpose", output, perm=[0, 2, 1, 3])
            sequence = self.node("Reshape", by_direction, self.constant(np.array([0, 0, -1], np.int64)))
        return sequence, state

    def save(
        self, path: Path, inputs: tuple[str, Shape], output: tuple[str, str, Shape], facts: Mapping[str, str]
    ) -> None:
        """Writes the model: `inputs` is a name and a shape, `output` a node, the name it gets, and a shape."""
        node, name, shape = output
        self._nodes.append(helper.make_node("Identity", [node], [name]))
        graph = helper.make_graph(
            self._nodes,
            path.stem,
            [helper.make_tensor_value_info(inputs[0], TensorProto.FLOAT, inputs[1])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
        model.ir_version = _IR_VERSION
        helper.set_model_props(model, dict(facts))
        onnx.checker.check_model(model, full_check=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, path)


def gates_for_onnx(values: NDArray[Any]) -> NDArray[Any]:
    """The gates of an LSTM in ONNX's order (input, output, forget, cell) from torch's (input, forget, cell, output)."""
    gate_input, forget, cell, output = np.split(values, 4)
    return np.concatenate([gate_input, output, forget, cell])


def layers_of(weights: Mapping[str, object], prefix: str) -> int:
    """How many numbered parts, `prefix` followed by 0, 1, 2 ..., have weights."""
    count = 0
    while any(name.startswith(f"{prefix}{count}") for name in weights):
        count += 1
    return count


def below(weights: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """The weights whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): values for name, values in weights.items() if name.startswith(prefix)}
