use std::time::Duration;

use jiff::Timestamp;

use super::{Bench, claimed, dropped, held, next, read};
use crate::journal::{Guard, Overdue};
use crate::record::{Phase, RunId, Why};

const DAY: Duration = Duration::from_secs(86_400);

async fn overdue(bench: &impl Bench, now: Timestamp, id: &RunId) -> Option<Overdue> {
    let all = bench.journal().overdue(now, 1000).await.expect("the store answers");
    all.into_iter().find(|overdue| overdue.id == *id)
}

pub(super) async fn only_live_runs_whose_time_has_come_are_overdue(bench: &impl Bench) {
    let now = bench.now();
    let started = bench.start(now).await;
    let due = now + Duration::from_secs(15);
    assert_eq!(overdue(bench, due - Duration::from_millis(1), &started).await, None);
    assert_eq!(overdue(bench, due, &started).await, Some(Overdue { id: started.clone(), overdue_at: due, wakes: 0 }));

    let (record, held) = held(bench).await;
    let lease_until = record.lease_until.expect("just claimed");
    assert_eq!(overdue(bench, lease_until - Duration::from_millis(1), &record.id).await, None);
    assert!(overdue(bench, lease_until, &record.id).await.is_some(), "a worker that died is found when its lease ends");
    let parked = next(&record, |next| {
        next.phase = Phase::Parked { why: "a test".to_owned(), was: Box::new(Phase::Running) };
        next.lease_until = None;
        next.overdue_at = None;
    });
    bench.journal().checkpoint(&held, &parked, Guard::None).await.expect("the store answers");
    assert_eq!(overdue(bench, now + DAY, &record.id).await, None);
}

pub(super) async fn at_most_the_limit_is_listed(bench: &impl Bench) {
    let now = bench.now();
    for _ in 0..3 {
        bench.start(now).await;
    }
    let listed = bench.journal().overdue(now + DAY, 2).await.expect("the store answers");
    assert_eq!(listed.len(), 2);
}

pub(super) async fn a_postponed_run_is_overdue_later_and_counts_its_wakes(bench: &impl Bench) {
    let now = bench.now();
    let id = bench.start(now).await;
    let seen = overdue(bench, now + DAY, &id).await.expect("it is overdue");
    let until = now + DAY + Duration::from_secs(60);
    assert_eq!(bench.journal().postpone(&seen, until).await, Ok(true));
    assert_eq!(overdue(bench, until - Duration::from_millis(1), &id).await, None);
    let again = overdue(bench, until, &id).await;
    assert_eq!(again, Some(Overdue { id: id.clone(), overdue_at: until, wakes: 1 }));
    assert_eq!(read(bench, &id).await.rev, 0, "the sweep does not raise the revision: it would supersede a worker");
}

pub(super) async fn a_run_is_postponed_once_per_sighting(bench: &impl Bench) {
    let now = bench.now();
    let id = bench.start(now).await;
    let seen = overdue(bench, now + DAY, &id).await.expect("it is overdue");
    assert_eq!(bench.journal().postpone(&seen, now + DAY + DAY).await, Ok(true));
    assert_eq!(bench.journal().postpone(&seen, now + DAY + DAY + DAY).await, Ok(false));
    assert_eq!(read(bench, &id).await.overdue_at, Some(now + DAY + DAY));

    let (record, held) = held(bench).await;
    let late = record.lease_until.expect("just claimed");
    let seen = overdue(bench, late, &record.id).await.expect("its lease ran out");
    super::ending::end(bench, &record, &held, crate::record::Outcome::Cancelled).await;
    assert_eq!(bench.journal().postpone(&seen, late + DAY).await, Ok(false), "an index that lags does not revive an ended run");
    assert_eq!(read(bench, &record.id).await.overdue_at, None);
}

pub(super) async fn a_claim_forgets_the_wakes(bench: &impl Bench) {
    let now = bench.now();
    let id = bench.start(now).await;
    let seen = overdue(bench, now + DAY, &id).await.expect("it is overdue");
    bench.journal().postpone(&seen, now + DAY + DAY).await.expect("the store answers");
    assert_eq!(claimed(bench, &id, "first", now + DAY).await.wakes, 0);
}

pub(super) async fn a_parked_run_is_resumed_in_its_phase_and_due(bench: &impl Bench) {
    let why = Why::Failed { step: "create_app".to_owned(), message: "never".to_owned() };
    for was in [Phase::Running, Phase::Unwinding { why }] {
        let (record, held) = held(bench).await;
        let parked = next(&record, |next| {
            next.phase = Phase::Parked { why: "a test".to_owned(), was: Box::new(was.clone()) };
            next.lease_until = None;
            next.overdue_at = None;
        });
        bench.journal().checkpoint(&held, &parked, Guard::None).await.expect("the store answers");
        let now = bench.now() + Duration::from_secs(1);
        assert_eq!(bench.journal().resume(&record.id, now).await, Ok(true));
        let resumed = read(bench, &record.id).await;
        assert_eq!((&resumed.phase, resumed.overdue_at), (&was, Some(now)));
        assert_eq!(claimed(bench, &record.id, "second", now).await.phase, was);
    }
}

pub(super) async fn a_run_that_is_not_parked_is_not_resumed(bench: &impl Bench) {
    let (record, held) = held(bench).await;
    assert_eq!(bench.journal().resume(&record.id, bench.now()).await, Ok(false));
    let paused = next(&record, |next| dropped(next, next.updated_at));
    bench.journal().checkpoint(&held, &paused, Guard::None).await.expect("the store answers");
    assert_eq!(bench.journal().resume(&record.id, bench.now()).await, Ok(false));
    assert_eq!(read(bench, &record.id).await, paused);
}
