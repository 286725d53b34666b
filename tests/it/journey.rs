//! The whole way of an instance: asked for, made, stopped, started, restarted, mended, deleted.

use aws_sim::{Refusal, Verdict};
use domain::{InstanceId, State};
use durable::{Outcome, Phase, Record};
use fly_sim::{Fault, Match};
use serde_json::json;

use crate::support::{Bench, Fleet, Mood, Stage, alice};

fn steps(record: &Record) -> Vec<&str> {
    record.journal.iter().map(|entry| entry.name.as_str()).collect()
}

fn succeeded(record: &Record) -> bool {
    record.phase == Phase::Done { outcome: Outcome::Succeeded }
}

impl Stage {
    fn app(&self, id: &InstanceId) -> String {
        self.bench.deployment.app(id)
    }

    /// The state that the API shows.
    async fn state(&self, id: &InstanceId) -> String {
        self.get(&format!("/v1/instances/{id}")).await["state"].as_str().unwrap().to_owned()
    }

    /// Asks for something and works until it is done.
    async fn done(&self, id: &InstanceId, verb: &str) -> Record {
        let answer = match verb {
            "delete" => self.call("DELETE", &format!("/v1/instances/{id}"), None, None).await,
            "restart the machine" => {
                self.call("POST", &format!("/v1/instances/{id}/restart"), Some(json!({ "scope": "machine" })), None).await
            }
            verb => self.post(&format!("/v1/instances/{id}/{verb}")).await,
        };
        assert_eq!(answer.status, 202, "{verb}: {}", answer.json);
        self.drive(&answer.run()).await
    }
}

