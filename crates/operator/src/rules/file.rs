//! A file of rules on this machine, with the table of towers that it names.

use std::path::Path;

use anyhow::{Context, bail};
use patterns::RuleSet;
use toml::{Table, Value};

/// A file that can be put on.
pub(super) struct RulesFile {
    pub(super) text: String,
    pub(super) towers: Option<String>,
    pub(super) set: RuleSet,
}

impl RulesFile {
    /// Reads it, and the table of towers from its folder on.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let read = |path: &Path| {
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
        };
        let text = read(path)?;
        let named = RuleSet::towers_file(&text)
            .with_context(|| format!("{} can't be put on", path.display()))?;
        let towers = match named {
            None => None,
            Some(name) => Some(read(&path.with_file_name(name))?),
        };
        match store::read_rules(&text, towers.as_deref()) {
            Ok(set) => Ok(RulesFile { text, towers, set }),
            Err(error) => bail!("{} can't be put on: {error}", path.display()),
        }
    }
}

/// The first rule that has the name and the version of one in the `former` file, and differs from it.
pub(super) fn changed_without_a_new_version(former: &str, new: &str) -> Option<(String, i64)> {
    let (former, new) = (rules_of(former), rules_of(new));
    let named = |rule: &Table| {
        let name = rule.get("name")?.as_str()?.to_owned();
        Some((name, rule.get("version")?.as_integer()?))
    };
    new.iter().find_map(|rule| {
        let name = named(rule)?;
        let is_changed = |other: &&Table| named(other).as_ref() == Some(&name) && *other != rule;
        former.iter().find(is_changed).map(|_| name.clone())
    })
}

fn rules_of(text: &str) -> Vec<Table> {
    let Ok(file) = text.parse::<Table>() else { return Vec::new() };
    let offset = file.get("utc_offset").cloned().unwrap_or_else(|| "+00:00".into());
    let rules = file.get("rules").and_then(|rules| rules.as_array()).cloned().unwrap_or_default();
    let tables = rules.into_iter().filter_map(|rule| rule.as_table().cloned());
    tables.map(|rule| with_its_clock(rule, &offset)).collect()
}

/// The clock stands at the head of the file, and is a part of each rule that names hours.
fn with_its_clock(mut rule: Table, offset: &Value) -> Table {
    if rule.values().any(names_hours) {
        rule.insert("utc_offset".to_owned(), offset.clone());
    }
    rule
}

fn names_hours(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(names_hours),
        Value::Table(table) => {
            let names = table.keys().any(|key| matches!(key.as_str(), "during" | "outside"));
            names || table.values().any(names_hours)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, version: i64, at_least: u32) -> String {
        format!(
            "[[rules]]\nname = \"{name}\"\nversion = {version}\nwithin = \"1h\"\n\
             conditions = [{{ kind = \"count\", at_least = {at_least} }}]\n"
        )
    }

    #[test]
    fn a_rule_that_was_changed_needs_another_version() {
        let former = rule("a", 1, 5) + &rule("b", 2, 5);
        let spaced = former.replace(" = ", "   =  ") + "# a remark\n";
        for (new, expected) in [
            (former.clone(), None),
            (spaced, None),
            (rule("a", 1, 6), Some(("a".to_owned(), 1))),
            (rule("a", 2, 6), None),
            (rule("b", 1, 6), None),
            (rule("a", 1, 5) + &rule("b", 2, 4), Some(("b".to_owned(), 2))),
        ] {
            assert_eq!(changed_without_a_new_version(&former, &new), expected, "{new}");
        }
        assert_eq!(changed_without_a_new_version("", &former), None);
    }

    #[test]
    fn another_clock_changes_the_rules_that_name_hours() {
        let where_hours = "kind = \"count\", where = { during = { hours = [9, 20] } }, ";
        let former = rule("a", 1, 5) + &rule("b", 1, 5).replace("kind = \"count\", ", where_hours);
        let ahead = format!("utc_offset = \"+05:00\"\n{former}");
        let changed = Some(("b".to_owned(), 1));
        assert_eq!(changed_without_a_new_version(&former, &ahead), changed);
        assert_eq!(changed_without_a_new_version(&ahead, &former), changed);
        let utc = format!("utc_offset = \"+00:00\"\n{former}");
        assert_eq!(changed_without_a_new_version(&former, &utc), None);
        assert_eq!(changed_without_a_new_version(&ahead, &ahead), None);
    }

    #[test]
    fn a_file_that_cannot_be_put_on_is_told_by_its_name() {
        let folder = std::env::temp_dir().join(format!("rules-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("rules.toml");
        let error = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let error = RulesFile::read(&path).err().map(|error| format!("{error:#}"));
            error.unwrap_or_default().replace(&*folder.to_string_lossy(), "")
        };
        let shape = error("rules = 3");
        assert!(shape.starts_with("/rules.toml can't be put on: line 1: "), "{shape}");
        let far = "towers = \"towers.csv\"\nrules = []";
        assert!(error(far).starts_with("reading /towers.csv: "), "{}", error(far));
        std::fs::write(folder.join("towers.csv"), "tower,region\n").unwrap();
        let towers = error(far);
        assert!(towers.starts_with("/rules.toml can't be put on: "), "{towers}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
