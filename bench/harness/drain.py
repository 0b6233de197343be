"""One measured `streamer --drain`, and kcat on the same topic: what curves and scaling are made of."""

from .places import program
from .process import Cost, Measured
from .servers import Database, Topic, connect, kafka


def streamers(topic: Topic, events: int, processes: int = 1, workers: int = 1) -> dict[str, object]:
    """So many processes share a topic until it is empty; their costs added up, and each one's memory.

    `RuntimeError` when one fails, or when not every event has become part of a row.
    """
    with Database() as database:
        database.migrate()
        command = [program("streamer"), "--drain", "--workers", str(workers)]
        running = [Measured(command, topic.environment(database)) for _ in range(processes)]
        costs = [measured.wait(600) for measured in running]
        with connect(database.url) as session:
            rows, stored = session.execute(
                "SELECT count(*), COALESCE(sum(event_count), 0)::bigint FROM real_time_metrics"
            ).fetchone()
    failed = [cost.exit_code for cost in costs if cost.exit_code != 0]
    if failed or stored != events:
        raise RuntimeError(f"streamer: {stored} of {events} events stored, exit codes {failed or 0}")
    return {
        "cpu_seconds": sum(cost.cpu_seconds for cost in costs),
        "wall_seconds": max(cost.wall_seconds for cost in costs),
        "peak_rss_bytes": [cost.peak_rss_bytes for cost in costs],
        "rows": rows,
    }


def kcat(topic: Topic) -> Cost:
    """Consume and discard."""
    with Measured(["kcat", "-C", "-e", "-q", "-b", kafka(), "-t", topic.name]) as measured:
        return measured.wait(600)
