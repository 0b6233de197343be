//! `streamer late` and the view `metrics_with_late`.

use sqlx::Row;

use crate::look::json_lines;
use crate::support::Stage;

/// Late: 4 events of two keys on two days of Almaty (UTC+5). On time: 16 of the same keys.
const WINDOWS: &str = "
    INSERT INTO settings (watermark_delay_ms, max_future_skew_ms, business_timezone)
    VALUES (120000, 300000, 'Asia/Almaty');
    INSERT INTO real_time_metrics (window_start, window_end, event_type, region, event_count,
        total_duration, total_data_mb, total_amount, exact_data_mb, exact_amount, own)
    SELECT t::timestamp, t::timestamp + INTERVAL '1 minute', e, r, c, 60, mb::float8, 0, mb, 0, true
    FROM (VALUES
        ('2025-11-09 18:59', 'call', 'Osh', 6, 0.1),
        ('2025-11-09 19:00', 'call', 'Osh', 9, 0.2),
        ('2025-11-09 19:01', 'sms', 'Aral', 1, 0),
        ('2025-11-08 12:00', 'sms', 'Osh', 1000, 0)
    ) AS w(t, e, r, c, mb);
    INSERT INTO late_metrics (window_start, window_end, event_type, region, event_count,
        total_duration, total_data_mb, total_amount, exact_data_mb, exact_amount)
    SELECT t::timestamp, t::timestamp + INTERVAL '1 minute', e, r, c, 30, mb::float8, 500, mb, 500
    FROM (VALUES
        ('2025-11-09 18:59', 'call', 'Osh', 2, 0.2),
        ('2025-11-09 19:00', 'call', 'Osh', 1, 0.000001),
        ('2025-11-09 19:05', 'sms', 'Aral', 1, 0)
    ) AS w(t, e, r, c, mb);
    INSERT INTO real_time_metrics (window_start, window_end, event_type, event_count,
        total_duration, total_data_mb, total_amount, region)
    VALUES ('2025-11-09 18:59', '2025-11-09 19:00', 'call', 100, NULL, 0.5, NULL, 'Osh')";

#[test]
fn late_events_are_summed_by_key_and_by_business_day_beside_what_was_on_time() {
    let mut stage = Stage::new();
    stage.streamer(&["late"]).expect(0, &["no late event"]);
    stage.execute(WINDOWS);
    // Foreign rows are nobody's counting, and keys and days without a late event are left out.
    let expected = "\
event type  region  late events  seconds        MB  tenge  of all events
call        Osh               3       60  0.200001   1000        16.67 %
sms         Aral              1       30         0    500        50.00 %

days in Asia/Almaty
day         late events  seconds        MB  tenge  of all events
2025-11-09            2       30       0.2    500        25.00 %
2025-11-10            2       60  0.000001   1000        16.67 %
all days              4       90  0.200001   1500         0.39 %
";
    assert_eq!(stage.streamer(&["late"]).expect(0, &[]).stdout, expected);

    let json =
        stage.streamer(&["late", "--json", "--since", "2025-11-09T19:00:00Z"]).expect(0, &[]);
    let [summary] = &json_lines(&json.stdout)[..] else { panic!("{}", json.stdout) };
    assert_eq!(summary["total"]["late_events"], 2);
    assert_eq!(summary["total"]["on_time_events"], 10);
    assert_eq!(summary["by_day"][0]["day"], "2025-11-10");
    assert_eq!(summary["by_day"][0]["data_mb"], 0.000001);
    assert_eq!(summary["by_event_type_and_region"][0]["region"], "Osh");
    let before = ["late", "--until", "2025-11-09T19:00:00Z"];
    stage.streamer(&before).expect(0, &["all days              2"]);
}

#[test]
fn metrics_with_late_has_one_row_per_key_and_foreign_rows_as_they_are() {
    let mut stage = Stage::new();
    stage.execute(WINDOWS);
    let rows = stage.rows(
        "SELECT window_start::text, window_end::text, event_type::text, event_count, total_duration,
                total_data_mb, total_amount, region::text, processed_at IS NOT NULL
         FROM metrics_with_late WHERE window_start >= '2025-11-09 18:00'
         ORDER BY window_start, event_type, event_count",
    );
    type Line<'r> = (&'r str, &'r str, i64, Option<i64>, Option<f64>, Option<f64>, bool);
    let lines: Vec<Line<'_>> = rows
        .iter()
        .map(|row| {
            let figures = (row.get(3), row.get(4), row.get(5), row.get(6), row.get(8));
            (row.get(0), row.get(2), figures.0, figures.1, figures.2, figures.3, figures.4)
        })
        .collect();
    let expected = [
        // 0.1 + 0.2 in NUMERIC: the double is that of 0.3.
        ("2025-11-09 18:59:00", "call", 8, Some(90), Some(0.3), Some(500.0), true),
        ("2025-11-09 18:59:00", "call", 100, None, Some(0.5), None, true),
        ("2025-11-09 19:00:00", "call", 10, Some(90), Some(0.200001), Some(500.0), true),
        ("2025-11-09 19:01:00", "sms", 1, Some(60), Some(0.0), Some(0.0), true),
        ("2025-11-09 19:05:00", "sms", 1, Some(30), Some(0.0), Some(500.0), true),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn metrics_with_late_has_the_columns_of_the_contract_in_their_order() {
    let mut stage = Stage::new();
    let mut columns = |relation: &str| -> Vec<(String, String)> {
        let rows = stage.rows(&format!(
            "SELECT column_name::text, data_type::text FROM information_schema.columns
             WHERE table_name = '{relation}' ORDER BY ordinal_position LIMIT 9"
        ));
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    };
    assert_eq!(columns("metrics_with_late"), columns("real_time_metrics"));
}
