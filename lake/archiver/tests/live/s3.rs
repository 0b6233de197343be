//! The lake in S3, as moto plays it: commits that race, and answers to a commit that are lost.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::lake::{Lake, S3, python};
use crate::servers::wait_until;
use crate::support::{Records, Scene, kill};

/// An address on which nobody listens.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A server that speaks S3's protocol, with one bucket, and a way to it on which answers can be lost.
pub(crate) struct Moto {
    process: Child,
    way: Way,
}

impl Moto {
    fn start() -> Self {
        let address = free_address();
        let (host, port) = address.rsplit_once(':').unwrap();
        let process = Command::new(python())
            .args(["-m", "moto.server", "-H", host, "-p", port])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("moto listens", || TcpStream::connect(&address).is_ok());
        let mut bucket = TcpStream::connect(&address).unwrap();
        write!(bucket, "PUT /lake HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        bucket.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
        Moto { process, way: Way::to(address) }
    }

    fn s3(&self) -> S3 {
        S3 { url: "s3://lake/events-of-a-test".to_owned(), endpoint: self.way.endpoint.clone() }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        kill(&mut self.process);
    }
}

/// Passes bytes on, and cuts so many connections off after the server has carried a commit out, before it can say so.
struct Way {
    endpoint: String,
    to_cut: Arc<AtomicUsize>,
    cut: Arc<AtomicUsize>,
}

impl Way {
    fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let way = Way {
            endpoint,
            to_cut: Arc::new(AtomicUsize::new(0)),
            cut: Arc::new(AtomicUsize::new(0)),
        };
        let (to_cut, cut) = (Arc::clone(&way.to_cut), Arc::clone(&way.cut));
        // Ends with the process of the tests.
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
                let (to_cut, cut) = (Arc::clone(&to_cut), Arc::clone(&cut));
                std::thread::spawn(move || pass_on(client, server, &to_cut, &cut));
            }
        });
        way
    }
}

/// Passes on in both directions until one side ends; a client sends its next request when it has the last answer.
fn pass_on(client: TcpStream, server: TcpStream, to_cut: &AtomicUsize, cut: &AtomicUsize) {
    let is_commit = AtomicUsize::new(0);
    let forth = |mut from: &TcpStream, mut to: &TcpStream| {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(count) = from.read(&mut bytes) {
            let part = &bytes[..count];
            if part.starts_with(b"PUT ") {
                let line = part.split(|byte| *byte == b'\r').next().unwrap_or_default();
                let line = String::from_utf8_lossy(line);
                let is_one = line.contains("_delta_log") && line.contains(".json");
                is_commit.store(usize::from(is_one), Ordering::SeqCst);
            }
            if count == 0 || to.write_all(part).is_err() {
                break;
            }
        }
        let _gone_already = to.shutdown(Shutdown::Write);
    };
    let back = |mut from: &TcpStream, mut to: &TcpStream| {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(count) = from.read(&mut bytes) {
            let answer = &bytes[..count];
            // What it carried out; a refusal is no secret.
            let is_done = (answer.starts_with(b"HTTP/1.1 200")
                || answer.starts_with(b"HTTP/1.0 200"))
                && is_commit.swap(0, Ordering::SeqCst) == 1;
            let take_one = |left: usize| left.checked_sub(1);
            if is_done && to_cut.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take_one).is_ok()
            {
                cut.fetch_add(1, Ordering::SeqCst);
                break;
            }
            if count == 0 || to.write_all(answer).is_err() {
                break;
            }
        }
        let _gone_already = to.shutdown(Shutdown::Both);
        let _gone_too = from.shutdown(Shutdown::Both);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| forth(&client, &server));
        back(&server, &client);
    });
}

#[test]
fn in_s3_two_archivers_race_and_nothing_is_lost_or_doubled() {
    let moto = Moto::start();
    let scene = Scene::new(2);
    let lake = Lake::in_s3(&scene, moto.s3());
    let follow = ["run", "--beside-others", "--commit-interval", "100ms"];
    let mut both = [lake.start(&follow, &[]), lake.start(&follow, &[])];
    for _ in 0..3 {
        scene.send(&Records { events: 2_000, dead: 2, future: 2, late: 30, ..Records::default() });
        scene.drain_streamer();
        lake.wait_until_level();
    }
    both.iter_mut().for_each(kill);
    lake.check();
    lake.run(&["compact"], 0);
    lake.run(&["vacuum", "--retention", "0s"], 0);
    lake.check();
}

#[test]
fn an_answer_to_a_commit_that_is_lost_doubles_nothing() {
    let moto = Moto::start();
    let scene = Scene::new(2);
    let lake = Lake::in_s3(&scene, moto.s3());
    for cut_now in [1, 2, 0] {
        scene.send(&Records { events: 2_000, dead: 2, future: 2, ..Records::default() });
        scene.drain_streamer();
        let before = moto.way.cut.load(Ordering::SeqCst);
        moto.way.to_cut.store(cut_now, Ordering::SeqCst);
        // It takes the lost answer for a refusal, or fails and tries again: both end well.
        lake.run(&["run", "--drain"], 0);
        assert!(cut_now == 0 || moto.way.cut.load(Ordering::SeqCst) > before);
        moto.way.to_cut.store(0, Ordering::SeqCst);
        lake.check();
    }
}
