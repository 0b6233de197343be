//! Who leaves, and who only seems to.
//!
//! In: a world and a range of time. Out: a line for every leave and every dip that touches the range.

use std::io::{self, Write};

use super::lines::{self, LifeLine, Line};
use crate::curve::date_of;
use crate::lives::Fates;
use crate::scenario::TimeSpan;
use crate::world::World;

pub(super) fn tell(world: &World, range: &TimeSpan, writer: &mut impl Write) -> io::Result<()> {
    let Some(lives) = &world.scenario.lives else { return Ok(()) };
    let fates = Fates { lives, streams: world.streams, today: &world.today };
    let days = world.local_days(range);
    let date = |day: i64| date_of(day).to_string();
    for subscriber in 0..world.people.count() {
        for chapter in fates.chapters(subscriber, *days.start(), *days.end() + 1) {
            let mut subscriber_id = String::new();
            world.people.write_id(subscriber, &mut subscriber_id);
            let leaves = chapter.next_owner.is_some();
            let line = LifeLine {
                subscriber_id,
                life: chapter.kind.name(),
                phase_from: date(chapter.phase_from),
                leaves: leaves.then(|| date(chapter.phase_to)),
                next_owner: chapter.next_owner.map(date),
                recovers: (!leaves).then(|| date(chapter.phase_to)),
            };
            lines::write(writer, &Line::Life(line))?;
        }
    }
    Ok(())
}
