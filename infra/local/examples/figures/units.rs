//! What each operation calls at AWS, and the units that DynamoDB bills for it.

use aws_sim::Ledger;
use reqwest::Method;
use serde_json::{Value, json};

use crate::Outcome;
use crate::table::{Table, signed_ms};
use crate::vertical::{Vertical, wish};

pub(crate) async fn measure() -> Outcome<()> {
    let mut vertical = Vertical::start(None, fly_sim::HostLatencies::default(), true).await?;
    let mut requests = Table::new(["request", "DynamoDB", "SQS", "read units", "write units"]);
    let mut runs = Table::new(["run", "invocations", "DynamoDB", "SQS", "Secrets Manager", "Fly", "read units", "write units"]);
    let mut steps = Table::new(["write of a provision", "calls", "read units", "write units", "record, bytes as JSON", "took"]);

    let created = request(&mut requests, &vertical, "POST /v1/instances", Method::POST, "/v1/instances", Some(wish("mine"))).await?;
    let path = format!("/v1/instances/{}", created["instance"]["id"].as_str().unwrap_or_default());
    run(&mut runs, &mut vertical, "provision").await?;
    for entry in vertical.journal.take() {
        let took = signed_ms(entry.took.as_secs_f64() * 1000.0);
        steps.row([entry.what, entry.calls.to_string(), units(entry.reads), units(entry.writes), entry.bytes.to_string(), took]);
    }

    request(&mut requests, &vertical, "GET /v1/instances (1)", Method::GET, "/v1/instances", None).await?;
    request(&mut requests, &vertical, "GET /v1/instances/{id}", Method::GET, &path, None).await?;
    let operation = format!("/v1/operations/{}", created["operation"]["id"].as_str().unwrap_or_default());
    request(&mut requests, &vertical, "GET /v1/operations/{id}", Method::GET, &operation, None).await?;
    request(&mut requests, &vertical, "GET /v1/health", Method::GET, "/v1/health", None).await?;
    for (verb, body) in [("restart", Some(json!({ "scope": "process" }))), ("stop", None), ("start", None)] {
        let name = format!("POST …/{verb}");
        request(&mut requests, &vertical, &name, Method::POST, &format!("{path}/{verb}"), body).await?;
        run(&mut runs, &mut vertical, verb).await?;
    }
    request(&mut requests, &vertical, "DELETE /v1/instances/{id}", Method::DELETE, &path, None).await?;
    run(&mut runs, &mut vertical, "retire").await?;

    requests.print("What a request calls and consumes (on-demand units as DynamoDB counts them, indexes included):");
    runs.print("What the run calls and consumes that does it, from its claim to its end:");
    steps.print("What each write of a provision consumes:");
    Ok(())
}

/// Calls the API while nobody works on what it asks for, and notes what that cost.
async fn request(table: &mut Table, vertical: &Vertical, name: &str, method: Method, path: &str, body: Option<Value>) -> Outcome<Value> {
    vertical.sim.reset_ledger();
    let (_, answer, _) = vertical.call("owner", method, path, body).await?;
    let spent = vertical.sim.consumed();
    let cells = [name.to_owned(), calls(&spent, "dynamodb"), calls(&spent, "sqs"), units(spent.read_units()), units(spent.write_units())];
    table.row(cells);
    Ok(answer)
}

/// Works until the run that was asked for has ended, and notes what that cost.
async fn run(table: &mut Table, vertical: &mut Vertical, name: &str) -> Outcome<()> {
    vertical.sim.reset_ledger();
    let before = vertical.simulator.calls().len();
    vertical.begin_work();
    let turns = vertical.ended().await?;
    vertical.end_work().await?;
    let (spent, fly) = (vertical.sim.consumed(), vertical.simulator.calls().len() - before);
    table.row([
        name.to_owned(),
        turns.len().to_string(),
        calls(&spent, "dynamodb"),
        calls(&spent, "sqs"),
        calls(&spent, "secretsmanager"),
        fly.to_string(),
        units(spent.read_units()),
        units(spent.write_units()),
    ]);
    Ok(())
}

/// Calls of a service, without the polls of a queue: they come whether or not there is anything to do.
fn calls(ledger: &Ledger, service: &str) -> String {
    let of = |name: &str| name.split_once('.').is_some_and(|(of, operation)| of == service && operation != "ReceiveMessage");
    ledger.operations().iter().filter(|(name, _)| of(name)).map(|(_, times)| times).sum::<u64>().to_string()
}

fn units(units: f64) -> String {
    if units == 0.0 { "–".to_owned() } else { format!("{units}") }
}
