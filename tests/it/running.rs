//! The flow runner: what a message may be, and what becomes of it.

use aws_sim::{Refusal, Service, Verdict};
use domain::{InstanceId, OperationId, OrganisationId, State};
use durable::{Driven, NewRun, Outcome, RunId};
use flow_runner::FlowRunnerError;
use flows::{run_id, subject};
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{Bench, Stage};

impl Stage {
    async fn handle(&self, body: &str, seconds: i64) -> Result<Driven, FlowRunnerError> {
        self.runner.handle(body, self.bench.now() + SignedDuration::from_secs(seconds)).await
    }

    /// A run that the API knows nothing of.
    async fn odd(&self, kind: &str, version: u32) -> RunId {
        let (organisation, operation) = (OrganisationId::generate(), OperationId::generate());
        let id = run_id(&organisation, &operation);
        let subject = subject(&organisation, &InstanceId::generate());
        let run = NewRun { id: id.clone(), kind: kind.to_owned(), version, subject, plan: json!({ "odd": true }) };
        self.bench.store.start(run).await.unwrap();
        id
    }
}

#[tokio::test]
async fn a_body_that_names_no_run_fails_its_message_without_a_call() {
    let stage = Stage::new().await;
    let operation = OperationId::generate();
    let bodies = ["", " ", "{}", "org_1.op_1", &operation.to_string(), &format!("{}.{}", operation, OrganisationId::generate())];
    for body in bodies {
        let refused = stage.handle(body, 120).await;
        assert!(matches!(refused, Err(FlowRunnerError::NotARun(_))), "{body}: {refused:?}");
    }
    assert_eq!(stage.bench.spent().total_calls(), 0);
}

#[tokio::test]
async fn a_run_that_nobody_knows_ends_quietly() {
    let stage = Stage::new().await;
    let unknown = run_id(&OrganisationId::generate(), &OperationId::generate());
    assert_eq!(stage.handle(&unknown.0, 120).await.unwrap(), Driven::NotMine);
    let spent = stage.bench.spent();
    assert_eq!((spent.total_calls(), spent.calls("dynamodb.UpdateItem")), (1, 1), "{spent}");
}

#[tokio::test]
async fn a_run_that_ended_is_announced_once_and_copies_of_its_message_do_nothing() {
    let stage = Stage::new().await;
    let (_, run) = stage.create("mine").await;
    stage.drive(&run).await;
    assert_eq!(stage.bench.take(Bench::NOTICES).await, [run.0.as_str()]);
    let calls = stage.fly.calls().len();
    for _ in 0..3 {
        assert_eq!(stage.handle(&run.0, 120).await.unwrap(), Driven::NotMine);
    }
    assert!(stage.bench.take(Bench::NOTICES).await.is_empty());
    assert_eq!(stage.fly.calls().len(), calls, "the provider is asked nothing");
}

#[tokio::test]
async fn two_workers_with_the_same_message_make_one_instance() {
    let stage = Stage::new().await;
    let (id, run) = stage.create("mine").await;
    let (one, other) = tokio::join!(stage.handle(&run.0, 120), stage.handle(&run.0, 120));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert!((one == Driven::NotMine) != (other == Driven::NotMine), "one has it: {one:?}, {other:?}");
    if stage.instance(&id).await.state == State::Provisioning {
        stage.bench.advance(5);
        stage.drive(&run).await;
    }
    let inventory = stage.fly.inventory();
    assert_eq!((inventory.apps.len(), inventory.machines.len(), inventory.volumes.len()), (1, 1, 1), "{inventory:?}");
    assert_eq!((stage.asked("create_app"), stage.asked("create_volume"), stage.asked("create_machine")), (1, 1, 1));
}

#[tokio::test]
async fn a_store_that_does_not_answer_fails_the_message_and_costs_the_run_nothing() {
    let stage = Stage::new().await;
    let (id, run) = stage.create("mine").await;
    stage.bench.sim.set_fault(|call| match call.service {
        Service::DynamoDb => Verdict::Refuse(Refusal::InternalError),
        _ => Verdict::Pass,
    });
    let failed = stage.handle(&run.0, 120).await;
    assert!(matches!(failed, Err(FlowRunnerError::Journal(_))), "{failed:?}");
    assert!(stage.fly.calls().is_empty(), "nothing is done that cannot be written down");
    stage.bench.sim.clear_fault();
    stage.drive(&run).await;
    assert_eq!(stage.instance(&id).await.state, State::Running);
}

