//! An exchange's database: the table `cdr` of Asterisk, with made-up numbers in every notation, in every column that holds
//! some in a real one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};
use e2e::Database;

pub(crate) const TABLE: &str = "
    CREATE TABLE cdr (calldate timestamp, clid text, src text, dst text, channel text, lastdata text, duration integer,
                      billsec integer, disposition text, uniqueid text);
    CREATE TABLE other (content text)";

/// Of the subscribers' and the other sides' numbers: country, then four digits, then six that count rows.
pub(crate) const BEGINNINGS: [&str; 2] = ["7010", "7020"];

/// Every so many rows one has no time and can't be mapped.
pub(crate) const UNUSABLE_EVERY: usize = 97;

/// Rows of one transaction, and how long the exchange rests after it: a worker has caught up before it is killed again. With
/// Debezium's queue full, a task that loses its broker needs 90 s to end.
const BATCH: usize = 5;
const REST: Duration = Duration::from_millis(150);

/// How an exchange may write a number of ten digits.
pub(crate) fn notations(national: &str) -> [String; 10] {
    let (area, first, second, third) =
        (&national[..3], &national[3..6], &national[6..8], &national[8..]);
    [
        format!("+7{national}"),
        format!("8{national}"),
        format!("7{national}"),
        national.to_owned(),
        format!("007{national}"),
        format!("8107{national}"),
        format!("+7 ({area}) {first}-{second}-{third}"),
        format!("8 {area} {first} {second} {third}"),
        format!("sip:+7{national}@pbx.invalid;user=phone"),
        format!("\"Someone\" <8{national}>"),
    ]
}

fn national(side: usize, index: usize) -> String {
    format!("{}{index:06}", BEGINNINGS[side])
}

/// One row, as what stands behind VALUES.
pub(crate) fn row(index: usize, id: &str) -> String {
    let (caller, called) = (notations(&national(0, index)), notations(&national(1, index)));
    let (src, dst) = (&caller[index % caller.len()], &called[index / 10 % called.len()]);
    let calldate = match index % UNUSABLE_EVERY {
        0 => "NULL".to_owned(),
        _ => format!("timestamp '2025-11-09 12:00:00' + {index} * interval '100 ms'"),
    };
    format!(
        "({calldate}, '\"Somebody\" <{}>', '{src}', '{dst}', 'PJSIP/{}-0000002a', 'PJSIP/trunk/{},30', {}, {}, 'ANSWERED', '{id}')",
        caller[0],
        caller[2],
        called[1],
        index % 600 + 3,
        index % 600
    )
}

/// Inserts these rows in one transaction.
pub(crate) fn insert(source: &mut Database, rows: &[(usize, String)]) -> Result<()> {
    let rows: Vec<String> = rows.iter().map(|(index, id)| row(*index, id)).collect();
    source.execute(&format!("INSERT INTO cdr VALUES {}", rows.join(",")))
}

/// An exchange at work, in a thread.
#[derive(Debug)]
pub(crate) struct Exchange {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicUsize>,
    thread: JoinHandle<Result<()>>,
}

impl Exchange {
    pub(crate) fn open(url: &str, first: usize) -> Exchange {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(first)));
        let (url, stopped, count) = (url.to_owned(), Arc::clone(&stop), Arc::clone(&written));
        let thread = std::thread::spawn(move || {
            let mut source = Database::at(&url)?;
            while !stopped.load(Ordering::Relaxed) {
                write(&mut source, &count)?;
                std::thread::sleep(REST);
            }
            Ok(())
        });
        Exchange { stop, written, thread }
    }

    /// Lets it go home; how many numbers it knows.
    pub(crate) fn close(self) -> Result<usize> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the exchange panicked"))??;
        Ok(self.written.load(Ordering::Relaxed))
    }
}

/// A transaction that stays, and now and then what must never be seen: one that is taken back, a change, a message.
fn write(source: &mut Database, written: &AtomicUsize) -> Result<()> {
    let from = written.load(Ordering::Relaxed);
    let rows: Vec<(usize, String)> =
        (from..from + BATCH).map(|index| (index, format!("row-{index}"))).collect();
    insert(source, &rows)?;
    if from.is_multiple_of(BATCH * 10) {
        let (unseen, number) = (row(from, "taken-back"), &notations(&national(0, from))[0]);
        source.execute(&format!(
            "BEGIN; INSERT INTO cdr VALUES {unseen}; ROLLBACK;
             UPDATE cdr SET src = '{number}' WHERE uniqueid = 'row-{from}';
             SELECT pg_logical_emit_message(true, 'application', '{number}')"
        ))?;
    }
    written.store(from + BATCH, Ordering::Relaxed);
    Ok(())
}
