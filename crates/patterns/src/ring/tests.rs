//! The ring: what it keeps, what it lets go at its bound, and what cutting it back takes away.

use super::*;

const ALL: Needs =
    Needs { counterparty: true, tower: true, duration: true, amount: true, data: true };

fn kept(offset: i64) -> Kept {
    let number = offset.unsigned_abs();
    Kept {
        offset,
        time_micros: -offset << 40,
        id: number << 33 | 5,
        mask: 0x8000_0001 | 1 << (number % 20),
        // Not everybody has one.
        counterparty: if number.is_multiple_of(3) { 0 } else { u64::MAX - number },
        tower: if number.is_multiple_of(7) { NO_TOWER } else { 7 },
        duration_seconds: u32::MAX,
        amount_micro_tenge: offset << 35,
        data_micro_mb: -offset,
    }
}

fn events(ring: &Ring, subscriber: u64) -> Vec<Kept> {
    let owner = ring.subscribers.find(subscriber);
    owner.map_or(Vec::new(), |owner| ring.events_of(owner).collect())
}

#[test]
fn what_was_put_in_comes_out_and_fields_that_nobody_asks_for_do_not() {
    let mut ring = Ring::new(ALL);
    let owner = ring.push(9, &kept(3));
    assert_eq!(ring.events_of(owner).collect::<Vec<_>>(), [kept(3)]);

    let mut small = Ring::new(Needs::default());
    let owner = small.push(9, &kept(3));
    let expected = Kept {
        counterparty: 0,
        tower: NO_TOWER,
        duration_seconds: 0,
        amount_micro_tenge: 0,
        data_micro_mb: 0,
        ..kept(3)
    };
    assert_eq!(small.events_of(owner).collect::<Vec<_>>(), [expected]);
    assert_eq!(small.bytes(), 6 * 8 + SUBSCRIBER_BYTES);
    assert_eq!(ring.bytes(), 11 * 8 + SUBSCRIBER_BYTES);
}

/// Beside a plain list of (subscriber, offset), over several chunks and everything that can happen to them.
#[test]
fn both_ends_give_way_and_each_subscriber_has_exactly_what_is_left() {
    let mut ring = Ring::new(ALL);
    let mut plain = std::collections::VecDeque::new();
    let mut number = 0_u64;
    for step in 0..60_000_i64 {
        number =
            number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Grows, shrinks to nothing, and grows again.
        let grows = (step / 6_000) % 2 == 0;
        match (number >> 40) % 10 {
            0..6 if grows => {
                let subscriber = (number >> 50) % 50;
                ring.push(subscriber, &kept(step));
                plain.push_back((subscriber, step));
            }
            0..4 => {
                ring.drop_oldest();
                plain.pop_front();
            }
            4 | 6 => {
                ring.drop_newest();
                plain.pop_back();
            }
            _ => {}
        }
        assert_eq!(ring.len(), plain.len());
        let sealed: usize = ring.sealed.iter().map(Sealed::bytes).sum();
        assert_eq!(ring.sealed_bytes, sealed, "step {step}");
        assert_eq!(ring.newest_offset(), plain.back().map(|(_, offset)| *offset));
        assert_eq!(ring.oldest_time(), plain.front().map(|(_, offset)| kept(*offset).time_micros));
        if step % 97 == 0 {
            for subscriber in 0..50 {
                let of = plain.iter().rev().filter(|(one, _)| *one == subscriber);
                let expected: Vec<Kept> = of.map(|(_, offset)| kept(*offset)).collect();
                assert_eq!(events(&ring, subscriber), expected, "step {step}");
            }
        }
    }
    while ring.len() > 0 {
        ring.drop_oldest();
    }
    assert_eq!((ring.bytes(), ring.subscribers.len(), ring.sealed.len()), (0, 0, 0));
    ring.drop_oldest();
    ring.drop_newest();
    ring.push(1, &kept(1));
    assert_eq!(events(&ring, 1), [kept(1)]);
}

/// What an evening's events are like: they take less than half of what they took as rows.
#[test]
fn a_full_chunk_is_packed_when_the_next_one_begins() {
    let mut ring = Ring::new(ALL);
    let event = |offset: i64| Kept {
        offset,
        time_micros: 1_762_711_200_000_000 + offset * 2_250_000,
        id: (offset.unsigned_abs() + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16,
        mask: 1 << (offset % 5),
        counterparty: 0,
        tower: 1_000 + offset as u32 % 9_000,
        duration_seconds: offset as u32 % 600,
        amount_micro_tenge: offset % 20 * 500_000_000,
        data_micro_mb: offset % 50_000 * 10_000,
    };
    for offset in 0..=CHUNK_EVENTS as i64 {
        assert_eq!(ring.sealed.len(), 0);
        ring.push(offset as u64 % 100, &event(offset));
    }
    assert_eq!((ring.sealed.len(), ring.open.len()), (1, 11));
    assert!(ring.sealed_bytes < CHUNK_EVENTS * 24, "{} bytes", ring.sealed_bytes);
    ring.drop_newest();
    assert_eq!(ring.sealed.len(), 1, "it is opened only if one of its own events goes");
    ring.drop_newest();
    assert_eq!((ring.sealed.len(), ring.sealed_bytes), (0, 0));
    let newest = CHUNK_EVENTS as i64 - 2;
    let owner = ring.subscribers.find(newest as u64 % 100).unwrap();
    assert_eq!(ring.events_of(owner).next(), Some(event(newest)));
}
