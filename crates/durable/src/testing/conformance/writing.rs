use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Bench, claim_as, claimed, dropped, held, next, read};
use crate::journal::{Guard, Held, Written};
use crate::record::{Act, Entry, OwnerId, Phase, Trying, Undone, Why};

const YES: Written = Written::Yes { cancel_requested_at: None };

fn entry(name: &str, result: Value, now: Timestamp) -> Entry {
    Entry { name: name.to_owned(), act: Act::Step, result, started_at: now, finished_at: now + Duration::from_millis(7), attempts: 2 }
}

pub(super) async fn what_is_written_is_what_is_read(bench: &impl Bench) {
    let (record, mut held) = held(bench).await;
    let now = bench.now();
    let result = json!({ "id": "vol_ü", "none": null, "list": [1, -2, 0.5], "empty": "", "deep": { "yes": true } });
    let undone = |left: Option<&str>| Undone {
        place: 1,
        name: "delete_app".to_owned(),
        left: left.map(str::to_owned),
        started_at: now,
        finished_at: now + Duration::from_secs(1),
    };
    let forward = next(&record, |next| {
        next.committed = true;
        next.claims = 0;
        next.journal = vec![entry("create_app", result, now), Entry { act: Act::Commit, ..entry("in_service", Value::Null, now) }];
        next.trying = Some(Trying { name: "await".to_owned(), place: 2, since: now, attempts: 3, said: "not yet".to_owned() });
        next.updated_at = now;
    });
    assert_eq!(bench.journal().checkpoint(&held, &forward, Guard::None).await, Ok(YES));
    assert_eq!(read(bench, &record.id).await, forward);

    held.rev = forward.rev;
    let back = next(&forward, |next| {
        next.phase = Phase::Unwinding { why: Why::Failed { step: "await".to_owned(), message: "never".to_owned() } };
        next.journal.push(Entry { act: Act::Release, ..entry("delete_volume", Value::Null, now) });
        next.undone = vec![undone(Some("it stays")), undone(None)];
        next.trying = None;
        dropped(next, now + Duration::from_secs(5));
    });
    assert_eq!(bench.journal().checkpoint(&held, &back, Guard::None).await, Ok(YES));
    assert_eq!(read(bench, &record.id).await, back);

    held.rev = back.rev;
    let parked = next(&back, |next| {
        next.phase = Phase::Parked { why: "left".to_owned(), was: Box::new(back.phase.clone()) };
        next.not_before = None;
        next.overdue_at = None;
    });
    assert_eq!(bench.journal().checkpoint(&held, &parked, Guard::None).await, Ok(YES));
    assert_eq!(read(bench, &record.id).await, parked);
}

pub(super) async fn a_large_run_is_kept_whole(bench: &impl Bench) {
    let (record, held) = held(bench).await;
    let now = bench.now();
    let large = next(&record, |next| {
        next.journal = (0..60).map(|place| entry(&format!("step_{place}"), json!("x".repeat(1800)), now)).collect();
    });
    assert_eq!(bench.journal().checkpoint(&held, &large, Guard::None).await, Ok(YES));
    assert_eq!(read(bench, &record.id).await, large);
}

pub(super) async fn a_write_under_another_owner_is_superseded(bench: &impl Bench) {
    let (record, held) = held(bench).await;
    let stranger = Held { owner: OwnerId("stranger".to_owned()), ..held };
    let write = next(&record, |next| next.owner = Some(stranger.owner.clone()));
    assert_eq!(bench.journal().checkpoint(&stranger, &write, Guard::None).await, Ok(Written::Superseded));
    assert_eq!(read(bench, &record.id).await, record, "and it changes nothing");
}

