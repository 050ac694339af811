"""Comparisons with published engines on public models."""
