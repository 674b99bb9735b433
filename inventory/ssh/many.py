"""Many visits, as an iterator: jobs are drawn as there is room for them, and the loop only runs while its caller asks for the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from inventory.ssh.driven import STARTS, Loop, Plain, plainly
from inventory.ssh.flight import Job
from inventory.ssh.model import Deadlines, Visit


def visit_many(
    jobs: Iterable[Job],
    *,
    in_flight: int = 256,
    deadlines: Deadlines = Deadlines(),  # noqa: B008  (frozen)
    max_bytes: int = 64_000_000,
    plain: Plain = plainly,
    plain_threads: int = 8,
) -> Iterator[tuple[Job, Visit]]:
    """Make all visits, `in_flight` at a time; yield each as it ends.  Jobs are drawn only as there is room for them."""
    loop = Loop(in_flight=in_flight, deadlines=deadlines, max_bytes=max_bytes, plain=plain, plain_threads=plain_threads)
    source = iter(jobs)
    loop.expecting = True
    try:
        while loop.expecting or not loop.idle:
            while loop.expecting and loop.waiting < STARTS and loop.active < 2 * in_flight:
                job = next(source, None)
                if job is None:
                    loop.expecting = False
                else:
                    loop.submit(job)
            if not loop.idle:
                yield from loop.turn()
    finally:
        loop.close()
