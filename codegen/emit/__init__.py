"""C emission. Generated code is calls and tables; arithmetic lives in runtime_c."""

from edgekit.codegen.emit.model import EmittedModel, emit_model
from edgekit.codegen.emit.names import c_name

__all__ = ["EmittedModel", "c_name", "emit_model"]
