//! Figures for CloudWatch, in its embedded metric format: a line of standard output that CloudWatch Logs turns into metrics, without a
//! call that a function would wait for.
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.

use std::sync::OnceLock;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::settings::Environment;

const NAMESPACE: &str = "Rockpool";

/// What a version that is on trial is turned back for, and Lambda knows nothing of: told of the function's version besides.
const ON_TRIAL: [&str; 3] = ["InvocationsRefused", "MessagesFailed", "RunsParked"];

/// Whose figures these are; unset where nobody collects them.
static TELLER: OnceLock<Teller> = OnceLock::new();

struct Teller {
    deployment: String,
    function: String,
    version: String,
}

/// From now on figures go to standard output, under the names of the deployment, the function and its version.
/// Variables: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>.
pub(crate) fn emit_for(environment: Environment<'_>) {
    let text = |name: &str| environment(name).unwrap_or_default();
    TELLER.get_or_init(|| Teller {
        deployment: text("ROCKPOOL_DEPLOYMENT"),
        function: text("AWS_LAMBDA_FUNCTION_NAME"),
        version: text("AWS_LAMBDA_FUNCTION_VERSION"),
    });
}

/// Tells figures, all of them counts, by their names in the alarms and the dashboard of the template. Outside Lambda they are only
/// logged, at level `DEBUG`.
pub fn measure(counts: &[(&'static str, usize)]) {
    match TELLER.get() {
        // The one line that is no log entry: CloudWatch knows it by its form.
        Some(teller) => println!("{}", embedded(teller, Timestamp::now(), counts)),
        None => tracing::debug!(?counts, "measured"),
    }
}

fn embedded(teller: &Teller, now: Timestamp, counts: &[(&'static str, usize)]) -> Value {
    let told = |wanted: fn(&str) -> bool| -> Vec<Value> {
        counts.iter().filter(|(name, _)| wanted(name)).map(|(name, _)| json!({ "Name": name, "Unit": "Count" })).collect()
    };
    let mut directives = vec![json!({ "Namespace": NAMESPACE, "Dimensions": [["Deployment"]], "Metrics": told(|_| true) })];
    let on_trial = told(|name| ON_TRIAL.contains(&name));
    if !on_trial.is_empty() {
        directives.push(json!({ "Namespace": NAMESPACE, "Dimensions": [["FunctionName", "Version"]], "Metrics": on_trial }));
    }
    let mut line = json!({
        "_aws": { "Timestamp": now.as_millisecond(), "CloudWatchMetrics": directives },
        "Deployment": teller.deployment,
        "FunctionName": teller.function,
        "Version": teller.version,
    });
    for (name, count) in counts {
        line[name] = json!(count);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn teller() -> Teller {
        Teller { deployment: "prod".to_owned(), function: "rockpool-prod-sweep".to_owned(), version: "7".to_owned() }
    }

    #[test]
    fn figures_are_told_in_the_embedded_metric_format() {
        let now = "2026-11-23T12:00:00Z".parse().unwrap();
        let line = embedded(&teller(), now, &[("ParkedRuns", 3), ("SweepCompleted", 1)]);
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
            "FunctionName": "rockpool-prod-sweep",
            "Version": "7",
            "ParkedRuns": 3,
            "SweepCompleted": 1,
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn what_turns_a_version_back_is_told_of_the_version_too() {
        let line = embedded(&teller(), Timestamp::UNIX_EPOCH, &[("MessagesFailed", 2), ("ChecksWell", 9)]);
        let expected = json!({
            "Namespace": "Rockpool",
            "Dimensions": [["FunctionName", "Version"]],
            "Metrics": [{ "Name": "MessagesFailed", "Unit": "Count" }],
        });
        assert_eq!(line["_aws"]["CloudWatchMetrics"][1], expected);
    }
}
