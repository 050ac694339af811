"""A single scale and offset between a transpose and its inverse, as NCHW exports have it: no transposes needed."""

from __future__ import annotations

from edgekit.ir import Graph, Node, Value
from edgekit.ops.spec import real_constant
from edgekit.passes.affine import is_float_product, is_pointwise_affine
from edgekit.passes.base import Pass, add_node, compose, is_op, replace_node


class DropTransposesAroundScale(Pass):
    """transpose(affine(transpose(x))) becomes affine(x) where the transposes undo each other and channels are alike.

    Requires nothing. Ensures that no affine node with one scale and one offset, in float, stands between a transpose
    and its inverse that something other than a transpose reads.
    """

    name = "transposes-around-scale"

    def run(self, graph: Graph) -> bool:
        changed = False
        for node in list(graph.nodes):
            # Where transposes alone read it, they meet their inverse, and the affine node its layer.
            if node.op == "transpose" and any(reader.op != "transpose" for reader, _ in node.output.uses):
                affine = node.input(0).producer
                if affine is not None and _is_uniform(affine) and is_op(affine.input(0), "transpose"):
                    changed |= self._drop(graph, node, affine)
        return changed

    def _drop(self, graph: Graph, outer: Node, affine: Node) -> bool:
        inner = affine.input(0).producer
        assert inner is not None
        if compose(inner.attrs["perm"], outer.attrs["perm"]) != tuple(range(4)):
            return False
        x = inner.input(0)
        operands: list[Value | None] = [x]
        for constant in affine.inputs[1:]:
            assert constant is not None
            number = constant.array.reshape(-1)[:1].repeat(x.shape[3])
            operands.append(Value.constant(constant.name, number.reshape(*constant.shape[:-1], -1)))
        attrs = dict(affine.attrs)
        replace_node(graph, outer, add_node(graph, outer, affine.op, affine.name, operands, attrs, outer.output))
        # What nobody reads any more would still count as a reader of x.
        for node in (affine, inner):
            if not node.output.uses and not graph.is_output(node.output):
                graph.remove(node)
        return True


def _is_uniform(node: Node) -> bool:
    if not is_pointwise_affine(node) or not is_float_product(node):
        return False
    constants = [real_constant(v).reshape(-1) for v in node.inputs[1:] if v is not None]
    return all((c == c[0]).all() for c in constants)
