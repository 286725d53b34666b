use std::time::Duration;

use super::{Bench, LEASE, claim_as, claimed, dropped, held, next, read};
use crate::journal::{CancelReply, Guard, Held, Written};
use crate::record::{Outcome, OwnerId, Phase, Why};

pub(super) async fn a_started_run_is_live_and_overdue_after_fifteen_seconds(bench: &impl Bench) {
    let now = bench.now();
    let id = bench.start(now).await;
    let record = read(bench, &id).await;
    assert_eq!((&record.id, &record.phase, record.rev, record.claims), (&id, &Phase::Running, 0, 0));
    assert_eq!(record.overdue_at, Some(now + Duration::from_secs(15)));
    assert_eq!((record.owner, record.lease_until, record.not_before), (None, None, None));
}

pub(super) async fn an_unknown_run_is_nothing_and_refuses_everything(bench: &impl Bench) {
    let (now, id, journal) = (bench.now(), bench.unknown(), bench.journal());
    assert_eq!(journal.read(&id).await, Ok(None));
    assert_eq!(journal.claim(&id, &claim_as("first", now)).await, Ok(None));
    assert_eq!(journal.request_cancel(&id, now).await, Ok(CancelReply::Unknown));
    assert_eq!(journal.resume(&id, now).await, Ok(false));
    assert_eq!(journal.read(&id).await, Ok(None), "a refused write leaves nothing behind");
}

pub(super) async fn a_claim_takes_owner_lease_and_revision(bench: &impl Bench) {
    let now = bench.now();
    let id = bench.start(now).await;
    let before = read(bench, &id).await;
    let record = claimed(bench, &id, "first", now).await;
    assert_eq!(record.owner, Some(OwnerId("first".to_owned())));
    assert_eq!((record.rev, record.claims, record.wakes), (before.rev + 1, 1, 0));
    assert_eq!((record.lease_until, record.overdue_at), (Some(now + LEASE), Some(now + LEASE)));
    assert_eq!(record.not_before, None);
    assert_eq!(record, read(bench, &id).await, "what a claim returns is what is stored");
}

pub(super) async fn a_claim_whose_answer_was_lost_is_the_same_claim(bench: &impl Bench) {
    let now = bench.now();
    let id = bench.start(now).await;
    let first = claimed(bench, &id, "first", now).await;
    let again = claimed(bench, &id, "first", now).await;
    assert_eq!(first, again);
}

pub(super) async fn a_live_lease_refuses_another_claim_and_changes_nothing(bench: &impl Bench) {
    let (record, _) = held(bench).await;
    let until = record.lease_until.expect("just claimed");
    let late = until - Duration::from_millis(1);
    assert_eq!(bench.journal().claim(&record.id, &claim_as("second", late)).await, Ok(None));
    assert_eq!(read(bench, &record.id).await, record);
}

pub(super) async fn a_lease_that_ran_out_can_be_claimed(bench: &impl Bench) {
    let (record, _) = held(bench).await;
    let taken = claimed(bench, &record.id, "second", record.lease_until.expect("just claimed")).await;
    assert_eq!((taken.rev, taken.claims), (record.rev + 1, 2));
}

pub(super) async fn a_claim_waits_for_not_before(bench: &impl Bench) {
    let (record, held) = held(bench).await;
    let wake_at = bench.now() + Duration::from_secs(60);
    let paused = next(&record, |next| dropped(next, wake_at));
    assert_eq!(bench.journal().checkpoint(&held, &paused, Guard::None).await, Ok(Written::Yes { cancel_requested_at: None }));
    let early = claim_as("second", wake_at - Duration::from_millis(1));
    assert_eq!(bench.journal().claim(&record.id, &early).await, Ok(None));
    assert_eq!(claimed(bench, &record.id, "third", wake_at).await.not_before, None);
}

pub(super) async fn a_waiting_cancel_goes_before_not_before(bench: &impl Bench) {
    let (record, held) = held(bench).await;
    let now = bench.now();
    let paused = next(&record, |next| dropped(next, now + Duration::from_secs(600)));
    bench.journal().checkpoint(&held, &paused, Guard::None).await.expect("the store answers");
    assert_eq!(bench.journal().request_cancel(&record.id, now).await, Ok(CancelReply::Accepted { send: true }));
    assert_eq!(claimed(bench, &record.id, "second", now).await.cancel_requested_at, Some(now));
}

pub(super) async fn a_waiting_cancel_does_not_break_a_live_lease(bench: &impl Bench) {
    let (record, _) = held(bench).await;
    let now = record.lease_until.expect("just claimed") - Duration::from_secs(1);
    assert_eq!(bench.journal().request_cancel(&record.id, now).await, Ok(CancelReply::Accepted { send: false }));
    assert_eq!(bench.journal().claim(&record.id, &claim_as("second", now)).await, Ok(None));
}

pub(super) async fn a_run_on_its_way_back_waits_for_not_before_though_cancelled(bench: &impl Bench) {
    let (record, held) = held(bench).await;
    let now = bench.now();
    bench.journal().request_cancel(&record.id, now).await.expect("the store answers");
    let turned = next(&record, |next| {
        next.phase = Phase::Unwinding { why: Why::Cancelled };
        dropped(next, now + Duration::from_secs(2));
    });
    bench.journal().checkpoint(&held, &turned, Guard::None).await.expect("the store answers");
    let early = claim_as("second", now + Duration::from_secs(1));
    assert_eq!(bench.journal().claim(&record.id, &early).await, Ok(None), "its cancel has been answered already");
    claimed(bench, &record.id, "third", now + Duration::from_secs(2)).await;
}

pub(super) async fn parked_and_ended_runs_are_not_claimed(bench: &impl Bench) {
    let later = bench.now() + Duration::from_secs(86_400);
    let (record, held) = held(bench).await;
    let parked = next(&record, |next| {
        next.phase = Phase::Parked { why: "a test".to_owned(), was: Box::new(Phase::Running) };
        next.lease_until = None;
        next.overdue_at = None;
    });
    bench.journal().checkpoint(&held, &parked, Guard::None).await.expect("the store answers");
    assert_eq!(bench.journal().claim(&record.id, &claim_as("second", later)).await, Ok(None));

    let (record, held) = super::held(bench).await;
    super::ending::end(bench, &record, &held, Outcome::Cancelled).await;
    assert_eq!(bench.journal().claim(&record.id, &claim_as("second", later)).await, Ok(None));
    let zombie = Held { owner: OwnerId("second".to_owned()), rev: record.rev + 1 };
    let write = next(&read(bench, &record.id).await, |_| {});
    assert_eq!(bench.journal().checkpoint(&zombie, &write, Guard::None).await, Ok(Written::Superseded));
}
