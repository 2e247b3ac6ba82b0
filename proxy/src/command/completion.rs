//! `meshlet completion`: what a shell needs to complete the command line.

use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

use super::print::print;

/// Shown below the flags.
pub(crate) const HELP: &str = "\
The script goes to stdout. Where shells look for it:
  bash        meshlet completion bash > ~/.local/share/bash-completion/completions/meshlet
  zsh         meshlet completion zsh > \"${fpath[1]}/_meshlet\"
  fish        meshlet completion fish > ~/.config/fish/completions/meshlet.fish
  elvish      meshlet completion elvish >> ~/.config/elvish/rc.elv
  powershell  meshlet completion powershell >> $PROFILE
For this shell alone: source <(meshlet completion bash)";

/// What is completed.
const NAME: &str = "meshlet";

/// `meshlet completion`.
#[derive(Debug, Args)]
pub(crate) struct CompletionArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script for a command line.
pub(crate) fn run(arguments: &CompletionArgs, command: &Command) -> anyhow::Result<ExitCode> {
    print(&script(arguments.shell, command)?)?;
    Ok(ExitCode::SUCCESS)
}

fn script(shell: Shell, command: &Command) -> anyhow::Result<String> {
    // What --help does not show is not offered either; the generators know no difference.
    let shown = command.get_subcommands().filter(|one| !one.is_hide_set()).cloned();
    let (mut shown, mut script) = (Command::new(NAME).subcommands(shown), Vec::new());
    clap_complete::generate(shell, &mut shown, NAME, &mut script);
    Ok(String::from_utf8(script)?)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, ValueEnum as _};

    use super::*;

    #[test]
    fn given_any_shell_then_its_script_has_every_subcommand() {
        for shell in Shell::value_variants() {
            let command = crate::Arguments::command();
            let names: Vec<String> = command
                .get_subcommands()
                .filter(|one| !one.is_hide_set())
                .map(|one| one.get_name().to_owned())
                .collect();
            let script = script(*shell, &command).expect("a script");
            assert!(names.len() > 8, "{names:?}");
            for name in names {
                let whole = |found: &str| found == name;
                let mut words = script.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '-');
                assert!(words.any(whole), "{shell}: {name}");
            }
        }
    }
}
