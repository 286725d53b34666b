//! Instances that run, written into a table without the hours that it would take to provision them.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use domain::{Family, Health, Instance, InstanceId, OperationId, OrganisationId, Placement, PlanId, Release, State, Wanted};
use dynamo::memory::MemoryTable;
use dynamo::{NewInstance, Store};
use flows::{Deployment, plan};
use jiff::Timestamp;
use shell::SystemClock;
use tokio::task::{JoinError, JoinSet};

use crate::Outcome;
use crate::vertical::TABLE;

/// Instances of one organisation: as many as the largest plan allows.
const EACH: usize = 100;

/// Items of one `BatchWriteItem`.
const BATCH: usize = 25;

/// Batches that are written at the same time: the database takes one after the other, its client works on all.
const AT_ONCE: usize = 4;

pub(crate) fn deployment() -> Deployment {
    Deployment {
        name: "figures".to_owned(),
        address: "https://{app}.fly.dev".to_owned(),
        image_repository: "registry.fly.io/rockpool-tenant".to_owned(),
    }
}

/// An empty table in memory and a store on it.
pub(crate) fn in_memory() -> (MemoryTable, Store) {
    let clock = Arc::new(SystemClock);
    let table = MemoryTable::new(clock.clone());
    (table.clone(), Store::in_memory(table, deployment(), clock))
}

/// An instance that runs and that nobody works on.
pub(crate) fn instance(organisation: OrganisationId, name: &str, address: impl FnOnce(&str) -> String) -> Outcome<Instance> {
    let (id, now) = (InstanceId::generate(), Timestamp::now());
    let app = deployment().app(&id);
    Ok(Instance {
        id,
        organisation,
        name: name.parse()?,
        plan: PlanId::Enterprise,
        release: Release { family: Family::Openclaw, version: gateway::pin(Family::Openclaw).version.clone() },
        regions: vec!["fra".parse()?],
        wanted: Wanted::Running,
        wanted_rev: 1,
        state: State::Running,
        operation: None,
        placement: Some(Placement {
            region: "fra".parse()?,
            address: address(&app),
            app,
            machine: "148e21ec7e0389".to_owned(),
            volume: "vol_4y8z1q5j3k2m".to_owned(),
            generation: 1,
        }),
        ever_ran: true,
        trouble: None,
        health: Health::default(),
        created_at: now,
        updated_at: now,
    })
}

/// Writes running instances, a hundred to each organisation, of which each has the address that is given for its number and its app.
pub(crate) async fn running(store: &Store, instances: usize, address: impl Fn(usize, &str) -> String) -> Outcome<()> {
    let deployment = deployment();
    let mut organisation = OrganisationId::generate();
    for number in 0..instances {
        if number % EACH == 0 {
            organisation = OrganisationId::generate();
        }
        let instance = instance(organisation, &format!("n{}", number % EACH), |app| address(number, app))?;
        let run = plan::provision(&deployment, &instance, OperationId::generate());
        store.create(NewInstance { instance, run, key: None, quota: 100 }).await?;
    }
    Ok(())
}

/// Adds running instances to the table of an embedded DynamoDB, with what belongs to them for as long as they live: name and quota.
pub(crate) async fn add(dynamodb: &aws_sdk_dynamodb::Client, instances: usize) -> Outcome<()> {
    let mut there = 0;
    while there < instances {
        let some = (instances - there).min(10 * EACH);
        let (table, store) = in_memory();
        running(&store, some, |_, app| format!("https://{app}.fly.dev")).await?;
        let items = table.visit(|items| items.iter().copied().filter(|item| lasts(item)).cloned().collect());
        write(dynamodb, items).await?;
        there += some;
    }
    Ok(())
}

/// Whether an item is no run and no change: these are a history, and it expires.
fn lasts(item: &HashMap<String, AttributeValue>) -> bool {
    let sort = item.get("sk").and_then(|sort| sort.as_s().ok());
    sort.is_some_and(|sort| ["INSTANCE#", "NAME#", "QUOTA"].iter().any(|kind| sort.starts_with(kind)))
}

async fn write(dynamodb: &aws_sdk_dynamodb::Client, items: Vec<HashMap<String, AttributeValue>>) -> Outcome<()> {
    let mut tasks = JoinSet::new();
    for batch in items.chunks(BATCH) {
        let puts: Outcome<Vec<_>> = batch
            .iter()
            .map(|item| Ok(WriteRequest::builder().put_request(PutRequest::builder().set_item(Some(item.clone())).build()?).build()))
            .collect();
        let request = dynamodb.batch_write_item().set_request_items(Some(HashMap::from([(TABLE.to_owned(), puts?)])));
        if tasks.len() >= AT_ONCE {
            written(tasks.join_next().await)?;
        }
        tasks.spawn(async move { Ok(request.send().await?.unprocessed_items.unwrap_or_default().len()) });
    }
    while let Some(task) = tasks.join_next().await {
        written(Some(task))?;
    }
    Ok(())
}

fn written(task: Option<Result<Outcome<usize>, JoinError>>) -> Outcome<()> {
    match task.transpose()?.transpose()? {
        None | Some(0) => Ok(()),
        Some(_) => Err("the table did not take all items".into()),
    }
}
