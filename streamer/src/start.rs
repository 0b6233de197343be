//! What must be in place before a worker starts: the schema, the settings, the topic, and a row for
//! each of its partitions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use log_reader::{Queries, UNNAMED_CLUSTER};
use program::{FoundTopic, duration_text, ensure_topic};
use store::{CountedRecords, Session, StoredPosition};
use windowing::LogEnds;

use crate::config::RunArgs;
use crate::loader::first_positions;

/// Pause between two questions about the log's ends.
const LOG_ENDS_RETRY_PAUSE: Duration = Duration::from_millis(200);

/// What start-up found.
pub(crate) struct Started {
    /// Asks the brokers questions, for all workers.
    pub(crate) queries: Arc<Queries>,
    /// The cluster's id.
    pub(crate) cluster_id: String,
    /// Number of the topic's partitions.
    pub(crate) partition_count: usize,
    /// The ends of each partition's log at start.
    pub(crate) log_ends: Vec<(i32, LogEnds)>,
    /// The database's clock at start.
    pub(crate) database_now: chrono::NaiveDateTime,
    /// Where the partitions stood then.
    pub(crate) positions: Vec<StoredPosition>,
    /// What had been counted by then.
    pub(crate) counted: CountedRecords,
    pub(crate) at: Instant,
}

/// Prepares database and topic, waiting for both up to `--wait`.
pub(crate) async fn start(args: &RunArgs) -> anyhow::Result<Started> {
    let url = args.database.database_url.expose();
    let mut connection = store::connect_within(url, Session::Batch, args.wait).await?;
    store::migrate(&mut connection).await?;
    let settings = store::agree_settings(&mut connection, args.explicit_settings()).await?;
    tracing::info!(
        watermark_delay = duration_text(settings.watermark_delay),
        max_future_skew = duration_text(settings.max_future_skew),
        business_timezone = settings.business_timezone.name(),
        "settings of this database"
    );
    let deadline = Instant::now() + args.wait;
    let found = ensure_topic(&args.kafka, args.wait).await?;
    let queries = Queries::new(&args.kafka.client_config()?)
        .context("the Kafka client refuses its settings; check KAFKA_PROPERTIES")?;
    let queries = Arc::new(queries);
    let ends = log_ends(args, &queries, &found, deadline).await?;
    let topic = &args.kafka.kafka_topic;
    let cluster_id = cluster_id(args, &queries, deadline).await?;
    tracing::info!(cluster_id, "the Kafka cluster that is read");
    if let Some(said) = &args.not_a_copy {
        ensure!(
            *said == cluster_id,
            "--not-a-copy names cluster {said}, and Kafka at {} is cluster {cluster_id}: leave it out, or name this one if you are sure",
            args.kafka.kafka_bootstrap_servers
        );
    }
    let firsts = first_positions(&ends);
    // The first that is written of the topic: at the wrong cluster nothing is.
    let (named, start) = ((topic.as_str(), Some(cluster_id.as_str())), args.start.into());
    store::ensure_partitions(&mut connection, named, &firsts, start, args.not_a_copy.is_some())
        .await?;
    store::halt_missing_partitions(&mut connection, named, &found.partitions).await?;
    let database_now = store::database_now(&mut connection).await?;
    let positions = store::stored_positions(&mut connection, topic).await?;
    let counted = store::counted_records(&mut connection, topic).await?;
    let (partition_count, at) = (ends.len(), Instant::now());
    Ok(Started {
        queries,
        cluster_id,
        partition_count,
        log_ends: ends,
        database_now,
        positions,
        counted,
        at,
    })
}

/// Which cluster it is. The brokers have told their topics already, and say their cluster's id in the same answer, if they have one.
async fn cluster_id(
    args: &RunArgs,
    queries: &Arc<Queries>,
    deadline: Instant,
) -> anyhow::Result<String> {
    let asking = Arc::clone(queries);
    let ask = move || asking.cluster_id_before(deadline);
    let told = tokio::task::spawn_blocking(ask).await.context("asking for the cluster's id")?;
    Ok(told.unwrap_or_else(|| {
        tracing::warn!(
            servers = args.kafka.kafka_bootstrap_servers,
            "Kafka does not say which cluster it is: clusters without an id are taken for one and the same"
        );
        UNNAMED_CLUSTER.to_owned()
    }))
}

/// The ends of these partitions' logs, asked for again and again until `deadline`.
async fn log_ends(
    args: &RunArgs,
    queries: &Arc<Queries>,
    found: &FoundTopic,
    deadline: Instant,
) -> anyhow::Result<Vec<(i32, LogEnds)>> {
    loop {
        let (asking, topic) = (Arc::clone(queries), args.kafka.kafka_topic.clone());
        let asked = found.partitions.clone();
        // One bounded question at a time: a process that is asked to stop waits for its blocking threads.
        let ask = move || asking.all_log_ends_before(&topic, &asked, deadline);
        match tokio::task::spawn_blocking(ask).await.context("asking for the log's ends")? {
            Ok(ends) => return Ok(ends),
            // A partition may be without a leader for a while, after a restart of its broker.
            Err(_) if Instant::now() < deadline => tokio::time::sleep(LOG_ENDS_RETRY_PAUSE).await,
            Err(error) => {
                // One of several brokers may be away: the client has heard which.
                let address = queries.sent_on_to().unwrap_or_else(|| found.advertised.clone());
                let silence = args.kafka.silence(&address, args.wait, &error);
                let error = silence.map_or_else(|| error.into(), anyhow::Error::from);
                return Err(
                    error.context(format!("topic {} can't be read", args.kafka.kafka_topic))
                );
            }
        }
    }
}
