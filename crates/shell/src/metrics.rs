//! Figures for CloudWatch, in its embedded metric format: a line of standard output that CloudWatch Logs turns into metrics, without a
//! call that a function would wait for.
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.

use std::sync::OnceLock;

use jiff::Timestamp;
use serde_json::{Value, json};

const NAMESPACE: &str = "Rockpool";

/// The deployment whose figures these are; unset where nobody collects them.
static DEPLOYMENT: OnceLock<String> = OnceLock::new();

/// From now on figures go to standard output, under this deployment's name.
pub(crate) fn emit_for(deployment: String) {
    DEPLOYMENT.get_or_init(|| deployment);
}

/// Tells figures, all of them counts, by their names in the alarms and the dashboard of the template. Outside Lambda they are only
/// logged, at level `DEBUG`.
pub fn measure(counts: &[(&'static str, usize)]) {
    match DEPLOYMENT.get() {
        // The one line that is no log entry: CloudWatch knows it by its form.
        Some(deployment) => println!("{}", embedded(deployment, Timestamp::now(), counts)),
        None => tracing::debug!(?counts, "measured"),
    }
}

fn embedded(deployment: &str, now: Timestamp, counts: &[(&'static str, usize)]) -> Value {
    let metrics: Vec<_> = counts.iter().map(|(name, _)| json!({ "Name": name, "Unit": "Count" })).collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": now.as_millisecond(),
            "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": [["Deployment"]], "Metrics": metrics }],
        },
        "Deployment": deployment,
    });
    for (name, count) in counts {
        line[name] = json!(count);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_told_in_the_embedded_metric_format() {
        let now = "2026-11-23T12:00:00Z".parse().unwrap();
        let line = embedded("prod", now, &[("ParkedRuns", 3), ("SweepCompleted", 1)]);
        let expected = json!({
            "_aws": {
                "Timestamp": 1_795_435_200_000_i64,
                "CloudWatchMetrics": [{
                    "Namespace": "Rockpool",
                    "Dimensions": [["Deployment"]],
                    "Metrics": [{ "Name": "ParkedRuns", "Unit": "Count" }, { "Name": "SweepCompleted", "Unit": "Count" }],
                }],
            },
            "Deployment": "prod",
            "ParkedRuns": 3,
            "SweepCompleted": 1,
        });
        assert_eq!(line, expected);
    }
}
