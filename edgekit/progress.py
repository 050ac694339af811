"""Progress on a terminal, plain lines elsewhere, nothing for JSON output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class Progress:
    """Says what is going on; `quiet` says nothing. Reports repeat `warnings`."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet, self.warnings = quiet, list[str]()

    def stage(self, text: str) -> None:
        """A stage of the pipeline begins."""
        if not self.quiet:
            print(f"· {text}", file=sys.stderr, flush=True)

    def warn(self, text: str) -> None:
        """Something that the user should know."""
        self.warnings.append(text)
        if not self.quiet:
            print(f"! {text}", file=sys.stderr, flush=True)

    def track(self, items: Sequence[T], text: str) -> Iterable[T]:
        """Iterate with a bar on a terminal."""
        if self.quiet or not sys.stderr.isatty():
            return items
        return self._bar(items, text)

    @contextmanager
    def parts(self, text: str) -> Iterator[Callable[[int, int, str], None]]:
        """For work that counts its own parts: what to call with how many are done, of how many, and a remark."""
        if self.quiet:
            yield lambda done, parts, remark: None
        elif not sys.stderr.isatty():
            yield lambda done, parts, remark: print(f"  {done} of {parts}: {remark}", file=sys.stderr, flush=True)
        else:
            from rich.console import Console
            from rich.progress import Progress as Bars

            with Bars(console=Console(stderr=True), transient=True) as bars:
                bar = bars.add_task(text, total=None)
                yield lambda done, parts, remark: bars.update(
                    bar, completed=done, total=parts, description=f"{text}: {remark}"
                )

    @staticmethod
    def _bar(items: Sequence[T], text: str) -> Iterator[T]:
        from rich.console import Console
        from rich.progress import track

        yield from track(items, description=text, console=Console(stderr=True), transient=True)
