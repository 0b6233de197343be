//! A drain while the database or the broker is away for a moment: it is tried again, and ends well.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::lake::Lake;
use crate::servers;
use crate::support::{Records, Scene};

/// Passes bytes on to a server. A connection on which the client sends `mark` is cut off, as long as there are cuts left.
/// Ends with the process of the tests.
fn pass_on(listener: TcpListener, server: String, mark: &'static str, cuts: Arc<AtomicUsize>) {
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
            let cuts = Arc::clone(&cuts);
            std::thread::spawn(move || {
                std::thread::scope(|scope| {
                    scope.spawn(|| carry(&server, &client, |_| false));
                    carry(&client, &server, |part| {
                        let is_marked = String::from_utf8_lossy(part).contains(mark);
                        let take_one = |left: usize| left.checked_sub(1);
                        is_marked
                            && cuts
                                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take_one)
                                .is_ok()
                    });
                });
            });
        }
    });
}

fn carry(mut from: &TcpStream, mut to: &TcpStream, is_cut: impl Fn(&[u8]) -> bool) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(count) = from.read(&mut bytes) {
        if count == 0 || is_cut(&bytes[..count]) || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _gone_already = to.shutdown(Shutdown::Both);
    let _gone_too = from.shutdown(Shutdown::Both);
}

#[test]
fn a_drain_outlives_sessions_that_are_cut_off_in_the_midst_of_a_round() {
    let scene = Scene::new(2);
    scene.send(&Records { events: 500, dead: 2, ..Records::default() });
    scene.drain_streamer();
    let lake = Lake::new(&scene);
    let address =
        |url: &str| url.split('@').next_back().unwrap().split('/').next().unwrap().to_owned();
    let direct = scene.database();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let by_way = direct.replace(&address(direct), &listener.local_addr().unwrap().to_string());
    let cuts = Arc::new(AtomicUsize::new(3));
    // In the snapshot of the warehouse.
    pass_on(listener, address(direct), "max_future_skew_ms", Arc::clone(&cuts));
    let variables = [("DATABASE_URL", by_way.as_str())];
    let said = lake.said(&["run", "--drain"], &variables, 0);
    assert_eq!(cuts.load(Ordering::SeqCst), 0, "{said}");
    assert_eq!(said.matches("it is tried again: asking the warehouse").count(), 3, "{said}");
    lake.check();
    // Not for ever.
    cuts.store(usize::MAX, Ordering::SeqCst);
    scene.send(&Records { events: 10, ..Records::default() });
    scene.drain_streamer();
    let said = lake.said(&["run", "--drain", "--wait", "1s"], &variables, 1);
    assert!(said.contains("asking the warehouse how far it has counted"), "{said}");
    // What no waiting mends is no matter of time.
    let wrong = format!("{direct}_that_is_not_there");
    let said = lake.said(&["run", "--drain"], &[("DATABASE_URL", &wrong)], 1);
    assert!(said.contains("_that_is_not_there") && !said.contains("tried again"), "{said}");
}

#[test]
fn a_drain_waits_for_a_broker_that_comes_back() {
    let scene = Scene::new(2);
    scene.send(&Records { events: 500, ..Records::default() });
    scene.drain_streamer();
    let lake = Lake::new(&scene);
    // Nobody listens there, until a round has failed.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let bootstrap = address.to_string();
    let variables = [("KAFKA_BOOTSTRAP_SERVERS", bootstrap.as_str())];
    let mut archiver = lake.spawn(&["run", "--drain", "--wait", "10m"], &variables);
    let mut said = BufReader::new(archiver.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("it is tried again")), "it gave up");
    let listener = TcpListener::bind(address).unwrap();
    pass_on(listener, servers::kafka(), "", Arc::new(AtomicUsize::new(0)));
    said.for_each(drop);
    assert!(archiver.wait().unwrap().success());
    lake.check();
}
