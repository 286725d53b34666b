use std::time::Duration;

use super::{Bench, dropped, held, next, read};
use crate::journal::{CancelReply, Guard, Held};
use crate::record::{Outcome, Phase, Record, RunId, Why};

const SEND: CancelReply = CancelReply::Accepted { send: true };
const NO_SEND: CancelReply = CancelReply::Accepted { send: false };

/// Writes a phase without a lease, due in a minute where it is live.
async fn left_in(bench: &impl Bench, record: &Record, held: &Held, shape: impl FnOnce(&mut Record)) {
    let wake_at = bench.now() + Duration::from_secs(60);
    let write = next(record, |next| {
        dropped(next, wake_at);
        shape(next);
        if !next.phase.is_live() {
            next.not_before = None;
            next.overdue_at = None;
        }
    });
    bench.journal().checkpoint(held, &write, Guard::None).await.expect("the store answers");
}

async fn cancel(bench: &impl Bench, id: &RunId) -> CancelReply {
    bench.journal().request_cancel(id, bench.now()).await.expect("the store answers")
}

pub(super) async fn a_cancel_of_an_idle_run_makes_it_due_and_wants_a_message(bench: &impl Bench) {
    let (record, held) = held(bench).await;
    left_in(bench, &record, &held, |_| {}).await;
    let before = read(bench, &record.id).await;
    let now = bench.now();
    assert_eq!(bench.journal().request_cancel(&record.id, now).await, Ok(SEND));
    let after = read(bench, &record.id).await;
    assert_eq!((after.cancel_requested_at, after.overdue_at), (Some(now), Some(now)));
    assert_eq!((after.rev, &after.owner), (before.rev, &before.owner));
}

pub(super) async fn a_cancel_of_a_held_run_touches_nothing_else(bench: &impl Bench) {
    let (record, _) = held(bench).await;
    let now = bench.now();
    assert_eq!(bench.journal().request_cancel(&record.id, now).await, Ok(NO_SEND));
    let after = read(bench, &record.id).await;
    assert_eq!(after.cancel_requested_at, Some(now));
    assert_eq!((after.rev, after.lease_until, after.overdue_at), (record.rev, record.lease_until, record.overdue_at));
}

pub(super) async fn a_cancel_after_the_lease_ran_out_wants_a_message(bench: &impl Bench) {
    let (record, _) = held(bench).await;
    let late = record.lease_until.expect("just claimed") + Duration::from_secs(1);
    assert_eq!(bench.journal().request_cancel(&record.id, late).await, Ok(SEND));
}

pub(super) async fn a_second_cancel_keeps_the_first_moment(bench: &impl Bench) {
    let (record, _) = held(bench).await;
    let now = bench.now();
    bench.journal().request_cancel(&record.id, now).await.expect("the store answers");
    assert_eq!(bench.journal().request_cancel(&record.id, now + Duration::from_secs(5)).await, Ok(NO_SEND));
    assert_eq!(read(bench, &record.id).await.cancel_requested_at, Some(now));
}

pub(super) async fn a_cancel_after_the_commit_is_too_late(bench: &impl Bench) {
    let (record, held) = held(bench).await;
    left_in(bench, &record, &held, |next| next.committed = true).await;
    assert_eq!(cancel(bench, &record.id).await, CancelReply::TooLate);
    assert_eq!(read(bench, &record.id).await.cancel_requested_at, None, "a refused cancel leaves no trace");
}

pub(super) async fn a_cancel_of_a_run_that_turned_back_by_itself_is_too_late(bench: &impl Bench) {
    let (record, held) = held(bench).await;
    let why = Why::Failed { step: "create_app".to_owned(), message: "never".to_owned() };
    left_in(bench, &record, &held, |next| next.phase = Phase::Unwinding { why }).await;
    assert_eq!(cancel(bench, &record.id).await, CancelReply::TooLate);
}

pub(super) async fn a_cancel_of_a_run_that_turns_back_for_it_is_accepted_again(bench: &impl Bench) {
    let (record, held) = held(bench).await;
    cancel(bench, &record.id).await;
    left_in(bench, &record, &held, |next| next.phase = Phase::Unwinding { why: Why::Cancelled }).await;
    let reply = cancel(bench, &record.id).await;
    assert!(matches!(reply, CancelReply::Accepted { .. }), "{reply:?}");
}

pub(super) async fn a_cancel_of_a_parked_or_ended_run_is_too_late(bench: &impl Bench) {
    let (record, held) = held(bench).await;
    left_in(bench, &record, &held, |next| next.phase = Phase::Parked { why: "a test".to_owned(), was: Box::new(Phase::Running) }).await;
    assert_eq!(cancel(bench, &record.id).await, CancelReply::TooLate);

    let (record, held) = super::held(bench).await;
    super::ending::end(bench, &record, &held, Outcome::Succeeded).await;
    assert_eq!(cancel(bench, &record.id).await, CancelReply::TooLate);
}
