//! The example of a second program, on a real Kafka: what transactions hide, records that are no event, and a
//! member that joins half-way.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "../examples/count_types.rs"]
mod count_types;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use log_reader::{Membership, Read, Reader};
use program::ThreadExecutor;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use windowing::Position;

use self::count_types::Count;

/// How long anything may take. Generous, for a busy machine: nothing is proved by it.
const TIMEOUT: Duration = Duration::from_secs(90);
const TYPES: [&str; 4] = ["call", "data", "sms", "payment"];

/// A topic with two partitions.
struct Topic {
    kafka: ClientConfig,
    name: String,
}

impl Topic {
    fn new() -> Self {
        let mut kafka = ClientConfig::new();
        kafka.set("bootstrap.servers", sandbox::kafka_bootstrap().unwrap());
        let topic = Topic { kafka, name: sandbox::fresh_topic_name() };
        let admin: AdminClient<DefaultClientContext> = topic.kafka.create().unwrap();
        let new = NewTopic::new(&topic.name, 2, TopicReplication::Fixed(1));
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
        let creating = admin.create_topics([&new], &options);
        for result in ThreadExecutor::new().unwrap().block_on(creating).unwrap() {
            result.unwrap();
        }
        let queries = log_reader::Queries::new(&topic.kafka).unwrap();
        let has_logs = || queries.all_log_ends(&topic.name, &[0, 1]).is_ok();
        sandbox::wait_until("the topic can be read", TIMEOUT, has_logs).unwrap();
        topic
    }

    /// `transactional_id`: of a sender that sends in transactions.
    fn sender(&self, transactional_id: Option<&str>) -> Sending<'_> {
        let mut config = self.kafka.clone();
        if let Some(id) = transactional_id {
            config.set("transactional.id", format!("{}-{id}", self.name));
        }
        let producer: BaseProducer = config.create().unwrap();
        if transactional_id.is_some() {
            producer.init_transactions(TIMEOUT).unwrap();
        }
        Sending { topic: self, producer }
    }

    fn membership(&self) -> Membership {
        Membership {
            kafka: self.kafka.clone(),
            group_id: format!("{}-counters", self.name),
            topic: self.name.clone(),
            partitions_each: 2,
            patience: Some(TIMEOUT),
        }
    }
}

struct Sending<'a> {
    topic: &'a Topic,
    producer: BaseProducer,
}

impl Sending<'_> {
    /// So many events to each partition, of every type as many.
    fn events(&self, each: usize) {
        for number in 0..each * 2 {
            let event_type = TYPES[number / 2 % TYPES.len()];
            let payload = format!(
                r#"{{"event_type":"{event_type}","timestamp":"2025-11-09T12:00:00Z","region":"Osh"}}"#
            );
            self.send((number % 2) as i32, Some(payload.as_bytes()));
        }
        self.producer.flush(TIMEOUT).unwrap();
    }

    fn send(&self, partition: i32, payload: Option<&[u8]>) {
        let mut record: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to(&self.topic.name).partition(partition).key(b"key");
        record.payload = payload;
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
    }

    fn transaction(&self, events_each: usize, is_committed: bool) {
        self.producer.begin_transaction().unwrap();
        self.events(events_each);
        if is_committed {
            self.producer.commit_transaction(TIMEOUT).unwrap();
        } else {
            self.producer.abort_transaction(TIMEOUT).unwrap();
        }
    }
}

fn of_each_type(events: u64) -> BTreeMap<String, u64> {
    TYPES.map(|event_type| (event_type.to_owned(), events)).into()
}

#[test]
fn every_record_that_may_be_seen_is_counted_once_and_positions_come_to_the_ends() {
    let topic = Topic::new();
    topic.sender(None).events(400);
    let sender = topic.sender(Some("sender"));
    sender.transaction(60, false);
    sender.transaction(100, true);
    let plain = topic.sender(None);
    plain.send(0, None);
    plain.send(1, Some(b"no event"));
    plain.producer.flush(TIMEOUT).unwrap();
    sender.transaction(20, false);

    let count = Count::begin(&topic.kafka, &topic.name).unwrap();
    count.work(topic.membership(), |_| {}).unwrap();
    let counted = count.counted();
    assert_eq!(counted.types, of_each_type(250));
    assert_eq!(counted.unreadable, 2);
    // Of each partition: 400 + 60 + 100 + 1 + 20 records, and the marks of three transactions.
    let end = Position::at(584);
    assert_eq!(counted.next, BTreeMap::from([(0, end), (1, end)]));
}

#[test]
fn a_member_that_joins_half_way_changes_no_sum() {
    let topic = Topic::new();
    let sender = topic.sender(None);
    sender.events(200);
    let mut count = Count::begin(&topic.kafka, &topic.name).unwrap();
    // What is sent while both are at it is to be counted as well.
    count.ends.values_mut().for_each(|end| *end = Position::at(end.offset() + 300));
    std::thread::scope(|scope| {
        let (first_outbox, first) = channel();
        let (second_outbox, second) = channel();
        let work = |outbox: Sender<usize>| {
            let (count, membership) = (&count, topic.membership());
            scope.spawn(move || count.work(membership, |ids| outbox.send(ids.len()).unwrap()))
        };
        let took = |inbox: &Receiver<usize>| inbox.recv_timeout(TIMEOUT).unwrap();
        let one = work(first_outbox);
        assert_eq!(took(&first), 2);
        let other = work(second_outbox);
        // At first the group has nothing to give: the first member must let go of it.
        while took(&second) == 0 {}
        sender.events(300);
        one.join().unwrap().unwrap();
        other.join().unwrap().unwrap();
    });
    let counted = count.counted();
    assert_eq!((counted.types.clone(), counted.unreadable), (of_each_type(250), 0));
}

#[test]
fn apart_from_any_group_each_reader_takes_what_it_wants_from_where_it_wants() {
    let topic = Topic::new();
    topic.sender(None).events(50);
    let read = |from: i64| {
        let mut reader =
            Reader::apart(topic.kafka.clone(), "nobody", topic.name.clone(), 2).unwrap();
        let mut offsets = Vec::new();
        // Twice: what was given up can be taken again.
        for _ in 0..2 {
            reader.take_over(&[1], &[(1, Position::at(from))], false).unwrap();
            let mut is_at_end = false;
            while !is_at_end {
                reader.events(Duration::ZERO).unwrap();
                let taken = reader.records(Duration::from_millis(100), |read| {
                    match read {
                        Read::Record { partition: 1, record } => offsets.push(record.offset),
                        Read::Record { .. } => panic!("not asked for"),
                        Read::End { end, .. } => is_at_end = end == Position::at(50),
                        Read::Trouble(trouble) => panic!("{trouble:?}"),
                    }
                    ControlFlow::Continue(())
                });
                taken.unwrap();
            }
            reader.give_up(&[1]).unwrap();
        }
        offsets
    };
    let twice = |from: i64| (from..50).chain(from..50).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| read(20));
        assert_eq!(read(0), twice(0));
        assert_eq!(other.join().unwrap(), twice(20));
    });
}

#[test]
fn the_example_is_short() {
    assert!(include_str!("../examples/count_types.rs").lines().count() < 150);
}
