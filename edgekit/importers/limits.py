"""Limits that model files of every format have in common; docs/untrusted-input.md lists all."""

from __future__ import annotations

# Inputs or outputs, of a model or of one operator.
MAX_OPERANDS = 1000
