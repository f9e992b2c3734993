//! GradBench, the public suite for tools of automatic differentiation: this program is the tool, which answers messages on
//! standard input, one in a line, by lines on standard output.
//!
//! `cargo run --release --example gradbench [-- --multithreaded]`. docs/gradbench.md says how to run it with the suite's
//! evals, and compares the times.

mod ba;
mod descent;
mod det;
mod gmm;
mod hello;
mod ht;
mod input;
mod kmeans;
mod llsq;
mod lse;
mod lstm;
mod ode;
mod particle;
pub mod protocol;
mod recording;
mod saddle;

use std::io;
use std::process::ExitCode;

const USAGE: &str = "usage: gradbench [--multithreaded]
  --multithreaded  use all cores instead of one; like all tools of the suite, it takes this option";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => wengert::autograd::set_threads(1),
        ["--multithreaded"] => {}
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    match protocol::serve(io::stdin().lock(), io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