/// The store fails in the middle of a walk: after the n-th write it answers no more, and the run is picked up when its lease is over.
#[tokio::test]
async fn a_store_that_fails_half_way_leaves_a_run_that_another_worker_ends() {
    for last in [2, 5, 9, 11] {
        let stage = Stage::new().await;
        let (id, run) = stage.create("mine").await;
        let writes = std::sync::atomic::AtomicU32::new(0);
        stage.bench.sim.set_fault(move |call| match call.operation {
            "UpdateItem" | "TransactWriteItems" if writes.fetch_add(1, std::sync::atomic::Ordering::SeqCst) >= last => Verdict::LoseRequest,
            _ => Verdict::Pass,
        });
        let failed = stage.handle(&run.0, 120).await;
        assert!(matches!(failed, Err(FlowRunnerError::Journal(_))), "{last}: {failed:?}");
        stage.bench.sim.clear_fault();
        assert_eq!(stage.handle(&run.0, 120).await.unwrap(), Driven::NotMine, "the dead worker's lease still stands");
        stage.bench.advance(150);
        stage.drive(&run).await;
        assert_eq!(stage.instance(&id).await.state, State::Running, "{last}");
        let inventory = stage.fly.inventory();
        assert_eq!((inventory.apps.len(), inventory.machines.len(), inventory.volumes.len()), (1, 1, 1), "{last}: {inventory:?}");
    }
}

#[tokio::test]
async fn an_end_that_could_not_be_announced_is_an_end_and_the_sweep_announces_it() {
    let stage = Stage::new().await;
    let (id, run) = stage.create("mine").await;
    stage.bench.sim.set_fault(|call| match (call.operation, call.body["QueueUrl"].as_str()) {
        ("SendMessage", Some(url)) if url.ends_with(Bench::NOTICES) => Verdict::Refuse(Refusal::Throttled),
        _ => Verdict::Pass,
    });
    let announced = loop {
        match stage.handle(&run.0, 120).await {
            Ok(Driven::Paused { until }) => stage.bench.clock.advance_to(until),
            other => break other,
        }
    };
    assert!(matches!(announced, Err(FlowRunnerError::Announce(_))), "{announced:?}");
    stage.bench.sim.clear_fault();
    assert_eq!(stage.instance(&id).await.state, State::Running);
    assert_eq!(stage.handle(&run.0, 120).await.unwrap(), Driven::NotMine, "the message comes again and goes quietly");
    let waiting = stage.bench.store.undelivered(stage.bench.now(), 10).await.unwrap();
    assert_eq!(waiting.iter().map(|notice| &*notice.event).collect::<Vec<_>>(), ["instance_ready"]);
}

#[tokio::test]
async fn an_invocation_that_is_nearly_over_begins_nothing() {
    let stage = Stage::new().await;
    let (_, run) = stage.create("mine").await;
    let driven = stage.handle(&run.0, 20).await.unwrap();
    assert!(matches!(driven, Driven::Paused { .. }), "{driven:?}");
    assert!(stage.fly.calls().is_empty());
    assert_eq!(stage.record(&run).await.journal.len(), 0);
}

#[tokio::test]
async fn a_run_of_newer_code_is_left_and_one_that_nobody_understands_is_parked_each_with_an_alarm() {
    let stage = Stage::new().await;
    let newer = stage.odd("provision", 99).await;
    assert_eq!(stage.handle(&newer.0, 120).await.unwrap(), Driven::UnknownVersion);
    assert_eq!(stage.bench.alarms(), ["unknown_version"]);
    assert!(stage.record(&newer).await.overdue_at.is_some(), "the new code will find it");

    let odd = stage.odd("provision", 1).await;
    let driven = stage.handle(&odd.0, 120).await.unwrap();
    assert!(matches!(driven, Driven::Parked { .. }), "{driven:?}");
    assert_eq!(stage.bench.alarms(), ["run_parked"]);
    assert_eq!(stage.handle(&odd.0, 120).await.unwrap(), Driven::NotMine, "until a person acts");
    assert!(stage.fly.calls().is_empty());
    assert!(stage.bench.take(Bench::NOTICES).await.is_empty(), "neither has ended");
}

#[tokio::test]
async fn a_flow_that_fails_fails_its_run_and_not_its_message() {
    let stage = Stage::new().await;
    stage.fly.set_region_full("fra", true);
    let (id, run) = stage.create("mine").await;
    let record = stage.drive(&run).await;
    let durable::Phase::Done { outcome: Outcome::Failed { step, .. } } = &record.phase else { panic!("{:?}", record.phase) };
    assert_eq!(step, "choose_region");
    assert_eq!(stage.instance(&id).await.state, State::Failed);
    assert!(stage.fly.inventory().is_empty(), "{:?}", stage.fly.inventory());
    assert_eq!(stage.bench.take(Bench::NOTICES).await, [run.0]);
}
