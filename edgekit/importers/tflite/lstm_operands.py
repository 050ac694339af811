"""The operands of UNIDIRECTIONAL_SEQUENCE_LSTM, per gate in the order input, forget, output, cell."""

from __future__ import annotations

INPUT_WEIGHTS, RECURRENT_WEIGHTS, BIASES = (1, 2, 4, 3), (5, 6, 8, 7), (12, 13, 15, 14)
PEEPHOLES, PROJECTION, PROJECTION_BIAS, NORMS = (9, 10, 11), 16, 17, (20, 21, 22, 23)
