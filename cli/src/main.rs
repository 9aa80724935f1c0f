//! Runs one command.

use std::io::{stderr, stdin, stdout};
use std::process::ExitCode;

use namesake_cli::{Console, run};

#[tokio::main]
async fn main() -> ExitCode {
    let mut console = Console {
        out: &mut stdout(),
        err: &mut stderr(),
        input: &mut std::io::BufReader::new(stdin()),
    };
    run(std::env::args_os(), &mut console).await.into()
}
