//! What each operation calls at AWS, and the units that DynamoDB bills for it.

use aws_sim::Ledger;
use reqwest::Method;
use serde_json::{Value, json};

use crate::Outcome;
use crate::journal::Entry;
use crate::table::{Table, signed_ms};
use crate::vertical::{Vertical, wish};

/// What an operation calls and consumes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Cost {
    pub(crate) invocations: usize,
    pub(crate) dynamodb: u64,
    pub(crate) sqs: u64,
    pub(crate) secrets: u64,
    pub(crate) fly: u64,
    pub(crate) reads: f64,
    pub(crate) writes: f64,
}

impl Cost {
    fn of(spent: &Ledger) -> Self {
        let (dynamodb, sqs, secrets) = (calls(spent, "dynamodb"), calls(spent, "sqs"), calls(spent, "secretsmanager"));
        Self { dynamodb, sqs, secrets, reads: spent.read_units(), writes: spent.write_units(), ..Self::default() }
    }
}

/// The life of one instance.
pub(crate) struct Operations {
    pub(crate) requests: Vec<(String, Cost)>,
    pub(crate) runs: Vec<(String, Cost)>,
    /// The writes of its provision.
    steps: Vec<Entry>,
}

pub(crate) async fn measure() -> Outcome<()> {
    let mut vertical = Vertical::start(None, fly_sim::HostLatencies::default(), true).await?;
    let operations = operations(&mut vertical).await?;
    let mut requests = Table::new(["request", "DynamoDB", "SQS", "read units", "write units"]);
    for (name, cost) in operations.requests {
        requests.row([name, cost.dynamodb.to_string(), cost.sqs.to_string(), units(cost.reads), units(cost.writes)]);
    }
    requests.print("What a request calls and consumes (on-demand units as DynamoDB counts them, indexes included):");
    let mut runs = Table::new(["run", "invocations", "DynamoDB", "SQS", "Secrets Manager", "Fly", "read units", "write units"]);
    for (name, cost) in operations.runs {
        let Cost { invocations, dynamodb, sqs, secrets, fly, reads, writes } = cost;
        let [dynamodb, sqs, secrets] = [dynamodb, sqs, secrets].map(|calls| calls.to_string());
        runs.row([name, invocations.to_string(), dynamodb, sqs, secrets, fly.to_string(), units(reads), units(writes)]);
    }
    runs.print("What the run calls and consumes that does it, from its claim to its end:");
    let mut steps = Table::new(["write of a provision", "calls", "read units", "write units", "record, bytes as JSON", "took"]);
    for entry in operations.steps {
        let took = signed_ms(entry.took.as_secs_f64() * 1000.0);
        steps.row([entry.what, entry.calls.to_string(), units(entry.reads), units(entry.writes), entry.bytes.to_string(), took]);
    }
    steps.print("What each write of a provision consumes:");
    Ok(())
}

/// Lets an instance live, from its create to its end, and notes what each request and each run cost.
pub(crate) async fn operations(vertical: &mut Vertical) -> Outcome<Operations> {
    let (mut requests, mut runs) = (Vec::new(), Vec::new());
    let created = request(&mut requests, vertical, "POST /v1/instances", Method::POST, "/v1/instances", Some(wish("mine"))).await?;
    let path = format!("/v1/instances/{}", created["instance"]["id"].as_str().unwrap_or_default());
    vertical.journal.take();
    run(&mut runs, vertical, "provision").await?;
    let steps = vertical.journal.take();
    request(&mut requests, vertical, "GET /v1/instances (1)", Method::GET, "/v1/instances", None).await?;
    request(&mut requests, vertical, "GET /v1/instances/{id}", Method::GET, &path, None).await?;
    let operation = format!("/v1/operations/{}", created["operation"]["id"].as_str().unwrap_or_default());
    request(&mut requests, vertical, "GET /v1/operations/{id}", Method::GET, &operation, None).await?;
    request(&mut requests, vertical, "GET /v1/health", Method::GET, "/v1/health", None).await?;
    for (verb, body) in [("restart", Some(json!({ "scope": "process" }))), ("stop", None), ("start", None)] {
        let name = format!("POST …/{verb}");
        request(&mut requests, vertical, &name, Method::POST, &format!("{path}/{verb}"), body).await?;
        run(&mut runs, vertical, verb).await?;
    }
    request(&mut requests, vertical, "DELETE /v1/instances/{id}", Method::DELETE, &path, None).await?;
    run(&mut runs, vertical, "retire").await?;
    Ok(Operations { requests, runs, steps })
}

/// Calls the API while nobody works on what it asks for, and notes what that cost.
async fn request(
    costs: &mut Vec<(String, Cost)>,
    vertical: &Vertical,
    name: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Outcome<Value> {
    vertical.sim.reset_ledger();
    let (_, answer, _) = vertical.call("owner", method, path, body).await?;
    costs.push((name.to_owned(), Cost::of(&vertical.sim.consumed())));
    Ok(answer)
}

/// Works until the run that was asked for has ended, and notes what that cost.
async fn run(costs: &mut Vec<(String, Cost)>, vertical: &mut Vertical, name: &str) -> Outcome<()> {
    vertical.sim.reset_ledger();
    let before = vertical.simulator.calls().len();
    vertical.begin_work();
    let turns = vertical.ended().await?;
    vertical.end_work().await?;
    let fly = (vertical.simulator.calls().len() - before) as u64;
    costs.push((name.to_owned(), Cost { invocations: turns.len(), fly, ..Cost::of(&vertical.sim.consumed()) }));
    Ok(())
}

/// Calls of a service, without the polls of a queue: they come whether or not there is anything to do.
fn calls(ledger: &Ledger, service: &str) -> u64 {
    let of = |name: &str| name.split_once('.').is_some_and(|(of, operation)| of == service && operation != "ReceiveMessage");
    ledger.operations().iter().filter(|(name, _)| of(name)).map(|(_, times)| times).sum()
}

fn units(units: f64) -> String {
    if units == 0.0 { "–".to_owned() } else { format!("{units}") }
}
