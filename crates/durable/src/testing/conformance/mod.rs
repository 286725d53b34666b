//! What a journal must do, as named cases.

mod cancelling;
mod claiming;
mod ending;
mod waking;
mod writing;

use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::journal::{Claim, Held, Journal};
use crate::record::{OwnerId, Record, RunId};

/// A journal with what the suite cannot know: how runs come into it, and which texts its adapter accepts.
#[async_trait]
pub trait Bench: Send + Sync {
    /// The journal to examine.
    fn journal(&self) -> &dyn Journal;

    /// Starts a run of the adapter's own form at this moment. Every call starts another one.
    async fn start(&self, now: Timestamp) -> RunId;

    /// The name of a run that was never started.
    fn unknown(&self) -> RunId;

    /// Changes what is wanted of the run's subject, so that the end of the run starts another one.
    async fn change_wish(&self, run: &RunId);

    /// What a run that succeeds returns.
    fn value(&self) -> Value {
        Value::Null
    }

    /// What a run has to tell.
    fn notice(&self) -> Value {
        json!({ "event": "conformance" })
    }

    /// The moment at which a case begins, to whole milliseconds.
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(Timestamp::now().as_millisecond()).expect("the present is within range")
    }
}

/// Runs every case, each on a bench of its own.
///
/// # Panics
/// If a case fails; its name is printed.
pub async fn journal_conformance<B: Bench>(make: impl AsyncFn() -> B) {
    for (name, case) in cases::<B>() {
        let _named = Named(name);
        let bench = make().await;
        case(&bench).await;
    }
}

type Case<B> = for<'b> fn(&'b B) -> Pin<Box<dyn Future<Output = ()> + 'b>>;

macro_rules! cases {
    ($($module:ident: $($case:ident)*;)*) => {
        fn cases<B: Bench>() -> Vec<(&'static str, Case<B>)> {
            vec![$($((stringify!($case), (|bench: &B| Box::pin($module::$case(bench))) as Case<B>),)*)*]
        }
    };
}

cases! {
    claiming:
        a_started_run_is_live_and_overdue_after_fifteen_seconds
        an_unknown_run_is_nothing_and_refuses_everything
        a_claim_takes_owner_lease_and_revision
        a_claim_whose_answer_was_lost_is_the_same_claim
        a_live_lease_refuses_another_claim_and_changes_nothing
        a_lease_that_ran_out_can_be_claimed
        a_claim_waits_for_not_before
        a_waiting_cancel_goes_before_not_before
        a_waiting_cancel_does_not_break_a_live_lease
        a_run_on_its_way_back_waits_for_not_before_though_cancelled
        parked_and_ended_runs_are_not_claimed;
    writing:
        what_is_written_is_what_is_read
        a_large_run_is_kept_whole
        a_write_under_another_owner_is_superseded
        a_write_on_an_old_revision_is_superseded
        a_write_repeated_is_stored_once_and_answers_yes
        a_write_after_another_claim_is_superseded
        a_write_never_touches_a_cancel
        a_guarded_write_is_refused_by_a_cancel
        a_stored_write_is_mine_though_a_cancel_came_after_it;
    ending:
        an_end_is_kept_and_leaves_no_trace_among_the_live
        an_end_repeated_answers_yes
        an_end_under_another_owner_is_superseded
        a_guarded_end_is_refused_by_a_cancel
        a_changed_wish_is_followed_in_the_same_end;
    cancelling:
        a_cancel_of_an_idle_run_makes_it_due_and_wants_a_message
        a_cancel_of_a_held_run_touches_nothing_else
        a_cancel_after_the_lease_ran_out_wants_a_message
        a_second_cancel_keeps_the_first_moment
        a_cancel_after_the_commit_is_too_late
        a_cancel_of_a_run_that_turned_back_by_itself_is_too_late
        a_cancel_of_a_run_that_turns_back_for_it_is_accepted_again
        a_cancel_of_a_parked_or_ended_run_is_too_late;
    waking:
        only_live_runs_whose_time_has_come_are_overdue
        at_most_the_limit_is_listed
        a_postponed_run_is_overdue_later_and_counts_its_wakes
        a_run_is_postponed_once_per_sighting
        a_claim_forgets_the_wakes
        a_parked_run_is_resumed_in_its_phase_and_due
        a_run_that_is_not_parked_is_not_resumed;
}

/// Says which case failed.
struct Named(&'static str);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the journal does not conform: {}", self.0);
        }
    }
}

const LEASE: Duration = Duration::from_secs(150);

fn claim_as(owner: &str, now: Timestamp) -> Claim {
    Claim { owner: OwnerId(owner.to_owned()), now, lease_until: now + LEASE }
}

/// Starts a run and claims it. The record and the condition of its next write.
async fn held(bench: &impl Bench) -> (Record, Held) {
    let now = bench.now();
    let id = bench.start(now).await;
    let record = claimed(bench, &id, "first", now).await;
    let held = Held { owner: OwnerId("first".to_owned()), rev: record.rev };
    (record, held)
}

async fn claimed(bench: &impl Bench, id: &RunId, owner: &str, now: Timestamp) -> Record {
    bench.journal().claim(id, &claim_as(owner, now)).await.expect("the store answers").expect("the run is to be had")
}

async fn read(bench: &impl Bench, id: &RunId) -> Record {
    bench.journal().read(id).await.expect("the store answers").expect("the run is there")
}

/// The write that follows on what is held.
fn next(record: &Record, shape: impl FnOnce(&mut Record)) -> Record {
    let mut next = record.clone();
    next.rev += 1;
    shape(&mut next);
    next
}

fn dropped(record: &mut Record, wake_at: Timestamp) {
    record.lease_until = None;
    record.not_before = Some(wake_at);
    record.overdue_at = Some(wake_at + Duration::from_secs(15));
}
