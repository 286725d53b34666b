//! What the functions wrote: every line is one of the log's or figures for CloudWatch, no line has a secret in it, and together they tell
//! what the alarms wait for.

use std::collections::BTreeSet;

use local::parts::{ACCESS_KEY, CONTROL_KEY, CURSOR_KEY, FLY_TOKEN};
use serde_json::Value;
use shipped::{Platform, Template};

use crate::Check;

/// A metric as CloudWatch knows it: its name, and the names of its dimensions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Metric {
    name: String,
    dimensions: Vec<String>,
}

/// How every JSON Web Token begins: `{"` in base64url.
const TOKEN: &str = "eyJ";

/// Looks at everything that the functions of a platform wrote.
pub(crate) async fn examine(check: &mut Check, platform: &Platform) {
    let mut secrets = std::mem::take(&mut check.secrets);
    secrets.extend([platform.token.clone(), "not-a-secret".to_owned(), "not-a-token".to_owned(), TOKEN.to_owned()]);
    for name in [ACCESS_KEY, CONTROL_KEY, CURSOR_KEY, FLY_TOKEN] {
        let answer = platform.cloud.aws.secrets_manager().get_secret_value().secret_id(name).send().await.unwrap();
        secrets.push(answer.secret_string.unwrap());
    }
    for (function, written) in platform.functions() {
        for line in written.output() {
            let secret = secrets.iter().position(|secret| line.contains(secret.as_str()));
            // Which one is said by its place, for this output is kept somewhere too.
            assert!(secret.is_none(), "{function} tells secret {secret:?} of {}", secrets.len());
            let parsed: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{function} writes `{line}`: {error}"));
            match parsed.get("_aws") {
                Some(figures) => check.told.extend(metrics(figures, &parsed)),
                None => assert!(parsed["level"].is_string() && parsed["timestamp"].is_string(), "{function} writes `{line}`"),
            }
        }
    }
}

/// The metrics of a line in the embedded format, each of which has its value and those of its dimensions beside it.
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.
fn metrics(figures: &Value, line: &Value) -> BTreeSet<Metric> {
    let texts = |value: &Value| -> Vec<String> { value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect() };
    assert!(figures["Timestamp"].as_i64().is_some_and(|moment| moment > 0), "{line}");
    let mut found = BTreeSet::new();
    for directive in figures["CloudWatchMetrics"].as_array().unwrap() {
        assert_eq!(directive["Namespace"], "Rockpool", "{line}");
        for metric in directive["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            assert!(line[name].as_f64().is_some(), "{name} has no value in {line}");
            for dimensions in directive["Dimensions"].as_array().unwrap().iter().map(texts) {
                let known = |dimension: &String| line[dimension].as_str().is_some_and(|value| !value.is_empty());
                assert!(dimensions.iter().all(known), "a dimension has no value in {line}");
                found.insert(Metric { name: name.to_owned(), dimensions });
            }
        }
    }
    found
}

/// An alarm on something that nobody tells, or tells otherwise, never calls.
pub(crate) fn every_alarm_is_told(check: &Check) {
    let template = Template::read(&[]).unwrap();
    let waited_for: BTreeSet<_> =
        template.alarm_metrics("Rockpool").into_iter().map(|(name, dimensions)| Metric { name, dimensions }).collect();
    assert!(waited_for.len() >= 8, "the template's alarms wait for {waited_for:?}");
    println!("  {} metrics were told, of which alarms wait for {}", check.told.len(), waited_for.len());
    let untold: Vec<_> = waited_for.difference(&check.told).collect();
    assert!(untold.is_empty(), "alarms wait for {untold:?}, which no function told: run all parts");
}
