"""Plans for replacement problems of one's own: order, moves, what is made again, and addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgekit.codegen.memory.joint import JointProblem, best_joint
from edgekit.codegen.memory.joint_bound import bound_over_orders
from edgekit.codegen.memory.joint_orders import cheaper_order
from edgekit.codegen.memory.liveness import lifetimes
from edgekit.codegen.memory.order import best_order
from edgekit.codegen.memory.order_problem import problem_of
from edgekit.codegen.memory.remakes import Axis, Making, makings_of
from edgekit.codegen.memory.replacement import Remake, Replacement, ReplacementProblem, Tensor, residences
from edgekit.codegen.memory.replacement_file import FileStep, ReplacementFile
from edgekit.codegen.memory.replacement_placement import blocks_of, solve_placed, with_scratch
from edgekit.codegen.memory.replacement_solver import full_steps
from edgekit.codegen.memory.validate_placement import validate_placement
from edgekit.codegen.program import Buffer, BufferArg, KernelCall, Port, Program, Step
from edgekit.errors import BadUsage

# One unit of effort, some seconds each: of the search for the least peak, states of the search over all orders, and
# of integer programs (`Effort`).
ORDER_EFFORT, JOINT_EFFORT, SOLVER_EFFORT = 2_000_000, 1_000_000, 400_000_000


@dataclass(frozen=True)
class Stay:
    """A tensor on the chip, from position `first` to `last`, at an offset.

    Attributes:
        arrives: "made", "again", "fetched", or "input" for the first arrival of what no step writes.
        leaves: "stored", or "" where no copy is made.
    """

    tensor: int
    first: int
    last: int
    offset: int
    arrives: str
    leaves: str


@dataclass(frozen=True)
class Scratch:
    """Bytes at an offset that steps which run again, to make a tensor, write besides it."""

    tensor: int
    position: int
    size: int
    offset: int


@dataclass(frozen=True)
class ReplacementPlan:
    """What a problem's plan is.

    Attributes:
        positions: the numbers of the steps that run in each position of time: one, or those that run again.
        again: for each position, whether its steps run again.
        outside: numbers of the tensors that live off the chip.
        cost: of all moves, steps that run again and lives outside; lower_bound: of all plans of this order, or of all
            orders.
    """

    positions: tuple[tuple[int, ...], ...]
    again: tuple[bool, ...]
    stays: tuple[Stay, ...]
    scratch: tuple[Scratch, ...]
    outside: tuple[int, ...]
    peak: int
    cost: int
    lower_bound: int

    @property
    def proven(self) -> bool:
        """Whether no plan costs less."""
        return self.cost <= self.lower_bound


def plan_replacement(file: ReplacementFile, capacity: int, free_order: bool, effort: int = 1) -> ReplacementPlan | None:
    """The cheapest plan found, validated; None where none was found.

    Args:
        free_order: steps may run in any order in which each reads what has been written.
        effort: how much may be searched, in units; where it ends the search, the lower bound is what it has reached.

    Raises BadUsage where the order is free and the problem has what only a given order allows.
    """
    if not free_order:
        return _ordered(file, range(len(file.steps)), capacity, effort)
    joint = _joint(file, capacity)
    least = best_order(problem_of(_program(file.steps, file)), effort * ORDER_EFFORT)
    orders = dict.fromkeys((least.positions, tuple(range(len(file.steps)))))
    cheaper = cheaper_order(joint, orders, effort)
    best = None if cheaper is None else _ordered(file, cheaper.order, capacity, effort, cheaper.solution)
    bound = bound_over_orders(joint, effort * SOLVER_EFFORT)
    if cheaper is None or best is None or best.cost > max(bound, cheaper.cost):
        # Its addresses cost more than its live bytes: those of another order may cost less.
        others = [order for order in orders if cheaper is None or order != cheaper.order]
        best = _cheapest(best, *(_ordered(file, order, capacity, effort) for order in others))
    if best is None or bound < best.cost:
        most = sum(joint.stores) + len(file.steps) * sum(joint.fetches) + 1
        found = best_joint(joint, most if best is None else best.cost, effort * JOINT_EFFORT)
        bound = max(bound, found.lower_bound)
        plan = None if found.order is None else _ordered(file, found.order, capacity, effort)
        best = _cheapest(best, plan)
    return None if best is None else replace(best, lower_bound=min(best.cost, bound))


def _cheapest(*plans: ReplacementPlan | None) -> ReplacementPlan | None:
    return min((plan for plan in plans if plan is not None), key=lambda plan: plan.cost, default=None)


def _joint(file: ReplacementFile, capacity: int) -> JointProblem:
    writers = [sum(tensor in step.writes for step in file.steps) for tensor in range(len(file.tensors))]
    there = {tensor for tensor, count in enumerate(writers) if not count}
    for step in file.steps:
        missing = [tensor for tensor in step.reads if tensor not in there]
        if missing:
            raise BadUsage(
                f"step {step.name!r} reads {file.tensors[missing[0]].name!r} before a step writes it: "
                "list steps in an order in which they may run"
            )
        there.update(step.writes)
    for tensor, count in zip(file.tensors, writers, strict=True):
        if count > 1 or tensor.outside is not None or tensor.result:
            raise BadUsage(
                f"tensor {tensor.name!r} is written twice, may live outside or is a result: only --order given has that"
            )
    if any(step.again is not None for step in file.steps):
        raise BadUsage("steps that may run again need --order given")
    stores = (t.store if writers[n] and n in file.read else 0 for n, t in enumerate(file.tensors))
    return JointProblem(
        tuple(tensor.size for tensor in file.tensors),
        tuple(stores),
        tuple(tensor.fetch for tensor in file.tensors),
        tuple(step.reads for step in file.steps),
        tuple(step.writes for step in file.steps),
        capacity,
    )


def _program(steps: Sequence[FileStep], file: ReplacementFile) -> Program:
    """Steps as a program, for what looks at those."""
    buffers = [Buffer(n, t.name, t.size, "activation", file.alignment) for n, t in enumerate(file.tensors)]
    made = []
    for index, step in enumerate(steps):
        args = [BufferArg(buffers[tensor], "uint8_t") for tensor in step.reads]
        args += [BufferArg(buffers[tensor], "uint8_t", True) for tensor in step.writes]
        made.append(Step(index, step.name, "step", 0, [KernelCall("step", tuple(args))], node=index))
    outputs = [
        Port(tensor.name, buffers[n], "uint8_t", "uint8", (tensor.size,), None, None)
        for n, tensor in enumerate(file.tensors)
        if tensor.result
    ]
    return Program("file", made, buffers, [], [], [], outputs)


def _ordered(
    file: ReplacementFile, order: Sequence[int], capacity: int, effort: int, known: Replacement | None = None
) -> ReplacementPlan | None:
    """The cheapest plan for one order; where the effort ends before one with steps that run again has addresses, the
    cheapest without, of which then is not known how much it could save. `known` is the cheapest by live bytes alone."""
    plan = _solved(file, [file.steps[index] for index in order], order, capacity, effort, known)
    if plan is None and any(step.again is not None for step in file.steps):
        once = [replace(file.steps[index], again=None) for index in order]
        plan = _solved(file, once, order, capacity, effort)
        return None if plan is None else replace(plan, lower_bound=0)
    return plan


def _solved(
    file: ReplacementFile,
    steps: Sequence[FileStep],
    order: Sequence[int],
    capacity: int,
    effort: int,
    known: Replacement | None = None,
) -> ReplacementPlan | None:
    """The cheapest plan for the steps in an order."""
    problem = _problem(file, steps, capacity)
    again = {index: float(step.again) for index, step in enumerate(steps) if step.again is not None}
    makings, axis = list[Making](), Axis(len(steps), [])
    if again:
        # Lifetimes have an order of their own.
        program = _program(steps, file)
        lives = lifetimes(program)
        numbers = [life.buffers[0].index for life in lives]
        tight = [bool(excess) for excess in full_steps(problem)]
        found = makings_of(program, lives, tight, again)
        makings = [
            replace(m, life=numbers[m.life], sources=tuple(numbers[source] for source in m.sources)) for m in found
        ]
        axis = Axis(len(steps), makings)
        problem = _with_makings(file, problem, makings, axis)
    solved = solve_placed(problem, file.alignment, effort * SOLVER_EFFORT, known)
    if solved is None:
        return None
    solution, placement = solved
    blocks = blocks_of(problem, solution, file.alignment)
    validate_placement(blocks, placement.offsets, capacity)
    made = [makings[number] for number in sorted(solution.remade)]
    timeline = _Timeline(order, axis, made)
    return ReplacementPlan(
        timeline.positions,
        timeline.again,
        tuple(_stays(file, problem, solution, placement.offsets, timeline)),
        tuple(_scratch(problem, solution, placement.offsets, timeline)),
        tuple(number for number, outside in enumerate(solution.outside) if outside),
        placement.peak,
        solution.cost,
        solution.lower_bound,
    )


def _problem(file: ReplacementFile, steps: Sequence[FileStep], capacity: int) -> ReplacementProblem:
    tensors = []
    for number, tensor in enumerate(file.tensors):
        uses = tuple(n for n, step in enumerate(steps) if number in step.reads or number in step.writes)
        writes = tuple(n for n, step in enumerate(steps) if number in step.writes)
        # Nothing is lost with what no step writes, or none needs.
        needed = number in file.read or tensor.result
        store, fetch = tensor.store if writes and needed else 0, tensor.fetch if needed else 0
        tensors.append(Tensor(tensor.size, uses, writes, store, fetch, tensor.outside, result=tensor.result))
    return ReplacementProblem(tuple(tensors), len(steps), capacity)


def _with_makings(
    file: ReplacementFile, problem: ReplacementProblem, makings: Sequence[Making], axis: Axis
) -> ReplacementProblem:
    """What is read off the chip to make something again costs as much as to fetch it."""
    remakes = tuple(
        Remake(
            m.life,
            axis.place(m),
            m.sources,
            round(m.cycles),
            tuple(file.tensors[s].fetch for s in m.sources),
            m.scratch,
        )
        for m in makings
    )
    tensors = tuple(
        replace(t, uses=tuple(map(axis.step, t.uses)), writes=tuple(map(axis.step, t.writes))) for t in problem.tensors
    )
    return replace(problem, tensors=tensors, steps=axis.length, remakes=remakes)


class _Timeline:
    """Positions of time in which something runs; `at` turns those of the axis into them."""

    def __init__(self, order: Sequence[int], axis: Axis, makings: Sequence[Making]) -> None:
        runs: dict[int, tuple[tuple[int, ...], bool]] = {axis.step(n): ((step,), False) for n, step in enumerate(order)}
        # What is made of another thing was written after it.
        for making in sorted(makings, key=lambda making: making.steps[-1]):
            before, _ = runs.get(axis.place(making), ((), True))
            runs[axis.place(making)] = (*before, *(order[step] for step in making.steps)), True
        kept = sorted(runs)
        self.positions = tuple(runs[position][0] for position in kept)
        self.again = tuple(runs[position][1] for position in kept)
        self.at = {position: index for index, position in enumerate([*kept, axis.length])}


def _stays(
    file: ReplacementFile,
    problem: ReplacementProblem,
    solution: Replacement,
    offsets: Sequence[int],
    timeline: _Timeline,
) -> list[Stay]:
    made = {(problem.remakes[n].tensor, problem.remakes[n].step) for n in solution.remade}
    found = []
    for stay, offset in zip(residences(problem, solution), offsets, strict=False):
        tensor = problem.tensors[stay.tensor]
        arrives = "made" if tensor.uses[0] in tensor.writes else "input"
        if stay.first > tensor.uses[0]:
            arrives = "again" if (stay.tensor, stay.first) in made else "fetched"
        leaves = "stored" if stay.stored and tensor.writes else ""
        if not (stay.tensor in file.read or tensor.result):
            arrives, leaves = "made", ""
        first, last = timeline.at[stay.first], timeline.at[stay.last]
        found.append(Stay(stay.tensor, first, last, offset, arrives, leaves))
    return found


def _scratch(
    problem: ReplacementProblem, solution: Replacement, offsets: Sequence[int], timeline: _Timeline
) -> list[Scratch]:
    making = [problem.remakes[number] for number in with_scratch(problem, solution)]
    places = zip(making, offsets[len(offsets) - len(making) :], strict=True)
    return [Scratch(remake.tensor, timeline.at[remake.step], remake.scratch, offset) for remake, offset in places]
