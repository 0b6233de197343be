//! The servers themselves: started, stopped, killed and started again on the same port and data.

use std::net::TcpStream;

use sandbox::{Kafka, KafkaMode, KafkaOptions, Postgres};
use sqlx::{Connection, PgConnection};

fn run(url: &str, statement: &'static str) -> anyhow::Result<i64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connection = PgConnection::connect(url).await?;
        let count = sqlx::query_scalar(statement).fetch_optional(&mut connection).await?;
        Ok(count.unwrap_or(0))
    })
}

#[test]
fn postgres_keeps_its_data_and_port_over_a_crash_and_a_restart() -> anyhow::Result<()> {
    let mut postgres = Postgres::start()?;
    let url = postgres.create_database("kept")?;
    run(&url, "CREATE TABLE t AS SELECT 7::bigint AS n")?;
    for immediate in [true, false] {
        postgres.stop(immediate)?;
        assert_eq!(postgres.pid(), None);
        assert!(run(&url, "SELECT n FROM t").is_err(), "a stopped server must not answer");
        postgres.restart()?;
        assert_eq!(run(&url, "SELECT n FROM t")?, 7);
    }
    let folder = postgres.data_dir();
    drop(postgres);
    assert!(!folder.exists(), "the folder must go with the server");
    Ok(())
}

fn comes_back_on_its_port_after_a_kill_and_after_a_stop(mut kafka: Kafka) -> anyhow::Result<()> {
    let first = kafka.pid();
    let bootstrap = kafka.bootstrap().to_owned();
    kafka.kill()?;
    assert_eq!(kafka.pid(), None);
    kafka.restart()?;
    assert!(kafka.pid().is_some() && kafka.pid() != first);
    kafka.stop()?;
    kafka.restart()?;
    TcpStream::connect(bootstrap)?;
    Ok(())
}

#[test]
fn kafka_with_zookeeper_comes_back_after_a_kill_and_after_a_stop() -> anyhow::Result<()> {
    let options = KafkaOptions { mode: Some(KafkaMode::ZooKeeper), ..KafkaOptions::default() };
    let kafka = Kafka::start_with(&options)?;
    assert!(kafka.zookeeper_log_path().is_some());
    comes_back_on_its_port_after_a_kill_and_after_a_stop(kafka)
}

#[test]
fn kafka_without_zookeeper_comes_back_after_a_kill_and_after_a_stop() -> anyhow::Result<()> {
    let kafka = Kafka::start_with(&KafkaOptions::default().kraft())?;
    assert!(kafka.zookeeper_log_path().is_none());
    comes_back_on_its_port_after_a_kill_and_after_a_stop(kafka)
}
