//! Lost answers, conflicts and throttling, as AWS has them every day. Only the embedded DynamoDB does them on request.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod support;

use aws_sim::{Call, Refusal, Verdict};
use domain::{OrganisationId, State, Verb};
use durable::{CancelReply, Ended, Ending, Guard, Journal, JournalError, Outcome, Written};
use dynamo::{Created, NewInstance, StoreError};
use support::{Bench, done, held, key, next, stopped};

/// The first so many calls of an operation go wrong.
fn first(calls: u64, operation: &'static str, verdict: Verdict) -> impl Fn(&Call<'_>) -> Verdict + Send + Sync + 'static {
    let seen = std::sync::atomic::AtomicU64::new(0);
    move |call| {
        let hit = call.operation == operation && seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < calls;
        if hit { verdict.clone() } else { Verdict::Pass }
    }
}

fn embedded() -> bool {
    std::env::var_os("AWS_ENDPOINT_URL_DYNAMODB").is_none()
}

#[tokio::test]
async fn a_lost_answer_to_a_claim_a_step_or_an_end_is_recognised_as_ones_own() {
    let bench = Bench::new().await;
    let instance = bench.running(OrganisationId::generate(), "mine").await;
    let stop = bench.ask(&instance, Verb::Stop, None).await.unwrap().record.unwrap();

    bench.aws.set_fault(first(1, "UpdateItem", Verdict::LoseAnswer));
    let record = bench.claim(&stop.id).await.expect("it was its own claim");
    assert_eq!((record.rev, record.claims), (1, 1), "claimed once");

    bench.aws.set_fault(first(1, "UpdateItem", Verdict::LoseAnswer));
    let stepped = next(&record);
    let written = bench.store.checkpoint(&held(&record), &stepped, Guard::None).await.unwrap();
    assert_eq!(written, Written::Yes { cancel_requested_at: None });

    bench.aws.set_fault(first(1, "TransactWriteItems", Verdict::LoseAnswer));
    assert_eq!(bench.end(&stepped, Outcome::Succeeded, stopped(), vec![]).await, Ended::Yes { follow_up: None });
    bench.aws.clear_fault();
    assert_eq!(bench.instance(&instance).await.state, State::Stopped);
}

#[tokio::test]
async fn an_end_whose_answer_was_lost_for_good_is_told_again_with_its_follower() {
    if !embedded() {
        return;
    }
    let bench = Bench::new().await;
    let instance = bench.running(OrganisationId::generate(), "mine").await;
    let stop = bench.ask(&instance, Verb::Stop, None).await.unwrap().record.unwrap();
    bench.ask(&instance, Verb::Start, None).await.unwrap();
    let record = bench.claim(&stop.id).await.unwrap();
    let ending = Ending { outcome: Outcome::Succeeded, value: stopped(), notices: vec![] };
    let last = done(&record, Outcome::Succeeded, bench.now());

    bench.aws.set_fault(first(3, "TransactWriteItems", Verdict::LoseAnswer));
    let lost = bench.store.end(&held(&record), &last, &ending, Guard::NotCancelled).await;
    assert!(matches!(lost, Err(JournalError::Unavailable(_))), "{lost:?}");
    let told = bench.store.end(&held(&record), &last, &ending, Guard::NotCancelled).await.unwrap();
    let Ended::Yes { follow_up: Some(start) } = told else { panic!("{told:?}") };
    assert_eq!(bench.store.read(&start).await.unwrap().unwrap().kind, "start");
    assert_eq!(bench.store.operations(&instance.organisation, &instance.id, None, 10).await.unwrap().items.len(), 3);
}

#[tokio::test]
async fn conflicts_and_throttling_pass_unnoticed_and_what_lasts_is_said() {
    if !embedded() {
        return;
    }
    for refusal in [Refusal::TransactionConflict, Refusal::Throttled] {
        let bench = Bench::new().await;
        bench.aws.set_fault(first(3, "TransactWriteItems", Verdict::Refuse(refusal.clone())));
        let new = bench.new_instance(OrganisationId::generate(), "mine");
        assert!(matches!(bench.store.create(new).await, Ok(Created::New { .. })), "{refusal:?}");
        assert_eq!(bench.aws.consumed().calls("dynamodb.TransactWriteItems"), 4);

        bench.aws.set_fault(first(u64::MAX, "TransactWriteItems", Verdict::Refuse(refusal.clone())));
        let new = bench.new_instance(OrganisationId::generate(), "mine");
        let refused = bench.store.create(new).await;
        assert!(matches!(refused, Err(dynamo::CreateError::Store(StoreError::Unavailable { .. }))), "{refused:?}");
    }
}

