//! What a month of the control plane costs on AWS: what it calls and consumes is metered on the simulated AWS, how often is assumed
//! (`usage.toml`), what that costs is one dated list (`prices.toml`).

mod bill;
mod fleet;
mod month;

use std::collections::BTreeMap;
use std::sync::Arc;

use durable::Clock as _;
use dynamo::Store;
use flows::health::ShardCheck;
use health_checker::{Ask, HealthChecker, Seen};
use reqwest::Method;
use serde_json::{Value, json};
use shell::{QueueSettings, SqsQueue, SystemClock};
use sweep::Sweep;

use crate::Outcome;
use crate::cost::bill::Prices;
use crate::cost::month::{Metered, Spent, Usage, bill};
use crate::table::Table;
use crate::vertical::{Vertical, wish};

/// Fleets whose month is priced.
const FLEETS: [usize; 3] = [10, 1_000, 10_000];

/// What an instance-month of the largest fleet may cost, without what it keeps in Secrets Manager.
const BOUND: f64 = 0.02;

pub(crate) async fn measure() -> Outcome<()> {
    let (prices, usage) = (Prices::read()?, Usage::read()?);
    let mut vertical = Vertical::start(None, fly_sim::HostLatencies::default(), false).await?;
    let operations = operations(&mut vertical).await?;
    let mut table = Table::new([
        "instances",
        "DynamoDB",
        "Lambda",
        "SQS",
        "CloudWatch",
        "rest",
        "a month",
        "per instance",
        "secrets of the instances, besides",
    ]);
    let (mut there, mut last) = (0, f64::NAN);
    for instances in FLEETS {
        fleet::add(&vertical, instances - there).await?;
        there = instances;
        let minute = minute(&vertical, instances).await?;
        let metered = Metered { minute, shards: Store::FLEET_SHARDS, operations: operations.clone() };
        let (bill, kept) = bill(&prices, &usage, &metered, instances as f64)?;
        let shown = ["dynamodb", "lambda", "sqs", "cloudwatch"].map(|service| bill.of(service));
        let rest = bill.total() - shown.iter().sum::<f64>();
        let [dynamodb, lambda, sqs, cloudwatch] = shown.map(dollars);
        last = bill.total() / instances as f64;
        let each = format!("${last:.4}");
        table.row([instances.to_string(), dynamodb, lambda, sqs, cloudwatch, dollars(rest), dollars(bill.total()), each, dollars(kept)]);
    }
    table.print(&format!("A month of the control plane on AWS, in US dollars of {}:", prices.as_of));
    if last > BOUND {
        return Err(format!("an instance-month of the largest fleet costs ${last:.4}, which is more than ${BOUND}").into());
    }
    Ok(())
}

fn dollars(amount: f64) -> String {
    format!("${amount:.2}")
}

/// Meters what each operation of an instance costs, from the request to the end of its run.
async fn operations(vertical: &mut Vertical) -> Outcome<BTreeMap<String, Spent>> {
    let mut operations = BTreeMap::new();
    // One stays, so that there is a running instance to look at.
    operation(vertical, Method::POST, "/v1/instances", Some(wish("stays"))).await?;
    let (created, spent) = operation(vertical, Method::POST, "/v1/instances", Some(wish("goes"))).await?;
    operations.insert("provision".to_owned(), spent);
    let path = format!("/v1/instances/{}", created["instance"]["id"].as_str().ok_or("the instance has no id")?);
    vertical.sim.reset_ledger();
    vertical.call("owner", Method::GET, "/v1/instances", None).await?;
    operations.insert("reads".to_owned(), Spent::of(&vertical.sim.consumed()));
    for (verb, body) in [("restart", Some(json!({ "scope": "machine" }))), ("stop", None), ("start", None)] {
        let (_, spent) = operation(vertical, Method::POST, &format!("{path}/{verb}"), body).await?;
        operations.insert(verb.to_owned(), spent);
    }
    let (_, spent) = operation(vertical, Method::DELETE, &path, None).await?;
    operations.insert("retire".to_owned(), spent);
    Ok(operations)
}

async fn operation(vertical: &mut Vertical, method: Method, path: &str, body: Option<Value>) -> Outcome<(Value, Spent)> {
    vertical.sim.reset_ledger();
    let (_, answer, _) = vertical.call("owner", method, path, body).await?;
    vertical.begin_work();
    vertical.ended().await?;
    vertical.end_work().await?;
    Ok((answer, Spent::of(&vertical.sim.consumed())))
}

/// Answers for every instance that it is well.
struct Well;

impl Ask for Well {
    async fn ask(&self, _address: &str) -> Seen {
        Seen::Well
    }
}

/// Meters a minute in which all are well, by the code that runs in it.
async fn minute(vertical: &Vertical, instances: usize) -> Outcome<Spent> {
    let queue = async |name: &str| -> Outcome<Arc<SqsQueue>> {
        let url = vertical.aws.sqs().create_queue().queue_name(name).send().await?.queue_url.unwrap_or_default();
        Ok(Arc::new(SqsQueue::new(vertical.aws.sqs(), &QueueSettings { url })))
    };
    let clock = Arc::new(SystemClock);
    let wake = shell::FlowQueue(SqsQueue::clone(&*queue("flows").await?));
    let engine = shell::waking_engine(vertical.store.clone(), wake, clock.clone());
    let sweep = Sweep { store: vertical.store.clone(), engine, health: queue("health").await?, notices: queue("notices").await? };
    let checker = HealthChecker { store: vertical.store.clone(), probe: Well, clock: clock.clone() };

    vertical.sim.reset_ledger();
    let now = clock.now();
    sweep.minute(now).await?;
    let mut well = 0;
    for shard in 0..Store::FLEET_SHARDS {
        let minute = now.as_second().div_euclid(60);
        well += checker.handle(&serde_json::to_string(&ShardCheck { shard, minute })?).await?.well;
    }
    let spent = Spent::of(&vertical.sim.consumed());
    if well != instances {
        return Err(format!("{well} instances were checked instead of {instances}").into());
    }
    Ok(spent)
}
