"""Loads models saved by wengert into PyTorch in strict mode and compares the outputs of both on the same input.

    export TORCH_SAVE_DIR=$PWD/target/torch
    cargo test -p wengert-nn --test torch written
    target/peers/bin/pip install torch safetensors numpy
    target/peers/bin/python benches/peers/torch_loads.py "$TORCH_SAVE_DIR"

Exits with status 1 if a name, a shape or a type differs, or if an output differs by more than 1e-6 of the largest.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(20, 8)
        self.lstm = nn.LSTM(8, 6, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(12, 5)

    def forward(self, x):
        return self.head(self.lstm(self.emb(x))[0])


class Gru(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(4, 7, batch_first=True)
        self.head = nn.Linear(7, 3)

    def forward(self, x):
        return self.head(self.gru(x)[1][-1])


MODELS = {
    "mlp": lambda: nn.Sequential(
        nn.Linear(10, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 4)
    ),
    "lenet": lambda: nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 10),
    ),
    "tagger": Tagger,
    "gru": Gru,
    "encoder_layer": lambda: nn.TransformerEncoderLayer(
        12, 3, 24, activation="gelu", norm_first=True, batch_first=True
    ),
}


def check(folder, name):
    """The largest difference relative to the largest output."""
    model = MODELS[name]()
    saved = load_file(folder / f"{name}.safetensors")
    model.load_state_dict(saved, strict=True)
    for key, tensor in model.state_dict().items():
        if tensor.dtype != saved[key].dtype or not torch.equal(tensor, saved[key]):
            raise ValueError(f"{name}: {key} is {saved[key].dtype} in the file and {tensor.dtype} in PyTorch")
    case = load_file(folder / f"{name}.case.safetensors")
    with torch.no_grad():
        output = model.eval()(case["input"])
    return ((output - case["output"]).abs().max() / case["output"].abs().max()).item()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    worst = 0.0
    for name in MODELS:
        distance = check(folder, name)
        print(f"{name}: loaded, outputs differ by {distance:.1e}")
        worst = max(worst, distance)
    sys.exit(worst > 1e-6)
