"""Write passing.txt anew: python -m tests.onnx.regenerate. The list only grows: a case that fell out is an error."""

from __future__ import annotations

import sys

from tests.onnx.cases import KINDS, PASSED, PASSING, REFUSED, cases, outcome, passing


def main() -> int:
    """Run every case; returns 1, and writes nothing, where a listed case does not pass or any result is wrong."""
    listed = set(passing()) if PASSING.exists() else set()
    results = {name: outcome(case) for kind in KINDS for name, case in cases(kind).items()}
    passed = {name for name, result in results.items() if result == PASSED}
    wrong = {name: r for name, r in results.items() if r not in (PASSED, REFUSED)}
    for name in sorted((listed - passed) | set(wrong)):
        print(f"{name}: {results.get(name, 'no such case')}", file=sys.stderr)
    print(f"{len(passed)} of {len(results)} cases pass, {len(passed - listed)} of them new; {len(wrong)} are wrong")
    if wrong or listed - passed:
        return 1
    PASSING.write_text("".join(f"{name}\n" for name in sorted(passed)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
