"""ONNX's own backend cases on edgekit."""
