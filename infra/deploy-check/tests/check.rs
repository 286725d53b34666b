//! Runs of known and unknown versions, in a store on a simulated DynamoDB. The command itself is asked as an operator asks it: as a program,
//! with variables and nothing else, and DynamoDB on a socket.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sim::{AwsSim, Options};
use deploy_check::{Report, Stranded, check};
use durable::{Claim, Clock, Guard, Held, Journal, NewRun, OwnerId, Phase, RunId, Why, Written};
use dynamo::Store;
use flows::Deployment;
use serde_json::Value;
use shell::SystemClock;
use tokio::net::TcpListener;
use tokio::process::Command;

const TABLE: &str = "rockpool";

async fn store() -> Store {
    store_on(&AwsSim::open(Options::default()).await.unwrap()).await
}

async fn store_on(aws: &AwsSim) -> Store {
    dynamo::create_table(&aws.dynamodb(), TABLE).await.unwrap();
    let address = "https://{app}.fly.dev".to_owned();
    let deployment = Deployment { name: "test".to_owned(), address, image_repository: "registry.fly.io/tenant".to_owned() };
    Store::new(aws.dynamodb(), TABLE, deployment, Arc::new(SystemClock))
}

fn run(id: &str, kind: &str, version: u32) -> NewRun {
    NewRun { id: RunId(id.to_owned()), kind: kind.to_owned(), version, subject: "org_1.ins_1".to_owned(), plan: Value::Null }
}

/// Brings a run into a phase, as a worker does: it claims it and writes down how far it came.
async fn enter(store: &Store, id: &str, phase: Phase) {
    let (id, owner, now) = (RunId(id.to_owned()), OwnerId(format!("worker of {id}")), SystemClock.now());
    let claim = Claim { owner: owner.clone(), now, lease_until: now + Duration::from_secs(150) };
    let mut record = store.claim(&id, &claim).await.unwrap().unwrap();
    let held = Held { owner, rev: record.rev };
    record.rev += 1;
    record.phase = phase;
    let written = store.checkpoint(&held, &record, Guard::None).await.unwrap();
    assert_eq!(written, Written::Yes { cancel_requested_at: None });
}

fn unwinding() -> Phase {
    Phase::Unwinding { why: Why::Cancelled }
}

fn parked() -> Phase {
    Phase::Parked { why: "could not be undone: delete_volume (it is bound to a machine)".to_owned(), was: Box::new(unwinding()) }
}

/// What the program said, and how it ended.
struct Answer {
    status: Option<i32>,
    out: String,
    err: String,
}

