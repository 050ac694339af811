"""A program that does not fit on the chip, with copies of buffers off the chip and back where that is cheaper.

Which copies is for replacement.py to say, over all memory on the chip as one; here its decisions become buffers and
calls: each stay of a buffer on the chip is a buffer of its own, with a copy off the chip that the steps around a gap
write and read. Regions and offsets are then planned as for any program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgekit.codegen.memory.liveness import Lifetime, lifetimes
from edgekit.codegen.memory.plan import MemoryPlan
from edgekit.codegen.memory.region import PlanRegion
from edgekit.codegen.memory.replacement import Replacement, ReplacementProblem, Residence, Tensor, residences, solve
from edgekit.codegen.memory.replacement_placement import solve_placed
from edgekit.codegen.memory.traffic import bytes_moved, passes, traffic
from edgekit.codegen.program import COPY, Buffer, BufferArg, KernelCall, Literal, Move, Port, Program, Step

# Cycles per word that a copy takes besides its accesses: four words in eight instructions.
COPY_CYCLES = 2


def with_moves(program: Program, regions: Sequence[PlanRegion], objective: str = "time") -> Program:
    """The program with the moves of the cheapest replacement; as it is where that has none.

    Args:
        objective: "time", modelled cycles, or "bytes", those that cross to and from memory off the chip.
    """
    inside = [region for region in regions if not region.external]
    outside = [region for region in regions if region.external]
    if not (inside and outside and program.steps):
        return program
    lives = lifetimes(program)
    problem = replacement_problem(program, lives, inside, outside[0], objective)
    solution = _solved(problem, lives, one_region=len(inside) == 1)
    if solution is None or not any(solution.dropped):
        return program
    return _Rewriter(program, lives, problem, solution).program()


def _solved(problem: ReplacementProblem, lives: Sequence[Lifetime], one_region: bool) -> Replacement | None:
    """By live bytes where several regions share the buffers; else with a placement."""
    if not one_region:
        return solve(problem)
    found = solve_placed(problem, max(life.alignment for life in lives))
    return None if found is None else found[0]


def moved_cost(program: Program, plan: MemoryPlan, objective: str) -> int:
    """What a planned program costs by an objective, see `with_moves`."""
    if objective == "time":
        return plan.cost + COPY_CYCLES * sum(move.bytes for move in program.moves)
    moved = passes(program)
    return sum(size for buffer, size in moved.items() if plan.regions[plan.places[buffer].region].external)


def replacement_problem(
    program: Program, lives: Sequence[Lifetime], inside: Sequence[PlanRegion], outside: PlanRegion, objective: str
) -> ReplacementProblem:
    """What may move, with costs in modelled cycles per word, or in bytes."""
    capacity = sum(region.capacity for region in inside)
    near = sum(region.access_cost * region.capacity for region in inside) / max(1, capacity)
    if objective == "bytes":
        moved, far, per_byte = passes(program), 1.0, 1.0
    else:
        moved, far, per_byte = traffic(program), outside.access_cost - near, near + outside.access_cost + COPY_CYCLES
    uses: dict[Buffer, list[int]] = {}
    writes: dict[Buffer, list[int]] = {}
    for step in program.steps:
        for found, buffers in ((uses, step.buffers()), (writes, list(step.written()))):
            for buffer in buffers:
                found.setdefault(buffer, []).append(step.index)
    given = {port.buffer for port in program.inputs if not port.row_axis}
    results = {port.buffer for port in program.outputs}
    tensors = []
    for life in lives:
        move = round(life.size * per_byte)
        tensors.append(
            Tensor(
                size=life.size,
                uses=_steps(life, uses) or (0,),
                writes=_steps(life, writes),
                store=move,
                fetch=move,
                outside=round(bytes_moved(life, moved) * far),
                given=any(buffer in given for buffer in life.buffers),
                result=any(buffer in results for buffer in life.buffers),
            )
        )
    return ReplacementProblem(tuple(tensors), len(program.steps), capacity)


def _steps(life: Lifetime, of: dict[Buffer, list[int]]) -> tuple[int, ...]:
    return tuple(sorted({step for buffer in life.buffers for step in of.get(buffer, [])}))


class _Rewriter:
    """Builds the program with moves."""

    def __init__(
        self, program: Program, lives: Sequence[Lifetime], problem: ReplacementProblem, solution: Replacement
    ) -> None:
        self._program = program
        self._made: list[Buffer] = []
        self._stays: dict[Buffer, list[tuple[range, Buffer]]] = {}
        self._copies: dict[Buffer, Buffer] = {}
        self._before: dict[int, list[Move]] = {}
        self._after: dict[int, list[Move]] = {}
        self._life = {buffer: life for life in lives for buffer in life.buffers}
        self._spans: dict[Buffer, list[int]] = {}
        for step in program.steps:
            for buffer in step.buffers():
                self._spans.setdefault(buffer, []).append(step.index)
        by_tensor: dict[int, list[Residence]] = {}
        for residence in residences(problem, solution):
            by_tensor.setdefault(residence.tensor, []).append(residence)
        for index, life in enumerate(lives):
            if solution.dropped[index]:
                self._split(life, by_tensor.get(index, []))
            else:
                for buffer in life.buffers:
                    made = self._make(replace(buffer, outside=solution.outside[index]))
                    self._stays[buffer] = [(range(len(program.steps) + 1), made)]

    def program(self) -> Program:
        steps = [self._step(step) for step in self._program.steps]
        moves = [
            move
            for step in range(len(steps))
            for move in (*self._before.get(step, []), *self._after.get(step, []))
        ]  # fmt: skip
        return replace(
            self._program,
            steps=steps,
            buffers=self._made,
            inputs=[self._port(port, 0) for port in self._program.inputs],
            outputs=[self._port(port, len(steps)) for port in self._program.outputs],
            moves=moves,
        )

    def _make(self, buffer: Buffer) -> Buffer:
        made = replace(buffer, index=len(self._made))
        self._made.append(made)
        return made

    def _split(self, life: Lifetime, stays: Sequence[Residence]) -> None:
        """A copy off the chip for the lifetime, and for each stay the buffers that it touches then."""
        copy = replace(life.buffers[0], size=life.size, alignment=life.alignment, kind="copy", outside=True)
        for buffer in life.buffers:
            if buffer.kind in ("input", "output"):
                copy = replace(copy, label=buffer.label, kind=buffer.kind)
        copy = self._make(copy)
        for buffer in life.buffers:
            self._copies[buffer] = copy
        for stay in stays:
            for buffer in life.buffers:
                spans = self._spans.get(buffer, [])
                if any(stay.first <= step <= stay.last for step in spans):
                    self._stays.setdefault(buffer, []).append((range(stay.first, stay.last + 1), self._make(buffer)))
            if stay.fetched:
                self._move(self._before, stay.first, life, copy, fetches=True)
            if stay.stored:
                self._move(self._after, stay.last, life, copy, fetches=False)

    def _move(self, moves: dict[int, list[Move]], step: int, life: Lifetime, copy: Buffer, fetches: bool) -> None:
        """To the buffer that holds the value before the step, or from the one that does after it."""
        touched = [buffer for buffer in life.buffers if step in self._spans.get(buffer, [])]
        holder = touched[0] if fetches else touched[-1]
        near = self._at(holder, step)
        source, target = (copy, near) if fetches else (near, copy)
        moves.setdefault(step, []).append(Move(step, holder.label, source, target, near.size, fetches))

    def _at(self, buffer: Buffer, step: int) -> Buffer:
        """What stands for a buffer at a step: itself on the chip, or its copy."""
        for span, made in self._stays.get(buffer, []):
            if step in span:
                return made
        return self._copies[buffer]

    def _port(self, port: Port, step: int) -> Port:
        # A streamed input is never whole: its buffer is what its steps touch.
        at = self._spans[port.buffer][0] if port.row_axis else step
        buffer = self._at(port.buffer, at)
        if any(move.target is buffer for move in self._before.get(at, [])):
            # What its first step fetches has arrived off the chip.
            buffer = self._copies[port.buffer]
        return replace(port, buffer=buffer)

    def _step(self, step: Step) -> Step:
        def mapped(buffer: Buffer) -> Buffer:
            return self._at(buffer, step.index)

        calls = [
            replace(
                call,
                args=tuple(replace(a, buffer=mapped(a.buffer)) if isinstance(a, BufferArg) else a for a in call.args),
            )
            for call in step.calls
        ]
        before = [_copy_call(move) for move in self._before.get(step.index, [])]
        after = [_copy_call(move) for move in self._after.get(step.index, [])]
        return replace(
            step,
            calls=[*before, *calls, *after],
            # Others would now seem to die where they only leave the chip.
            in_place=[(mapped(a), mapped(b)) for a, b in step.in_place if self._life[a] is self._life[b]],
            results=[mapped(buffer) for buffer in step.results],
        )


def _copy_call(move: Move) -> KernelCall:
    target, source = BufferArg(move.target, "uint8_t", True), BufferArg(move.source, "uint8_t")
    return KernelCall(COPY, (target, source, Literal(move.bytes)))
