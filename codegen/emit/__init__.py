"""C emission. Generated code is calls and tables; arithmetic lives in runtime_c."""

from edgekit.codegen.emit.model import EmittedModel, emit_model, emit_weights
from edgekit.codegen.emit.names import c_name, comment_text
from edgekit.codegen.emit.rendering import template_environment
from edgekit.codegen.emit.selftest import emit_selftest

__all__ = [
    "EmittedModel",
    "c_name",
    "comment_text",
    "emit_model",
    "emit_selftest",
    "emit_weights",
    "template_environment",
]