/// Asks, with as much of the environment as is given and none of the tests' own.
async fn ask(environment: &[(&str, &str)]) -> Answer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deploy-check"));
    command.env_clear().envs(environment.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Answer { status: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Asks about a table of this AWS, with all that docs/operating.md gives it.
async fn ask_about(aws: &AwsSim) -> Answer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(aws.clone().serve(listener));
    let answer = ask(&[
        ("AWS_REGION", AwsSim::REGION),
        ("AWS_ACCESS_KEY_ID", "AKIDOPERATOR"),
        ("AWS_SECRET_ACCESS_KEY", "not-a-secret"),
        ("AWS_ENDPOINT_URL", &address),
        ("ROCKPOOL_DEPLOYMENT", "test"),
        ("ROCKPOOL_TABLE", TABLE),
        ("ROCKPOOL_INSTANCE_ADDRESS", "https://{app}.fly.dev"),
        ("ROCKPOOL_IMAGE_REPOSITORY", "registry.fly.io/tenant"),
    ])
    .await;
    serving.abort();
    answer
}

#[tokio::test]
async fn runs_that_this_code_does_not_know_are_named_and_the_others_counted() {
    let store = store().await;
    assert_eq!(check(&store).await.unwrap(), Report { under_way: 0, stranded: Vec::new() });
    store.start(run("org_1.op_1", "provision", 1)).await.unwrap();
    store.start(run("org_1.op_2", "provision", 999)).await.unwrap();
    store.start(run("org_1.op_3", "teleport", 1)).await.unwrap();
    let mut report = check(&store).await.unwrap();
    report.stranded.sort_by(|a, b| a.run.cmp(&b.run));
    let stranded = |run: &str, kind: &str, version| Stranded { run: run.to_owned(), kind: kind.to_owned(), version, phase: "running" };
    let expected = vec![stranded("org_1.op_2", "provision", 999), stranded("org_1.op_3", "teleport", 1)];
    assert_eq!(report, Report { under_way: 3, stranded: expected });
    assert_eq!(report.stranded[0].to_string(), "org_1.op_2: provision version 999, running");
}

#[tokio::test]
async fn a_run_in_a_form_that_only_newer_code_writes_is_a_reason_not_to_deploy() {
    let aws = AwsSim::open(Options::default()).await.unwrap();
    let store = store_on(&aws).await;
    store.start(run("org_1.op_1", "provision", 1)).await.unwrap();
    let item = aws.dynamodb().query().table_name(TABLE).key_condition_expression("pk = :pk");
    let item = item.expression_attribute_values(":pk", AttributeValue::S("org_1.op_1".to_owned())).send().await.unwrap();
    let mut item = item.items.unwrap().remove(0);
    assert_eq!(item.insert("schema".to_owned(), AttributeValue::N("2".to_owned())), Some(AttributeValue::N("1".to_owned())));
    aws.dynamodb().put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
    let error = check(&store).await.expect_err("this code cannot tell what it means");
    assert!(error.to_string().contains("newer code wrote it"), "{error}");
}

/// One that turned back or waits for a person goes on some day too, by the code that is there then.
#[tokio::test]
async fn a_run_that_unwinds_and_one_that_is_parked_are_under_way() {
    let store = store().await;
    for (id, version, phase) in [("1", 1, unwinding()), ("2", 1, parked()), ("3", 999, unwinding()), ("4", 999, parked())] {
        let id = format!("org_1.op_{id}");
        store.start(run(&id, "provision", version)).await.unwrap();
        enter(&store, &id, phase).await;
    }
    let mut report = check(&store).await.unwrap();
    report.stranded.sort_by(|a, b| a.run.cmp(&b.run));
    let stranded = |run: &str, phase| Stranded { run: run.to_owned(), kind: "provision".to_owned(), version: 999, phase };
    let expected = vec![stranded("org_1.op_3", "unwinding"), stranded("org_1.op_4", "parked")];
    assert_eq!(report, Report { under_way: 4, stranded: expected });
}

#[tokio::test]
async fn the_command_succeeds_where_this_code_knows_every_run() {
    let aws = AwsSim::open(Options::default()).await.unwrap();
    let store = store_on(&aws).await;
    for id in ["org_1.op_1", "org_1.op_2"] {
        store.start(run(id, "provision", 1)).await.unwrap();
    }
    enter(&store, "org_1.op_2", parked()).await;
    let Answer { status, out, err } = ask_about(&aws).await;
    assert_eq!((status, out.as_str(), err.as_str()), (Some(0), "2 runs are under way; this code knows them all.\n", ""));
}

#[tokio::test]
async fn the_command_lists_the_runs_that_this_code_does_not_know_and_fails() {
    let aws = AwsSim::open(Options::default()).await.unwrap();
    let store = store_on(&aws).await;
    for (id, kind, version) in [("1", "provision", 1), ("2", "provision", 999), ("3", "provision", 999), ("4", "teleport", 1)] {
        store.start(run(&format!("org_1.op_{id}"), kind, version)).await.unwrap();
    }
    enter(&store, "org_1.op_2", unwinding()).await;
    enter(&store, "org_1.op_3", parked()).await;
    let Answer { status, out, err } = ask_about(&aws).await;
    let expected = "\
Of 4 runs under way, this code does not know 3:
  org_1.op_2: provision version 999, unwinding
  org_1.op_3: provision version 999, parked
  org_1.op_4: teleport version 1, running
Deploy code that knows them beside this, or wait until they have ended.
";
    assert_eq!((status, out.as_str(), err.as_str()), (Some(1), expected, ""));
}

/// Not having looked is no answer to the question, and not the status of one.
#[tokio::test]
async fn the_command_tells_that_it_could_not_look_from_what_it_saw() {
    let nothing = ask(&[]).await;
    assert_eq!((nothing.status, nothing.out.as_str()), (Some(2), ""));
    for variable in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "ROCKPOOL_DEPLOYMENT", "ROCKPOOL_TABLE"] {
        assert!(nothing.err.contains(&format!("{variable} is not set")), "{variable}: {}", nothing.err);
    }
    let aws = AwsSim::open(Options::default()).await.unwrap();
    let no_table = ask_about(&aws).await;
    assert_eq!((no_table.status, no_table.out.as_str()), (Some(2), ""));
    assert!(no_table.err.starts_with("The runs could not be looked at: "), "{}", no_table.err);
    assert!(no_table.err.contains("ResourceNotFoundException"), "{}", no_table.err);
}
