//! `batcher report`: a day on one page, in three forms.

use crate::support::{Database, batcher, check};

/// Three days in Almaty; the last one has a busy evening, and a region whose name is awkward.
async fn reported_database() -> Database {
    let mut database = Database::new().await;
    database
        .execute(
            r#"INSERT INTO settings (watermark_delay_ms, max_future_skew_ms, business_timezone)
             VALUES (120000, 300000, 'Asia/Almaty');
             INSERT INTO real_time_metrics (window_start, window_end, event_type, region, event_count,
                 total_duration, exact_data_mb, exact_amount, own)
             SELECT t::timestamp, t::timestamp + INTERVAL '1 minute', e, r, n, s, m, a, true
             FROM (VALUES
                 ('2025-11-02 10:00', 'call', 'Almaty', 50, 3600, 0, 0),
                 ('2025-11-08 10:00', 'call', 'Almaty', 200, 7200, 1048576, 1000),
                 ('2025-11-09 10:00', 'call', 'Almaty', 60, 36000, 0, 0),
                 ('2025-11-09 14:15', 'sms', E'a,"b"\n\x1b[1m', 30, 0, 0, 0),
                 ('2025-11-09 14:30', 'sms', 'Osh', 10, 0, 2097152.5, 500.25),
                 ('2025-11-09 18:59', 'balance_recharge', 'Osh', 0, 0, 0, 0)
             ) AS w (t, e, r, n, s, m, a);
             INSERT INTO day_ledger (topic, generation, partition, quarter_start, on_time, late)
             SELECT 't', 0, 0, date_bin('15 minutes', window_start, '2000-01-01') AS q, SUM(event_count),
                    7 * (EXTRACT(hour FROM date_bin('15 minutes', window_start, '2000-01-01')) = 18)::int
             FROM real_time_metrics GROUP BY q"#,
        )
        .await;
    database.complete_through("2025-11-09 19:00").await;
    let range = ["--from", "2025-11-01", "--to", "2025-11-09"];
    check(&database.url, &range, 0, &["3 days computed", "6 without data"]);
    database
}

#[tokio::test]
async fn the_page_has_totals_comparisons_regions_and_the_busiest_hour() {
    let database = reported_database().await;
    let (exit, page, _) = batcher(&database.url, &["report", "2025-11-09"]);
    assert_eq!(exit, 0);
    let lines: Vec<&str> = page.lines().collect();
    assert_eq!(
        lines[0],
        "Sunday 2025-11-09, a day in Asia/Almaty (2025-11-08 19:00:00 to 2025-11-09 19:00:00 UTC)"
    );
    assert!(lines[1].starts_with("final; computed "), "{page}");
    assert!(lines[1].ends_with(" UTC; 7 late events are not part of it"), "{page}");
    let expected = r#"
total              the day  day before 2025-11-08    change  same weekday 2025-11-02    change
events                 100                    200   -50.0 %                       50  +100.0 %
duration, hours       10.0                    2.0  +400.0 %                      1.0  +900.0 %
data, TB            2.0000                 1.0000  +100.0 %                   0.0000         -
amount, tenge       500.25                1000.00   -50.0 %                     0.00         -
seconds per event    360.0                   36.0  +900.0 %                     72.0  +400.0 %

event type        events   share  hours      TB   tenge
call                  60  60.0 %   10.0  0.0000    0.00
sms                   40  40.0 %    0.0  2.0000  500.25
balance_recharge       0   0.0 %    0.0  0.0000    0.00

region            events   share  hours      TB   tenge
Almaty                60  60.0 %   10.0  0.0000    0.00
a,"b"\n\u{1b}[1m      30  30.0 %    0.0  0.0000    0.00
Osh                   10  10.0 %    0.0  2.0000  500.25

busiest hour: 15:00 to 16:00 (UTC+05:00), 60 events
"#;
    assert_eq!(format!("\n{}\n", lines[3..].join("\n")), expected);
}

#[tokio::test]
async fn json_and_csv_have_the_figures_in_full() {
    let database = reported_database().await;
    let (exit, json, _) = batcher(&database.url, &["report", "2025-11-09", "--format", "json"]);
    assert_eq!((exit, json.lines().count()), (0, 1));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    for (pointer, expected) in [
        ("/date", serde_json::json!("2025-11-09")),
        ("/state", serde_json::json!("final")),
        ("/stale_because", serde_json::Value::Null),
        ("/start", serde_json::json!("2025-11-08T19:00:00Z")),
        ("/include_late", serde_json::json!(false)),
        ("/late_events", serde_json::json!(7)),
        ("/totals/total_events", serde_json::json!(100)),
        ("/totals/total_data_tb", serde_json::json!(2_097_152.5 / 1_048_576.0)),
        ("/day_before/date", serde_json::json!("2025-11-08")),
        ("/day_before/total_events", serde_json::json!(200)),
        ("/same_weekday/avg_duration_seconds", serde_json::json!(72.0)),
        ("/event_types/0/event_type", serde_json::json!("call")),
        ("/top_regions/1/region", serde_json::json!("a,\"b\"\n\u{1b}[1m")),
        ("/busiest_hour/start", serde_json::json!("2025-11-09T15:00:00+05:00")),
        ("/busiest_hour/events", serde_json::json!(60)),
    ] {
        assert_eq!(json.pointer(pointer), Some(&expected), "{pointer}");
    }

    let (exit, text, _) = batcher(&database.url, &["report", "2025-11-09", "--format", "csv"]);
    assert_eq!(exit, 0);
    let expected = "\
date,event_type,region,total_events,total_duration_hours,total_data_tb,total_amount,avg_duration_seconds
2025-11-09,ALL,ALL,100,10,2.000000476837158,500.25,360
2025-11-08,ALL,ALL,200,2,1,1000,36
2025-11-02,ALL,ALL,50,1,0,0,72
2025-11-09,call,ALL,60,10,0,0,600
2025-11-09,sms,ALL,40,0,2.000000476837158,500.25,0
2025-11-09,balance_recharge,ALL,0,0,0,0,
2025-11-09,ALL,Almaty,60,10,0,0,600
2025-11-09,ALL,\"a,\"\"b\"\"\n\u{1b}[1m\",30,0,0,0,0
2025-11-09,ALL,Osh,10,0,2.000000476837158,500.25,0
";
    assert_eq!(text, expected);
}

#[tokio::test]
async fn a_report_says_what_its_figures_are_worth() {
    let mut database = reported_database().await;
    check(&database.url, &["report", "2025-11-10"], 4, &["daily_stats has no row of that date"]);
    check(
        &database.url,
        &["report", "2025-11-02"],
        0,
        &["day before  change  same weekday  change"],
    );
    database.complete_through("2025-11-09 18:00").await;
    check(&database.url, &["report", "2025-11-09"], 0, &["provisional: it can still change"]);
    database.execute("UPDATE day_ledger SET on_time = on_time + 1").await;
    let said = ["stale: it counted 100 events, now there are 104"];
    check(&database.url, &["report", "2025-11-09"], 0, &said);
    database.execute("DELETE FROM batch_runs").await;
    let said = ["not known whether it is up to date: no run has been noted"];
    check(&database.url, &["report", "2025-11-09"], 0, &said);
}
