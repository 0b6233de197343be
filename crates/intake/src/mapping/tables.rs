//! The table of prefixes and their regions that a mapping names. That of towers is read by crate `towers`.

use hashbrown::HashMap;

/// Regions of numbers, by the longest prefix.
#[derive(Clone, Debug)]
pub(crate) struct Prefixes {
    regions: HashMap<String, String>,
    longest: usize,
}

impl Prefixes {
    /// Reads lines of a prefix, country first and without a plus, and its region.
    pub(crate) fn read(file: &str, text: &str) -> Result<Prefixes, String> {
        let mut regions = HashMap::new();
        for (line, prefix, region) in pairs(file, text)? {
            let is_number = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
            if !is_number && line == 1 {
                continue;
            }
            if !is_number {
                return Err(format!(
                    "{file} line {line}: \"{prefix}\" is no prefix; write digits, country first, like 7727"
                ));
            }
            if regions.insert(prefix.clone(), region).is_some() {
                return Err(format!("{file} line {line}: prefix {prefix} is there twice"));
            }
        }
        let longest = regions.keys().map(String::len).max().unwrap_or(0);
        Ok(Prefixes { regions, longest })
    }

    /// The region of the longest prefix that a full number begins with.
    pub(crate) fn region(&self, number: &str) -> Option<&str> {
        let longest = self.longest.min(number.len());
        (1..=longest)
            .rev()
            .find_map(|length| self.regions.get(&number[..length]).map(String::as_str))
    }
}

/// Lines of `key,region`, with their numbers.
fn pairs(file: &str, text: &str) -> Result<Vec<(usize, String, String)>, String> {
    let text = text.trim_start_matches('\u{feff}');
    let mut pairs = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let mut cells =
            line.split([',', ';', '\t']).map(|cell| cell.trim().trim_matches('"').to_owned());
        let (Some(key), Some(region)) =
            (cells.next(), cells.next().filter(|region| !region.is_empty()))
        else {
            return Err(format!("{file} line {}: write two columns, as in 1234,Almaty", index + 1));
        };
        pairs.push((index + 1, key, region));
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_decides() {
        let text = "prefix,region\n7,Kazakhstan\n7727,Almaty\n77273,Almaty suburb\n";
        let prefixes = Prefixes::read("prefixes.csv", text).unwrap();
        for (number, expected) in [
            ("77270000001", Some("Almaty")),
            ("77273000001", Some("Almaty suburb")),
            ("77172000001", Some("Kazakhstan")),
            ("442000000000", None),
            ("7", Some("Kazakhstan")),
        ] {
            assert_eq!(prefixes.region(number), expected, "{number}");
        }
    }

    #[test]
    fn a_table_is_refused_by_its_line() {
        for (text, expected) in [
            ("1,A\n1,B\n", "t.csv line 2: prefix 1 is there twice"),
            ("1,A\nx,B\n", "t.csv line 2: \"x\" is no prefix"),
            ("1\n", "t.csv line 1: write two columns"),
        ] {
            let error = Prefixes::read("t.csv", text).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
