//! The replaced system's tables, and a database that holds them.

use sqlx::AssertSqlSafe;
use store::{Adoption, PgConnection, Session, adopt};

/// The tables as the replaced system made them, with what it is known to leave behind: a window
/// written twice, a window in two parts, NULL sums, a figure that is no number.
pub(crate) const METRICS: &str = "
    CREATE TABLE real_time_metrics (
        id SERIAL PRIMARY KEY,
        window_start TIMESTAMP NOT NULL,
        window_end TIMESTAMP NOT NULL,
        event_type VARCHAR(50) NOT NULL,
        event_count INTEGER NOT NULL,
        total_duration BIGINT,
        total_data_mb DOUBLE PRECISION,
        total_amount DOUBLE PRECISION,
        region VARCHAR(100),
        processed_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
    );
    CREATE INDEX real_time_metrics_window_start ON real_time_metrics (window_start);
    CREATE INDEX idx_event_type ON real_time_metrics (event_type);
    INSERT INTO real_time_metrics (window_start, window_end, event_type, event_count,
        total_duration, total_data_mb, total_amount, region, processed_at)
    VALUES ('2025-11-09 10:00', '2025-11-09 10:01', 'call', 3, 30, NULL, NULL, 'Osh', '2025-11-09 10:04'),
           ('2025-11-09 10:00', '2025-11-09 10:01', 'call', 3, 30, NULL, NULL, 'Osh', '2025-11-09 10:05'),
           ('2025-11-09 10:00', '2025-11-09 10:01', 'data_session', 4, 60, 0.5, NULL, 'Osh', '2025-11-09 10:04'),
           ('2025-11-09 10:01', '2025-11-09 10:02', 'sms', 1, NULL, NULL, NULL, 'Aral', NULL),
           ('2025-11-09 10:01', '2025-11-09 10:02', 'sms', 2, NULL, NULL, NULL, 'Aral', '2025-11-09 10:05'),
           ('2025-11-09 10:01', '2025-11-09 10:02', 'sms', 2, NULL, NULL, NULL, 'Aral', '2025-11-09 10:06'),
           ('2025-11-12 10:00', '2025-11-12 10:01', 'call', 1, 1, 'NaN', 0, 'Osh', '2025-11-12 10:04');";

pub(crate) const VIEW: &str =
    "CREATE VIEW dashboard AS SELECT event_type, event_count FROM real_time_metrics";

pub(crate) const DAILY: &str = "
    CREATE TABLE daily_stats (
        id SERIAL PRIMARY KEY,
        date DATE NOT NULL,
        event_type VARCHAR(50) NOT NULL,
        region VARCHAR(100),
        total_events BIGINT,
        total_duration_hours DOUBLE PRECISION,
        total_data_tb DOUBLE PRECISION,
        total_amount DOUBLE PRECISION,
        avg_duration_seconds DOUBLE PRECISION,
        avg_data_per_user_mb DOUBLE PRECISION,
        UNIQUE (date, event_type, region)
    );
    INSERT INTO daily_stats (date, event_type, region, total_events, total_duration_hours,
        total_data_tb, total_amount, avg_duration_seconds, avg_data_per_user_mb)
    VALUES ('2025-11-08', 'call', 'ALL', 100, 2.5, 0.25, 1.125, 45, 2),
           ('2025-11-08', 'call', 'Osh', 100, 2.5, 0.25, 1.125, NULL, NULL),
           ('2025-11-08', 'call', NULL, 7, 0, 0, 0, 0, 0);";

/// Everything that a crash may not change: relations, rights, the database's settings, and the rows.
pub(crate) const EVERYTHING: &str = "
    SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
        SELECT format('%s %s ', relkind, relname) || ' ' || COALESCE(relacl::text, '') AS line
        FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT setconfig::text FROM pg_db_role_setting JOIN pg_database d
                  ON d.oid = setdatabase AND datname = current_database()
        UNION ALL SELECT m::text FROM real_time_metrics m
        UNION ALL SELECT d::text FROM daily_stats d
    ) AS everything";

pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) connection: PgConnection,
}

impl Database {
    pub(crate) async fn with(statements: &[&str]) -> Self {
        let url = sandbox::fresh_database().unwrap();
        let connection = store::connect(&url, Session::Batch).await.unwrap();
        let mut database = Database { url, connection };
        for statement in statements {
            database.execute(statement).await;
        }
        database
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        store::connect(&self.url, Session::Batch).await.unwrap()
    }

    pub(crate) async fn execute(&mut self, statements: &str) {
        let statements = AssertSqlSafe(statements.to_owned());
        sqlx::raw_sql(statements).execute(&mut self.connection).await.unwrap();
    }

    pub(crate) async fn text(&mut self, query: &str) -> String {
        let query = AssertSqlSafe(query.to_owned());
        sqlx::query_scalar(query).fetch_one(&mut self.connection).await.unwrap()
    }

    /// One line per row, columns separated by commas, NULL empty.
    pub(crate) async fn lines(&mut self, query: &str) -> Vec<String> {
        let query =
            AssertSqlSafe(format!("SELECT trim(BOTH '()' FROM q::text) FROM ({query}) AS q"));
        sqlx::query_scalar(query).fetch_all(&mut self.connection).await.unwrap()
    }

    pub(crate) async fn adopt(&mut self) -> Adoption {
        adopt(&mut self.connection).await.unwrap()
    }
}
