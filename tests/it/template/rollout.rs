//! Roll-outs: whether what turns a deployment back can act before the new version has all of the work.

use serde_json::Value;

use super::{Template, events, referred};

/// Seconds from the end of a minute to the end of a deployment that failed in it: its figures arrive, the alarm is evaluated, CodeDeploy
/// looks at it.
const LATE: u64 = 180;

/// How CodeDeploy shifts the work.
/// Source: <https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html>.
struct Shift {
    /// The new version's first share, and what each step adds, of 1.
    share: f64,
    /// Seconds between two steps.
    every: u64,
    /// Steps until it has everything.
    steps: u64,
}

impl Shift {
    /// `Canary10Percent10Minutes`, `Linear10PercentEvery2Minutes`.
    fn of(name: &str) -> Self {
        let number = |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("{name} is not known here"));
        let minutes = |text: &str| 60 * number(text.trim_end_matches("Minutes").trim_end_matches("Minute"));
        if let Some((percent, time)) = name.strip_prefix("Canary").and_then(|rest| rest.split_once("Percent")) {
            return Self { share: number(percent) as f64 / 100.0, every: minutes(time), steps: 1 };
        }
        let parts = name.strip_prefix("Linear").and_then(|rest| rest.split_once("PercentEvery"));
        let (percent, time) = parts.unwrap_or_else(|| panic!("{name} is not known here"));
        Self { share: number(percent) as f64 / 100.0, every: minutes(time), steps: 100 / number(percent) - 1 }
    }

    /// Seconds until the new version has everything.
    fn length(&self) -> u64 {
        self.every * self.steps
    }

    /// The new version's share in a minute of the deployment.
    fn share_in(&self, minute: u64) -> f64 {
        self.share * (minute * 60 / self.every + 1) as f64
    }
}

fn shift(function: &Value) -> Shift {
    let kind = &function["Properties"]["DeploymentPreference"]["Type"]["Fn::If"];
    assert_eq!((kind[0].as_str(), kind[2].as_str()), (Some("Gradual"), Some("AllAtOnce")));
    Shift::of(kind[1].as_str().unwrap())
}

/// The alarms that turn a function back, if it is deployed gradually.
pub(super) fn alarms<'t>(template: &'t Template, function: &'t Value) -> Vec<(&'t str, &'t Value)> {
    let alarms = &function["Properties"]["DeploymentPreference"]["Alarms"]["Fn::If"];
    assert_eq!(alarms[0], "Gradual");
    let named = alarms[1].as_array().unwrap().iter().filter_map(referred);
    named.map(|alarm| (alarm, &template.0["Resources"][alarm]["Properties"])).collect()
}

/// The metrics of an alarm that are about the version of a function alone.
fn of_its_version<'t>(alarm: &'t Value, function: &str) -> Vec<&'t str> {
    let metrics = alarm["Metrics"].as_array().into_iter().flatten().map(|one| &one["MetricStat"]["Metric"]);
    let version = |one: &&Value| ["ExecutedVersion", "Version"].iter().any(|name| one["Name"] == *name);
    let own = metrics.filter(|metric| {
        let dimensions = metric["Dimensions"].as_array().into_iter().flatten();
        dimensions.filter(version).any(|one| one["Value"]["Fn::GetAtt"] == serde_json::json!([function, "Version.Version"]))
    });
    own.filter_map(|metric| metric["MetricName"].as_str()).collect()
}

fn seconds(alarm: &Value, periods: &str) -> u64 {
    let metrics = alarm["Metrics"].as_array().into_iter().flatten();
    let period = alarm["Period"].as_u64().or_else(|| metrics.filter_map(|one| one["MetricStat"]["Period"].as_u64()).max());
    period.unwrap() * alarm[periods].as_u64().or(alarm["EvaluationPeriods"].as_u64()).unwrap()
}

/// A worker reports what it cannot handle and ends well, a runner parks, the API answers 503: none of it is an error of an invocation.
#[test]
fn every_function_is_turned_back_by_what_its_own_new_version_fails_at() {
    let template = Template::read();
    for (id, function) in template.functions() {
        let mut wanted = vec!["Errors"];
        wanted.extend(events(function, "SQS").next().map(|_| "MessagesFailed"));
        wanted.extend(events(function, "HttpApi").next().map(|_| "InvocationsRefused"));
        wanted.extend((id == "FlowRunnerFunction").then_some("RunsParked"));
        let alarms = alarms(&template, function);
        let own = alarms.iter().map(|(_, alarm)| of_its_version(alarm, id)).find(|own| !own.is_empty());
        assert_eq!(own.as_deref(), Some(wanted.as_slice()), "{id}");
    }
}

#[test]
fn every_alarm_that_turns_a_deployment_back_has_the_time_to() {
    let template = Template::read();
    for (id, function) in template.functions() {
        let length = shift(function).length();
        for (alarm, properties) in alarms(&template, function) {
            let needed = seconds(properties, "EvaluationPeriods") + LATE;
            assert!(needed < length, "{alarm} sees {needed} s too late what {id} does in {length} s");
        }
    }
}

/// A function that is invoked once a minute has the new version's share as its chance to fail in it. A version that always fails has to be
/// found out in time all the same.
#[test]
fn a_sweep_that_always_fails_is_turned_back() {
    let template = Template::read();
    let function = template.functions()["SweepFunction"];
    let shift = shift(function);
    let (_, alarm) = alarms(&template, function)[0];
    assert!(!of_its_version(alarm, "SweepFunction").is_empty());
    let [window, needed] = ["EvaluationPeriods", "DatapointsToAlarm"].map(|name| alarm[name].as_u64().unwrap());
    // How likely each history of the last minutes is, a bit for each, of those in which the alarm has not called.
    let mut quiet = std::collections::BTreeMap::from([(0_u64, 1.0)]);
    for minute in 0..(shift.length() - LATE) / 60 {
        let mut next = std::collections::BTreeMap::new();
        for (history, likely) in quiet {
            for (failed, chance) in [(1, shift.share_in(minute)), (0, 1.0 - shift.share_in(minute))] {
                let history = (history << 1 | failed) & ((1 << window) - 1);
                if u64::from(history.count_ones()) < needed {
                    *next.entry(history).or_insert(0.0) += likely * chance;
                }
            }
        }
        quiet = next;
    }
    let unseen: f64 = quiet.values().sum();
    assert!(unseen < 0.01, "{unseen:.3} of the deployments of a sweep that always fails go through");
}

/// While two versions of the runner are at work, the old one meets runs of the new one, and leaves them: that is no reason to call.
#[test]
fn a_deployment_is_over_before_unknown_versions_call() {
    let template = Template::read();
    let alarm = &template.0["Resources"]["UnknownVersion"]["Properties"];
    assert!(shift(template.functions()["FlowRunnerFunction"]).length() < seconds(alarm, "DatapointsToAlarm"));
}
