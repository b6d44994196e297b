#!/usr/bin/env python3
"""Writes the order in which the training runs of the tests take their batches: numpy's default_rng(2), one permutation of
9,000 an epoch, as uint16 of shape [epochs, 9000]. Usage: make.py EPOCHS."""
import sys
import numpy as np

order = np.random.default_rng(2)
epochs = np.stack([order.permutation(9000) for _ in range(int(sys.argv[1]))])
np.save("order.npy", epochs.astype(np.uint16))
