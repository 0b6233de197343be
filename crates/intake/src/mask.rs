//! Numbers in what can't be mapped are masked before it leaves this program.
//!
//! A row that can't be mapped may hold a number in any field: in `clid`, in a channel's name, in the wrong column
//! altogether. So every run of seven digits or more becomes stars, whatever stands beside it, and in the columns that
//! hold numbers every single digit does, because there numbers are also written in groups.

/// The shortest run of digits that may be a subscriber's number.
const RUN_MIN: usize = 7;

/// The text with every run of seven digits or more as stars.
pub(crate) fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    for character in text.chars() {
        if character.is_numeric() {
            run.push(character);
            continue;
        }
        give_out(&mut run, &mut out);
        out.push(character);
    }
    give_out(&mut run, &mut out);
    out
}

/// The text with every digit as a star.
pub(crate) fn masked_whole(text: &str) -> String {
    text.chars().map(|character| if character.is_numeric() { '*' } else { character }).collect()
}

fn give_out(run: &mut String, out: &mut String) {
    let count = run.chars().count();
    if count < RUN_MIN {
        out.push_str(run);
    } else {
        out.extend(std::iter::repeat_n('*', count));
    }
    run.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_of_digits_are_stars_whatever_stands_beside_them() {
        for (text, expected) in [
            ("77010000001", "***********"),
            ("SIP/77010000001-00000a", "SIP/***********-00000a"),
            ("x77010000001y", "x***********y"),
            ("2025-11-09 14:30:45", "2025-11-09 14:30:45"),
            ("123456,1234567", "123456,*******"),
            ("٧٧٠١٠٠٠٠٠٠١", "***********"),
            ("", ""),
        ] {
            assert_eq!(masked(text), expected);
        }
        assert_eq!(masked_whole("8 701 000-00-01"), "* *** ***-**-**");
    }
}
