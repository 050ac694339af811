"""TFLite files."""

from edgekit.importers.tflite.importer import import_tflite

__all__ = ["import_tflite"]
