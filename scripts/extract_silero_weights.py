"""Make `src/voicewire/vad/weights/*.npz` from Silero's ONNX file, and the tests' reference output.

    python scripts/extract_silero_weights.py
    python scripts/extract_silero_weights.py --golden

The file comes with the package `silero-vad` 6.2.3 (MIT licence; a copy stands beside the weights),
which is a development dependency for its sake.

It holds two models, one for each sample rate, as the two branches of an `If`. `--golden` writes
what onnxruntime says to the recordings in `tests/data/speech` and to noise, instead of the weights.
"""

import hashlib
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

ONNX_SHA256 = "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3"
ROOT = Path(__file__).parent.parent
WEIGHTS_DIR = ROOT / "src/voicewire/vad/weights"
GOLDEN_FILE = ROOT / "tests/data/silero_golden.npz"
BRANCH_RATES = {"then_branch": 16000, "else_branch": 8000}

Floats = NDArray[np.float32]


def main(arguments: list[str]) -> None:
    package = find_spec("silero_vad")  # found, not imported: that would ask for PyTorch
    if package is None or package.origin is None:
        raise SystemExit("the package silero-vad is not installed; see pyproject.toml")
    path = Path(package.origin).parent / "data/silero_vad.onnx"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != ONNX_SHA256:
        raise SystemExit(f"{path} has SHA-256 {digest}; expected {ONNX_SHA256}")
    if "--golden" in arguments:
        write_golden(path)
    else:
        write_weights(path)


def write_weights(path: Path) -> None:
    """Write each branch's tensors under the names they have in PyTorch."""
    (branching,) = (node for node in onnx.load(str(path)).graph.node if node.op_type == "If")
    for branch in branching.attribute:
        tensors = {}
        for node in branch.g.node:
            values = [a.t for a in node.attribute if a.name == "value"]
            _, marker, name = node.output[0].rpartition("__Inline_0__")
            # Names that begin with a slash or "self." are shapes and indices of the graph.
            if (
                node.op_type == "Constant"
                and marker
                and not name.startswith(("/", "self."))
                and values
            ):
                tensors[name] = onnx.numpy_helper.to_array(values[0])
        file = WEIGHTS_DIR / f"silero_v6_{BRANCH_RATES[branch.name] // 1000}k.npz"
        np.savez(file, **tensors)  # type: ignore[arg-type]
        shapes = ", ".join(f"{name} {tensor.shape}" for name, tensor in tensors.items())
        print(f"{file.name}: {shapes}")


def write_golden(path: Path) -> None:
    """Write the probabilities of every window of every input, at both rates."""
    sys.path.insert(0, str(ROOT))
    from tests.vad.golden import golden_inputs

    golden = {}
    for rate in (16000, 8000):
        for name, pcm in golden_inputs(rate).items():
            golden[f"{name}_{rate}"] = reference_probabilities(path, pcm, rate)
    np.savez_compressed(GOLDEN_FILE, **golden)  # type: ignore[arg-type]
    print(f"{GOLDEN_FILE.name}: {', '.join(f'{k} {v.shape}' for k, v in golden.items())}")


def reference_probabilities(path: Path, pcm: NDArray[np.int16], rate: int) -> Floats:
    """Return onnxruntime's probability for each whole window, its state carried along."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    window, context = rate * 32 // 1000, rate * 4 // 1000
    audio = pcm.astype(np.float32) / np.float32(32768)
    state: Floats = np.zeros((2, 1, 128), np.float32)
    before: Floats = np.zeros(context, np.float32)
    probabilities = []
    for start in range(0, len(audio) - window + 1, window):
        chunk = np.concatenate([before, audio[start : start + window]])
        inputs = {"input": chunk[None], "state": state, "sr": np.array(rate, np.int64)}
        output, state = session.run(None, inputs)
        probabilities.append(output[0, 0])
        before = chunk[-context:]
    return np.array(probabilities, np.float32)


if __name__ == "__main__":
    main(sys.argv[1:])
