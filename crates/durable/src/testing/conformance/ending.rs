use std::time::Duration;

use serde_json::Value;

use super::{Bench, claimed, held, next, read};
use crate::journal::{Ended, Ending, Guard, Held};
use crate::record::{Outcome, OwnerId, Phase, Record};

const YES: Ended = Ended::Yes { follow_up: None };

fn ended(record: &Record, outcome: Outcome) -> Record {
    next(record, |next| {
        next.phase = Phase::Done { outcome };
        next.lease_until = None;
        next.overdue_at = None;
        next.ended_at = Some(next.updated_at);
    })
}

fn ending(bench: &impl Bench, outcome: Outcome) -> Ending {
    if outcome == Outcome::Succeeded {
        Ending { outcome, value: bench.value(), notices: vec![bench.notice()] }
    } else {
        Ending { outcome, value: Value::Null, notices: Vec::new() }
    }
}

pub(super) async fn end(bench: &impl Bench, record: &Record, held: &Held, outcome: Outcome) {
    let reply = bench.journal().end(held, &ended(record, outcome.clone()), &ending(bench, outcome), Guard::None).await;
    assert_eq!(reply, Ok(YES));
}

pub(super) async fn an_end_is_kept_and_leaves_no_trace_among_the_live(bench: &impl Bench) {
    let failed = Outcome::Failed { step: "create_app".to_owned(), message: "never".to_owned() };
    for outcome in [Outcome::Succeeded, failed, Outcome::Cancelled] {
        let (record, held) = held(bench).await;
        end(bench, &record, &held, outcome.clone()).await;
        assert_eq!(read(bench, &record.id).await, ended(&record, outcome));
        let overdue = bench.journal().overdue(bench.now() + Duration::from_secs(86_400), 1000).await.expect("the store answers");
        assert!(overdue.iter().all(|overdue| overdue.id != record.id), "the sweep does not see it any more");
    }
}

pub(super) async fn an_end_repeated_answers_yes(bench: &impl Bench) {
    let (record, held) = held(bench).await;
    for _ in 0..3 {
        end(bench, &record, &held, Outcome::Succeeded).await;
    }
}

pub(super) async fn an_end_under_another_owner_is_superseded(bench: &impl Bench) {
    let (record, held) = held(bench).await;
    let taken = claimed(bench, &record.id, "second", record.lease_until.expect("just claimed")).await;
    let late = ended(&record, Outcome::Succeeded);
    let reply = bench.journal().end(&held, &late, &ending(bench, Outcome::Succeeded), Guard::None).await;
    assert_eq!(reply, Ok(Ended::Superseded));
    assert_eq!(read(bench, &record.id).await, taken, "and it changes nothing");
}

pub(super) async fn a_guarded_end_is_refused_by_a_cancel(bench: &impl Bench) {
    let (record, held) = held(bench).await;
    bench.journal().request_cancel(&record.id, bench.now()).await.expect("the store answers");
    let before = read(bench, &record.id).await;
    let end = ended(&record, Outcome::Succeeded);
    let reply = bench.journal().end(&held, &end, &ending(bench, Outcome::Succeeded), Guard::NotCancelled).await;
    assert_eq!(reply, Ok(Ended::Cancelled));
    assert_eq!(read(bench, &record.id).await, before, "and it changes nothing");
}

pub(super) async fn a_changed_wish_is_followed_in_the_same_end(bench: &impl Bench) {
    let (record, held) = held(bench).await;
    bench.change_wish(&record.id).await;
    let (last, ending) = (ended(&record, Outcome::Succeeded), ending(bench, Outcome::Succeeded));
    let first = bench.journal().end(&held, &last, &ending, Guard::None).await.expect("the store answers");
    let Ended::Yes { follow_up: Some(follower) } = &first else { panic!("no run follows the changed wish: {first:?}") };
    assert_eq!(bench.journal().end(&held, &last, &ending, Guard::None).await, Ok(first.clone()), "and asked again the same one");

    let record = read(bench, follower).await;
    assert_eq!((&record.phase, record.rev), (&Phase::Running, 0));
    let overdue_at = record.overdue_at.expect("a live run is found by the sweep");
    assert_eq!(claimed(bench, follower, "second", overdue_at).await.owner, Some(OwnerId("second".to_owned())));
}
