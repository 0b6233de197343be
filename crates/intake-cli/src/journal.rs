//! The journal: a compacted topic that remembers how far everything was read, written in the transactions of the events.
//!
//! | key | value |
//! |---|---|
//! | `{"name":"asterisk","content":12}` | how far a content was read |
//! | `{"name":"radacct","session":"…"}` | what is remembered of a session; none: nothing any more |
//!
//! It is read to its end at the begin of a life, after the brokers have refused all former lives of the name. Other names'
//! open transactions hide what follows them from a reader of committed records; they end within the timeout of
//! transactions, and are waited for.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use intake::{Write, WriteKey};
use log_reader::{QueryClient, Quiet, query_client, topic_exists};
use program::KafkaArgs;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Message, Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};

/// One question to a broker waits at most this long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long other names' open transactions are waited for: longer than the timeout of a transaction.
const OPEN_TRANSACTIONS_WAIT: Duration = Duration::from_secs(60);
/// Pause between two looks at whether they have ended.
const OPEN_TRANSACTIONS_PAUSE: Duration = Duration::from_millis(50);
/// All of the journal is one log, so that it has one end.
const PARTITION: i32 = 0;

/// A key as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<String>,
}

/// A part of somebody's progress.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) write: Write,
}

/// The key of a part of the progress.
pub(crate) fn key_text(name: &str, key: &WriteKey) -> String {
    let (content, session) = match key {
        WriteKey::Content(number) => (Some(*number), None),
        WriteKey::Session(session) => (None, Some(session.clone())),
    };
    let key = Key { name: name.to_owned(), content, session };
    serde_json::to_string(&key).expect("a key has only texts and whole numbers")
}

fn entry(key: &[u8], value: Option<&[u8]>) -> anyhow::Result<Entry> {
    let key: Key =
        serde_json::from_slice(key).context("a key is not of the form that intake writes")?;
    let what = match (key.content, key.session) {
        (Some(number), None) => WriteKey::Content(number),
        (None, Some(session)) => WriteKey::Session(session),
        _ => bail!("a key names neither one content nor one session"),
    };
    let value = value
        .map(|value| String::from_utf8(value.to_vec()))
        .transpose()
        .context("a value is not UTF-8")?;
    Ok(Entry { name: key.name, write: Write { key: what, value } })
}

/// Makes sure that the journal is there and that nothing is deleted from it.
///
/// # Errors
/// It can't be created; or it is another kind of topic.
pub(crate) async fn ensure_journal(kafka: &KafkaArgs, journal: &str) -> anyhow::Result<()> {
    let admin: AdminClient<DefaultClientContext> = kafka.client_config()?.create()?;
    let options = AdminOptions::new()
        .request_timeout(Some(REQUEST_TIMEOUT))
        .operation_timeout(Some(REQUEST_TIMEOUT));
    let queries = query_client(&kafka.client_config()?)?;
    let asked = journal.to_owned();
    // The question blocks, so it has a thread of its own.
    let is_there = tokio::task::spawn_blocking(move || topic_exists(&queries, &asked))
        .await
        .context("a question about the journal panicked")?
        .with_context(|| format!("cannot look for the journal, topic {journal}"))?;
    // Who may not create topics may use one that is there.
    if !is_there {
        create(kafka, &admin, journal, &options).await?;
    }
    let resource = ResourceSpecifier::Topic(journal);
    let described = match admin.describe_configs([&resource], &options).await {
        Ok(described) => described,
        Err(error) => {
            tracing::warn!(topic = %journal, %error, "whether the journal is compacted can't be seen");
            return Ok(());
        }
    };
    for result in described {
        let policy = match result {
            Ok(resource) => resource.get("cleanup.policy").and_then(|entry| entry.value.clone()),
            Err(code) => {
                tracing::debug!(topic = %journal, %code, "the settings of the journal can't be seen");
                continue;
            }
        };
        let policy = policy.unwrap_or_default();
        ensure!(
            policy == "compact",
            "the journal, topic {journal}, has cleanup.policy={policy}: positions would be deleted, and files read \
             twice; set it to compact, or name another topic with --journal"
        );
    }
    Ok(())
}

