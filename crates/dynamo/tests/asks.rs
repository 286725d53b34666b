//! What is asked of an instance, and what becomes of it at the end of its run.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod support;

use domain::{OrganisationId, State, Verb, Wanted};
use durable::{Ended, Guard, Journal, Outcome, Phase, Written};
use dynamo::AskError;
use serde_json::{Value, json};
use support::{Bench, held, key, next, other_body, stopped};

#[tokio::test]
async fn a_stop_starts_a_run_that_wants_a_message() {
    let bench = Bench::new().await;
    let instance = bench.running(OrganisationId::generate(), "mine").await;
    let asked = bench.ask(&instance, Verb::Stop, None).await.unwrap();
    let record = asked.record.unwrap();
    assert!(asked.started);
    assert_eq!(asked.wake.as_ref(), Some(&record.id));
    let stored = bench.instance(&instance).await;
    assert_eq!((stored.state, stored.wanted, stored.wanted_rev), (State::Stopping, Wanted::Stopped, 2));
    assert_eq!(stored, asked.instance);

    bench.finish(&record.id, Outcome::Succeeded, stopped()).await;
    let stored = bench.instance(&instance).await;
    assert_eq!((stored.state, stored.operation), (State::Stopped, None));
    assert!(matches!(bench.store.read(&record.id).await.unwrap().unwrap().phase, Phase::Done { outcome: Outcome::Succeeded }));
}

#[tokio::test]
async fn a_wish_that_comes_meanwhile_is_met_by_the_run_that_follows() {
    let bench = Bench::new().await;
    let instance = bench.running(OrganisationId::generate(), "mine").await;
    let stop = bench.ask(&instance, Verb::Stop, None).await.unwrap().record.unwrap();
    let absorbed = bench.ask(&instance, Verb::Start, None).await.unwrap();
    assert_eq!((absorbed.record.as_ref().map(|record| &record.id), absorbed.started, absorbed.wake), (Some(&stop.id), false, None));

    let Ended::Yes { follow_up: Some(start) } = bench.finish(&stop.id, Outcome::Succeeded, stopped()).await else {
        panic!("a run follows");
    };
    let record = bench.store.read(&start).await.unwrap().unwrap();
    assert_eq!(record.kind, "start");
    let stored = bench.instance(&instance).await;
    assert_eq!(stored.state, State::Starting);
    let operations = bench.store.operations(&instance.organisation, &instance.id, None, 10).await.unwrap().items;
    assert_eq!(operations.iter().map(|record| record.kind.as_str()).collect::<Vec<_>>(), ["start", "stop", "provision"]);
}

#[tokio::test]
async fn a_wish_raised_while_a_run_ends_is_never_lost() {
    let bench = Bench::new().await;
    for _ in 0..20 {
        let instance = bench.running(OrganisationId::generate(), "mine").await;
        let stop = bench.ask(&instance, Verb::Stop, None).await.unwrap().record.unwrap();
        let (asked, ended) = futures::join!(bench.ask(&instance, Verb::Start, None), bench.finish(&stop.id, Outcome::Succeeded, stopped()));
        let followed = matches!(ended, Ended::Yes { follow_up: Some(_) });
        assert!(asked.unwrap().started != followed, "it is met exactly once");
        assert_eq!(bench.instance(&instance).await.state, State::Starting);
    }
}

