//! What tests of other crates rely on.

use std::collections::HashSet;

use sandbox::{fresh_database, fresh_topic_name};

#[test]
fn every_test_has_a_database_and_a_topic_of_its_own() -> anyhow::Result<()> {
    // From inside a runtime too: most tests are async.
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let databases: HashSet<String> = runtime
        .block_on(async { (0..3).map(|_| fresh_database()).collect::<anyhow::Result<_>>() })?;
    assert_eq!(databases.len(), 3);
    let topics: HashSet<String> = (0..100).map(|_| fresh_topic_name()).collect();
    assert_eq!(topics.len(), 100);
    Ok(())
}
