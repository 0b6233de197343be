"""How long a year takes: 13,140,000 rows of minutes, 25 pairs of type and region. Times are printed, not judged.

The minutes are made by SQL, with the ledger that a streamer would have written; the days by the batcher.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import resource
import time

from proof import check, equal, say
from warehouse import Warehouse

MINUTES = """
    INSERT INTO real_time_metrics (window_start, window_end, event_type, event_count, total_duration, total_data_mb,
                                   total_amount, region, exact_data_mb, exact_amount, own)
    SELECT minute, minute + interval '1 minute', event_type, events, events * 60, mb, tenge, region, mb, tenge, true
    FROM (
        SELECT minute, event_type, region,
               1 + (extract(epoch FROM minute)::bigint / 60 + length(event_type) * 7 + length(region)) % 10 AS events,
               ((extract(epoch FROM minute)::bigint / 60) % 1000)::numeric / 100 AS mb,
               CASE WHEN event_type = 'balance_recharge' THEN 500 ELSE 0 END AS tenge
        FROM generate_series(timestamp '2025-01-01', timestamp '2025-12-31 23:59', interval '1 minute') AS minute,
             unnest(ARRAY['call', 'sms', 'data_session', 'balance_recharge', 'roaming']) AS event_type,
             unnest(ARRAY['Almaty', 'Astana', 'Shymkent', 'Karaganda', 'Semey']) AS region
    ) AS made;
    INSERT INTO day_ledger (topic, generation, partition, quarter_start, on_time)
    SELECT 'made', 0, 0, date_bin('15 minutes', window_start, timestamp '2000-01-01'), sum(event_count)
    FROM real_time_metrics GROUP BY 4;
    INSERT INTO stream_progress (topic, generation, partition, first_offset, next_offset, on_time, watermark, complete_through)
    SELECT 'made', 0, 0, 0, sum(on_time), sum(on_time), timestamp '2026-01-02', timestamp '2026-01-02' FROM day_ledger;
    INSERT INTO settings (watermark_delay_ms, max_future_skew_ms, business_timezone) VALUES (120000, 300000, 'UTC');
"""
LATE_EVENT = """
    INSERT INTO late_metrics (window_start, window_end, event_type, event_count, total_duration, total_data_mb,
                              total_amount, region, exact_data_mb, exact_amount)
    VALUES ('2025-05-05 10:00', '2025-05-05 10:01', 'call', 1, 60, 0, 0, 'Almaty', 0, 0);
    UPDATE day_ledger SET late = late + 1 WHERE quarter_start = '2025-05-05 10:00';
    UPDATE stream_progress SET late = late + 1, next_offset = next_offset + 1;
"""


def checks(folder: pathlib.Path) -> None:
    """A year from nothing, then a run without changes, then one changed day."""
    with contextlib.closing(Warehouse("year", folder)) as house:
        house.execute(MINUTES)
        house.connection.cursor().execute("VACUUM ANALYZE")
        house.program("batcher", "--from", "2025-01-01", "--to", "2025-12-31")
        rows = house.value("SELECT count(*) FROM real_time_metrics")
        with check("a year of 13 million minutes is built, and every test passes"):
            timed(house, f"dbt build of a year, {rows} minutes, from nothing")
            equal(house.value("SELECT sum(on_time_events) FROM marts.fct_traffic_hourly"), house.value("SELECT sum(on_time) FROM day_ledger"))
        with check("a run without changes leaves the year as it is"):
            before = house.fingerprint("fct_traffic_hourly")
            timed(house, "dbt build without changes, all tests included")
            timed(house, "dbt run without changes, models alone", "run")
            equal(house.fingerprint("fct_traffic_hourly"), before)
        with check("one late event builds its day again, and no other"):
            house.execute(LATE_EVENT)
            output = timed(house, "dbt build after one late event")
            assert "1 changed days: 2025-05-05" in output, output


def timed(house: Warehouse, what: str, command: str = "build") -> str:
    """Runs dbt and says how long it took, its start included, and the CPU time of dbt and of the server."""
    begin, dbt_cpu, server_cpu = time.monotonic(), cpu_of_children(), cpu_of_server(house)
    output = house.dbt(command)
    dbt_cpu, server_cpu = cpu_of_children() - dbt_cpu, cpu_of_server(house) - server_cpu
    say(f"MEASURED {what}: {time.monotonic() - begin:.1f} s; CPU: dbt {dbt_cpu:.1f} s, PostgreSQL {server_cpu:.1f} s")
    return output


def cpu_of_children() -> float:
    """CPU seconds of the programs that were run and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cpu_of_server(house: Warehouse) -> float:
    """CPU seconds of PostgreSQL's sessions that have ended."""
    backend = house.value("SELECT pg_backend_pid()")
    postmaster = stat_of(backend)[1]
    ticks = stat_of(int(postmaster))
    return (int(ticks[13]) + int(ticks[14])) / os.sysconf("SC_CLK_TCK")


def stat_of(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name of the program: state, parent, …, times of ended children."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
