//! Metrics as every program declares and serves them. A declaration has all that docs/metrics.md says about a metric.

use std::fmt;

use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry, Unit};

/// Names and values of labels.
pub type Labels<const N: usize, V = &'static str> = [(&'static str, V); N];

/// Content type of [`MetricsRegistry::text`].
pub const METRICS_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const SECONDS: &str = "_seconds";

/// Which replicas serve a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every replica, each its own value.
    Replica,
    /// The leader only, so that a sum over all replicas counts nothing twice.
    Leader,
}

/// What is known about a metric beside its values.
#[derive(Clone, Debug)]
pub struct MetricInfo {
    /// The name that queries use; of a histogram without `_bucket`, `_sum` and `_count`.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// Who serves it.
    pub scope: Scope,
}

impl MetricInfo {
    /// The unit of its values, which follows from name and help.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        if self.name.ends_with("_timestamp_seconds") {
            "Unix time in seconds"
        } else if self.name.ends_with(SECONDS) {
            "seconds"
        } else if self.name.ends_with("_info") {
            "always 1"
        } else if self.help.starts_with("1 while") {
            "0 or 1"
        } else {
            "count"
        }
    }
}

/// The metrics of one program.
pub struct MetricsRegistry {
    prefix: &'static str,
    replica: Registry,
    leader: Registry,
    infos: Vec<MetricInfo>,
}

impl MetricsRegistry {
    /// With the metric `PREFIX_build_info`, which names this version.
    #[must_use]
    pub fn new(prefix: &'static str, version: &'static str) -> Self {
        let mut registry = Self {
            prefix,
            replica: Registry::with_prefix(prefix),
            leader: Registry::with_prefix(prefix),
            infos: Vec::new(),
        };
        let build = Family::<Labels<1>, Gauge>::default();
        build.get_or_create(&[("version", version)]).set(1);
        let help = "Version of the program";
        registry.add(Scope::Replica, "build_info", help, &["version"], build);
        registry
    }

    /// Declares a metric and returns it. The name has neither the prefix nor the `_total` of counters; a name that ends with
    /// `_seconds` has this unit.
    pub fn add<M: Metric + Clone>(
        &mut self,
        scope: Scope,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        metric: M,
    ) -> M {
        let (kind, suffix) = match metric.metric_type() {
            MetricType::Counter => ("counter", "_total"),
            MetricType::Histogram => ("histogram", ""),
            _ => ("gauge", ""),
        };
        self.infos.push(MetricInfo {
            name: format!("{}_{name}{suffix}", self.prefix),
            kind,
            help,
            labels,
            scope,
        });
        let registry = match scope {
            Scope::Replica => &mut self.replica,
            Scope::Leader => &mut self.leader,
        };
        match name.strip_suffix(SECONDS) {
            Some(base) => registry.register_with_unit(base, help, Unit::Seconds, metric.clone()),
            None => registry.register(name, help, metric.clone()),
        }
        metric
    }

    /// All declarations.
    #[must_use]
    pub fn infos(&self) -> &[MetricInfo] {
        &self.infos
    }

    /// The metrics in Prometheus' text format, which every scraper and promtool read; those of the leader only if this replica
    /// leads.
    #[must_use]
    pub fn text(&self, leads: bool) -> String {
        let mut open_metrics = String::new();
        // Writing to a String cannot fail.
        let _ = encode_registry(&mut open_metrics, &self.replica);
        if leads {
            let _ = encode_registry(&mut open_metrics, &self.leader);
        }
        prometheus_text(&open_metrics)
    }
}

impl fmt::Debug for MetricsRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsRegistry")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// `OpenMetrics` as Prometheus' own text format: a counter has its `_total` in the lines about it too, and there are no units.
fn prometheus_text(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        if line.starts_with("# HELP ") {
            help = Some(line);
            continue;
        }
        if line.starts_with("# UNIT ") {
            continue;
        }
        let Some(type_) = line.strip_prefix("# TYPE ") else {
            match line.split_once('{') {
                // A gauge that is absent at times is a family without labels.
                Some((name, rest)) if rest.starts_with('}') => {
                    text.extend([name, rest.trim_start_matches('}')]);
                }
                _ => text += line,
            }
            text.push('\n');
            continue;
        };
        let counter = type_.strip_suffix(" counter");
        let total = counter.map(|name| format!("{name}_total"));
        for about in help.take().into_iter().chain([line]) {
            let about = match (counter, &total) {
                (Some(name), Some(total)) => about.replacen(name, total, 1),
                _ => about.to_owned(),
            };
            text += &about;
            text.push('\n');
        }
    }
    text
}

