"""What each chart of deploy/superset/assets must show, as SQL of its own. The keys are the charts' files."""

DAILY = "marts.fct_region_daily"
QUALITY = "marts.mart_data_quality"

EXPECTED = {
    "events": f"SELECT sum(total_events) FROM {DAILY}",
    "data": f"SELECT sum(total_data_tb) FROM {DAILY}",
    "money": f"SELECT sum(total_tenge) FROM {DAILY}",
    "events_by_hour": "SELECT hour_utc, event_type, sum(on_time_events) FROM marts.fct_traffic_hourly GROUP BY 1, 2",
    "events_by_region": f"SELECT date, region, sum(total_events) FROM {DAILY} GROUP BY 1, 2",
    "tenge_by_region": f"SELECT date, region, sum(total_tenge) FROM {DAILY} WHERE total_tenge > 0 GROUP BY 1, 2",
    "per_inhabitant": f"""
        SELECT region, sum(events_per_1000) / count(DISTINCT date), sum(data_gb_per_1000) / count(DISTINCT date),
               sum(tenge_per_1000) / count(DISTINCT date)
        FROM {DAILY} GROUP BY 1""",
    "week_before": f"""
        SELECT date, region, event_type, total_events, events_week_before, events_change, state FROM {DAILY}
        ORDER BY date DESC, total_events DESC, region, event_type LIMIT 200""",
    "weeks": """
        SELECT first_day, is_complete, sum(total_events), sum(total_data_tb), sum(total_tenge), max(days_computed)
        FROM marts.fct_region_weekly GROUP BY 1, 2""",
    "incidents": """
        SELECT began_at_utc, region, event_type, measure, direction, state, peak_observed, peak_expected, over_at_utc
        FROM marts.fct_incidents""",
    "frauds": """
        SELECT utc_date, state, sum(cases) FROM marts.fct_fraud GROUP BY 1, 2""",
    "fraud_rules": """
        SELECT rule, mode, sum(cases), sum(CASE WHEN state = 'open' THEN cases ELSE 0 END),
               sum(CASE WHEN state = 'confirmed' THEN cases ELSE 0 END), sum(CASE WHEN state = 'dismissed' THEN cases ELSE 0 END),
               1.0 * sum(CASE WHEN state = 'confirmed' THEN cases ELSE 0 END)
                   / nullif(sum(CASE WHEN state IN ('confirmed', 'dismissed') THEN cases ELSE 0 END), 0)
        FROM marts.fct_fraud GROUP BY 1, 2""",
    "late_share": f"SELECT date, value FROM {QUALITY} WHERE measure = 'late share'",
    "arrivals": f"SELECT date, measure, value FROM {QUALITY} WHERE measure LIKE 'events %e'",
    "dead_letters": f"SELECT date, detail, value FROM {QUALITY} WHERE measure = 'dead letters'",
    "days_not_final": f"SELECT date, measure, detail FROM {QUALITY} WHERE measure LIKE 'day %'",
    "faults": f"""
        SELECT date, measure, detail, value FROM {QUALITY}
        WHERE measure NOT LIKE 'day %' AND measure NOT IN ('late share', 'events on time', 'events late', 'dead letters')""",
}
