//! The servers themselves: started, stopped, killed and started again on the same port and data.

use sandbox::{Kafka, Postgres};
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

#[test]
fn kafka_comes_back_on_its_port_after_a_kill_and_after_a_stop() -> anyhow::Result<()> {
    let mut kafka = Kafka::start()?;
    let first = kafka.pid();
    kafka.kill()?;
    assert_eq!(kafka.pid(), None);
    kafka.restart()?;
    assert!(kafka.pid().is_some() && kafka.pid() != first);
    kafka.stop()?;
    kafka.restart()?;
    Ok(())
}
