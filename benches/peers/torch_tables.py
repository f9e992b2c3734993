"""A step of an embedding with sparse gradients: 512 sequences of 32 words, SparseAdam. The fastest of many, in ms.
The counterpart of `tables` in ../training.rs, without clipping, which PyTorch does not do for sparse gradients."""

import time

import torch
from torch import nn

torch.set_num_threads(2)
for rows in (10_000, 1_000_000):
    words = nn.Embedding(rows, 64, sparse=True)
    adam = torch.optim.SparseAdam(words.parameters(), lr=1e-3)
    batches = [torch.randint(rows, (512, 32)) for _ in range(16)]
    least = float("inf")
    for k in range(160):
        start = time.perf_counter()
        adam.zero_grad()
        words(batches[k % 16]).square().mean().backward()
        adam.step()
        least = min(least, time.perf_counter() - start)
    print(f"{rows:>9} rows  {1e3 * least:8.2f}")
