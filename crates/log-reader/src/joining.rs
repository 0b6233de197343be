//! Whether the consumer group lets a worker in, and the topic is given to us to read. What we are refused
//! for no waiting cures, and the client tries again for ever: so it is said once, with what cures it, and
//! `--drain` ends.

use std::time::{Duration, Instant};

use program::duration_text;
use rdkafka::error::RDKafkaErrorCode;

/// What is known of it.
#[derive(Debug)]
pub(crate) struct Joining {
    group_id: String,
    /// With `--drain`: how long a refusal is put up with.
    patience: Option<Duration>,
    /// Why we are refused, and since when; a member that has partitions is refused nothing yet.
    refused: Option<(RDKafkaErrorCode, Option<Instant>)>,
    /// Since when the right to read the topic has been missing.
    read_refused: Option<Instant>,
}

/// What is missing when a broker gives no record out.
const READ_REMEDY: &str = "the right to READ this topic is missing at Kafka: grant it";

impl Joining {
    /// Nothing is known yet.
    pub(crate) fn new(group_id: String, patience: Option<Duration>) -> Self {
        Joining { group_id, patience, refused: None, read_refused: None }
    }

    /// For how long it has refused us; `None`: it does not, as far as we know.
    pub(crate) fn refused_for(&self, now: Instant) -> Option<Duration> {
        self.refused.and_then(|(_, since)| Some(now.duration_since(since?)))
    }

    /// Takes an error of the client in. `true`: the group refuses us; it has been said.
    pub(crate) fn takes(&mut self, code: Option<RDKafkaErrorCode>, now: Instant) -> bool {
        let Some((code, remedy)) = code.and_then(|code| Some((code, remedy(code)?))) else {
            return false;
        };
        if self.refused.is_none_or(|(former, _)| former != code) {
            tracing::error!(
                group = %self.group_id,
                %code,
                %remedy,
                "the consumer group can't be joined; it is tried again by itself"
            );
            self.refused = Some((code, Some(now)));
        }
        true
    }

    /// Says whether the group has given us partitions. One heartbeat may be refused in passing, as while
    /// rights are loaded anew: a member keeps its partitions then and is told no more of it, so the time
    /// counts from when it has none.
    pub(crate) fn note_membership(&mut self, is_member: bool, now: Instant) {
        if let Some((_, since)) = &mut self.refused {
            *since = if is_member { None } else { since.or(Some(now)) };
        }
    }

    /// The same for an error of reading. `true`: the topic is not given to us; it has been said.
    pub(crate) fn takes_of_reading(
        &mut self,
        code: Option<RDKafkaErrorCode>,
        now: Instant,
    ) -> bool {
        let is_refusal = code == Some(RDKafkaErrorCode::TopicAuthorizationFailed);
        if is_refusal && self.read_refused.is_none() {
            tracing::error!(
                remedy = %READ_REMEDY,
                "records are not given to us; it is tried again by itself"
            );
            self.read_refused = Some(now);
        }
        is_refusal
    }

    /// Records have come, or the end of a log.
    pub(crate) fn has_read(&mut self) {
        if self.read_refused.take().is_some() {
            tracing::info!("the topic can be read again");
        }
    }

    /// The group has let us in.
    pub(crate) fn joined(&mut self) {
        if self.refused.take().is_some() {
            tracing::info!(group = %self.group_id, "the consumer group has been joined");
        }
    }

    /// Fails where nobody waits for an operator, as with `--drain`.
    pub(crate) fn check(&self, now: Instant) -> anyhow::Result<()> {
        let Some(patience) = self.patience else { return Ok(()) };
        let is_over = |since| now.duration_since(since) >= patience;
        let waited = duration_text(patience);
        if self.read_refused.is_some_and(is_over) {
            anyhow::bail!("no records were given to us within {waited}: {READ_REMEDY}");
        }
        match self.refused {
            Some((code, Some(since))) if is_over(since) => anyhow::bail!(
                "the consumer group {} could not be joined within {waited}: {code}: {}",
                self.group_id,
                remedy(code).unwrap_or_default()
            ),
            _ => Ok(()),
        }
    }
}

