//! From the command line to the exit status.

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser as _};

use crate::answer::exit_status::ExitStatus;
use crate::answer::failure::Failure;
use crate::answer::{Answer, Output};
use crate::args::{Args, Command};
use crate::cluster::connect::Session;
use crate::cluster::versions;
use crate::commands::removal::{gc, uninstall};
use crate::commands::rules::{lint, replay, simulate};
use crate::commands::{
    adopt, kubectl_completion, list, offboard, pages, quota, support_bundle, warm, who,
};
use crate::console::{Console, say};
use crate::{check, doctor, explain};

/// Runs one command line, whose first word is the name of the program.
pub async fn run<T>(words: impl IntoIterator<Item = T>, console: &mut Console<'_>) -> ExitStatus
where
    T: Into<OsString> + Clone,
{
    let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
    if let Some(words) = kubectl_completion::words_to_complete(&words) {
        say(
            console.out,
            &kubectl_completion::candidates(Args::command(), &words),
        );
        return ExitStatus::Fine;
    }
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
    match Box::pin(answer(&args, console)).await {
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

async fn answer(args: &Args, console: &mut Console<'_>) -> Result<Answer, Failure> {
    let session = || Session::open(&args.global);
    let fine = |text| Answer::text(text, ExitStatus::Fine);
    let has_markdown = matches!(args.command, Command::Replay(_));
    if args.global.output == Output::Markdown && !has_markdown {
        let only = "-o markdown is only for replay: use text, short, json or junit";
        return Err(Failure::Usage(only.to_owned()));
    }
    match &args.command {
        Command::Doctor(options) => doctor::run(&args.global, options, console).await,
        Command::Check(options) => {
            let session = session().await?;
            versions::warn(&session, console).await;
            check::run(&session, options).await
        }
        Command::Explain(options) => Box::pin(explain::run(&session().await?, options)).await,
        Command::List(options) => {
            let output = args.global.output;
            list::run(&session().await?, options, output, console).await
        }
        Command::Lint(options) => lint::run(options, console.input),
        Command::Simulate(options) => simulate::run(&args.global, options, console).await,
        Command::Replay(options) => replay::run(&args.global, options, console).await,
        Command::Adopt(options) => {
            let output = args.global.output;
            adopt::run(&session().await?, options, output, console).await
        }
        Command::Offboard(options) => offboard::run(&session().await?, options).await,
        Command::Return(options) => offboard::run_return(&session().await?, options).await,
        Command::Warm(options) => warm::run(&args.global, options).await,
        Command::Who(options) => who::run(&args.global, options).await,
        Command::Gc(options) => gc::run(&session().await?, options).await,
        Command::Uninstall => uninstall::run(&session().await?).await,
        Command::SupportBundle(options) => support_bundle::run(&args.global, options).await,
        Command::Quota => quota::run(&session().await?).await,
        Command::Completion(options) => Ok(fine(pages::completion(options, Args::command()))),
        Command::Man(options) => pages::man(options, Args::command()).map(fine),
    }
}
