//! What is said and done before anything is stored, and on a server that only follows another one.

use std::time::Duration;

use sandbox::Postgres;
use store::{
    ExplicitSettings, Session, Settings, StoreError, agree_settings, change_settings, connect,
    ensure_schema, load_settings, migrate,
};

#[tokio::test]
async fn a_database_without_our_tables_is_not_called_out_of_date() {
    let url = sandbox::fresh_database().unwrap();
    let mut connection = connect(&url, Session::Batch).await.unwrap();
    let error = ensure_schema(&mut connection).await.unwrap_err();
    assert!(matches!(error, StoreError::NotSetUp), "{error}");
    migrate(&mut connection).await.unwrap();
    ensure_schema(&mut connection).await.unwrap();
}

#[tokio::test]
async fn settings_can_be_chosen_before_the_first_start_and_hold_for_it() {
    let url = sandbox::fresh_database().unwrap();
    let mut connection = connect(&url, Session::Batch).await.unwrap();
    migrate(&mut connection).await.unwrap();
    let delay = Duration::from_secs(180);
    let given = ExplicitSettings { watermark_delay: Some(delay), ..ExplicitSettings::default() };
    let expected = Settings { watermark_delay: delay, ..Settings::default() };
    assert_eq!(change_settings(&mut connection, given).await.unwrap(), expected);
    assert_eq!(load_settings(&mut connection).await.unwrap(), Some(expected));
    let first_start = agree_settings(&mut connection, ExplicitSettings::default()).await.unwrap();
    assert_eq!(first_start, expected);
}

/// The server is made a standby as PostgreSQL's manual says: by a file in its folder.
#[tokio::test]
async fn a_standby_is_not_migrated_and_says_why() {
    let mut server = Postgres::start().unwrap();
    let url = server.create_database("followed").unwrap();
    server.stop(false).unwrap();
    std::fs::write(server.data_dir().join("standby.signal"), "").unwrap();
    server.restart().unwrap();
    let mut connection = connect(&url, Session::Batch).await.unwrap();
    let error = migrate(&mut connection).await.unwrap_err();
    assert!(matches!(error, StoreError::Standby), "{error}");
}
