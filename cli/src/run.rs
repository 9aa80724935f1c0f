//! From the command line to the exit status.

use std::ffi::OsString;
use std::io::{BufRead, Write};

use clap::Parser as _;

use crate::answer::Answer;
use crate::args::{Args, Command};
use crate::connect::Session;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::{pages, quota};

/// Where a command reads and writes.
pub struct Console<'a> {
    /// Answers.
    pub out: &'a mut dyn Write,
    /// Errors and questions.
    pub err: &'a mut dyn Write,
    /// Answers to questions.
    pub input: &'a mut dyn BufRead,
}

/// Runs one command line, whose first word is the name of the program.
pub async fn run<T>(words: impl IntoIterator<Item = T>, console: &mut Console<'_>) -> ExitStatus
where
    T: Into<OsString> + Clone,
{
    let args = match Args::try_parse_from(words) {
        Ok(args) => args,
        Err(error) => {
            let (text, is_error) = (error.render(), error.use_stderr());
            return if is_error {
                say(console.err, &text.to_string());
                ExitStatus::Usage
            } else {
                say(console.out, &text.to_string());
                ExitStatus::Fine
            };
        }
    };
    match answer(&args, console).await {
        Ok(answer) => {
            let text = answer.print(args.global.output, args.command.name());
            say(console.out, &text);
            answer.status
        }
        Err(failure) => {
            say(console.err, &format!("error: {failure}\n"));
            failure.status()
        }
    }
}

/// Writes text. Whoever reads it may have closed the pipe.
pub(crate) fn say(to: &mut dyn Write, text: &str) {
    let _ = to.write_all(text.as_bytes());
    let _ = to.flush();
}

async fn answer(args: &Args, _console: &mut Console<'_>) -> Result<Answer, Failure> {
    let session = || Session::open(&args.global);
    let fine = |text| Answer::text(text, ExitStatus::Fine);
    match &args.command {
        Command::Quota => quota::run(&session().await?).await,
        Command::Completion(options) => Ok(fine(pages::completion(options))),
        Command::Man(options) => pages::man(options).map(fine),
    }
}
