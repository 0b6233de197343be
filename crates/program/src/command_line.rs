//! What a program's command line says about itself, made of the same description that clap reads it by.

use clap::{Command, CommandFactory};

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
