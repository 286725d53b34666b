use durable::{Act, Driven, Entry, Outcome, OwnerId, Phase, Record, Trying, Undone, Why};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{Bench, VISITED, begun, now, run_1};

fn any_time() -> impl Strategy<Value = Timestamp> {
    let odd = vec![Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH, now(), Timestamp::MAX - std::time::Duration::from_secs(1)];
    prop_oneof![
        prop::sample::select(odd),
        (-100_000_i64..100_000).prop_map(|second| Timestamp::from_second(now().as_second() + second).unwrap())
    ]
}

fn count() -> impl Strategy<Value = u32> {
    prop_oneof![0_u32..14, Just(u32::MAX), Just(u32::MAX - 1)]
}

fn name() -> impl Strategy<Value = String> {
    let known = ["create_app", "create_volume", "in_service", "announce", "delete_app", "delete_volume", "", "create_app\0"];
    prop_oneof![6 => prop::sample::select(known.map(str::to_owned).to_vec()), 1 => "\\PC{0,30}"]
}

fn act() -> impl Strategy<Value = Act> {
    prop::sample::select(vec![Act::Step, Act::Commit, Act::Release])
}

fn result() -> impl Strategy<Value = Value> {
    let odd =
        vec![json!(null), json!(7), json!(-1), json!("7"), json!([7]), json!({}), json!(1e300), json!(u64::MAX), json!("x".repeat(5000))];
    prop::sample::select(odd)
}

fn entry() -> impl Strategy<Value = Entry> {
    (name(), act(), result(), any_time(), any_time(), count()).prop_map(|(name, act, result, started_at, finished_at, attempts)| Entry {
        name,
        act,
        result,
        started_at,
        finished_at,
        attempts,
    })
}

fn phase() -> impl Strategy<Value = Phase> {
    let why = Why::Failed { step: "create_app".to_owned(), message: "no".to_owned() };
    let phases = vec![
        Phase::Running,
        Phase::Running,
        Phase::Unwinding { why: Why::Cancelled },
        Phase::Unwinding { why },
        Phase::Parked { why: "look".to_owned(), was: Box::new(Phase::Running) },
        Phase::Done { outcome: Outcome::Succeeded },
    ];
    prop::sample::select(phases)
}

fn undone() -> impl Strategy<Value = Undone> {
    (count(), name(), prop::option::of("\\PC{0,9}"), any_time(), any_time())
        .prop_map(|(place, name, left, started_at, finished_at)| Undone { place, name, left, started_at, finished_at })
}

fn trying() -> impl Strategy<Value = Trying> {
    (name(), count(), any_time(), count(), "\\PC{0,9}").prop_map(|(name, place, since, attempts, said)| Trying {
        name,
        place,
        since,
        attempts,
        said,
    })
}