async fn create(
    kafka: &KafkaArgs,
    admin: &AdminClient<DefaultClientContext>,
    journal: &str,
    options: &AdminOptions,
) -> anyhow::Result<()> {
    let replication = TopicReplication::Fixed(kafka.topic_replication);
    let topic = NewTopic::new(journal, 1, replication).set("cleanup.policy", "compact");
    for result in admin.create_topics([&topic], options).await? {
        match result {
            Ok(_) => tracing::info!(topic = %journal, "created the journal, a compacted topic"),
            // Somebody else was quicker.
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => bail!(
                "the journal, topic {journal}, can't be created: {code}; create it with \
                 cleanup.policy=compact and one partition, or grant CREATE"
            ),
        }
    }
    Ok(())
}

/// Reads the journal to its end, committed records alone. Blocks.
///
/// # Errors
/// No answer in time, or the topic holds something else.
pub(crate) fn read(kafka: &KafkaArgs, journal: &str) -> anyhow::Result<Vec<Entry>> {
    let mut config = kafka.client_config()?;
    config.set("isolation.level", "read_uncommitted");
    let written: QueryClient = query_client(&config)?;
    config
        // Positions are given by hand; the group only has to have a name.
        .set("group.id", "intake-journal")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("check.crcs", "true")
        .set("isolation.level", "read_committed");
    let reader: BaseConsumer<Quiet> = config.create_with_context(Quiet::default())?;
    let (_, high) = written
        .fetch_watermarks(journal, PARTITION, REQUEST_TIMEOUT)
        .with_context(|| format!("cannot read the ends of the journal, topic {journal}"))?;
    await_committed(&reader, journal, high)?;
    let mut from_start = TopicPartitionList::new();
    from_start.add_partition_offset(journal, PARTITION, Offset::Beginning)?;
    reader.assign(&from_start)?;
    let mut entries = Vec::new();
    loop {
        match reader.poll(REQUEST_TIMEOUT) {
            None => {
                bail!("no broker has answered for {REQUEST_TIMEOUT:?} while the journal was read")
            }
            Some(Ok(message)) => {
                let offset = message.offset();
                let entry = entry(message.key().unwrap_or_default(), message.payload());
                entries.push(entry.with_context(|| {
                    format!("topic {journal} offset {offset} is no journal's; name another topic with --journal")
                })?);
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(entries),
            Some(Err(error)) => return Err(error).context("cannot read the journal"),
        }
    }
}

/// Waits until every transaction that began before `high` has ended.
fn await_committed(reader: &BaseConsumer<Quiet>, journal: &str, high: i64) -> anyhow::Result<()> {
    let deadline = Instant::now() + OPEN_TRANSACTIONS_WAIT;
    loop {
        let (_, stable) = reader.fetch_watermarks(journal, PARTITION, REQUEST_TIMEOUT)?;
        if stable >= high {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "the journal, topic {journal}, can't be read to its end: another transaction has been open at offset \
             {stable} for more than {OPEN_TRANSACTIONS_WAIT:?}"
        );
        std::thread::sleep(OPEN_TRANSACTIONS_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for key in [WriteKey::Content(12), WriteKey::Session("00ff".to_owned())] {
            for value in [None, Some("{}".to_owned())] {
                let text = key_text("a.b", &key);
                let read = entry(text.as_bytes(), value.as_deref().map(str::as_bytes)).unwrap();
                assert_eq!(
                    (read.name.as_str(), &read.write.key, &read.write.value),
                    ("a.b", &key, &value)
                );
            }
        }
        for foreign in
            ["", "x", "{}", r#"{"name":"a"}"#, r#"{"name":"a","content":1,"session":"b"}"#]
        {
            assert!(entry(foreign.as_bytes(), None).is_err(), "{foreign}");
        }
    }
}
