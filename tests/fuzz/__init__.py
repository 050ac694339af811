"""Coverage-guided fuzzing of importers, passes, quantizer, lowering and planner; see docs/untrusted-input.md."""
