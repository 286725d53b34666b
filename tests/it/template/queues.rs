//! Queues: the arithmetic between a queue, its function, the lease of a run and the sweep; and what happens to what nobody can handle.

use std::collections::BTreeSet;
use std::time::Duration;

use durable::Timing;
use serde_json::{Value, json};

use super::{Template, consumer, events, referred, text};

/// Receives after which a message is a dead letter.
const RECEIVES: u64 = 5;

/// Queues that functions work on; the others hold dead letters.
fn worked_on(template: &Template) -> BTreeSet<String> {
    let functions = template.functions();
    let sources = functions.values().flat_map(|function| events(function, "SQS")).filter_map(|(_, event)| referred(&event["Queue"]));
    sources.map(str::to_owned).collect()
}

fn dead_letters<'t>(template: &'t Template, queue: &str) -> &'t str {
    referred(template.property(queue, "/RedrivePolicy/deadLetterTargetArn")).unwrap()
}

/// The alarms on a metric of a queue.
fn alarms_on<'t>(template: &'t Template, metric: &str, queue: &str) -> Vec<&'t Value> {
    let alarms = template.all("AWS::CloudWatch::Alarm").into_values().map(|alarm| &alarm["Properties"]);
    let on = |alarm: &Value| alarm["MetricName"] == metric && referred(&alarm["Dimensions"][0]["Value"]) == Some(queue);
    alarms.filter(|alarm| on(alarm)).collect()
}

#[test]
fn what_nobody_can_handle_is_kept_and_somebody_is_called() {
    let template = Template::read();
    let queues = worked_on(&template);
    let dead: BTreeSet<_> = queues.iter().map(|queue| dead_letters(&template, queue).to_owned()).collect();
    assert_eq!(dead.len(), queues.len(), "each queue has dead letters of its own");
    let all: BTreeSet<_> = template.all("AWS::SQS::Queue").into_keys().map(str::to_owned).collect();
    assert_eq!(&queues | &dead, all, "a queue without a function, or dead letters of nothing");
    for queue in &queues {
        let dead = dead_letters(&template, queue);
        assert_eq!(template.number(queue, "/RedrivePolicy/maxReceiveCount"), RECEIVES, "{queue}");
        let (kept, kept_dead) = (template.number(queue, "/MessageRetentionPeriod"), template.number(dead, "/MessageRetentionPeriod"));
        // A dead letter keeps the moment at which it was first sent.
        assert!(kept_dead >= 2 * kept, "{dead} forgets what {queue} has kept");
        assert!(kept > RECEIVES * template.number(queue, "/VisibilityTimeout"), "{queue} forgets before it gives up");
        let [alarm] = alarms_on(&template, "ApproximateNumberOfMessagesVisible", dead)[..] else { panic!("no alarm on {dead}") };
        assert_eq!((&alarm["Threshold"], &alarm["EvaluationPeriods"]), (&json!(1), &json!(1)), "{dead}");
    }
}

/// Six time-outs are what AWS advises, so that a message is not shown again while Lambda still tries to hand it over.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>.
#[test]
fn a_message_stays_hidden_for_six_time_outs_of_its_function() {
    let template = Template::read();
    for queue in worked_on(&template) {
        let (function, mapping) = consumer(&template, &queue);
        let (visibility, timeout) = (template.number(&queue, "/VisibilityTimeout"), template.number(function, "/Timeout"));
        let window = mapping["MaximumBatchingWindowInSeconds"].as_u64().unwrap_or(0);
        assert!(visibility >= 6 * timeout + window, "{queue}: {visibility} s < 6 × {timeout} s + {window} s");
        assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]), "{queue}: one failure would repeat its batch");
        assert!(mapping["ScalingConfig"]["MaximumConcurrency"].as_u64().is_some_and(|most| most >= 2), "{queue} has no limit");
    }
}

