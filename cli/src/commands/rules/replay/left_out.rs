//! What of a log was not decided, or not wholly, and what of it could not be seen. Pure.

use namesake_core::ReplayReport;

use crate::answer::text::count;

/// Of a log of which nothing was decided.
pub(super) const NOTHING: &str = "the log has no request of a user that Namesake decided: is it an audit log of this cluster's API server?";

/// What was not decided because it is not about this edit, or was decided with less than the request had.
pub(super) fn notes(report: &ReplayReport) -> Vec<String> {
    sentences(&[
        (
            report.not_opted_in,
            "request was",
            "requests were",
            " not decided by Namesake, because the namespace was not opted in or the API server refused it before; \
             --everywhere decides it",
        ),
        (
            report.without_object,
            "request was",
            "requests were",
            " decided without labels, flow, step and project: the audit policy does not record objects (level Request)",
        ),
        (
            report.without_groups,
            "request was",
            "requests were",
            " decided without the groups of the requester, which Cloud Logging does not record: rules about groups did not match",
        ),
    ])
}

/// What may change the answer and could not be read, or is not in it.
pub(super) fn not_seen(report: &ReplayReport, is_log: bool) -> Vec<String> {
    let first = report.first_broken.first().copied().unwrap_or_default();
    let of_log = format!(" of an audit log of the API server; the first is entry {first}");
    let (one, many, rest) = match is_log {
        true => (
            "entry that is not one",
            "entries that are not",
            of_log.as_str(),
        ),
        false => ("object", "objects", " that cannot be read"),
    };
    let all = [
        (report.broken, one, many, rest),
        (
            report.without_requester,
            "event that does not name",
            "events that do not name",
            " who sent the request",
        ),
        (
            report.other_names,
            "request",
            "requests",
            " that got an identity of another name than the rules give now: the log is of another cluster or stack, or from before \
             an edit of per",
        ),
        (
            report.more_changes,
            "pod",
            "pods",
            " whose change is not listed, because there are too many different ones",
        ),
        (
            report.more_identities,
            "use of an identity",
            "uses of identities",
            " beyond those that are counted, because there are too many identities",
        ),
    ];
    let end = report.read_up_to.map(|last| {
        format!(
            "everything after entry {last}: the list is broken there, or the next entry is too long"
        )
    });
    sentences(&all).into_iter().chain(end).collect()
}

/// A number, its noun in the singular and the plural, and what follows; those of which there is something.
fn sentences(all: &[(u64, &str, &str, &str)]) -> Vec<String> {
    let all = all.iter().filter(|(number, ..)| *number > 0);
    let all = all.map(|(number, one, many, rest)| {
        let number = usize::try_from(*number).unwrap_or(usize::MAX);
        count(number, one, many) + rest
    });
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_may_change_the_answer_is_named_and_nothing_else() {
        let report = ReplayReport {
            entries: 9,
            not_opted_in: 1,
            without_groups: 2,
            without_object: 2,
            by_controllers: 3,
            ..ReplayReport::default()
        };
        assert_eq!(not_seen(&report, true), [""; 0]);
        assert_eq!(notes(&report).len(), 3);
        let report = ReplayReport {
            broken: 1,
            first_broken: vec![4],
            without_requester: 2,
            other_names: 1,
            more_changes: 1,
            more_identities: 3,
            read_up_to: Some(7),
            ..report
        };
        let beginnings = [
            "1 entry that is not one of an audit log of the API server; the first is entry 4",
            "2 events that do not name who sent the request",
            "1 request that got an identity of another name",
            "1 pod whose change is not listed",
            "3 uses of identities beyond those that are counted",
            "everything after entry 7: ",
        ];
        let all = not_seen(&report, true);
        assert_eq!(all.len(), beginnings.len(), "{all:?}");
        for (text, beginning) in all.iter().zip(beginnings) {
            assert!(text.starts_with(beginning), "{text}");
        }
        let of_cluster = &not_seen(&report, false)[0];
        assert_eq!(of_cluster, "1 object that cannot be read");
    }
}
