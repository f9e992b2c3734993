//! Command-line handling shared by the experiments.

use pico_args::Arguments;
use std::error::Error;
use std::process::ExitCode;

/// Runs a program on its arguments. A wrong argument prints the usage and exits with status 2; any other error prints
/// its message and exits with status 1.
pub fn run(usage: &str, program: impl FnOnce(Arguments) -> Result<(), Box<dyn Error>>) -> ExitCode {
    let mut arguments = Arguments::from_env();
    if arguments.contains(["-h", "--help"]) {
        println!("{usage}");
        return ExitCode::SUCCESS;
    }
    match program(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<pico_args::Error>() => {
            eprintln!("{error}\n{usage}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns an error if arguments are left over.
pub fn finish(arguments: Arguments) -> Result<(), pico_args::Error> {
    match arguments.finish().first() {
        None => Ok(()),
        Some(unknown) => Err(pico_args::Error::Utf8ArgumentParsingFailed {
            value: unknown.to_string_lossy().into_owned(),
            cause: "unknown argument".into(),
        }),
    }
}
