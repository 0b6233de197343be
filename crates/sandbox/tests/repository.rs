//! What two files of the repository say about the same thing is the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const GATE: &str = ".ci/run";
const WORKFLOW: &str = ".github/workflows/ci.yml";

/// The workflow runs these and the gate does not: they need a Docker engine, or repeat what the gate
/// has tested on another Kafka, or with Airflow, dbt, Superset, Kafka Connect or MirrorMaker, which take long to install, or build
/// tools or a librdkafka of their own, or a workspace of its own, or look at github.com.
const WORKFLOW_ONLY: [&str; 13] = [
    "check-chart",
    "deny",
    "images",
    "test-airflow",
    "test-avro",
    "test-churn",
    "test-connect",
    "test-dbt",
    "test-kraft",
    "test-lake",
    "test-mirror",
    "test-oidc",
    "test-superset",
];

fn file(path: &str) -> String {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(repository.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The targets of lines that are, or end with, `make TARGET`.
fn make_targets(text: &str) -> BTreeSet<&str> {
    text.lines()
        .map(|line| line.trim_start().trim_start_matches("- run: ").trim_start_matches("step "))
        .filter_map(|command| command.strip_prefix("make "))
        .flat_map(str::split_whitespace)
        .collect()
}

#[test]
fn the_workflow_runs_what_the_gate_runs_and_the_listed_targets() {
    let (gate, workflow) = (file(GATE), file(WORKFLOW));
    let mut expected = make_targets(&gate);
    assert!(expected.contains("test"), "{GATE} runs no tests: {expected:?}");
    expected.extend(WORKFLOW_ONLY);
    assert_eq!(make_targets(&workflow), expected);
}

#[test]
fn every_target_that_a_machine_runs_is_in_the_makefile() {
    let (workflow, makefile) = (file(WORKFLOW), file("Makefile"));
    for target in make_targets(&workflow) {
        let rule = format!("{target}:");
        assert!(makefile.lines().any(|line| line.starts_with(&rule)), "no target {target}");
    }
}

/// A target that another was put into, before its commands, would do nothing, and the other one too much.
#[test]
fn every_target_that_make_lists_has_commands_or_needs_others() {
    let makefile = file("Makefile");
    let lines: Vec<&str> = makefile.lines().collect();
    let mut listed = 0;
    for (index, line) in lines.iter().enumerate() {
        let Some((rule, _)) = line.split_once("##").filter(|_| !line.starts_with(['#', '\t']))
        else {
            continue;
        };
        let needs = rule.split_once(':').map_or("", |(_, needs)| needs.trim());
        let has_commands = lines.get(index + 1).is_some_and(|next| next.starts_with('\t'));
        assert!(has_commands || !needs.is_empty(), "{rule} does nothing");
        listed += 1;
    }
    assert!(listed > 20, "{listed} targets are listed");
    let orphan = lines.windows(2).find(|pair| pair[0].is_empty() && pair[1].starts_with('\t'));
    assert_eq!(orphan, None, "a command that stands below no target");
}

#[test]
fn actions_are_pinned_by_commit() {
    let workflow = file(WORKFLOW);
    let used: Vec<&str> =
        workflow.lines().filter_map(|line| line.trim().strip_prefix("- uses: ")).collect();
    assert!(!used.is_empty());
    for action in used {
        let reference = action.split([' ', '@']).nth(1).unwrap_or_default();
        let is_commit = reference.len() == 40 && reference.bytes().all(|b| b.is_ascii_hexdigit());
        assert!(is_commit, "{action}");
    }
}

#[test]
fn images_are_built_by_the_toolchain_of_this_repository() {
    let (dockerfile, toolchain) = (file("Dockerfile"), file("rust-toolchain.toml"));
    let version = |text: &str, key: &str| -> String {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_else(|| panic!("no line {key}")).trim_matches([' ', '=', '"']).to_owned()
    };
    assert_eq!(version(&dockerfile, "ARG RUST_VERSION="), version(&toolchain, "channel"));
}

/// The members of a workspace, by their folders in the repository.
fn members_of(workspace: &str) -> Vec<String> {
    let manifest = file(&format!("{workspace}Cargo.toml"));
    let list = manifest
        .split_once("members = [")
        .and_then(|(_, rest)| rest.split_once(']'))
        .expect("a list of members");
    list.0
        .split(',')
        .map(|name| name.trim().trim_matches('"'))
        .filter(|name| !name.is_empty())
        .map(|name| format!("{workspace}{name}"))
        .collect()
}

/// Cargo reads the manifest of every member, also of one that no image holds: without it no image is built.
#[test]
fn images_are_built_from_every_member_of_the_workspace() {
    let ignored = file(".dockerignore");
    let members: Vec<String> =
        ["", "lake/", "lake/churn/"].iter().flat_map(|workspace| members_of(workspace)).collect();
    for known in ["streamer", "lake/archiver", "lake/churn/cli"] {
        assert!(members.iter().any(|member| member == known), "{known}: {members:?}");
    }
    let allowed: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    for member in members {
        let is_sent = allowed
            .iter()
            .any(|folder| member == *folder || member.starts_with(&format!("{folder}/")));
        assert!(
            is_sent,
            ".dockerignore keeps {member} from the images' builds: add a line !{member}"
        );
        // Tests are not sent; cargo looks for the file of a test that is named without its path.
        let text = file(&format!("{member}/Cargo.toml"));
        for test in text.split("[[test]]").skip(1) {
            let section = test.split("\n[").next().unwrap_or_default();
            assert!(
                section.contains("\npath = "),
                "{member}/Cargo.toml names a test without its path, so no image can be built: {section}"
            );
        }
    }
}

/// The blocks of a page in this language, without comments and blank lines.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    let text = file(page);
    let inner = text.split(&opening).skip(1).filter_map(|rest| rest.split_once("```"));
    let bare = |line: &str| {
        let command =
            if language == "sql" { line.split("--").next() } else { line.split(" # ").next() };
        command.unwrap_or_default().trim_end().to_owned()
    };
    let lines = |(block, _): (&str, &str)| {
        block.lines().map(bare).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
    };
    inner.map(lines).collect()
}

#[test]
fn both_first_pages_have_the_same_commands_and_queries() {
    for language in ["sh", "sql"] {
        let english = blocks("README.md", language);
        assert!(!english.is_empty());
        assert_eq!(english, blocks("README.ru.md", language), "{language}");
    }
}

/// Files that pages of the repository link to.
#[test]
fn links_of_the_first_pages_and_the_documents_lead_to_files() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let documents = fs::read_dir(repository.join("docs")).unwrap();
    let pages = documents
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .chain(
            ["README.md", "README.ru.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]
                .map(|page| repository.join(page)),
        );
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let target = link.0.split('#').next().unwrap_or_default();
            // What stands in code, a pattern for example, is no link.
            let is_path = target.chars().all(|c| c.is_ascii_alphanumeric() || "./_-".contains(c));
            if target.is_empty() || !is_path {
                continue;
            }
            let leads_to = page.parent().unwrap().join(target);
            assert!(leads_to.exists(), "{}: {target}", page.display());
        }
    }
}
