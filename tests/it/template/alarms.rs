//! Alarms: each leads to a section of the runbook, counts something that is told, and calls somebody.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Template, root, text};

/// What is told of a function's version too: `shell`'s list of the same name, which the built functions are held to.
const ON_TRIAL: [&str; 3] = ["InvocationsRefused", "MessagesFailed", "RunsParked"];

/// A section of fewer words cannot say what to look at and what to do.
const LEAST_WORDS: usize = 40;

/// Seconds between two sweeps.
const EVERY_MINUTE: u64 = 60;

/// An anchor as GitHub makes it of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_')).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The sections of the runbook that say something, heading and words, by their anchors: a heading alone helps nobody.
fn runbook() -> BTreeMap<String, String> {
    let text = text("docs/runbook.md");
    let mut sections: Vec<(&str, String)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("##"), sections.last_mut()) {
            (Some(heading), _) => sections.push((heading.trim_start_matches('#'), String::new())),
            (None, Some((_, words))) => words.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    sections.retain(|(_, words)| words.split_whitespace().count() >= LEAST_WORDS);
    sections.into_iter().map(|(heading, words)| (anchor(heading), format!("{heading}\n{words}"))).collect()
}

/// The alarms' properties.
fn alarms(template: &Template) -> Vec<(&str, &Value)> {
    template.all("AWS::CloudWatch::Alarm").into_iter().map(|(id, alarm)| (id, &alarm["Properties"])).collect()
}

/// An alarm's name without the deployment's: what whoever is called reads.
fn name(alarm: &Value) -> &str {
    let name = alarm["AlarmName"]["Fn::Sub"].as_str().and_then(|name| name.strip_prefix("rockpool-${Deployment}-"));
    name.unwrap_or_else(|| panic!("an alarm is named {}", alarm["AlarmName"]))
}

/// What an alarm counts: namespace, name, dimensions.
fn counted(alarm: &Value) -> Vec<(&str, &str, &Value)> {
    let metric = |value: &'_ Value| -> Option<(String, String)> {
        Some((value["Namespace"].as_str()?.to_owned(), value["MetricName"].as_str()?.to_owned()))
    };
    let stats = alarm["Metrics"].as_array().into_iter().flatten().map(|one| &one["MetricStat"]["Metric"]);
    std::iter::once(alarm)
        .chain(stats)
        .filter(|value| metric(value).is_some())
        .map(|value| (value["Namespace"].as_str().unwrap(), value["MetricName"].as_str().unwrap(), &value["Dimensions"]))
        .collect()
}

/// Whoever is called has the alarm's name, and searches for that.
#[test]
fn every_alarm_leads_to_a_section_of_the_runbook_that_names_it() {
    let (template, sections) = (Template::read(), runbook());
    for (id, alarm) in alarms(&template) {
        let description = alarm["AlarmDescription"].as_str().unwrap();
        let (_, section) = description.rsplit_once("docs/runbook.md#").unwrap_or_else(|| panic!("{id} names no section: {description}"));
        let said = sections.get(section).unwrap_or_else(|| panic!("{id}: the runbook has no section #{section}, or nothing in it"));
        assert!(said.contains(&format!("`{}`", name(alarm))), "{id}: section #{section} of the runbook does not name `{}`", name(alarm));
    }
}

/// Alarms that the code raises by name are headings of the runbook, and each of them has to call somebody.
#[test]
fn every_alarm_of_the_runbook_is_in_the_template() {
    let (template, text) = (Template::read(), text("docs/runbook.md"));
    let ours = text.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'));
    let mut seen = 0;
    for name in ours {
        seen += 1;
        let wanted = format!("docs/runbook.md#{name}");
        let found =
            alarms(&template).iter().any(|(_, alarm)| alarm["AlarmDescription"].as_str().is_some_and(|text| text.ends_with(&wanted)));
        assert!(found, "no alarm leads to {name}");
    }
    assert!(seen >= 4, "the runbook has {seen} alarms");
}

