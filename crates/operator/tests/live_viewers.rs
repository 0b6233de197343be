//! A thousand viewers of the page cost the database no more than one: whatever they ask is answered from memory. Every statement
//! that reaches PostgreSQL is counted on a link in between.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use operator::live::{LinkArgs, LiveArgs, Process, WorkerSeen, serve_live};
use program::{DatabaseArgs, KafkaArgs, Registry, Secret};
use serde_json::Value;
use store::Session;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const VIEWERS: usize = 1_000;
/// Pause between two questions while something is waited for.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// Pause between two looks of the observer, as docs/monitoring.md has it.
const LOOK_EVERY_SECONDS: usize = 5;

/// A process without workers.
struct Idle(Registry);

impl Process for Idle {
    fn workers(&self) -> Vec<WorkerSeen> {
        Vec::new()
    }

    fn registry(&self) -> &Registry {
        &self.0
    }
}

/// Counts what clients ask of a PostgreSQL: executions of prepared statements, and simple queries.
fn counting_link(server: String) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, statements) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&statements);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let to_server = TcpStream::connect(&server).unwrap();
            let (mut answers, mut back) =
                (to_server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || {
                std::io::copy(&mut answers, &mut back).ok();
                back.shutdown(Shutdown::Both).ok();
            });
            let counter = Arc::clone(&counter);
            thread::spawn(move || forward(client, to_server, &counter).ok());
        }
    });
    (address, statements)
}

/// Messages have a type and a length, but for those that begin a session: they have no type.
fn forward(
    mut client: TcpStream,
    mut server: TcpStream,
    counter: &AtomicUsize,
) -> std::io::Result<()> {
    const SSL_REQUEST: [u8; 4] = 80_877_103_u32.to_be_bytes();
    let mut is_begun = false;
    loop {
        let mut head = vec![0; if is_begun { 5 } else { 4 }];
        client.read_exact(&mut head)?;
        let length = u32::from_be_bytes(*head.last_chunk().unwrap()) as usize - 4;
        let mut body = vec![0; length];
        client.read_exact(&mut body)?;
        if is_begun && matches!(head[0], b'E' | b'Q') {
            counter.fetch_add(1, Ordering::SeqCst);
        }
        is_begun |= body.get(..4) != Some(&SSL_REQUEST);
        server.write_all(&head)?;
        server.write_all(&body)?;
    }
}

async fn ask(address: SocketAddr, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// Asks until the observer has looked once more than `seen`.
async fn next_look(address: SocketAddr, seen: &mut BTreeSet<String>) -> Value {
    loop {
        let live: Value = serde_json::from_str(&ask(address, "/live.json").await).unwrap();
        if live["looked_at"].as_str().is_some_and(|at| seen.insert(at.to_owned())) {
            return live;
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_viewers_cost_the_database_no_more_than_one() {
    let url = sandbox::fresh_database().unwrap();
    let mut owner = store::connect(&url, Session::Batch).await.unwrap();
    store::migrate(&mut owner).await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO real_time_metrics (window_start, window_end, event_type, event_count, region)
         VALUES ('2025-11-09 20:00', '2025-11-09 20:01', 'call', 17, 'Almaty'),
                ('2025-11-09 20:05', '2025-11-09 20:06', 'call', 1, 'Almaty')",
    )
    .execute(&mut owner)
    .await
    .unwrap();
    let (user, rest) = url.split_once('@').unwrap();
    let (server, database) = rest.split_once('/').unwrap();
    let (link, statements) = counting_link(server.to_owned());
    let args = LiveArgs {
        address: "127.0.0.1:0".to_owned(),
        kafka: KafkaArgs {
            kafka_bootstrap_servers: sandbox::kafka_bootstrap().unwrap().to_owned(),
            kafka_topic: sandbox::fresh_topic_name(),
            kafka_properties: Secret::from(""),
            topic_partitions: 1,
            topic_replication: 1,
        },
        database: DatabaseArgs { database_url: format!("{user}@{link}/{database}").into() },
        flush_interval: Duration::from_secs(30),
        owners: Vec::new(),
        links: LinkArgs::default(),
    };
    let serving = serve_live(args, Idle(Registry::new()), None).await.unwrap();
    let address = serving.address();
    let mut seen = BTreeSet::new();
    let live = next_look(address, &mut seen).await;
    assert_eq!(
        (&live["day_look"], &live["figures"]["day"]["events"]),
        (&1.into(), &18.into()),
        "{live}"
    );
    // The first look connects, and reads what is read once a minute: no later one asks for more.
    let most_of_a_look = statements.load(Ordering::SeqCst);
    assert!(most_of_a_look >= 15, "the link has counted {most_of_a_look} statements");

    let (before, started) = (most_of_a_look, Instant::now());
    let viewers: Vec<_> = (0..VIEWERS)
        .map(|_| {
            tokio::spawn(async move {
                assert!(ask(address, "/").await.ends_with("</html>\n"));
                assert!(ask(address, "/live.json").await.contains("\"day_look\""));
                assert!(ask(address, "/day.json").await.contains("\"events\":17"));
            })
        })
        .collect();
    for viewer in viewers {
        viewer.await.unwrap();
    }
    next_look(address, &mut seen).await;
    let asked = statements.load(Ordering::SeqCst) - before;
    let looks_at_most = started.elapsed().as_secs() as usize / LOOK_EVERY_SECONDS + 2;
    println!(
        "{VIEWERS} viewers, {asked} statements; one look: {most_of_a_look} at most, looks: {looks_at_most} at most"
    );
    assert!(asked > 0 && asked <= looks_at_most * most_of_a_look, "{asked} statements");
}
