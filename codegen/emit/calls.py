"""A layer's body in C: calls, and loops of several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from edgekit.codegen.emit import literals
from edgekit.codegen.memory.plan import MemoryPlan
from edgekit.codegen.program import FEED_ROWS, Arg, BufferArg, ConstantArg, KernelCall, Params, ParamsArg, Step
from edgekit.codegen.repeats import Change, Rounds, Table, folded

# Of lists of tables, in C.
Names: TypeAlias = dict[tuple[Table, ...], str]


@dataclass(frozen=True)
class LayerWriter:
    """Statements of a model's layers.

    Args:
        name: of the model, a C identifier.
        plan: where buffers stand.
        regions: the plan's arenas in order.
    """

    name: str
    plan: MemoryPlan
    regions: list[str]

    def statements(self, step: Step) -> list[str]:
        """C statements of a layer's function, in order; lines of one statement are indented by four."""
        statements: list[str] = []
        listed = 0
        for rounds in folded(step.calls):
            names = {tables: f"tables_{listed + index}" for index, tables in enumerate(rounds.pointers)}
            listed += len(names)
            body = [self._unit(rounds, index, names) for index in range(len(rounds.units))]
            statements += [self._list(name, tables) for tables, name in names.items()]
            statements += body if rounds.times == 1 else [_loop("h", rounds.times, body)]
        return statements

    def _list(self, name: str, tables: tuple[Table, ...]) -> str:
        pointers = ", ".join(f"&{self._table(t)}" if isinstance(t, Params) else self._table(t) for t in tables)
        return f"static const {tables[0].c_type} *const {name}[{len(tables)}] = {{{pointers}}};"

    def _table(self, table: Table) -> str:
        return f"{self.name}_{'params' if isinstance(table, Params) else 'table'}_{table.index}"

    def _unit(self, rounds: Rounds, index: int, names: Names) -> str:
        unit = rounds.units[index]
        calls = [
            self._call(call, [rounds.changes.get((index, c, a), Change()) for a in range(len(call.args))], names)
            for c, call in enumerate(unit.calls)
        ]
        return calls[0] if unit.loop is None else _loop("i", unit.loop.times, calls)

    def _call(self, call: KernelCall, changes: list[Change], names: Names) -> str:
        args = [self._argument(arg, change, names) for arg, change in zip(call.args, changes, strict=True)]
        function = f"{self.name}_{FEED_ROWS}" if call.kernel == FEED_ROWS else call.kernel
        return f"{function}(\n        " + ",\n        ".join(args) + ");"

    def _argument(self, arg: Arg, change: Change, names: Names) -> str:
        if isinstance(arg, BufferArg):
            place = self.plan.places[arg.buffer]
            pointer = f"ctx->arena[{self.regions.index(place.region)}] + {place.offset + arg.offset}"
            pointer += _more(arg.advance, "i") + _more(change.step, "h")
            const = "" if arg.writes else "const "
            # Through void *: the plan keeps every buffer aligned for its type.
            return f"({const}{arg.c_type} *)(void *)({pointer})"
        if isinstance(arg, ConstantArg):
            table = f"{names[change.tables]}[h]" if change.tables else self._table(arg.constant)
            if arg.c_type is None:
                return table
            start = f"(const uint8_t *){table} + {arg.offset}" + _more(arg.advance, "i") + _more(change.step, "h")
            return f"(const {arg.c_type} *)(const void *)({start})"
        if isinstance(arg, ParamsArg):
            return f"{names[change.tables]}[h]" if change.tables else f"&{self._table(arg.params)}"
        if isinstance(arg.value, float):
            return literals.float32(arg.value)
        number = literals.integer(arg.value) + (f" + {arg.advance} * (int32_t)i" if arg.advance else "")
        return number + (f" + {change.step} * (int32_t)h" if change.step else "")


def _more(advance: int, counter: str) -> str:
    return f" + {advance}u * {counter}" if advance else ""


def _loop(counter: str, times: int, body: list[str]) -> str:
    indented = "\n".join(line.replace("\n", "\n    ") for line in (f"        {text}" for text in body))
    return f"for (uint32_t {counter} = 0; {counter} < {times}u; ++{counter}) {{\n{indented}\n    }}"