/// time-out < lease < visibility: nobody takes a run from a worker that lives, and a lost run is the sweep's to bring back, not the
/// queue's.
#[test]
fn an_invocation_of_the_flow_runner_ends_before_its_lease_and_the_lease_before_its_message_shows_again() {
    let (template, timing) = (Template::read(), Timing::DEFAULT);
    let seconds = |pointer: &str, id: &str| Duration::from_secs(template.number(id, pointer));
    let (timeout, visibility) = (seconds("/Timeout", "FlowRunnerFunction"), seconds("/VisibilityTimeout", "FlowQueue"));
    assert_eq!(consumer(&template, "FlowQueue").0, "FlowRunnerFunction");
    assert_eq!(timeout, timing.invocation);
    assert_eq!(visibility, timing.visibility);
    assert!(timeout < timing.lease && timing.lease < visibility);
    // Found by the first sweep after the lease: a minute later at most, and a minute of EventBridge's own.
    assert!(timing.lease + Duration::from_secs(120) < visibility);
    // A run may take the whole invocation, so that a second message would have none.
    assert_eq!(consumer(&template, "FlowQueue").1["BatchSize"], 1);
}

/// Otherwise Lambda takes a run that waits for a loop, and stops it after some sixteen messages.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html>.
#[test]
fn a_function_that_sends_to_its_own_queue_says_that_it_is_meant() {
    let template = Template::read();
    for (id, function) in template.functions() {
        let own: Vec<_> = events(function, "SQS").filter_map(|(_, event)| referred(&event["Queue"])).collect();
        let variables = function["Properties"]["Environment"]["Variables"].as_object();
        let sends_itself = variables.is_some_and(|all| all.values().filter_map(|value| value["Ref"].as_str()).any(|to| own.contains(&to)));
        let says_so = function["Properties"]["RecursiveLoop"] == "Allow";
        assert_eq!(sends_itself, says_so, "{id}");
        assert_eq!(sends_itself, id == "FlowRunnerFunction", "{id}");
    }
}

/// A message may rightly be as old as its delay and one loss of its worker; older ones nobody gets to.
#[test]
fn somebody_is_called_when_a_queue_is_not_worked_off_and_not_before() {
    let template = Template::read();
    for queue in worked_on(&template) {
        let [alarm] = alarms_on(&template, "ApproximateAgeOfOldestMessage", &queue)[..] else { panic!("no alarm on the age of {queue}") };
        let threshold = alarm["Threshold"].as_u64().unwrap();
        let minutes = alarm["EvaluationPeriods"].as_u64().unwrap() * alarm["Period"].as_u64().unwrap() / 60;
        let visibility = template.number(&queue, "/VisibilityTimeout");
        match queue.as_str() {
            "FlowQueue" => assert!(threshold >= Timing::DEFAULT.longest_delay.as_secs() + visibility),
            "NoticeQueue" => assert!(threshold >= 2 * visibility),
            // A check of a minute that is over is dropped unseen; only checks that nobody takes grow older than two minutes.
            "HealthQueue" => assert!(threshold >= 120 && threshold < visibility),
            other => panic!("say here how old a message of {other} may become"),
        }
        assert!(threshold / 60 + minutes <= 45, "{queue}: called too late");
    }
}

/// The same numbers as on one computer: what was tried there is what runs here.
#[test]
fn queues_and_mappings_are_those_of_the_local_platform() {
    let template = Template::read();
    for numbers in shell::QUEUES {
        let named = |queue: &Value| queue["Properties"]["QueueName"]["Fn::Sub"] == format!("rockpool-${{Deployment}}-{}", numbers.name);
        let queues = template.all("AWS::SQS::Queue");
        let (queue, _) = queues.iter().find(|(_, queue)| named(queue)).unwrap_or_else(|| panic!("no queue {}", numbers.name));
        let (function, mapping) = consumer(&template, queue);
        let theirs = [
            template.number(queue, "/VisibilityTimeout"),
            template.number(queue, "/RedrivePolicy/maxReceiveCount"),
            template.number(function, "/Timeout"),
            mapping["BatchSize"].as_u64().unwrap(),
            mapping["ScalingConfig"]["MaximumConcurrency"].as_u64().unwrap(),
        ];
        let [visibility, timeout] = [numbers.visibility, numbers.timeout].map(|time| time.as_secs());
        assert_eq!(theirs, [visibility, numbers.receives.into(), timeout, numbers.batch.into(), numbers.concurrency.into()], "{queue}");
    }
    assert_eq!(worked_on(&template).len(), shell::QUEUES.len());
    let together: u32 = shell::QUEUES.iter().map(|numbers| numbers.concurrency).sum();
    assert!(text("docs/operating.md").contains(&format!("alone use up to {together}.")), "workers use up to {together}");
    assert!(text("docs/runbook.md").contains(&format!("limit themselves to {together} at a time")), "workers use up to {together}");
}
