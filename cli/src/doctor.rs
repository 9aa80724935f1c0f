//! `doctor`: is every link of the chain as it should be? Runs every check, also when one fails.
//!
//! ```text
//! API server ─read─▶ Facts ─judge─▶ Checked (one per check) ─report─▶ Answer
//! ```

mod before;
mod checks;
mod facts;
mod judge;
mod outcome;
mod read;
mod remedy;
mod report;
mod sources;

use std::time::Duration;

use clap::Args as Flags;
use jiff::Timestamp;
use namesake_service::parse_duration;
use tokio::time::{Instant, sleep};

use crate::answer::Answer;
use crate::answer::exit_status::ExitStatus;
use crate::answer::failure::Failure;
use crate::cluster::connect::Session;
use crate::cluster::flags::Global;
use crate::console::{Console, say};
use checks::Check;

/// Between two attempts of `--wait`.
const PAUSE: Duration = Duration::from_secs(2);

/// Options of `doctor`.
#[derive(Clone, Debug, Default, Flags)]
pub struct Doctor {
    /// Check the cluster before the install: only `api-server` and `may-install`
    #[arg(long)]
    pub pre: bool,
    /// Check again until nothing is found and everything is reported, for at most this long, such as 5m
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub wait: Option<Duration>,
    /// Checks to run; several separated by commas [default: all]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "CHECK")]
    pub only: Vec<Check>,
    /// Checks to leave out; several separated by commas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "CHECK")]
    pub skip: Vec<Check>,
    /// Subject whose rights are intended, as in `check`
    #[arg(long, value_delimiter = ',')]
    pub trust: Vec<String>,
}

impl Doctor {
    /// The checks that are asked for, in their order.
    fn selected(&self) -> Result<Vec<Check>, Failure> {
        let possible = Check::all(self.pre);
        if let Some(other) = self.only.iter().find(|check| !possible.contains(check)) {
            let which = if self.pre {
                "with --pre"
            } else {
                "without --pre"
            };
            return Err(Failure::Usage(format!("there is no check {other} {which}")));
        }
        let is_selected = |check: &Check| {
            (self.only.is_empty() || self.only.contains(check)) && !self.skip.contains(check)
        };
        let selected: Vec<_> = possible.into_iter().filter(is_selected).collect();
        match selected.as_slice() {
            [] => Err(Failure::Usage(
                "--only and --skip leave no check".to_owned(),
            )),
            _ => Ok(selected),
        }
    }
}

pub(crate) async fn run(
    global: &Global,
    options: &Doctor,
    console: &mut Console<'_>,
) -> Result<Answer, Failure> {
    let selected = options.selected()?;
    let deadline = options.wait.map(|wait| Instant::now() + wait);
    loop {
        let again = deadline.is_some_and(|deadline| Instant::now() + PAUSE < deadline);
        match Box::pin(checked(global, options, &selected)).await {
            Ok(checked) => {
                let unsettled = report::unsettled(&checked);
                if unsettled.is_empty() || !again {
                    return Ok(report::answer(&checked));
                }
                say(console.err, &format!("waiting: {}\n", unsettled.join(", ")));
            }
            // Namesake is about to be installed, or the API server about to start.
            Err(failure) if failure.status() == ExitStatus::Unreachable && again => {
                say(console.err, &format!("waiting: {failure}\n"));
            }
            Err(failure) => return Err(failure),
        }
        sleep(PAUSE).await;
    }
}

/// The answer of all checks of an installation.
pub(crate) async fn all_checks(session: &Session) -> Result<Answer, Failure> {
    let all = Check::all(false);
    let facts = read::read(session, &all).await?;
    Ok(report::answer(&judge::checked(
        &facts,
        &all,
        &[],
        Timestamp::now(),
    )))
}

async fn checked(
    global: &Global,
    options: &Doctor,
    selected: &[Check],
) -> Result<Vec<checks::Checked>, Failure> {
    if options.pre {
        let session = Session::open_without_namesake(global).await?;
        return Ok(before::checked(&before::read(&session).await?, selected));
    }
    let session = Session::open(global).await?;
    let facts = read::read(&session, selected).await?;
    Ok(judge::checked(
        &facts,
        selected,
        &options.trust,
        Timestamp::now(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_and_skip_select_and_what_cannot_be_selected_is_a_usage_error() {
        let selected = |pre, only: &[Check], skip: &[Check]| {
            let options = Doctor {
                pre,
                only: only.to_vec(),
                skip: skip.to_vec(),
                ..Doctor::default()
            };
            options.selected()
        };
        assert_eq!(selected(false, &[], &[]).unwrap().len(), 18);
        let both = [Check::Leader, Check::Quota];
        assert_eq!(
            selected(false, &both, &[Check::Quota]),
            Ok(vec![Check::Leader])
        );
        assert!(selected(false, &both, &both).is_err());
        assert!(selected(true, &[Check::Leader], &[]).is_err());
        assert_eq!(
            selected(true, &[], &[Check::ApiServer]),
            Ok(vec![Check::MayInstall])
        );
    }
}
