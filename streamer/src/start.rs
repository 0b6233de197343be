//! What must be in place before a worker starts: the schema, the settings, the topic, and a row for
//! each of its partitions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use runtime::{Backoff, DatabaseArgs, ensure_topic};
use store::{PgConnection, Session, connect};
use windowing::Position;

use crate::config::RunArgs;
use crate::consumer::{QueryClient, all_log_ends, query_client};

/// First and longest pause between two attempts to connect.
const CONNECT_RETRY_FIRST: Duration = Duration::from_millis(100);
const CONNECT_RETRY_CAP: Duration = Duration::from_secs(2);

/// Pause between two questions about the log's ends.
const LOG_ENDS_RETRY_PAUSE: Duration = Duration::from_millis(200);

/// What start-up found.
pub(crate) struct Started {
    /// Asks the brokers questions, for all workers.
    pub(crate) query_client: Arc<QueryClient>,
    /// Number of the topic's partitions.
    pub(crate) partition_count: usize,
    /// The end of each partition's log at start.
    pub(crate) log_ends: Vec<(i32, Position)>,
    /// The database's clock at start.
    pub(crate) database_now: chrono::NaiveDateTime,
}

/// Prepares database and topic, waiting for both up to `--wait`.
pub(crate) async fn start(args: &RunArgs) -> anyhow::Result<Started> {
    let mut connection = connect_within(&args.database, args.wait).await?;
    store::migrate(&mut connection).await?;
    let settings = store::agree_settings(&mut connection, args.explicit_settings()).await?;
    tracing::info!(
        watermark_delay = ?settings.watermark_delay,
        max_future_skew = ?settings.max_future_skew,
        business_timezone = settings.business_timezone.name(),
        "settings of this database"
    );
    let partitions = ensure_topic(&args.kafka, args.wait).await?;
    let topic = args.kafka.kafka_topic.clone();
    let client = query_client(&args.kafka.client_config()?)
        .context("the Kafka client refuses its settings; check KAFKA_PROPERTIES")?;
    let query_client = Arc::new(client);
    let client = Arc::clone(&query_client);
    let asked = partitions.clone();
    let deadline = Instant::now() + args.wait;
    let asking = move || loop {
        // A partition may be without a leader for a while, after a restart of its broker.
        match all_log_ends(&client, &topic, &asked) {
            Err(_) if Instant::now() < deadline => std::thread::sleep(LOG_ENDS_RETRY_PAUSE),
            answer => return answer,
        }
    };
    let ends = tokio::task::spawn_blocking(asking)
        .await
        .context("asking for the log's ends")?
        .with_context(|| format!("topic {} can't be read", args.kafka.kafka_topic))?;
    let topic = &args.kafka.kafka_topic;
    store::ensure_partitions(&mut connection, topic, &ends, args.start.into()).await?;
    store::halt_missing_partitions(&mut connection, topic, &partitions).await?;
    let database_now = store::database_now(&mut connection).await?;
    Ok(Started {
        query_client,
        partition_count: ends.len(),
        log_ends: ends.into_iter().map(|(id, _, high)| (id, high)).collect(),
        database_now,
    })
}

/// Connects for work that may take long, trying again for up to `wait` while that can help.
pub(crate) async fn connect_within(
    database: &DatabaseArgs,
    wait: Duration,
) -> anyhow::Result<PgConnection> {
    session_within(database, wait, Session::Batch).await
}

/// The same for a session of another kind.
pub(crate) async fn session_within(
    database: &DatabaseArgs,
    wait: Duration,
    session: Session,
) -> anyhow::Result<PgConnection> {
    let deadline = Instant::now() + wait;
    let mut backoff = Backoff::new(CONNECT_RETRY_FIRST, CONNECT_RETRY_CAP);
    loop {
        match connect(database.database_url.expose(), session).await {
            Err(error) if error.is_retryable() && Instant::now() < deadline => {
                tracing::debug!("no database yet: {error}");
                tokio::time::sleep(backoff.next_wait()).await;
            }
            result => return Ok(result?),
        }
    }
}