#[tokio::test]
async fn every_try_of_a_transaction_has_the_same_token_and_every_transaction_its_own() {
    if !embedded() {
        return;
    }
    let bench = Bench::new().await;
    let tokens = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let (seen, calls) = (tokens.clone(), std::sync::atomic::AtomicU64::new(0));
    // Of three tries the first is carried out and its answer lost, and the second meets somebody else's transaction.
    bench.aws.set_fault(move |call: &Call<'_>| {
        if call.operation != "TransactWriteItems" {
            return Verdict::Pass;
        }
        seen.lock().unwrap().push(call.body["ClientRequestToken"].as_str().map(str::to_owned));
        match calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Verdict::LoseAnswer,
            1 => Verdict::Refuse(Refusal::TransactionConflict),
            _ => Verdict::Pass,
        }
    });
    bench.provisioning(OrganisationId::generate(), "mine").await;
    bench.provisioning(OrganisationId::generate(), "mine").await;
    let tokens = tokens.lock().unwrap();
    assert!(tokens.iter().all(Option::is_some), "{tokens:?}");
    assert_eq!((&tokens[0], &tokens[1], tokens.len()), (&tokens[1], &tokens[2], 4), "{tokens:?}");
    assert_ne!(tokens[2], tokens[3]);
}

#[tokio::test]
async fn a_conflict_on_a_single_write_is_tried_again() {
    let bench = Bench::new().await;
    let (_, record) = bench.provisioning(OrganisationId::generate(), "mine").await;
    bench.aws.set_fault(first(2, "UpdateItem", Verdict::Refuse(Refusal::TransactionConflict)));
    assert!(bench.claim(&record.id).await.is_some());
}

#[tokio::test]
async fn a_create_whose_answers_were_all_lost_is_found_under_its_key() {
    if !embedded() {
        return;
    }
    let bench = Bench::new().await;
    let organisation = OrganisationId::generate();
    bench.aws.set_fault(first(3, "TransactWriteItems", Verdict::LoseAnswer));
    let first_try = NewInstance { key: key("k"), ..bench.new_instance(organisation, "mine") };
    let id = first_try.instance.id;
    assert!(bench.store.create(first_try).await.is_err());
    let second_try = NewInstance { key: key("k"), ..bench.new_instance(organisation, "mine") };
    let Created::Replayed { instance, .. } = bench.store.create(second_try).await.unwrap() else { panic!("it was made before") };
    assert_eq!(instance.id, id);
}

#[tokio::test]
async fn a_worker_whose_run_was_taken_over_stops_and_touches_nothing() {
    let bench = Bench::new().await;
    let (instance, provision) = bench.provisioning(OrganisationId::generate(), "mine").await;
    let slow = bench.claim(&provision.id).await.unwrap();
    assert!(bench.claim(&provision.id).await.is_none(), "the lease holds");
    bench.advance(151);
    let quick = bench.claim(&provision.id).await.expect("the lease has run out");
    assert_eq!(bench.store.checkpoint(&held(&slow), &next(&slow), Guard::None).await.unwrap(), Written::Superseded);
    let ended = bench.end(&slow, Outcome::Succeeded, serde_json::to_value(bench.placement(&instance)).unwrap(), vec![]).await;
    assert_eq!(ended, Ended::Superseded);
    assert_eq!(bench.instance(&instance).await.state, State::Provisioning);
    assert_eq!(bench.store.read(&provision.id).await.unwrap().unwrap(), quick);
}

#[tokio::test]
async fn a_cancel_and_a_commit_that_meet_never_both_succeed() {
    let bench = Bench::new().await;
    let mut accepted_ones = 0;
    for head_start in 0..20 {
        let (_, provision) = bench.provisioning(OrganisationId::generate(), "mine").await;
        let record = bench.claim(&provision.id).await.unwrap();
        let (before, mut committed) = (held(&record), next(&record));
        committed.committed = true;
        let commit = async {
            for _ in 0..head_start {
                tokio::task::yield_now().await;
            }
            bench.store.checkpoint(&before, &committed, Guard::NotCancelled).await
        };
        let (cancelled, written) = futures::join!(bench.store.request_cancel(&provision.id, bench.now()), commit);
        let accepted = matches!(cancelled.unwrap(), CancelReply::Accepted { .. });
        assert_eq!(written.unwrap() == Written::Cancelled, accepted);
        accepted_ones += u32::from(accepted);
    }
    assert!((1..20).contains(&accepted_ones), "both orders were tried: {accepted_ones}");
}

#[tokio::test]
async fn a_start_over_finds_every_live_run_and_frees_it() {
    let bench = Bench::new().await;
    let organisation = OrganisationId::generate();
    let (_, working) = bench.provisioning(organisation, "a").await;
    let (_, waiting) = bench.provisioning(organisation, "b").await;
    bench.running(organisation, "c").await;
    bench.claim(&working.id).await.unwrap();
    assert!(bench.claim(&working.id).await.is_none());

    let mut released = bench.store.release_leases().await.unwrap();
    released.sort();
    let mut expected = vec![working.id.clone(), waiting.id.clone()];
    expected.sort();
    assert_eq!(released, expected);
    assert_eq!(bench.store.overdue(bench.now(), 10).await.unwrap().len(), 2);
    assert!(bench.claim(&working.id).await.is_some());
}