/// One thing about a record that is not as this code would have left it.
fn corruption() -> impl Strategy<Value = Box<dyn Fn(&mut Record)>> {
    type Corrupt = Box<dyn Fn(&mut Record)>;
    prop_oneof![
        (any::<prop::sample::Index>(), entry()).prop_map(|(place, entry)| -> Corrupt {
            Box::new(move |record| {
                let place = place.index(record.journal.len() + 1);
                record.journal.insert(place, entry.clone());
            })
        }),
        any::<prop::sample::Index>().prop_map(|place| -> Corrupt {
            Box::new(move |record| {
                if !record.journal.is_empty() {
                    record.journal.remove(place.index(record.journal.len()));
                }
            })
        }),
        (any::<prop::sample::Index>(), result()).prop_map(|(place, result)| -> Corrupt {
            Box::new(move |record| {
                if !record.journal.is_empty() {
                    let place = place.index(record.journal.len());
                    record.journal[place].result = result.clone();
                }
            })
        }),
        phase().prop_map(|phase| -> Corrupt { Box::new(move |record| record.phase = phase.clone()) }),
        any::<bool>().prop_map(|committed| -> Corrupt { Box::new(move |record| record.committed = committed) }),
        prop::collection::vec(undone(), 1..3).prop_map(|undone| -> Corrupt { Box::new(move |record| record.undone = undone.clone()) }),
        trying().prop_map(|trying| -> Corrupt { Box::new(move |record| record.trying = Some(trying.clone())) }),
        prop::sample::select(vec![0, 1, u64::MAX, u64::MAX - 1, u64::MAX - 2, u64::MAX - 3])
            .prop_map(|rev| -> Corrupt { Box::new(move |record| record.rev = rev) }),
        count().prop_map(|claims| -> Corrupt { Box::new(move |record| record.claims = claims) }),
        count().prop_map(|wakes| -> Corrupt { Box::new(move |record| record.wakes = wakes) }),
        prop::option::of(any_time()).prop_map(|at| -> Corrupt { Box::new(move |record| record.lease_until = at) }),
        prop::option::of(any_time()).prop_map(|at| -> Corrupt { Box::new(move |record| record.not_before = at) }),
        prop::option::of(any_time()).prop_map(|at| -> Corrupt { Box::new(move |record| record.overdue_at = at) }),
        prop::option::of(any_time()).prop_map(|at| -> Corrupt { Box::new(move |record| record.cancel_requested_at = at) }),
        prop::option::of(any_time()).prop_map(|at| -> Corrupt { Box::new(move |record| record.ended_at = at) }),
        any_time().prop_map(|at| -> Corrupt { Box::new(move |record| (record.created_at, record.updated_at) = (at, at)) }),
        (0_u32..3).prop_map(|version| -> Corrupt { Box::new(move |record| record.version = version) }),
        result().prop_map(|plan| -> Corrupt { Box::new(move |record| record.plan = plan.clone()) }),
        Just(()).prop_map(|()| -> Corrupt { Box::new(|record| record.owner = Some(OwnerId(String::new()))) }),
    ]
}

/// Rule 4, written down a second time: the k-th entry is the k-th visited step, and its result can be read.
fn is_our_journal(journal: &[Entry]) -> bool {
    journal.len() <= VISITED.len()
        && journal.iter().zip(VISITED).all(|(entry, (name, act))| {
            let readable =
                if act == Act::Commit { entry.result.is_null() } else { entry.result.as_u64().is_some_and(|n| u32::try_from(n).is_ok()) };
            entry.name == name && entry.act == act && readable
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases * 16))]

    #[test]
    fn a_run_that_nobody_wrote_so_ends_parks_or_is_refused_and_does_nothing_twice(
        done in 0_usize..5, corruptions in prop::collection::vec(corruption(), 0..4),
    ) {
        let mut record = begun(done);
        corruptions.iter().for_each(|corrupt| corrupt(&mut record));
        let bench = Bench::with(record.clone());
        let driven = bench.drive_on();
        let (calls, after) = (bench.calls(), bench.journal.get(&run_1()).unwrap());
        if !is_our_journal(&record.journal) {
            prop_assert!(calls.is_empty(), "it did {calls:?} on the word of a journal that it did not write: {record:?}");
            prop_assert!(!matches!(driven, Ok(Driven::Ended { .. })), "it ended: {record:?}");
        }
        // What is recorded as done is not done again.
        for entry in &record.journal {
            prop_assert!(!calls.contains(&entry.name.as_str()), "{} was done again: {record:?}", entry.name);
        }
        for call in &calls {
            prop_assert_eq!(calls.iter().filter(|other| *other == call).count(), 1, "{} twice: {:?}", call, record);
        }
        match driven {
            Ok(Driven::Parked { why }) => prop_assert!(!why.is_empty() && matches!(after.phase, Phase::Parked { .. }) && after.overdue_at.is_none()),
            Ok(Driven::Ended { .. }) => prop_assert!(matches!(after.phase, Phase::Done { .. }) && after.overdue_at.is_none() && after.lease_until.is_none()),
            Ok(Driven::UnknownVersion) => prop_assert!(record.version != 1 && after.phase == record.phase && calls.is_empty()),
            // It is over, parked, not due, or held by somebody.
            Ok(Driven::NotMine) => {}
            other => prop_assert!(other.is_err(), "{other:?}"),
        }
        // A sweep and a person may come by such a run too.
        bench.clock.block_on(bench.engine.sweep(10)).ok();
        bench.clock.block_on(bench.engine.cancel(&run_1())).ok();
        bench.clock.block_on(bench.engine.resume(&run_1())).ok();
    }
}
