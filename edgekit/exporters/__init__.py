"""Graphs to model files of other tools; file formats stay in here, as in the importers."""
