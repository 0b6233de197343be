//! What an operator may accept, on a real PostgreSQL.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use operator::gaps::rows::{GapRequest, accept_gap};
use store::{PgConnection, Session, StoreError};

/// Topic `t`, halted at offset 10 of its second life; 7 records were counted in each.
async fn halted(cluster: &str, reason: &str) -> PgConnection {
    let url = sandbox::fresh_database().unwrap();
    let mut connection = store::connect(&url, Session::Batch).await.unwrap();
    store::migrate(&mut connection).await.unwrap();
    sqlx::query(
        "INSERT INTO stream_progress (topic, generation, partition, first_offset, next_offset, on_time, skipped, cluster_id, halted_reason)
         SELECT 't', generation, 0, 0, 10, 7, 3, NULLIF($1, ''), CASE WHEN generation = 1 THEN $2 END
         FROM generate_series(0, 1) AS lives (generation)",
    )
    .bind(cluster)
    .bind(reason)
    .execute(&mut connection)
    .await
    .unwrap();
    connection
}

#[tokio::test]
async fn what_may_be_counted_again_is_accepted_only_if_that_is_wanted() {
    let (plain, with_from) =
        ("`streamer accept-gap` goes on", "`streamer accept-gap --from OFFSET`");
    for (cluster, reason, from, records) in [
        ("north", plain, None, None),
        ("", plain, None, Some(14)),
        ("north", with_from, Some("earliest"), Some(14)),
        ("north", with_from, Some("9"), Some(14)),
        ("north", with_from, Some("10"), None),
        ("north", with_from, Some("latest"), None),
        ("", with_from, Some("latest"), Some(14)),
    ] {
        let mut connection = halted(cluster, reason).await;
        let request = GapRequest {
            topic: "t".to_owned(),
            partition: 0,
            start_from: from.map(str::to_owned),
            reason: String::new(),
            accepted_by: "me".to_owned(),
            count_again: false,
        };
        let accepted = accept_gap(&mut connection, &request).await;
        let refused = match accepted {
            Ok(()) => None,
            Err(StoreError::MayCountAgain { records, .. }) => Some(records),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(refused, records, "{cluster} {reason} {from:?}");
        let request = GapRequest { count_again: true, ..request };
        accept_gap(&mut connection, &request).await.unwrap();
    }
}