/// Declares the metrics of a program: a struct with a field for each, and what docs/metrics.md says of it. A field is registered
/// under its own name.
#[macro_export]
macro_rules! declare_metrics {
    (
        $(#[$about:meta])*
        $visible:vis struct $type:ident of $prefix:literal {
            $($scope:ident $name:ident: $kind:ty = $new:expr, $help:literal, $labels:expr;)+
        }
    ) => {
        $(#[$about])*
        $visible struct $type {
            registry: $crate::MetricsRegistry,
            $(#[doc = $help] $visible $name: $kind,)+
        }

        impl Default for $type {
            fn default() -> Self {
                let mut registry = $crate::MetricsRegistry::new($prefix, env!("CARGO_PKG_VERSION"));
                $(
                    let metric: $kind = $new;
                    let scope = $crate::Scope::$scope;
                    let $name = registry.add(scope, stringify!($name), $help, &$labels, metric);
                )+
                Self { registry, $($name,)+ }
            }
        }

        impl $type {
            /// What each metric is.
            #[must_use]
            $visible fn infos(&self) -> &[$crate::MetricInfo] {
                self.registry.infos()
            }
        }
    };
}

/// A count as the value of a gauge.
pub fn gauge_value(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::histogram::Histogram;

    use super::*;

    fn registry() -> MetricsRegistry {
        let mut registry = MetricsRegistry::new("namesake_test", "1.2.3");
        let calls = Family::<Labels<1>, Counter>::default();
        let calls = registry.add(Scope::Replica, "calls", "Calls", &["result"], calls);
        calls.get_or_create(&[("result", "ok")]).inc();
        let took = Histogram::new([1.0]);
        let took = registry.add(Scope::Replica, "took_seconds", "Time of a call", &[], took);
        took.observe(0.5);
        let waiting = Family::<Labels<0>, Gauge>::default();
        waiting.get_or_create(&[]).set(2);
        registry.add(Scope::Leader, "waiting", "Pods that wait", &[], waiting);
        registry
    }

    #[test]
    fn the_text_is_the_format_of_prometheus() {
        let expected = "\
# HELP namesake_test_build_info Version of the program.
# TYPE namesake_test_build_info gauge
namesake_test_build_info{version=\"1.2.3\"} 1
# HELP namesake_test_calls_total Calls.
# TYPE namesake_test_calls_total counter
namesake_test_calls_total{result=\"ok\"} 1
# HELP namesake_test_took_seconds Time of a call.
# TYPE namesake_test_took_seconds histogram
namesake_test_took_seconds_sum 0.5
namesake_test_took_seconds_count 1
namesake_test_took_seconds_bucket{le=\"1.0\"} 1
namesake_test_took_seconds_bucket{le=\"+Inf\"} 1
";
        assert_eq!(registry().text(false), expected);
    }

    #[test]
    fn only_a_leader_serves_the_metrics_of_the_leader() {
        let waiting = |leads: bool| {
            registry()
                .text(leads)
                .contains("\nnamesake_test_waiting 2\n")
        };
        assert!(waiting(true) && !waiting(false));
    }

    #[test]
    fn a_declaration_says_what_queries_need() {
        let registry = registry();
        let all = registry.infos().iter();
        let all: Vec<_> = all.map(|m| (&*m.name, m.kind, m.unit())).collect();
        let expected = [
            ("namesake_test_build_info", "gauge", "always 1"),
            ("namesake_test_calls_total", "counter", "count"),
            ("namesake_test_took_seconds", "histogram", "seconds"),
            ("namesake_test_waiting", "gauge", "count"),
        ];
        assert_eq!(all, expected);
    }
}
