//! Which days' files are open: at most so many at once, so that memory does not grow with the days of a backlog.
//!
//! In: the day of the next event. Out: whether its file is open, and which one is to be closed for it.

use std::collections::VecDeque;

/// Days since 1970 whose files are open, the one that was used last at the back.
#[derive(Clone, Debug)]
pub struct OpenDates {
    at_most: usize,
    days: VecDeque<i32>,
}

/// What is to be done for an event's day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Its file is open.
    Open,
    /// One is to be opened.
    New,
    /// The file of this day is to be closed, then one is to be opened.
    NewAfterClosing(i32),
}

impl OpenDates {
    /// None is open; at least one may be.
    pub fn at_most(files: usize) -> Self {
        OpenDates { at_most: files.max(1), days: VecDeque::new() }
    }

    /// Makes room for a day's file.
    pub fn make_room(&mut self, day: i32) -> Room {
        if self.days.back() == Some(&day) {
            return Room::Open;
        }
        if let Some(index) = self.days.iter().position(|open| *open == day) {
            self.days.remove(index);
            self.days.push_back(day);
            return Room::Open;
        }
        let closed = if self.days.len() == self.at_most { self.days.pop_front() } else { None };
        self.days.push_back(day);
        closed.map_or(Room::New, Room::NewAfterClosing)
    }

    /// A day's file was closed for another reason.
    pub fn close(&mut self, day: i32) {
        self.days.retain(|open| *open != day);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_was_used_longest_ago_makes_room() {
        let mut dates = OpenDates::at_most(2);
        for (day, expected) in [
            (1, Room::New),
            (1, Room::Open),
            (2, Room::New),
            (1, Room::Open),
            (3, Room::NewAfterClosing(2)),
            (2, Room::NewAfterClosing(1)),
            (3, Room::Open),
        ] {
            assert_eq!(dates.make_room(day), expected, "day {day}");
        }
        dates.close(3);
        assert_eq!(dates.make_room(4), Room::New);
        assert_eq!(dates.make_room(3), Room::NewAfterClosing(2));
    }

    #[test]
    fn one_file_can_always_be_open() {
        assert_eq!(OpenDates::at_most(0).make_room(1), Room::New);
    }
}
