//! What shells, `man` and tests ask of a program's command line, answered by the description that clap reads it by.
//!
//! ```text
//!   PROGRAM completions SHELL   completes what is typed: a script on standard output
//!   PROGRAM man                 the program's manual page, on standard output
//!   PROGRAM man FOLDER          that page and one for each of its commands, as files
//! ```
//!
//! Every program answers these, and none lists them among its commands: they say nothing of what it is for.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Command, CommandFactory, Parser};
use clap_complete::Shell;

use crate::print;

/// What is asked.
#[derive(Debug, Parser)]
enum Question {
    /// Write a script that completes what is typed
    Completions {
        /// The shell that reads it
        shell: Shell,
    },
    /// Write the manual page to standard output
    Man {
        /// Write it and a page for each command into this folder instead
        folder: Option<PathBuf>,
    },
}

/// What to answer to such a question; `None`: the arguments are none.
pub(crate) fn question<Cli: CommandFactory>(
    arguments: impl IntoIterator<Item = OsString>,
) -> Option<Result<Answer, clap::Error>> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let first = arguments.get(1)?.to_str()?;
    if !Question::command().get_subcommands().any(|command| command.get_name() == first) {
        return None;
    }
    let program = Cli::command();
    Some(Question::try_parse_from(arguments).map(|question| Answer { program, question }))
}

/// A question about a program.
pub(crate) struct Answer {
    program: Command,
    question: Question,
}

impl Answer {
    /// Writes it.
    ///
    /// # Errors
    /// The folder or standard output can't be written.
    pub(crate) fn write(self) -> anyhow::Result<()> {
        let mut text: Vec<u8> = Vec::new();
        match self.question {
            Question::Completions { shell } => {
                let name = self.program.get_name().to_owned();
                clap_complete::generate(shell, &mut self.program.clone(), name, &mut text);
            }
            Question::Man { folder: None } => {
                clap_mangen::Man::new(self.program).render(&mut text)?
            }
            Question::Man { folder: Some(folder) } => write_pages(self.program, &folder)?,
        }
        print(String::from_utf8(text)?).map(drop)
    }
}

fn write_pages(program: Command, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(program, folder))
        .with_context(|| format!("cannot write manual pages into {}", folder.display()))
}

/// Tries every example that the help of a program, or of a command of it, gives, and counts them. An example is a
/// line that begins with the program's name. For the programs' tests.
///
/// # Errors
///
/// The first one that can't be typed, with what clap says.
pub fn check_examples<Cli: CommandFactory>() -> Result<usize, String> {
    let mut count = 0;
    let mut commands = vec![Cli::command()];
    while let Some(command) = commands.pop() {
        count += check_examples_of(&command, &Cli::command())?;
        commands.extend(command.get_subcommands().cloned());
    }
    Ok(count)
}

fn check_examples_of(command: &Command, program: &Command) -> Result<usize, String> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let beginning = format!("{} ", program.get_name());
    let examples = help.lines().map(str::trim).filter(|line| line.starts_with(&beginning));
    let mut count = 0;
    for example in examples {
        let parsed = program.clone().try_get_matches_from(words(example));
        parsed.map_err(|error| format!("{example}: {error}"))?;
        count += 1;
    }
    Ok(count)
}

/// The words of a line as a shell reads them: up to a comment or a redirection, what is in quotes being one.
fn words(line: &str) -> Vec<&str> {
    let typed = line.split(" #").next().unwrap_or_default();
    let typed = typed.split(" > ").next().unwrap_or_default();
    let parts = typed.split('\'').enumerate();
    parts
        .flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().collect(),
            _ => vec![part],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    #[command(name = "counter", after_help = "Examples:\n  counter --every 30s  # half a minute")]
    struct Counter {
        #[arg(long)]
        every: Option<String>,
        #[command(subcommand)]
        command: Option<Shown>,
    }

    #[derive(Debug, clap::Subcommand)]
    enum Shown {
        #[command(after_help = "  counter show --why 'two words' > file\n  other line")]
        Show {
            #[arg(long)]
            why: String,
        },
    }

    #[derive(Debug, Parser)]
    #[command(name = "counter", after_help = "  counter --evry 30s")]
    struct Misspelt {
        #[arg(long)]
        every: Option<String>,
    }

    fn ask(words: &[&str]) -> Option<Result<Answer, clap::Error>> {
        question::<Counter>(words.iter().map(OsString::from))
    }

    #[test]
    fn questions_about_the_command_line_are_told_from_its_use() {
        for other in [&["counter"][..], &["counter", "--every", "man"], &["counter", "show"]] {
            assert!(ask(other).is_none(), "{other:?}");
        }
        for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
            assert!(matches!(ask(&["counter", "completions", shell]), Some(Ok(_))), "{shell}");
        }
        let Some(Err(error)) = ask(&["counter", "completions", "tcsh"]) else { panic!("a shell") };
        assert!(error.to_string().contains("possible values: bash"), "{error}");
    }

    #[test]
    fn every_command_has_a_manual_page_with_its_examples() {
        let folder = tempfile::tempdir().unwrap();
        write_pages(Counter::command(), folder.path()).unwrap();
        for (file, text) in [("counter.1", "half a minute"), ("counter-show.1", "two words")] {
            let page = fs::read_to_string(folder.path().join(file)).unwrap();
            assert!(page.contains(text), "{file}: {page}");
        }
    }

    #[test]
    fn examples_of_all_commands_are_tried() {
        assert_eq!(check_examples::<Counter>(), Ok(2));
        let error = check_examples::<Misspelt>().unwrap_err();
        assert!(error.contains("--evry"), "{error}");
    }

    #[test]
    fn a_line_is_split_as_a_shell_splits_it() {
        let line = "counter show --why 'two words' > file  # a comment";
        assert_eq!(words(line), ["counter", "show", "--why", "two words"]);
    }
}
