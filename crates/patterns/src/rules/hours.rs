//! Hours of the week, by the clock on the wall: which filters let an event of such an hour pass.

use super::file::HoursFile;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const HOURS_OF_DAY: usize = 24;
const HOURS_OF_WEEK: usize = 7 * HOURS_OF_DAY;
const HOUR_MICROS: i64 = 3_600_000_000;
const MINUTE_MICROS: i64 = 60_000_000;
/// 1970-01-01 was a Thursday; weeks begin on Monday.
const EPOCH_HOUR: i64 = 3 * HOURS_OF_DAY as i64;
/// Clocks on the wall are from 12 hours behind UTC to 14 ahead.
const OFFSETS_MINUTES: std::ops::RangeInclusive<i64> = -12 * 60..=14 * 60;

/// Some hours of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hours([bool; HOURS_OF_WEEK]);

impl Hours {
    /// Those of the file, or all others.
    ///
    /// # Errors
    /// What was found, and what is expected.
    pub(super) fn new(file: &HoursFile, is_outside: bool) -> Result<Self, String> {
        if file.days.is_none() && file.hours.is_none() {
            return Err("expected days, hours or both".to_owned());
        }
        let [from, to] = file.hours.unwrap_or([0, HOURS_OF_DAY as i64]);
        if !(0..HOURS_OF_DAY as i64).contains(&from)
            || !(1..=HOURS_OF_DAY as i64).contains(&to)
            || from == to
        {
            return Err(format!(
                "hours [{from}, {to}]: expected two different whole hours, the first from 0 to 23, the second from 1 to 24"
            ));
        }
        let mut of_day = [false; 7];
        match &file.days {
            None => of_day = [true; 7],
            Some(names) => {
                if names.is_empty() {
                    return Err("an empty list of days: leave the key out".to_owned());
                }
                for name in names {
                    let Some(day) = DAYS.iter().position(|day| day == name) else {
                        return Err(format!("day `{name}`: expected {}", DAYS.join(", ")));
                    };
                    of_day[day] = true;
                }
            }
        }
        let mut hours = [is_outside; HOURS_OF_WEEK];
        for day in (0..7).filter(|day| of_day[*day]) {
            // From 20 to 6: the night that begins on that day.
            let length = (to - from).rem_euclid(HOURS_OF_DAY as i64);
            let length = if length == 0 { HOURS_OF_DAY as i64 } else { length };
            for hour in from..from + length {
                let of_week = day * HOURS_OF_DAY + usize::try_from(hour).unwrap_or_default();
                hours[of_week % HOURS_OF_WEEK] = !is_outside;
            }
        }
        Ok(Hours(hours))
    }

    pub(super) fn holds(&self, hour_of_week: usize) -> bool {
        self.0[hour_of_week]
    }
}

/// The hour of the week, from Monday's first, where clocks are so far ahead of UTC.
pub(super) fn hour_of_week(time_micros: i64, offset_micros: i64) -> usize {
    let hours = time_micros.saturating_add(offset_micros).div_euclid(HOUR_MICROS);
    (hours + EPOCH_HOUR).rem_euclid(HOURS_OF_WEEK as i64).unsigned_abs() as usize
}

/// `+05:00` in microseconds.
pub(super) fn offset_micros(text: &str) -> Option<i64> {
    let (sign, clock) = match text.split_at_checked(1)? {
        ("+", clock) => (1, clock),
        ("-", clock) => (-1, clock),
        _ => return None,
    };
    let (hours, minutes) = clock.split_once(':')?;
    let number = |digits: &str| {
        let is_two = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        is_two.then(|| digits.parse::<i64>().ok()).flatten()
    };
    let minutes = number(minutes).filter(|minutes| *minutes < 60)?;
    let offset = sign * (number(hours)? * 60 + minutes);
    OFFSETS_MINUTES.contains(&offset).then_some(offset * MINUTE_MICROS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONDAY: i64 = 1_762_732_800_000_000;

    #[test]
    fn weeks_begin_on_monday_by_the_clock_on_the_wall() {
        let ahead = offset_micros("+05:00").unwrap();
        assert_eq!(hour_of_week(MONDAY, 0), 0);
        assert_eq!(hour_of_week(MONDAY - 1, 0), 7 * 24 - 1);
        assert_eq!(hour_of_week(MONDAY, ahead), 5);
        assert_eq!(hour_of_week(MONDAY, -ahead), 6 * 24 + 19);
        assert_eq!(hour_of_week(-1, 0), 3 * 24 - 1, "the last hour of a Wednesday");
    }

    #[test]
    fn an_offset_is_a_sign_and_a_clock() {
        assert_eq!(offset_micros("-03:30"), Some(-210 * MINUTE_MICROS));
        assert_eq!(offset_micros("+14:00"), Some(840 * MINUTE_MICROS));
        for wrong in ["", "5", "+5:00", "05:00", "+05:60", "+15:00", "-12:30", "+0500", "++5:00"] {
            assert_eq!(offset_micros(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_night_goes_on_into_the_next_day_and_outside_is_all_the_rest() {
        let days = Some(vec!["fri".to_owned(), "sun".to_owned()]);
        let file = HoursFile { days, hours: Some([22, 2]) };
        let during = Hours::new(&file, false).unwrap();
        let outside = Hours::new(&file, true).unwrap();
        let nights = [118, 119, 120, 121, 166, 167, 0, 1];
        for hour in 0..HOURS_OF_WEEK {
            assert_eq!(during.holds(hour), nights.contains(&hour), "{hour}");
            assert_eq!(outside.holds(hour), !nights.contains(&hour), "{hour}");
        }
    }
}
