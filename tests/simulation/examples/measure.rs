//! What a call of the store costs here.
use std::sync::Arc;
use std::time::{Duration, Instant};
use aws_sim::{AwsSim, Options};
use domain::*;
use durable::testing::ManualClock;
use durable::*;
use dynamo::*;
use flows::{Deployment, plan};
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let aws = AwsSim::open(Options::default()).await.unwrap();
    let client = aws.dynamodb();
    create_table(&client, "table").await.unwrap();
    let clock = ManualClock::default();
    let deployment = Deployment { name: "p".into(), address: "https://{app}.fly.dev".into(), image_repository: "r/t".into() };
    let store = Store::new(client, "table", deployment.clone(), Arc::new(clock.clone()));
    let organisation = OrganisationId::generate();
    let mut runs = vec![];
    let t = Instant::now();
    for n in 0..200 {
        let operation = OperationId::generate();
        let instance = Instance { id: InstanceId::generate(), organisation, name: format!("n{n}").parse().unwrap(), plan: PlanId::Pro, release: Release { family: Family::Openclaw, version: "2026.9.6".into() }, regions: vec!["fra".parse().unwrap()], wanted: Wanted::Running, wanted_rev: 1, state: State::Provisioning, operation: Some(operation), placement: None, ever_ran: false, trouble: None, health: Health::default(), created_at: clock.now(), updated_at: clock.now() };
        let run = plan::provision(&deployment, &instance, operation);
        runs.push(run.id.clone());
        store.create(NewInstance { instance, run, key: None, quota: 10000 }).await.unwrap();
    }
    println!("create {:?}", t.elapsed() / 200);
    let t = Instant::now();
    for run in &runs { store.read(run).await.unwrap(); }
    println!("get {:?}", t.elapsed() / 200);
    let t = Instant::now();
    for run in &runs { store.claim(run, &Claim { owner: OwnerId("x".into()), now: clock.now(), lease_until: clock.now() + Duration::from_secs(150) }).await.unwrap(); }
    println!("claim {:?}", t.elapsed() / 200);
    let t = Instant::now();
    for _ in 0..20 { store.suspects().await.unwrap(); }
    println!("suspects (18 queries) {:?}", t.elapsed() / 20);
    let t = Instant::now();
    for _ in 0..20 { store.overdue(clock.now(), 1000).await.unwrap(); }
    println!("overdue (8 queries) {:?}", t.elapsed() / 20);
    aws.set_fault(|_| aws_sim::Verdict::Answer(serde_json::json!({})));
    let t = Instant::now();
    for run in &runs { store.read(run).await.unwrap(); }
    println!("get, SDK alone {:?}", t.elapsed() / 200);
}
