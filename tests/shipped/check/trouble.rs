//! What the functions do when they cannot work: they answer, they keep their messages, they say it once, and they recover.

use std::collections::BTreeSet;

use aws_sim::{Refusal, Service, Verdict};
use jiff::Timestamp;
use lambda_sim::InvokeError;
use local::parts::ACCESS_KEY;
use serde_json::Value;
use shipped::Platform;

use crate::customer::Customer;
use crate::{Check, output};

/// An event of the clock.
const MINUTE: &str = r#"{"time":"2026-11-23T10:00:00Z"}"#;

/// Functions that need a secret.
const NEEDY: [&str; 2] = ["api", "flow-runner"];

/// Why a secret is not given. The second is the state of each first deployment: the keys and tokens are put in by hand.
const REFUSALS: [(&str, &str); 2] = [
    ("AccessDeniedException", "not yours"),
    ("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT"),
];

/// Workers, each with a message of its own.
const WORKERS: [&str; 3] = ["flow-runner", "health-checker", "notifier"];

fn message(body: &str) -> String {
    let record = |place: u8| serde_json::json!({ "messageId": format!("message-{place}"), "body": body, "messageAttributes": {} });
    serde_json::json!({ "Records": [record(0), record(1)] }).to_string()
}

/// A message that is fine, for each worker. A check of another minute than this one would be dropped before it asks for anything.
fn good(worker: &str) -> String {
    match worker {
        "health-checker" => message(&format!(r#"{{"shard":3,"minute":{}}}"#, Timestamp::now().as_second().div_euclid(60))),
        _ => message("org_01a2081c6207700281ea48c7befcaf3a.op_01a2081c62cb72dba6356f53603e1d85"),
    }
}

/// How many of the two messages of a batch are given back.
async fn given_back(platform: &Platform, worker: &str) -> usize {
    let answer = platform.function(worker).invoke(good(worker)).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    answer["batchItemFailures"].as_array().unwrap().len()
}

/// How often a function has said that it cannot work.
fn complaints(platform: &Platform, function: &str) -> usize {
    let said = |line: &&String| line.contains("\"ERROR\"") && line.contains("the function is not ready");
    platform.function(function).output().iter().filter(said).count()
}

/// What a function has said in errors. The runtime's own line about each invocation that failed is none of ours.
fn causes(output: Vec<String>) -> Vec<String> {
    let lines = output.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ours =
        |line: &Value| line["level"] == "ERROR" && !line["target"].as_str().is_some_and(|target| target.starts_with("lambda_runtime"));
    lines.filter(ours).map(|line| line["fields"].to_string()).map(without_its_message).collect()
}

/// Which of several messages met it, is no other cause.
fn without_its_message(fields: String) -> String {
    fields.replace("message-0", "message").replace("message-1", "message")
}

/// The health of the API, which is open to everybody, and a list, which is not.
async fn api_is_away(customer: &Customer<'_>) {
    for path in ["/v1/health", "/v1/instances", "/v1/nowhere"] {
        assert_eq!(customer.status(path).await, (503, "unavailable".to_owned()), "{path}");
    }
}

pub(crate) async fn settings(check: &mut Check) {
    let platform = check.platform(None).await;
    let customer = Customer::new(&platform);
    let breaks = [
        ("ROCKPOOL_TABLE", None),
        ("ROCKPOOL_INSTANCE_ADDRESS", Some("nowhere")),
        ("ROCKPOOL_DEPLOYMENT", Some("Not A Name")),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", Some("collector:4318")),
    ];
    let mut said = 0;
    for (name, value) in breaks {
        for (_, function) in platform.functions() {
            function.configure(|settings| {
                settings.environment.remove(name);
                settings.environment.extend(value.map(|value| (name.to_owned(), value.to_owned())));
            });
        }
        api_is_away(&customer).await;
        for worker in WORKERS {
            assert_eq!(given_back(&platform, worker).await, 2, "{worker} without {name}");
        }
        let swept = platform.function("sweep").invoke(MINUTE).await;
        assert!(matches!(swept, Err(InvokeError::Reported(_))), "{swept:?}");
        said += 1;
        for (function, _) in platform.functions() {
            assert_eq!(complaints(&platform, function), said, "{function} without {name}: {:#?}", platform.function(function).output());
            let output = platform.function(function).output();
            assert!(output.iter().any(|line| line.contains(name)), "{function} does not name {name}");
        }
        for deployed in &platform.deployed {
            let value = deployed.environment[name].clone();
            platform.function(&deployed.function).configure(|settings| drop(settings.environment.insert(name.to_owned(), value)));
        }
        recovered(&platform, &customer).await;
    }
    check.end(platform).await;
}

/// The variable under whose value figures are told: CloudWatch takes none without it, and the template none that is empty.
const TELLER: &str = "ROCKPOOL_DEPLOYMENT";

/// Variables without which a function works.
const OPTIONAL: [&str; 6] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_SERVICE_NAME",
    "ROCKPOOL_LOG",
    "ROCKPOOL_OIDC_AUDIENCE",
    "ROCKPOOL_OIDC_PARTIES",
];

/// Each function without each of its variables in turn: whatever it asked for later than at its start, it would miss in the middle of its
/// work.
pub(crate) async fn each_setting(check: &mut Check) {
    let platform = check.platform(None).await;
    let customer = Customer::new(&platform);
    let mut missed = 0;
    for deployed in &platform.deployed {
        let name = &deployed.function;
        let needed = |variable: &str| variable != TELLER && !OPTIONAL.contains(&variable);
        for (variable, value) in deployed.environment.iter().filter(|(variable, _)| needed(variable)) {
            platform.function(name).configure(|settings| drop(settings.environment.remove(variable)));
            let before = platform.function(name).output().len();
            assert!(is_away(&platform, &customer, name).await, "{name} works without {variable}");
            let only = format!("the settings are incomplete: {variable} is not set\"");
            let said = async || {
                let output = platform.function(name).output();
                let complaints: Vec<_> = output[before..].iter().filter(|line| line.contains("the function is not ready")).collect();
                complaints.iter().any(|line| line.contains("\"ERROR\"") && line.contains(&only))
            };
            customer.eventually(&format!("{name} does not say that {variable} alone is missing"), said).await;
            platform.function(name).configure(|settings| drop(settings.environment.insert(variable.clone(), value.clone())));
            missed += 1;
        }
        for variable in OPTIONAL {
            platform.function(name).configure(|settings| drop(settings.environment.remove(variable)));
        }
    }
    println!("  {missed} variables were missed");
    recovered(&platform, &customer).await;
    check.end(platform).await;
}

/// Whether a function refuses to work, in its own way.
async fn is_away(platform: &Platform, customer: &Customer<'_>, function: &str) -> bool {
    match function {
        "api" => customer.status("/v1/health").await == (503, "unavailable".to_owned()),
        "sweep" => matches!(platform.function(function).invoke(MINUTE).await, Err(InvokeError::Reported(_))),
        worker => given_back(platform, worker).await == 2,
    }
}

/// Everything works, after a moment at most: whoever could not work does not try again for each event.
async fn recovered(platform: &Platform, customer: &Customer<'_>) {
    customer.eventually("the API does not recover", async || customer.status("/v1/health").await.0 == 200).await;
    for worker in WORKERS {
        customer.eventually("a worker does not recover", async || given_back(platform, worker).await == 0).await;
    }
    let sweep = platform.function("sweep");
    customer.eventually("the sweep does not recover", async || sweep.invoke(MINUTE).await.is_ok()).await;
}

pub(crate) async fn secret(check: &mut Check) {
    let platform = check.platform(None).await;
    let customer = Customer::new(&platform);
    for (round, (code, message)) in (1..).zip(REFUSALS) {
        // Environments that have read their secrets work on with them.
        NEEDY.iter().for_each(|function| platform.function(function).configure(|_| {}));
        let refusal = Refusal::Other { status: 400, code: code.to_owned(), message: message.to_owned() };
        platform.cloud.sim.set_fault(move |call| match call.service {
            Service::SecretsManager if call.operation == "GetSecretValue" => Verdict::Refuse(refusal.clone()),
            _ => Verdict::Pass,
        });
        for _ in 0..2 {
            api_is_away(&customer).await;
            assert_eq!(given_back(&platform, "flow-runner").await, 2);
        }
        // The others need no secret.
        assert_eq!([given_back(&platform, "health-checker").await, given_back(&platform, "notifier").await], [0, 0]);
        for function in NEEDY {
            assert_eq!(complaints(&platform, function), round, "{function}: {:#?}", platform.function(function).output());
            let output = platform.function(function).output();
            assert!(output.iter().any(|line| line.contains(code)), "{function} does not say {code}: {output:#?}");
        }
        platform.cloud.sim.clear_fault();
        recovered(&platform, &customer).await;
        for (name, function) in platform.functions() {
            let started = if NEEDY.contains(&name) { round } else { 1 };
            assert_eq!(function.initialisations().len(), started, "{name} recovered only because it was started anew");
        }
    }
    a_secret_that_is_no_key(check, &platform, &customer).await;
    check.end(platform).await;
}

/// Somebody has put the wrong text into a secret. What it was is in no log.
async fn a_secret_that_is_no_key(check: &mut Check, platform: &Platform, customer: &Customer<'_>) {
    let secrets = platform.cloud.aws.secrets_manager();
    let put = async |text: &str| secrets.put_secret_value().secret_id(ACCESS_KEY).secret_string(text).send().await.map(drop).unwrap();
    let kept = secrets.get_secret_value().secret_id(ACCESS_KEY).send().await.unwrap().secret_string.unwrap();
    put("tea for two").await;
    // Environments that have read the right one work on with it.
    assert_eq!(customer.status("/v1/health").await.0, 200);
    NEEDY.iter().for_each(|function| platform.function(function).configure(|_| {}));
    api_is_away(customer).await;
    assert_eq!(given_back(platform, "flow-runner").await, 2);
    put(&kept).await;
    recovered(platform, customer).await;
    for function in NEEDY {
        let output = platform.function(function).output();
        assert_eq!(complaints(platform, function), REFUSALS.len() + 1, "{function}: {output:#?}");
    }
    check.secrets.push("tea for two".to_owned());
}

pub(crate) async fn table(check: &mut Check) {
    let platform = check.platform(None).await;
    let customer = Customer::new(&platform);
    for (_, function) in platform.functions() {
        function.configure(|settings| drop(settings.environment.insert("ROCKPOOL_TABLE".to_owned(), "rockpool-late".to_owned())));
    }
    for _ in 0..3 {
        for path in ["/v1/health", "/v1/instances"] {
            assert_eq!(customer.status(path).await, (503, "unavailable".to_owned()), "{path}");
        }
        for worker in WORKERS {
            assert_eq!(given_back(&platform, worker).await, 2, "{worker}");
        }
        let swept = platform.function("sweep").invoke(MINUTE).await;
        assert!(matches!(swept, Err(InvokeError::Reported(_))), "{swept:?}");
    }
    for (name, function) in platform.functions() {
        let causes = causes(function.output());
        let told: BTreeSet<_> = causes.iter().collect();
        assert!(!told.is_empty() && told.len() == causes.len(), "{name} does not say once what is wrong: {causes:#?}");
    }
    dynamo::create_table(&platform.cloud.aws.dynamodb(), "rockpool-late").await.unwrap();
    recovered(&platform, &customer).await;
    output::examine(check, &platform).await;
    // What they did to a table of another name is nothing that their roles have to allow.
    platform.stop().await;
}
