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
        mask: 0x8000_0001,
        counterparty: u64::MAX - number,
        tower: 7,
        duration_seconds: u32::MAX,
        amount_micro_tenge: offset << 35,
        data_micro_mb: -offset,
    }
}

fn offsets(ring: &Ring, subscriber: u64) -> Vec<i64> {
    let owner = ring.subscribers.find(subscriber);
    owner.map_or(Vec::new(), |owner| ring.events_of(owner).map(|event| event.offset).collect())
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
    assert_eq!(small.bytes(), 9 * 4 + SUBSCRIBER_BYTES);
    assert_eq!(ring.bytes(), 17 * 4 + SUBSCRIBER_BYTES);
}

/// Beside a plain list of (subscriber, offset), over several chunks and everything that can happen to them.
#[test]
fn both_ends_give_way_and_each_subscriber_has_exactly_what_is_left() {
    let mut ring = Ring::new(Needs::default());
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
        assert_eq!(ring.newest_offset(), plain.back().map(|(_, offset)| *offset));
        assert_eq!(ring.oldest_time(), plain.front().map(|(_, offset)| kept(*offset).time_micros));
        if step % 97 == 0 {
            for subscriber in 0..50 {
                let of = plain.iter().rev().filter(|(one, _)| *one == subscriber);
                let expected: Vec<i64> = of.map(|(_, offset)| *offset).collect();
                assert_eq!(offsets(&ring, subscriber), expected, "step {step}");
            }
        }
    }
    while ring.len() > 0 {
        ring.drop_oldest();
    }
    assert_eq!((ring.bytes(), ring.subscribers.len(), ring.chunks.len()), (0, 0, 0));
    ring.drop_oldest();
    ring.drop_newest();
    ring.push(1, &kept(1));
    assert_eq!(offsets(&ring, 1), [1]);
}