#[test]
fn every_alarm_calls_somebody_and_knows_what_silence_means() {
    let template = Template::read();
    for (id, alarm) in alarms(&template) {
        assert_eq!(alarm["AlarmActions"], json!([{ "Ref": "Calls" }]), "{id}");
        assert_eq!(alarm["OKActions"], json!([{ "Ref": "Calls" }]), "{id}: nobody hears that it is over");
        let silence = alarm["TreatMissingData"].as_str().unwrap_or_else(|| panic!("{id} does not say what silence means"));
        // A sweep that does not run says nothing at all. Everything else is quiet when all is well.
        assert_eq!(silence == "breaching", id == "SweepNotRunning", "{id}");
    }
}

/// Alarms, what is compared with which number, how many of how many minutes it takes, what a minute without data counts as, and the reason.
type Calling = (&'static [&'static str], &'static str, (u64, u64), &'static str, &'static str);

/// When each alarm calls, and why then. `notBreaching` ends an alarm when nothing is told any more; `ignore` would leave it as it
/// was, for ever where the last thing told was bad, and `missing` would leave it without a state.
const CALLS: &[Calling] = &[
    (
        &["dead_letters_flows", "dead_letters_health", "dead_letters_notices"],
        "Maximum >= 1",
        (1, 1),
        "notBreaching",
        "five receives have failed already, and it calls until the queue is empty",
    ),
    (
        &["oldest_message_flows"],
        "Maximum >= 1800",
        (5, 5),
        "notBreaching",
        "900 s of delay and 720 s behind a dead worker are no fault; five minutes more for the delivery after them",
    ),
    (
        &["oldest_message_health"],
        "Maximum >= 180",
        (3, 3),
        "notBreaching",
        "a check is worthless after a minute and dropped after two, so that older ones are taken by nobody",
    ),
    (
        &["oldest_message_notices"],
        "Maximum >= 900",
        (5, 5),
        "notBreaching",
        "twice hidden for 360 s behind a dead worker is no fault; five minutes more for the delivery after that",
    ),
    (
        &[
            "function_errors",
            "function_errors_api",
            "function_errors_sweep",
            "function_errors_flow-runner",
            "function_errors_health-checker",
            "function_errors_notifier",
        ],
        "Sum, SUM(METRICS()) >= 1",
        (2, 5),
        "notBreaching",
        "one crash heals itself, a second one within minutes is no chance; a window that a deployment's ten minutes have room for",
    ),
    (
        &["throttles"],
        "Sum, SUM(METRICS()) >= 1",
        (2, 5),
        "notBreaching",
        "one burst is smoothed by repeats; again within minutes, messages come nearer to the dead letters with each delivery",
    ),
    (
        &["table_throttles"],
        "Sum, SUM(METRICS()) >= 1",
        (3, 5),
        "notBreaching",
        "the clients repeat, and DynamoDB divides a busy partition by itself; after three minutes that was not enough",
    ),
    (
        &["api_answers"],
        "Sum, IF(requests >= 20, 100 * failed / requests, IF(failed >= 5, 100, 0)) > 5",
        (3, 5),
        "notBreaching",
        "one bad minute is over before anybody can look; nobody's request is nobody's failure",
    ),
    (&["run_parked"], "Maximum >= 1", (1, 1), "notBreaching", "a parked run waits for a person; each sweep tells it again until one came"),
    (&["provider_incident"], "Maximum >= 1", (1, 1), "notBreaching", "three misses of each instance were waited for before it was opened"),
    (
        &["unknown_version"],
        "Sum >= 1",
        (12, 15),
        "notBreaching",
        "longer than the ten minutes in which a deployment has two versions at work, and room for minutes that tell it late",
    ),
    (
        &["instance_degraded"],
        "Maximum >= 1",
        (1, 5),
        "notBreaching",
        "repair was tried before; a shard tells it with each check, and five minutes bridge checks that were dropped",
    ),
    (&["sweep_not_running"], "Sum < 1", (3, 3), "breaching", "silence is the alarm; one lost minute is the next one's work"),
    (&["messages_failed"], "Sum >= 1", (4, 5), "notBreaching", "what failed rests for minutes: failures in four of five are many messages"),
    (
        &["not_ready"],
        "Sum >= 1",
        (3, 5),
        "notBreaching",
        "each invocation tries again, so that a secret that did not answer once is over soon",
    ),
];

