"""What is made again: the solver against a search over all that may happen step by step."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, combinations, product

from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.codegen.memory.replacement import Remake, ReplacementProblem, Tensor, residences
from edgekit.codegen.memory.replacement_placement import blocks_of, solve_placed
from edgekit.codegen.memory.replacement_solver import solve
from edgekit.codegen.memory.validate_placement import validate_placement

STEPS = 7


@dataclass(frozen=True)
class _Drawn:
    """A tensor made in step `made` (the first is given), used again in `uses`; `again`: where it may be made again."""

    size: int
    made: int
    uses: frozenset[int]
    again: tuple[int, ...]
    cost: int
    scratch: int
    outside: bool
    result: bool


drawn = st.builds(
    _Drawn,
    st.integers(1, 5),
    st.integers(0, 1),
    st.sampled_from([frozenset({4}), frozenset({6}), frozenset({4, 6}), frozenset({1, 6}), frozenset({1, 2})]),
    st.sampled_from([(), (3,), (5,), (3, 5)]),
    st.integers(0, 3),
    st.integers(0, 1),
    st.sampled_from([False, False, True]),
    st.sampled_from([False, False, True]),
)


def _problem(parts: list[_Drawn], spare: int, movable: bool) -> ReplacementProblem:
    """Steps 3 and 5 are there to make things again, a large tensor stands in step 2 alone, and the capacity is a little
    more than the steps themselves need."""
    tensors, remakes = list[Tensor](), list[Remake]()
    for index, part in enumerate(parts):
        made = 0 if index == 0 else part.made
        uses = sorted({made} | {use for use in part.uses if use > made})
        out = 4 * part.size if part.outside and movable else None
        writes = () if index == 0 else (made,)
        tensors.append(
            Tensor(part.size, tuple(uses), writes, 3 * part.size, 2 * part.size, out, index == 0, part.result)
        )
        sources = tuple(n for n in range(index) if tensors[n].given or tensors[n].uses[0] < made)[-2:]
        for step in part.again if index and sources else ():
            if made < step:
                far = tuple(2 * tensors[n].size for n in sources)
                remakes.append(Remake(index, step, sources, part.cost, far, part.scratch, float(index)))
    tensors.append(Tensor(7, (2,), (2,), 7, 7))
    least = max(sum(t.size for t in tensors if step in t.uses) for step in range(STEPS))
    return ReplacementProblem(tuple(tensors), STEPS, least + spare, tuple(remakes), movable)


problems = st.builds(_problem, st.lists(drawn, min_size=2, max_size=3), st.integers(0, 5), st.booleans())

# Tensors on the chip, and tensors of whose content there is a copy off it.
_State = tuple[frozenset[int], frozenset[int]]


def _subsets(items: list[int]) -> list[tuple[int, ...]]:
    return list(chain.from_iterable(combinations(items, n) for n in range(len(items) + 1)))


def _cheapest(problem: ReplacementProblem) -> int | None:
    choices = [(False,) if t.outside is None else (False, True) for t in problem.tensors]
    costs = [_cheapest_with(problem, frozenset(n for n, o in enumerate(c) if o)) for c in product(*choices)]
    return min((cost for cost in costs if cost is not None), default=None)


def _cheapest_with(problem: ReplacementProblem, out: frozenset[int]) -> int | None:
    """By following all states from step to step."""
    tensors = problem.tensors
    arriving = [n for n, tensor in enumerate(tensors) if tensor.given and n not in out]
    start = sum(tensors[n].outside or 0 for n in out)
    states: dict[_State, int] = {}
    for inside in _subsets(arriving):
        if len(inside) == len(arriving) or problem.movable:
            states[frozenset(inside), frozenset(arriving) - frozenset(inside)] = start
    for step in range(problem.steps):
        reached: dict[_State, int] = {}
        for (near, copies), cost in states.items():
            for state, more in _following(problem, out, step, near, copies):
                reached[state] = min(reached.get(state, cost + more), cost + more)
        states = reached
    ends = []
    for (near, copies), cost in states.items():
        # Results that stay are live at the end, those that leave are stored.
        results = [n for n, tensor in enumerate(tensors) if tensor.result and n not in out]
        for staying in _subsets([n for n in results if n in near]):
            left = [n for n in results if n not in staying and n not in copies]
            fits = sum(tensors[n].size for n in staying) <= problem.capacity
            if fits and (problem.movable or not left) and near.issuperset(left):
                ends.append(cost + sum(tensors[n].store for n in left))
    return min(ends, default=None)


def _following(
    problem: ReplacementProblem, out: frozenset[int], step: int, near: frozenset[int], copies: frozenset[int]
) -> list[tuple[_State, int]]:
    tensors, found = problem.tensors, list[tuple[_State, int]]()
    may_make = [n for n, remake in enumerate(problem.remakes) if remake.step == step and remake.tensor not in out]
    born = {n for n, t in enumerate(tensors) if t.uses[0] == step and not t.given and n not in out}
    needed = {n for n, t in enumerate(tensors) if step in t.uses and n not in out}
    for kept in _subsets(sorted(near)):
        leaving = sorted(near - set(kept))
        for stored in _subsets([n for n in leaving if n not in copies] if problem.movable else []):
            off = copies | set(stored)
            before = sum(tensors[n].store for n in stored)
            for fetched in _subsets(sorted(off - set(kept))):
                for making in _subsets(may_make):
                    remakes = [problem.remakes[n] for n in making]
                    made = {remake.tensor for remake in remakes}
                    here = set(kept) | set(fetched) | made | born
                    size = sum(tensors[n].size for n in here) + sum(remake.scratch for remake in remakes)
                    ready = all(s in here | out for remake in remakes for s in remake.sources)
                    if not (needed <= here and ready and size <= problem.capacity) or made & (set(kept) | set(fetched)):
                        continue
                    cost = before + sum(tensors[n].fetch for n in fetched)
                    for remake in remakes:
                        cost += remake.cost
                        cost += sum(far for s, far in zip(remake.sources, remake.far, strict=True) if s in out)
                    written = {n for n, tensor in enumerate(tensors) if step in tensor.writes}
                    found.append(((frozenset(here), frozenset(off - written)), cost))
    return found


@settings(max_examples=100, deadline=None)
@given(problems)
def test_no_way_to_make_things_again_is_cheaper(problem: ReplacementProblem) -> None:
    solution, best = solve(problem), _cheapest(problem)
    if solution is None:
        assert best is None
        return
    assert best is not None and solution.cost == best and solution.proven
    live = [0] * (problem.steps + 1)
    for block in blocks_of(problem, solution):
        for step in range(block.first, block.last + 1):
            live[step] += block.size
    assert max(live) <= problem.capacity
    assert problem.movable or not any(stay.fetched or stay.stored for stay in residences(problem, solution))


@settings(max_examples=60, deadline=None)
@given(problems)
def test_what_is_made_again_has_a_place(problem: ReplacementProblem) -> None:
    found = solve_placed(problem)
    best = solve(problem)
    if found is None:
        return
    solution, placement = found
    validate_placement(blocks_of(problem, solution), placement.offsets, problem.capacity)
    assert best is not None and solution.cost >= best.cost >= solution.lower_bound


def test_the_lesser_work_is_taken_where_both_cost_nothing() -> None:
    # Either of two tensors makes room for the large one in step 2; step 3 may make one of them again.
    given = Tensor(1, (0, 1), (), 1, 1, given=True)
    first, second = Tensor(4, (0, 4), (0,), 4, 4), Tensor(4, (1, 4), (1,), 4, 4)
    large = Tensor(5, (2,), (2,), 5, 5)
    for works in ((1.0, 2.0), (2.0, 1.0)):
        remakes = tuple(Remake(n, 3, (0,), 0, (1,), work=w) for n, w in zip((1, 2), works, strict=True))
        problem = ReplacementProblem((given, first, second, large), 5, 10, remakes)
        solution = solve(problem)
        assert solution is not None and solution.cost == 0 and solution.proven
        assert solution.remade == {works.index(1.0)}
        assert (0, 3) in {(stay.tensor, stay.last) for stay in residences(problem, solution)}