#[tokio::test]
async fn a_delete_during_provisioning_cancels_it_and_retires_what_is_left() {
    let bench = Bench::new().await;
    let (instance, provision) = bench.provisioning(OrganisationId::generate(), "mine").await;
    let asked = bench.ask(&instance, Verb::Delete, None).await.unwrap();
    assert_eq!(asked.wake.as_ref(), Some(&provision.id), "nobody works on it");
    let record = bench.claim(&provision.id).await.expect("a cancel makes it due");
    assert!(record.cancel_requested_at.is_some());
    assert_eq!(bench.store.checkpoint(&held(&record), &next(&record), Guard::NotCancelled).await.unwrap(), Written::Cancelled);

    let Ended::Yes { follow_up: Some(retire) } = bench.end(&record, Outcome::Cancelled, Value::Null, vec![]).await else {
        panic!("a run follows");
    };
    bench.finish(&retire, Outcome::Succeeded, Value::Null).await;
    assert_eq!(bench.store.instance(&instance.organisation, &instance.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_delete_that_meets_a_working_provision_leaves_the_message_to_its_worker() {
    let bench = Bench::new().await;
    let (instance, provision) = bench.provisioning(OrganisationId::generate(), "mine").await;
    let record = bench.claim(&provision.id).await.unwrap();
    let asked = bench.ask(&instance, Verb::Delete, None).await.unwrap();
    assert_eq!((asked.started, asked.wake), (false, None));
    let written = bench.store.checkpoint(&held(&record), &next(&record), Guard::None).await.unwrap();
    assert!(matches!(written, Written::Yes { cancel_requested_at: Some(_) }), "{written:?}");
}

#[tokio::test]
async fn a_delete_after_the_commit_lets_the_run_end_and_retires_it_then() {
    let bench = Bench::new().await;
    let (instance, provision) = bench.provisioning(OrganisationId::generate(), "mine").await;
    let mut committed = bench.claim(&provision.id).await.unwrap();
    let before = held(&committed);
    committed = next(&committed);
    committed.committed = true;
    bench.store.checkpoint(&before, &committed, Guard::NotCancelled).await.unwrap();
    let asked = bench.ask(&instance, Verb::Delete, None).await.unwrap();
    assert_eq!((asked.started, asked.wake), (false, None));
    let placement = serde_json::to_value(bench.placement(&instance)).unwrap();
    let ended = bench.end(&committed, Outcome::Succeeded, placement, vec![]).await;
    assert!(matches!(ended, Ended::Yes { follow_up: Some(_) }), "{ended:?}");
    assert_eq!(bench.instance(&instance).await.state, State::Deleting);
}

#[tokio::test]
async fn what_cannot_be_absorbed_is_refused_with_the_run_or_the_state() {
    let bench = Bench::new().await;
    let (instance, _) = bench.provisioning(OrganisationId::generate(), "mine").await;
    assert_eq!(bench.ask(&instance, Verb::Restart, None).await, Err(AskError::Busy { operation: instance.operation }));

    let instance = bench.running(OrganisationId::generate(), "mine").await;
    let stop = bench.ask(&instance, Verb::Stop, None).await.unwrap().record.unwrap();
    bench.finish(&stop.id, Outcome::Succeeded, stopped()).await;
    assert_eq!(bench.ask(&instance, Verb::Restart, None).await, Err(AskError::Forbidden { state: State::Stopped }));
    let nothing = bench.ask(&instance, Verb::Stop, None).await.unwrap();
    assert_eq!((nothing.record, nothing.started), (None, false));
}

#[tokio::test]
async fn of_many_at_once_exactly_one_starts_a_run() {
    let bench = Bench::new().await;
    let instance = bench.running(OrganisationId::generate(), "mine").await;
    let asked = futures::future::join_all((0..8).map(|_| bench.ask(&instance, Verb::Restart, None))).await;
    let started = asked.iter().filter(|asked| asked.as_ref().is_ok_and(|asked| asked.started)).count();
    let busy = asked.iter().filter(|asked| matches!(asked, Err(AskError::Busy { .. }))).count();
    assert_eq!((started, busy), (1, 7), "{asked:?}");
}

#[tokio::test]
async fn a_repeated_wish_gets_the_first_answer_and_does_nothing() {
    let bench = Bench::new().await;
    let instance = bench.running(OrganisationId::generate(), "mine").await;
    let first = bench.ask(&instance, Verb::Stop, key("k")).await.unwrap();
    let record = first.record.clone().unwrap();
    bench.finish(&record.id, Outcome::Succeeded, stopped()).await;
    let again = bench.ask(&instance, Verb::Stop, key("k")).await.unwrap();
    assert_eq!((&again.instance, &again.record, again.started, &again.wake), (&first.instance, &first.record, true, &None));
    assert_eq!(bench.ask(&instance, Verb::Stop, other_body("k")).await, Err(AskError::KeyReused));

    let nothing = bench.ask(&instance, Verb::Stop, key("idle")).await.unwrap();
    assert!(!nothing.started);
    let start = bench.ask(&instance, Verb::Start, None).await.unwrap().record.unwrap();
    bench.finish(&start.id, Outcome::Succeeded, json!({ "state": "running", "trouble": null })).await;
    assert!(!bench.ask(&instance, Verb::Stop, key("idle")).await.unwrap().started, "it had nothing to do, and still has not");
    assert_eq!(bench.instance(&instance).await.state, State::Running);
}

#[tokio::test]
async fn a_delete_takes_the_instance_from_a_parked_run() {
    let bench = Bench::new().await;
    let instance = bench.running(OrganisationId::generate(), "mine").await;
    let stop = bench.ask(&instance, Verb::Stop, None).await.unwrap().record.unwrap();
    let record = bench.claim(&stop.id).await.unwrap();
    let mut parked = next(&record);
    parked.phase = Phase::Parked { why: "stop_machine says no".to_owned(), was: Box::new(Phase::Running) };
    (parked.lease_until, parked.overdue_at) = (None, None);
    bench.store.checkpoint(&held(&record), &parked, Guard::None).await.unwrap();
    let waiting = bench.store.parked(10).await.unwrap();
    assert_eq!(waiting.iter().map(|run| &run.id).collect::<Vec<_>>(), [&record.id], "nobody would hear of it");
    assert_eq!(bench.store.read(&record.id).await.unwrap().unwrap().overdue_at, None);
    assert_eq!(bench.store.overdue(bench.now() + jiff::SignedDuration::from_hours(1), 10).await.unwrap(), [], "no worker is sent to it");

    let asked = bench.ask(&instance, Verb::Delete, None).await.unwrap();
    assert_eq!(asked.record.unwrap().kind, "retire");
    let abandoned = bench.store.read(&stop.id).await.unwrap().unwrap();
    assert_eq!(abandoned.phase, Phase::Done { outcome: Outcome::Abandoned });
    assert!(!bench.store.resume(&stop.id, bench.now()).await.unwrap());
    assert_eq!(bench.instance(&instance).await.state, State::Deleting);
}

#[tokio::test]
async fn the_end_of_a_run_records_its_notices_with_it() {
    let bench = Bench::new().await;
    let (instance, provision) = bench.provisioning(OrganisationId::generate(), "mine").await;
    let record = bench.claim(&provision.id).await.unwrap();
    let said = json!({ "instance": instance.id, "event": "instance_ready", "message": "mine is ready" });
    let placement = serde_json::to_value(bench.placement(&instance)).unwrap();
    bench.end(&record, Outcome::Succeeded, placement, vec![said]).await;

    let due = bench.store.undelivered(bench.now(), 10).await.unwrap();
    assert_eq!(due.iter().map(|notice| notice.event.as_str()).collect::<Vec<_>>(), ["instance_ready"]);
    assert_eq!(bench.store.notice(&due[0].id).await.unwrap().as_ref(), Some(&due[0]));
    assert!(bench.store.delivered(&due[0].id).await.unwrap());
    assert!(!bench.store.delivered(&due[0].id).await.unwrap(), "once");
    assert!(bench.store.undelivered(bench.now(), 10).await.unwrap().is_empty());
    assert!(bench.store.notice(&due[0].id).await.unwrap().is_some(), "a repetition is recognised");
    assert_eq!(bench.store.notice("nonsense").await.unwrap(), None);

    let outside = domain::Notice { id: format!("{}.incident-29000000-{}-0", instance.organisation, instance.id), ..due[0].clone() };
    bench.store.record_notice(&outside).await.unwrap();
    bench.store.record_notice(&outside).await.unwrap();
    assert_eq!(bench.store.undelivered(bench.now(), 10).await.unwrap(), [outside]);
}