/// What cures a refusal that no waiting cures; `None`: it is no such refusal.
pub(crate) fn remedy(code: RDKafkaErrorCode) -> Option<&'static str> {
    Some(match code {
        RDKafkaErrorCode::InvalidSessionTimeout => {
            "the broker allows no session timeout as short as ours, 6 s unless set: give it at least its \
             group.min.session.timeout.ms, as in KAFKA_PROPERTIES=session.timeout.ms=30000"
        }
        RDKafkaErrorCode::InconsistentGroupProtocol => {
            "another program with another assignment strategy is a member of this group: give the streamer a \
             KAFKA_GROUP_ID of its own, which loses nothing because positions are in the database, or stop \
             that program"
        }
        RDKafkaErrorCode::GroupAuthorizationFailed => {
            "the right to READ this group is missing: grant it at Kafka, or choose another KAFKA_GROUP_ID"
        }
        RDKafkaErrorCode::GroupMaxSizeReached => {
            "the broker allows the group no more members: start fewer --workers, or raise its group.max.size"
        }
        RDKafkaErrorCode::InvalidGroupId => {
            "the broker refuses this name: choose another KAFKA_GROUP_ID"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: Option<RDKafkaErrorCode> = Some(RDKafkaErrorCode::InvalidSessionTimeout);

    #[test]
    fn only_a_drain_gives_up_and_only_after_being_refused_for_as_long_as_it_waits() {
        let (start, patience) = (Instant::now(), Duration::from_secs(30));
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut drain = Joining::new("g".to_owned(), Some(patience));
        let mut service = Joining::new("g".to_owned(), None);
        for joining in [&mut drain, &mut service] {
            assert!(!joining.takes(None, start));
            assert!(!joining.takes(Some(RDKafkaErrorCode::BrokerTransportFailure), start));
            assert_eq!(joining.refused_for(start), None);
            assert!(joining.takes(REFUSED, at(1)));
            assert!(joining.takes(REFUSED, at(20)));
            assert_eq!(joining.refused_for(at(30)), Some(Duration::from_secs(29)));
            assert!(joining.check(at(30)).is_ok());
        }
        assert!(service.check(at(31)).is_ok());
        let error = drain.check(at(31)).unwrap_err().to_string();
        assert!(error.contains("session.timeout.ms=30000"), "{error}");
        // Let in, and refused anew: the waiting begins again.
        drain.joined();
        assert!(drain.refused_for(at(31)).is_none() && drain.check(at(31)).is_ok());
        assert!(drain.takes(REFUSED, at(40)));
        assert!(drain.check(at(69)).is_ok());
        assert!(drain.check(at(70)).is_err());
        // Refused in passing while it has partitions, and counted from when it has none.
        drain.note_membership(true, at(70));
        assert!(drain.refused_for(at(500)).is_none() && drain.check(at(500)).is_ok());
        drain.note_membership(false, at(500));
        drain.note_membership(false, at(510));
        assert!(drain.check(at(529)).is_ok());
        assert!(drain.check(at(530)).is_err());
    }

    #[test]
    fn a_topic_that_may_not_be_read_ends_a_drain_unless_records_come_after_all() {
        let (start, patience) = (Instant::now(), Duration::from_secs(30));
        let at = |seconds| start + Duration::from_secs(seconds);
        let refusal = Some(RDKafkaErrorCode::TopicAuthorizationFailed);
        let mut drain = Joining::new("g".to_owned(), Some(patience));
        let mut service = Joining::new("g".to_owned(), None);
        for joining in [&mut drain, &mut service] {
            assert!(!joining.takes_of_reading(None, start));
            // Each partition says it: the first one counts.
            assert!(joining.takes_of_reading(refusal, at(1)));
            assert!(joining.takes_of_reading(refusal, at(20)));
            assert!(joining.check(at(30)).is_ok());
        }
        assert!(service.check(at(31)).is_ok());
        let error = drain.check(at(31)).unwrap_err().to_string();
        assert!(error.contains("right to READ this topic"), "{error}");
        drain.has_read();
        assert!(drain.check(at(31)).is_ok());
    }
}