pub(super) async fn a_write_on_an_old_revision_is_superseded(bench: &impl Bench) {
    let (record, held) = held(bench).await;
    let first = next(&record, |_| {});
    let second = next(&first, |_| {});
    assert_eq!(bench.journal().checkpoint(&held, &first, Guard::None).await, Ok(YES));
    let on = Held { rev: first.rev, ..held.clone() };
    assert_eq!(bench.journal().checkpoint(&on, &second, Guard::None).await, Ok(YES));
    let old = next(&record, |next| next.committed = true);
    assert_eq!(bench.journal().checkpoint(&held, &old, Guard::None).await, Ok(Written::Superseded));
    assert_eq!(read(bench, &record.id).await, second);
}

pub(super) async fn a_write_repeated_is_stored_once_and_answers_yes(bench: &impl Bench) {
    let (record, held) = held(bench).await;
    let write = next(&record, |next| next.journal.push(entry("create_app", json!(1), next.updated_at)));
    for _ in 0..3 {
        assert_eq!(bench.journal().checkpoint(&held, &write, Guard::None).await, Ok(YES));
    }
    assert_eq!(read(bench, &record.id).await, write);
}

pub(super) async fn a_write_after_another_claim_is_superseded(bench: &impl Bench) {
    let (record, held) = held(bench).await;
    // The other claim raised the revision to exactly what this write would make it: only the owner tells them apart.
    let taken = claimed(bench, &record.id, "second", record.lease_until.expect("just claimed")).await;
    let write = next(&record, |next| next.committed = true);
    assert_eq!(write.rev, taken.rev);
    assert_eq!(bench.journal().checkpoint(&held, &write, Guard::None).await, Ok(Written::Superseded));
    assert_eq!(read(bench, &record.id).await, taken);
}

pub(super) async fn a_write_never_touches_a_cancel(bench: &impl Bench) {
    let (record, mut held) = held(bench).await;
    let asked_at = bench.now();
    bench.journal().request_cancel(&record.id, asked_at).await.expect("the store answers");
    let without = next(&record, |next| next.cancel_requested_at = None);
    let seen = Ok(Written::Yes { cancel_requested_at: Some(asked_at) });
    assert_eq!(bench.journal().checkpoint(&held, &without, Guard::None).await, seen);
    held.rev = without.rev;
    let with_another = next(&without, |next| next.cancel_requested_at = Some(asked_at + Duration::from_secs(9)));
    assert_eq!(bench.journal().checkpoint(&held, &with_another, Guard::None).await, seen);
    assert_eq!(read(bench, &record.id).await.cancel_requested_at, Some(asked_at));
}

pub(super) async fn a_guarded_write_is_refused_by_a_cancel(bench: &impl Bench) {
    let (record, held) = held(bench).await;
    bench.journal().request_cancel(&record.id, bench.now()).await.expect("the store answers");
    let before = read(bench, &record.id).await;
    let commit = next(&record, |next| next.committed = true);
    assert_eq!(bench.journal().checkpoint(&held, &commit, Guard::NotCancelled).await, Ok(Written::Cancelled));
    assert_eq!(read(bench, &record.id).await, before, "and it changes nothing");
    let turned = next(&record, |next| next.phase = Phase::Unwinding { why: Why::Cancelled });
    assert!(matches!(bench.journal().checkpoint(&held, &turned, Guard::None).await, Ok(Written::Yes { .. })));
}

pub(super) async fn a_stored_write_is_mine_though_a_cancel_came_after_it(bench: &impl Bench) {
    let (record, held) = held(bench).await;
    let now = bench.now();
    let paused = next(&record, |next| dropped(next, now + Duration::from_secs(60)));
    assert_eq!(bench.journal().checkpoint(&held, &paused, Guard::NotCancelled).await, Ok(YES));
    bench.journal().request_cancel(&record.id, now).await.expect("the store answers");
    let again = bench.journal().checkpoint(&held, &paused, Guard::NotCancelled).await;
    assert_eq!(again, Ok(Written::Yes { cancel_requested_at: Some(now) }));
    assert!(bench.journal().claim(&record.id, &claim_as("second", now)).await.expect("the store answers").is_some());
}