/// When an alarm calls, as the rows of the list have it.
fn calls(alarm: &Value) -> (String, (u64, u64), String) {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{} has {value}", name(alarm))).to_owned();
    let metrics = alarm["Metrics"].as_array().into_iter().flatten();
    let (expressions, figures): (Vec<_>, Vec<_>) = metrics.partition(|metric| metric["Expression"].is_string());
    let figures: Vec<_> = if figures.is_empty() {
        vec![(&alarm["Statistic"], &alarm["Period"])]
    } else {
        figures.into_iter().map(|figure| (&figure["MetricStat"]["Stat"], &figure["MetricStat"]["Period"])).collect()
    };
    for figure in &figures {
        assert_eq!((figure.0, figure.1.as_u64()), (figures[0].0, Some(60)), "{}: the rows have one statistic, of minutes", name(alarm));
    }
    let compared = match alarm["ComparisonOperator"].as_str() {
        Some("GreaterThanOrEqualToThreshold") => ">=",
        Some("GreaterThanThreshold") => ">",
        Some("LessThanThreshold") => "<",
        other => panic!("{} compares by {other:?}", name(alarm)),
    };
    let of: Vec<_> = std::iter::once(text(figures[0].0)).chain(expressions.iter().map(|one| text(&one["Expression"]))).collect();
    let minutes = alarm["EvaluationPeriods"].as_u64().unwrap();
    let needed = alarm.get("DatapointsToAlarm").map_or(minutes, |needed| needed.as_u64().unwrap());
    let said = format!("{} {compared} {}", of.join(", "), alarm["Threshold"]);
    (said, (needed, minutes), text(&alarm["TreatMissingData"]))
}

#[test]
fn every_alarm_calls_when_its_row_says_and_every_row_has_its_alarm() {
    let template = Template::read();
    let mut unseen: BTreeMap<_, _> = alarms(&template).into_iter().map(|(_, alarm)| (name(alarm), calls(alarm))).collect();
    for (names, figure, minutes, silence, why) in CALLS {
        for name in *names {
            let found = unseen.remove(name).unwrap_or_else(|| panic!("there is no alarm {name}, or it has two rows"));
            assert_eq!(found, ((*figure).to_owned(), *minutes, (*silence).to_owned()), "{name}, of which it is said: {why}");
        }
    }
    assert!(unseen.is_empty(), "alarms without a row: {unseen:?}");
}

/// One run that no code knows is told of once a minute: a worker leaves it until a moment before the next sweep. The alarm has to call for
/// a single one, and within the time that it looks back to.
#[test]
fn a_single_run_of_an_unknown_version_calls_somebody() {
    let template = Template::read();
    let alarm = &template.0["Resources"]["UnknownVersion"]["Properties"];
    let [period, periods, needed] = ["Period", "EvaluationPeriods", "DatapointsToAlarm"].map(|name| alarm[name].as_u64().unwrap());
    // Between a sweep's look at the table and the worker's write that leaves the run: a queue, and at worst a cold start.
    let handed_over = 10;
    let left = durable::Timing::DEFAULT.unknown_version.as_secs();
    let (window, mut sweep, mut told) = (periods * period, 0, BTreeSet::new());
    while sweep < window {
        told.insert((sweep + handed_over) / period);
        let due = sweep + handed_over + left;
        sweep = due.div_ceil(EVERY_MINUTE) * EVERY_MINUTE;
    }
    assert!(told.len() as u64 >= needed, "a stranded run is told of in {} of {periods} periods, and {needed} call", told.len());
    // Sums of a period: twice in one and not in the next is a datapoint less.
    assert!(periods > needed, "one minute's delay and nobody is called");
}

