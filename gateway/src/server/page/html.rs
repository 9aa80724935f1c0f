//! The page as HTML. Whatever comes from the cluster or a token is escaped by the templates.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use namesake_api::UnprovenReport;
use namesake_api::names::{ADOPT_ANNOTATION, LOGOUT_PATH};
use namesake_core::Refusal;

use super::status::{IdentityStatus, PodStatus, Status, WhoAmI};

/// Parents without a proven requester that the page lists; the same as JSON has all that the webhook reports.
const MAX_UNPROVEN: usize = 100;

/// The style sheet, which the policy of the page allows by its digest.
pub(super) const STYLE: &str = include_str!("style.css");

/// The page of somebody whom the rules know.
pub(super) fn page(status: &Status, can_log_out: bool) -> Markup {
    frame(&html! {
        p.muted {
            "Stack " (status.stack)
            @if can_log_out { " · " a href=(LOGOUT_PATH) { "Log out" } }
        }
        (who(&status.who))
        @for problem in &status.problems {
            p.problem { (problem) }
        }
        section {
            h2 { @if status.who.admin { "Pods that wait" } @else { "Your pods that wait" } }
            (waiting(status))
        }
        section {
            h2 { @if status.who.admin { "Identities" } @else { "Your identities" } }
            (identities(status))
        }
        @if let Some(quotas) = &status.quotas {
            section {
                h2 { "Quotas" }
                @if quotas.is_empty() {
                    p.muted { "The broker has not reported any yet." }
                } @else {
                    dl {
                        @for (name, used) in quotas {
                            dt { (name) }
                            dd { (used) }
                        }
                    }
                }
            }
        }
        @if let Some(report) = &status.unproven {
            section {
                h2 { "Parents without a proven requester" }
                (unproven(report))
            }
        }
    })
}

/// The page of somebody who is not let in.
pub(super) fn refused(refusal: &Refusal) -> Markup {
    frame(&html! {
        section {
            h2 { "You are not known here" }
            p.problem { (refusal.message) }
            p.muted { "Reason: " code { (refusal.reason) } " (" (refusal.reason.code()) ")" }
        }
    })
}

fn frame(content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Namesake" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { "Namesake" }
                    (content)
                }
            }
        }
    }
}

fn who(who: &WhoAmI) -> Markup {
    let rights = [
        ("read", who.read),
        ("write", who.write),
        ("admin", who.admin),
    ];
    html! {
        section {
            h2 { "You" }
            dl {
                dt { "User" }
                dd { strong { (who.user) } }
                @if who.requester != who.user {
                    dt { "Signed in as" }
                    dd { (who.requester) }
                }
                @if !who.groups.is_empty() {
                    dt { "Groups" }
                    dd { (who.groups.join(", ")) }
                }
                dt { "May" }
                dd {
                    @for (name, has) in rights {
                        @if has { span.good { (name) } " " }
                    }
                    @if let Some(refusal) = &who.refusal { span.problem { (refusal) } }
                }
            }
        }
    }
}

fn waiting(status: &Status) -> Markup {
    html! {
        @if status.waiting.is_empty() {
            p.muted { "None." }
        } @else {
            ul.cards {
                @for pod in &status.waiting { (waiting_pod(pod, status.who.admin)) }
            }
        }
    }
}

fn waiting_pod(pod: &PodStatus, is_admin: bool) -> Markup {
    html! {
        li {
            strong { (pod.name) }
            " " span.muted { "in " (pod.namespace) }
            @if is_admin { div { "of " (pod.user) } }
            div { (pod.why) }
            @if let Some(since) = &pod.since { div.muted { "since " time datetime=(since) { (since) } } }
        }
    }
}

fn unproven(report: &UnprovenReport) -> Markup {
    let listed = report.parents.len().min(MAX_UNPROVEN);
    html! {
        @if report.count == 0 {
            p.muted { "None." }
        } @else {
            p.muted {
                "Their pods get no identity. Create them again, or assign them to a user with the annotation "
                code { (ADOPT_ANNOTATION) } "."
            }
            @if listed < report.count { p.muted { "The first " (listed) " of " (report.count) "." } }
            ul.cards {
                @for parent in &report.parents[..listed] {
                    li {
                        strong { (parent.kind) " " (parent.name) }
                        " " span.muted { "in " (parent.namespace) }
                        div { (parent.why) }
                    }
                }
            }
        }
    }
}

fn identities(status: &Status) -> Markup {
    let listed = status.identities.len();
    html! {
        @if status.identities.is_empty() {
            p.muted { "None yet: the first run in Kubernetes creates one." }
        } @else {
            @if listed < status.total_identities {
                p.muted { "The first " (listed) " of " (status.total_identities) ", those that do not work first." }
            }
            ul.cards {
                @for identity in &status.identities { (identity_card(identity, status.who.admin)) }
            }
        }
    }
}

fn identity_card(identity: &IdentityStatus, is_admin: bool) -> Markup {
    html! {
        li {
            strong { (identity.name) }
            " " span.muted { "in " (identity.namespace) ", class " (identity.class) }
            @if is_admin && !identity.user.is_empty() { div { "of " (identity.user) } }
            @if let Some(account) = &identity.google_service_account { div { (account) } }
            div {
                span class=(if identity.ready { "good" } else { "problem" }) {
                    @if identity.ready { "works" } @else { "does not work yet" }
                }
                " " span.muted { (identity.phase) }
            }
            @if let (Some(reason), Some(message)) = (&identity.reason, &identity.message) {
                div { code { (reason) } ": " (message) }
            }
        }
    }
}