#[tokio::test]
async fn an_instance_is_made_step_by_step_and_is_then_all_there() {
    let stage = Stage::new().await;
    let (id, run) = stage.create("mine").await;
    assert_eq!(stage.state(&id).await, "provisioning");
    assert!(stage.fly.calls().is_empty(), "the API never asks the provider");
    assert_eq!(stage.bench.take(Bench::FLOWS).await, [run.0.as_str()]);

    let record = stage.drive(&run).await;
    assert!(succeeded(&record), "{record:?}");
    let expected = [
        "create_secret",
        "create_app",
        "set_secrets",
        "assign_ips",
        "create_volume",
        "create_machine",
        "choose_region",
        "await_started",
        "await_healthy",
        "delete_surplus_volumes",
        "in_service",
    ];
    assert_eq!(steps(&record), expected);
    let operation = stage.get(&format!("/v1/operations/{}", flows::parse_run_id(&run).unwrap().1)).await;
    let shown: Vec<_> = operation["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
    assert_eq!(shown, expected, "the customer's timeline is the journal");

    let (shown, app) = (stage.get(&format!("/v1/instances/{id}")).await, stage.app(&id));
    assert_eq!((&shown["state"], &shown["operation"]), (&json!("running"), &json!(null)), "{shown}");
    let inventory = stage.fly.inventory();
    assert_eq!(inventory.apps, [app.as_str()]);
    assert_eq!((inventory.machines.len(), inventory.volumes.len(), inventory.ips.len()), (1, 1, 2), "{inventory:?}");
    assert_eq!(inventory.secrets, [format!("{app}/ROCKPOOL_SESSION_KEY")]);
    assert_eq!(stage.bench.take(Bench::NOTICES).await, [run.0]);
}

#[tokio::test]
async fn an_instance_stops_starts_restarts_and_is_deleted_without_a_trace() {
    let stage = Stage::new().await;
    let id = stage.running("mine").await;
    let machine = stage.fly.machine_for_app(&stage.app(&id)).unwrap().id;
    let state_of_machine = || stage.fly.machine_for_app(&stage.app(&id)).unwrap().state;

    assert!(succeeded(&stage.done(&id, "stop").await));
    assert_eq!((stage.state(&id).await.as_str(), state_of_machine()), ("stopped", fly_sim::MachineState::Stopped));
    assert!(succeeded(&stage.done(&id, "start").await));
    assert_eq!((stage.state(&id).await.as_str(), state_of_machine()), ("running", fly_sim::MachineState::Started));
    assert!(stage.supervisors.restarts().is_empty());
    assert!(succeeded(&stage.done(&id, "restart").await));
    assert_eq!(stage.supervisors.restarts(), [stage.app(&id)]);
    assert!(succeeded(&stage.done(&id, "restart the machine").await));
    assert_eq!(stage.state(&id).await, "running");
    assert_eq!(stage.fly.machine_for_app(&stage.app(&id)).unwrap().id, machine, "the same machine all the time");

    let deleted = stage.done(&id, "delete").await;
    assert!(succeeded(&deleted), "{deleted:?}");
    let gone = stage.call("GET", &format!("/v1/instances/{id}"), None, None).await;
    assert_eq!(gone.status, 404);
    assert!(stage.fly.inventory().is_empty(), "{:?}", stage.fly.inventory());
    let secret = stage.bench.deployment.secret(&id);
    let left = stage.bench.aws.secrets_manager().describe_secret().secret_id(secret).send().await.unwrap();
    assert!(left.deleted_date().is_some(), "the secret rests in its recovery window");
    assert_eq!(stage.get("/v1/instances").await["instances"], json!([]));
    stage.create("mine").await;
}

#[tokio::test]
async fn what_the_provider_loses_delays_or_refuses_for_a_while_is_done_once_all_the_same() {
    let faults = [
        ("create_app", Fault::AnswerLost),
        ("create_app", Fault::timeout()),
        ("create_volume", Fault::AnswerLost),
        ("create_machine", Fault::AnswerLost),
        ("create_machine", Fault::timeout()),
    ];
    for (action, fault) in faults {
        let stage = Stage::new().await;
        stage.fly.script().on(Match::action(action)).then(fault.clone());
        let id = stage.running("mine").await;
        assert!(stage.fly.script().unplayed().is_empty(), "{action} {fault:?}");
        let inventory = stage.fly.inventory();
        let counts = (inventory.apps.len(), inventory.machines.len(), inventory.volumes.len());
        assert_eq!(counts, (1, 1, 1), "{action} {fault:?}: {inventory:?}");
        assert!(succeeded(&stage.done(&id, "delete").await));
        assert!(stage.fly.inventory().is_empty(), "{action} {fault:?}: {:?}", stage.fly.inventory());
    }
}

#[tokio::test]
async fn an_aws_that_stumbles_over_every_third_call_makes_the_same_instance() {
    let stage = Stage::new().await;
    for (place, verdict) in [Verdict::LoseAnswer, Verdict::LoseRequest, Verdict::Refuse(Refusal::Throttled)].into_iter().enumerate() {
        let (id, run) = stage.create(&format!("mine-{place}")).await;
        stage.bench.sim.set_fault(move |call| if call.number % 3 == 0 { verdict.clone() } else { Verdict::Pass });
        let record = stage.drive(&run).await;
        stage.bench.sim.clear_fault();
        assert!(succeeded(&record), "{record:?}");
        assert_eq!(stage.instance(&id).await.state, State::Running);
        let inventory = stage.fly.inventory();
        assert_eq!((inventory.apps.len(), inventory.machines.len(), inventory.volumes.len()), (place + 1, place + 1, place + 1));
    }
}

#[tokio::test]
async fn a_cancel_while_the_gateway_starts_takes_everything_back() {
    let stage = Stage::new().await;
    let (id, run) = stage.create("mine").await;
    stage.supervisors.set(&stage.app(&id), Mood::Phase("starting"));
    let deadline = stage.bench.now() + jiff::SignedDuration::from_secs(120);
    let waiting = stage.runner.handle(&run.0, deadline).await.unwrap();
    assert!(matches!(waiting, durable::Driven::Paused { .. }), "{waiting:?}");
    assert_eq!(stage.fly.inventory().machines.len(), 1);
    let operation = flows::parse_run_id(&run).unwrap().1;
    let cancelled = stage.post(&format!("/v1/operations/{operation}/cancel")).await;
    assert_eq!(cancelled.status, 202, "{}", cancelled.json);
    let record = stage.drive(&run).await;
    assert_eq!(record.phase, Phase::Done { outcome: Outcome::Cancelled });
    assert!(stage.fly.inventory().is_empty(), "{:?}", stage.fly.inventory());
    assert_eq!(stage.state(&id).await, "failed");
}

#[tokio::test]
async fn a_gateway_that_refuses_its_configuration_is_not_waited_for() {
    let stage = Stage::new().await;
    let (id, run) = stage.create("mine").await;
    stage.supervisors.set(&stage.app(&id), Mood::Phase("refused"));
    let begun = stage.bench.now();
    let record = stage.drive(&run).await;
    let Phase::Done { outcome: Outcome::Failed { step, .. } } = &record.phase else { panic!("{:?}", record.phase) };
    assert_eq!(step, "await_healthy");
    assert!(stage.bench.now().duration_since(begun) < jiff::SignedDuration::from_mins(2), "it can never become ready");
    assert!(stage.fly.inventory().is_empty());
}

#[tokio::test]
async fn an_instance_that_stops_answering_is_found_restarted_and_running_again() {
    let stage = Stage::new().await;
    let id = stage.running("mine").await;
    let fleet = Fleet::over(&stage.bench, &stage.supervisors);
    stage.supervisors.set(&stage.app(&id), Mood::UntilRestarted("not_ready"));
    stage.bench.take(Bench::FLOWS).await;
    for _ in 0..3 {
        fleet.round().await;
    }
    assert_eq!(stage.state(&id).await, "running", "three misses are known, none of them to the sweep yet");
    assert_eq!(fleet.round().await.minute.repairs, 1);
    assert_eq!(stage.state(&id).await, "repairing");
    let repair = flows::run_id(&alice(), &stage.instance(&id).await.operation.unwrap());
    let record = stage.drive(&repair).await;
    assert_eq!(steps(&record), ["restart_process", "await_healthy", "in_service"], "the first rung was enough");
    assert_eq!(stage.supervisors.restarts(), [stage.app(&id)]);
    assert_eq!((stage.state(&id).await, stage.instance(&id).await.health.misses), ("running".to_owned(), 0));
    assert_eq!(fleet.round().await.checked.well, 1, "and it is checked again");
}

#[tokio::test]
async fn an_instance_that_no_restart_mends_is_degraded_with_an_alarm_until_it_answers() {
    let stage = Stage::new().await;
    let id = stage.running("mine").await;
    let fleet = Fleet::over(&stage.bench, &stage.supervisors);
    stage.supervisors.set(&stage.app(&id), Mood::Phase("backing_off"));
    for _ in 0..4 {
        fleet.round().await;
    }
    let repair = flows::run_id(&alice(), &stage.instance(&id).await.operation.unwrap());
    let record = stage.drive(&repair).await;
    assert!(succeeded(&record), "{record:?}");
    assert!(steps(&record).contains(&"restart_machine") && steps(&record).contains(&"raise_alarm"), "{:?}", steps(&record));
    assert_eq!(stage.state(&id).await, "degraded");
    assert_eq!(stage.bench.alarms(), ["instance_degraded"], "one");
    for _ in 0..5 {
        assert_eq!(fleet.round().await.minute.repairs, 0, "nobody restarts it again and again");
    }
    stage.supervisors.set(&stage.app(&id), Mood::Well);
    fleet.round().await;
    assert_eq!(stage.state(&id).await, "running");
    assert!(stage.bench.alarms().is_empty());
}