/// At night hardly anybody calls. An API that answers nobody but with 5xx is noticed all the same, and one failure of a few is not.
#[test]
fn an_api_that_fails_is_noticed_however_few_call() {
    let template = Template::read();
    let alarm = &template.0["Resources"]["ApiAnswers"]["Properties"];
    let share = alarm["Metrics"][0]["Expression"].as_str().unwrap();
    let threshold = alarm["Threshold"].as_f64().unwrap();
    let calls = |failed: u32, requests: u32| {
        evaluated(&share.replace("failed", &failed.to_string()).replace("requests", &requests.to_string())) > threshold
    };
    for (failed, requests) in [(5, 5), (19, 19), (2, 20), (6, 100)] {
        assert!(calls(failed, requests), "{failed} of {requests}");
    }
    for (failed, requests) in [(0, 0), (1, 1), (4, 19), (1, 20), (5, 100)] {
        assert!(!calls(failed, requests), "{failed} of {requests}");
    }
}

/// As much of CloudWatch's metric math as that takes: numbers, `*` and `/` from left to right, `IF(a >= b, c, d)`.
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html>.
fn evaluated(text: &str) -> f64 {
    let text = text.trim();
    let Some(arguments) = text.strip_prefix("IF(").and_then(|rest| rest.strip_suffix(')')) else {
        let mut words = text.split_whitespace();
        let number = |word: Option<&str>| word.and_then(|word| word.parse::<f64>().ok()).unwrap_or_else(|| panic!("`{text}`"));
        let mut value = number(words.next());
        while let Some(operator) = words.next() {
            match operator {
                "*" => value *= number(words.next()),
                "/" => value /= number(words.next()),
                other => panic!("`{other}` is not known here"),
            }
        }
        return value;
    };
    // The last argument may be another IF.
    let [condition, yes, no] = arguments.splitn(3, ',').collect::<Vec<_>>()[..] else { panic!("`{text}`") };
    let (left, right) = condition.split_once(">=").unwrap();
    evaluated(if evaluated(left) >= evaluated(right) { yes } else { no })
}

/// A metric that nobody tells is an alarm that never calls.
#[test]
fn what_the_alarms_and_the_dashboard_count_is_told_by_the_code() {
    let template = Template::read();
    let told = told();
    for (id, alarm) in alarms(&template) {
        for (namespace, metric, dimensions) in counted(alarm) {
            if namespace == "Rockpool" {
                assert!(told.contains(metric), "{id} counts {metric}, which no function tells");
                let deployment = json!([{ "Name": "Deployment", "Value": { "Ref": "Deployment" } }]);
                let of_a_version = dimensions[0]["Name"] == "FunctionName" && dimensions[1]["Name"] == "Version";
                assert!(dimensions == &deployment || (of_a_version && ON_TRIAL.contains(&metric)), "{id}: nobody tells {metric} so");
            }
        }
    }
    let dashboard = template.property("Dashboard", "/DashboardBody/Fn::Sub").as_str().unwrap();
    let widgets: Value = serde_json::from_str(dashboard).expect("the dashboard is JSON");
    let mut shown = BTreeSet::new();
    for widget in widgets["widgets"].as_array().unwrap() {
        let mut namespace = "";
        for line in widget["properties"]["metrics"].as_array().unwrap() {
            // A full stop means: as in the line above.
            namespace = line[0].as_str().filter(|name| !matches!(*name, "." | "...")).unwrap_or(namespace);
            if let (true, Some(metric)) = (namespace == "Rockpool", line[1].as_str()) {
                shown.insert(metric.to_owned());
            }
        }
    }
    assert!(shown.is_subset(&told), "the dashboard shows {:?}, which no function tells", &shown - &told);
    let counted: BTreeSet<_> =
        alarms(&template).iter().flat_map(|(_, alarm)| counted(alarm)).map(|(_, metric, _)| metric.to_owned()).collect();
    let unseen: Vec<_> = told.iter().filter(|metric| !shown.contains(*metric) && !counted.contains(*metric)).collect();
    assert!(unseen.is_empty(), "functions tell {unseen:?}, which nobody looks at");
}

