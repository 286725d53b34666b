//! What a month consumes: metered calls and units, times how often they happen.

use std::collections::BTreeMap;

use aws_sim::Ledger;
use serde::Deserialize;

use crate::Outcome;
use crate::cost::bill::{Bill, Prices};

/// How a fleet is used; see `usage.toml`.
#[derive(Debug, Deserialize)]
pub(crate) struct Usage {
    minutes: f64,
    /// How often in a month, by operation.
    pub(crate) per_instance: BTreeMap<String, f64>,
    /// Seconds of an invocation, by operation, and its memory.
    flow_runner: BTreeMap<String, f64>,
    api: Function,
    sweep: Function,
    notifier: Function,
    health_checker: Checker,
    lambda_pollers: Pollers,
    logs: Logs,
    environments: Environments,
    renewals: Renewals,
    fixed: Fixed,
}

#[derive(Debug, Deserialize)]
struct Function {
    seconds: f64,
    memory_gigabytes: f64,
}

#[derive(Debug, Deserialize)]
struct Checker {
    seconds_of_one_check: f64,
    at_once: f64,
    cpu_seconds_of_one_check: f64,
    memory_gigabytes: f64,
}

#[derive(Debug, Deserialize)]
struct Pollers {
    per_queue: f64,
    seconds: f64,
}

#[derive(Debug, Deserialize)]
struct Logs {
    invocation: f64,
}

/// Execution environments that are there all the time.
#[derive(Debug, Deserialize)]
struct Environments {
    api: f64,
    sweep: f64,
    flow_runner: f64,
    health_checker: f64,
    notifier: f64,
}

/// What an environment does again and again because it is there.
#[derive(Debug, Deserialize)]
struct Renewals {
    minutes: f64,
    secrets_of_api: f64,
    secrets_of_flow_runner: f64,
    key_minutes: f64,
}

#[derive(Debug, Deserialize)]
struct Fixed {
    queues: f64,
    alarm_metrics: f64,
    metrics: f64,
    keys: f64,
    platform_secrets: f64,
    secrets_per_instance: f64,
    bytes_per_instance: f64,
}

impl Usage {
    pub(crate) fn read() -> Outcome<Self> {
        Ok(toml::from_str(include_str!("usage.toml"))?)
    }
}

/// What something called and consumed once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spent {
    reads: f64,
    writes: f64,
    messages: f64,
    secret_calls: f64,
}

impl Spent {
    pub(crate) fn of(ledger: &Ledger) -> Self {
        let calls = |service: &str| {
            let of = ledger.operations().iter().filter(|(name, _)| name.starts_with(service));
            of.map(|(_, times)| *times as f64).sum::<f64>()
        };
        Self {
            reads: ledger.read_units(),
            writes: ledger.write_units(),
            messages: ledger.calls("sqs.SendMessage") as f64,
            secret_calls: calls("secretsmanager."),
        }
    }
}

/// Everything that was metered.
#[derive(Debug)]
pub(crate) struct Metered {
    /// A minute in which nothing happens: the sweep, and the checks of all shards.
    pub(crate) minute: Spent,
    /// Shards, each checked in an invocation of its own.
    pub(crate) shards: u32,
    /// A request and the run that it starts, by operation; `reads` is one look.
    pub(crate) operations: BTreeMap<String, Spent>,
}

/// The bill of a month with so many instances; what they keep in Secrets Manager is apart.
pub(crate) fn bill(prices: &Prices, usage: &Usage, metered: &Metered, instances: f64) -> Outcome<(Bill, f64)> {
    let mut bill = Bill::default();
    let times = |operation: &str| instances * usage.per_instance.get(operation).copied().unwrap_or_default();
    let mut spend = |spent: &Spent, times: f64| -> Outcome<()> {
        bill.add(prices, "dynamodb", "read_unit", spent.reads * times)?;
        bill.add(prices, "dynamodb", "write_unit", spent.writes * times)?;
        // Each message is sent by us, and received and deleted by Lambda.
        bill.add(prices, "sqs", "request", 3.0 * spent.messages * times)?;
        // Secrets Manager asks for the key each time.
        bill.add(prices, "kms", "call", spent.secret_calls * times)?;
        bill.add(prices, "secrets_manager", "call", spent.secret_calls * times)
    };
    spend(&metered.minute, usage.minutes)?;
    for (operation, spent) in &metered.operations {
        spend(spent, times(operation))?;
    }

    let mut invocations = 0.0;
    let mut invoke = |bill: &mut Bill, times: f64, seconds: f64, gigabytes: f64| -> Outcome<()> {
        invocations += times;
        bill.add(prices, "lambda", "invocation", times)?;
        bill.add(prices, "lambda", "gigabyte_second_arm64", times * seconds * gigabytes)
    };
    let Usage { api, sweep, notifier, health_checker: checker, .. } = usage;
    invoke(&mut bill, usage.minutes, sweep.seconds, sweep.memory_gigabytes)?;
    let shards = f64::from(metered.shards);
    let targets = instances / shards;
    let waits = (targets / checker.at_once).ceil().max(1.0) * checker.seconds_of_one_check;
    let seconds = waits.max(targets * checker.cpu_seconds_of_one_check);
    invoke(&mut bill, usage.minutes * shards, seconds, checker.memory_gigabytes)?;
    let memory = usage.flow_runner.get("memory_gigabytes").copied().ok_or("the flow runner's memory is not told")?;
    for (operation, often) in &usage.per_instance {
        invoke(&mut bill, instances * often, api.seconds, api.memory_gigabytes)?;
        bill.add(prices, "api_gateway", "request", instances * often)?;
        if let Some(seconds) = usage.flow_runner.get(operation) {
            invoke(&mut bill, instances * often, *seconds, memory)?;
            invoke(&mut bill, instances * often, notifier.seconds, notifier.memory_gigabytes)?;
        }
    }
    bill.add(prices, "cloudwatch", "log_gigabyte", invocations * usage.logs.invocation / 1e9)?;

    let Environments { api, sweep, flow_runner, health_checker, notifier } = usage.environments;
    let renewals = &usage.renewals;
    let read = (api * renewals.secrets_of_api + flow_runner * renewals.secrets_of_flow_runner) * usage.minutes / renewals.minutes;
    let opened = (api + sweep + flow_runner + health_checker + notifier) * usage.minutes / renewals.key_minutes;
    bill.add(prices, "secrets_manager", "call", read)?;
    bill.add(prices, "kms", "call", read + opened)?;

    let Fixed { queues, alarm_metrics, metrics, keys, platform_secrets, secrets_per_instance, bytes_per_instance } = usage.fixed;
    let polls = queues * usage.lambda_pollers.per_queue * usage.minutes * 60.0 / usage.lambda_pollers.seconds;
    bill.add(prices, "sqs", "request", polls)?;
    bill.add(prices, "scheduler", "invocation", usage.minutes)?;
    bill.add(prices, "cloudwatch", "alarm_metric_month", alarm_metrics)?;
    bill.add(prices, "cloudwatch", "metric_month", metrics)?;
    bill.add(prices, "kms", "key_month", keys)?;
    bill.add(prices, "secrets_manager", "secret_month", platform_secrets)?;
    let gigabytes = instances * bytes_per_instance / 1e9;
    bill.add(prices, "dynamodb", "stored_gigabyte_month", gigabytes)?;
    bill.add(prices, "dynamodb", "point_in_time_recovery_gigabyte_month", gigabytes)?;

    let mut kept = Bill::default();
    kept.add(prices, "secrets_manager", "secret_month", instances * secrets_per_instance)?;
    Ok((bill, kept.total()))
}
