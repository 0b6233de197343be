//! A database with computed days, and flushes into them.

use std::time::Duration;

use chrono::{Days, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use sqlx::AssertSqlSafe;
use store::{BusinessDay, Condition, DayRun, PgConnection, RunOptions, Session};

/// Rows of `real_time_metrics` of a day: three in each quarter of an hour.
pub(crate) const ROWS_A_DAY: u64 = 96 * 3;

pub(crate) struct House {
    url: String,
    pub(crate) connection: PgConnection,
}

impl House {
    pub(crate) async fn new() -> Self {
        let url = sandbox::fresh_database().unwrap();
        let mut connection = store::connect(&url, Session::Batch).await.unwrap();
        store::migrate(&mut connection).await.unwrap();
        execute(
            &mut connection,
            "INSERT INTO settings (watermark_delay_ms, max_future_skew_ms, business_timezone) VALUES (120000, 300000, 'UTC');
             INSERT INTO stream_progress (topic, generation, partition, first_offset, next_offset, complete_through)
             VALUES ('t', 0, 0, 0, 0, '2025-12-31')",
        )
        .await;
        House { url, connection }
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        store::connect(&self.url, Session::Batch).await.unwrap()
    }

    pub(crate) async fn connect_to_flush(&self) -> PgConnection {
        store::connect(&self.url, Session::Flush).await.unwrap()
    }

    pub(crate) async fn execute(&mut self, statements: &str) {
        execute(&mut self.connection, statements).await;
    }

    pub(crate) async fn number(&mut self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&mut self.connection).await.unwrap()
    }

    pub(crate) async fn text(&mut self, query: &'static str) -> String {
        sqlx::query_scalar(query).fetch_one(&mut self.connection).await.unwrap()
    }

    /// The days from 2025-11-09 on, computed as final.
    pub(crate) async fn final_days(&mut self, count: u64) -> Vec<BusinessDay> {
        let mut days = Vec::new();
        for number in 0..count {
            days.push(self.final_day(number).await);
        }
        days
    }

    /// One of them: 5 events of each of three regions in the first minute of every quarter of an hour.
    pub(crate) async fn final_day(&mut self, number: u64) -> BusinessDay {
        let first: NaiveDate = "2025-11-09".parse().unwrap();
        let date = first + Days::new(number);
        self.execute(&format!(
            "INSERT INTO real_time_metrics (window_start, window_end, event_type, region, event_count, total_duration,
                 total_data_mb, total_amount, exact_data_mb, exact_amount, own)
             SELECT minute, minute + interval '1 minute', 'call', region, 5, 7, 0.1, 0, 0.1, 0, true
             FROM generate_series(timestamp '{date}', timestamp '{date} 23:45', interval '15 minutes') AS minute,
                  unnest('{{Aral,Osh,Almaty}}'::text[]) AS region;
             INSERT INTO day_ledger (topic, generation, partition, quarter_start, on_time)
             SELECT 't', 0, 0, quarter, 15
             FROM generate_series(timestamp '{date}', timestamp '{date} 23:45', interval '15 minutes') AS quarter;
             UPDATE stream_progress SET on_time = on_time + 1440, next_offset = next_offset + 1440"
        ))
        .await;
        let day = BusinessDay::new(date, chrono_tz::UTC);
        let options = RunOptions {
            condition: Condition::Always,
            include_late: false,
            lock_wait: Duration::from_secs(60),
            started_by: "a test",
        };
        let run = store::compute_day(&mut self.connection, &day, options).await.unwrap();
        assert!(matches!(&run, DayRun::Computed(computed) if computed.state.is_complete()));
        // No sketch of anything: whoever computes the day again would be told that they are damaged.
        self.execute(&format!(
            "INSERT INTO subscriber_sketches (business_day, business_timezone, event_type, region, events_by_subscriber_id,
                 events_by_msisdn, sketch, sketch_crc)
             SELECT '{date}', 'UTC', 'call', region, 0, 0, '', 0 FROM unnest('{{Aral,Osh,Almaty}}'::text[]) AS region"
        ))
        .await;
        day
    }

    /// The day's rows of `daily_stats`, as text.
    pub(crate) async fn figures(&mut self, day: BusinessDay) -> String {
        sqlx::query_scalar(
            "SELECT string_agg(d::text, E'\\n' ORDER BY d::text) FROM daily_stats AS d WHERE date = $1",
        )
        .bind(day.date())
        .fetch_one(&mut self.connection)
        .await
        .unwrap()
    }

    /// Waits until no other session is left.
    pub(crate) async fn until_alone(&mut self) {
        const ALONE: &str = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid())";
        while !sqlx::query_scalar::<_, bool>(ALONE).fetch_one(&mut self.connection).await.unwrap() {
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) async fn execute(connection: &mut PgConnection, statements: &str) {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(connection).await.unwrap();
}

/// So long ago the day ended that it is just not old enough.
pub(crate) fn age_of(day: BusinessDay) -> Duration {
    let age = Utc::now().naive_utc() - day.end() + TimeDelta::hours(1);
    age.to_std().unwrap()
}

static UPSERT: store::FigureSql =
    store::FigureSql::new(include_str!("../../../store/src/flush/queries/upsert_metrics.sql"));

/// Adds an event to each of these minutes, which are in order, with the statements and in the transaction of a flush.
pub(crate) async fn flush(connection: &mut PgConnection, minutes: &[NaiveDateTime]) {
    let count = minutes.len();
    execute(connection, "BEGIN ISOLATION LEVEL READ COMMITTED").await;
    sqlx::query(
        "UPDATE stream_progress SET on_time = on_time + $1, next_offset = next_offset + $1",
    )
    .bind(count as i64)
    .execute(&mut *connection)
    .await
    .unwrap();
    sqlx::query(UPSERT.text())
        .bind(minutes)
        .bind(vec!["call"; count])
        .bind(vec!["Osh"; count])
        .bind(vec![1_i64; count])
        .bind(vec!["1"; count])
        .bind(vec!["0"; count])
        .bind(vec!["0"; count])
        .execute(&mut *connection)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO day_ledger AS l (topic, generation, partition, quarter_start, on_time)
         SELECT 't', 0, 0, date_bin('15 minutes', minute, '2000-01-01') AS quarter, COUNT(*)
         FROM unnest($1::timestamp[]) AS minute GROUP BY quarter ORDER BY quarter
         ON CONFLICT (quarter_start, topic, generation, partition) DO UPDATE SET on_time = l.on_time + EXCLUDED.on_time",
    )
    .bind(minutes)
    .execute(&mut *connection)
    .await
    .unwrap();
    execute(connection, "COMMIT").await;
}

/// Numbers that look random and are always the same.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        // The multiplier and addend of Knuth's MMIX; the high bits are the good ones.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    /// Minutes of a day in order, about half of them ones that have rows.
    pub(crate) fn minutes(&mut self, day: BusinessDay, count: usize) -> Vec<NaiveDateTime> {
        let mut minutes: Vec<i64> = (0..count)
            .map(|_| if self.below(2) == 0 { self.below(96) * 15 } else { self.below(1440) } as i64)
            .collect();
        minutes.sort_unstable();
        minutes.dedup();
        minutes.into_iter().map(|minute| day.start() + TimeDelta::minutes(minute)).collect()
    }
}