/// What AWS itself counts, of all that the alarms look at: a misspelt name would be an alarm that never has data.
///
/// Sources: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html>,
/// <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html>,
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html>,
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html>.
const COUNTED_BY_AWS: [(&str, &[&str], &[&str]); 4] = [
    ("AWS/SQS", &["ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"], &["QueueName"]),
    ("AWS/Lambda", &["Errors", "Throttles"], &["FunctionName", "Resource", "ExecutedVersion"]),
    ("AWS/DynamoDB", &["ReadThrottleEvents", "WriteThrottleEvents"], &["TableName", "GlobalSecondaryIndexName"]),
    ("AWS/ApiGateway", &["5xx", "Count"], &["ApiId"]),
];

#[test]
fn what_the_alarms_count_of_aws_is_counted_by_aws() {
    let template = Template::read();
    for (id, alarm) in alarms(&template) {
        for (namespace, metric, dimensions) in counted(alarm).into_iter().filter(|(namespace, ..)| *namespace != "Rockpool") {
            let known = COUNTED_BY_AWS.iter().find(|(known, ..)| *known == namespace);
            let (_, metrics, names) = known.unwrap_or_else(|| panic!("{id}: {namespace} is not known here"));
            assert!(metrics.contains(&metric), "{id}: {namespace} has no {metric}");
            for dimension in dimensions.as_array().unwrap() {
                assert!(names.iter().any(|name| dimension["Name"] == *name), "{id}: {namespace} has no {dimension}");
            }
        }
    }
}

/// What is paid for by its number alone is counted here, and stands in the bill and in the guide.
#[test]
fn the_bill_and_the_guide_have_as_many_alarms_and_metrics_as_there_are() {
    let template = Template::read();
    let alarms = alarms(&template);
    let looked_at: usize = alarms.iter().map(|(_, alarm)| counted(alarm).len()).sum();
    let usage: toml::Table = text("infra/local/examples/figures/cost/usage.toml").parse().unwrap();
    let number = |name: &str| usage["fixed"][name].as_integer().and_then(|number| usize::try_from(number).ok());
    assert_eq!((number("alarm_metrics"), number("metrics")), (Some(looked_at), Some(told().len())));
    assert_eq!(number("queues"), Some(shell::QUEUES.len()));
    assert_eq!(number("keys"), Some(template.all("AWS::KMS::Key").len()));
    assert_eq!(number("platform_secrets"), Some(template.all("AWS::SecretsManager::Secret").len()));
    let (alarm_dollars, metric_dollars) = (looked_at as f64 * 0.10, told().len() as f64 * 0.30);
    let said = format!(
        "{looked_at} metrics under {} alarms ${alarm_dollars:.2}, {} metrics of our own ${metric_dollars:.2}",
        alarms.len(),
        told().len()
    );
    let guide = text("docs/operating.md").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(guide.contains(&said), "docs/operating.md does not say: {said}");
}

/// The metrics in the sources: the names in calls of `measure`.
fn told() -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    for folder in ["functions", "workers", "crates/shell"] {
        read(&root().join(folder), &mut |source| {
            // What follows in a file is its tests.
            let source = source.split("#[cfg(test)]").next().unwrap_or_default();
            for call in source.split("measure(&[").skip(1) {
                let arguments = call.split("])").next().unwrap_or_default();
                let names = arguments.split("(\"").skip(1).filter_map(|rest| rest.split_once('"'));
                told.extend(names.map(|(name, _)| name.to_owned()));
            }
        });
    }
    told
}

fn read(folder: &std::path::Path, each: &mut impl FnMut(&str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, each);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            each(&std::fs::read_to_string(path).unwrap());
        }
    }
}
