"""Layers that run by rows, one after the other, so that the tensors between them are never whole."""
