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
#[derive(Debug, Clone)]
enum Corruption {
    Inserted(prop::sample::Index, Entry),
    Removed(prop::sample::Index),
    Result(prop::sample::Index, Value),
    Phase(Phase),
    Committed(bool),
    Undone(Vec<Undone>),
    Trying(Trying),
    Rev(u64),
    Claims(u32),
    Wakes(u32),
    LeaseUntil(Option<Timestamp>),
    NotBefore(Option<Timestamp>),
    OverdueAt(Option<Timestamp>),
    CancelRequestedAt(Option<Timestamp>),
    EndedAt(Option<Timestamp>),
    CreatedAt(Timestamp),
    Version(u32),
    Plan(Value),
    Owner,
}

impl Corruption {
    fn apply(self, record: &mut Record) {
        let length = record.journal.len();
        match self {
            Self::Inserted(place, entry) => record.journal.insert(place.index(length + 1), entry),
            Self::Removed(place) if length > 0 => drop(record.journal.remove(place.index(length))),
            Self::Result(place, result) if length > 0 => record.journal[place.index(length)].result = result,
            Self::Removed(_) | Self::Result(..) => {}
            Self::Phase(phase) => record.phase = phase,
            Self::Committed(committed) => record.committed = committed,
            Self::Undone(undone) => record.undone = undone,
            Self::Trying(trying) => record.trying = Some(trying),
            Self::Rev(rev) => record.rev = rev,
            Self::Claims(claims) => record.claims = claims,
            Self::Wakes(wakes) => record.wakes = wakes,
            Self::LeaseUntil(at) => record.lease_until = at,
            Self::NotBefore(at) => record.not_before = at,
            Self::OverdueAt(at) => record.overdue_at = at,
            Self::CancelRequestedAt(at) => record.cancel_requested_at = at,
            Self::EndedAt(at) => record.ended_at = at,
            Self::CreatedAt(at) => (record.created_at, record.updated_at) = (at, at),
            Self::Version(version) => record.version = version,
            Self::Plan(plan) => record.plan = plan,
            Self::Owner => record.owner = Some(OwnerId(String::new())),
        }
    }
}

fn corruption() -> impl Strategy<Value = Corruption> {
    let place = any::<prop::sample::Index>;
    let moment = || prop::option::of(any_time());
    let rev = prop::sample::select(vec![0, 1, u64::MAX, u64::MAX - 1, u64::MAX - 2, u64::MAX - 3]);
    prop_oneof![
        (place(), entry()).prop_map(|(place, entry)| Corruption::Inserted(place, entry)),
        place().prop_map(Corruption::Removed),
        (place(), result()).prop_map(|(place, result)| Corruption::Result(place, result)),
        phase().prop_map(Corruption::Phase),
        any::<bool>().prop_map(Corruption::Committed),
        prop::collection::vec(undone(), 1..3).prop_map(Corruption::Undone),
        trying().prop_map(Corruption::Trying),
        rev.prop_map(Corruption::Rev),
        count().prop_map(Corruption::Claims),
        count().prop_map(Corruption::Wakes),
        moment().prop_map(Corruption::LeaseUntil),
        moment().prop_map(Corruption::NotBefore),
        moment().prop_map(Corruption::OverdueAt),
        moment().prop_map(Corruption::CancelRequestedAt),
        moment().prop_map(Corruption::EndedAt),
        any_time().prop_map(Corruption::CreatedAt),
        (0_u32..3).prop_map(Corruption::Version),
        result().prop_map(Corruption::Plan),
        Just(Corruption::Owner),
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
        corruptions.into_iter().for_each(|corruption| corruption.apply(&mut record));
        let bench = Bench::with(record.clone());
        let driven = bench.drive_on();
        let (calls, after) = (bench.calls(), bench.journal.get(&run_1()).unwrap());
        if !is_our_journal(&record.journal) {
            prop_assert!(calls.is_empty(), "it did {:?} on the word of a journal that it did not write: {:?}", calls, record);
            let ended = matches!(driven, Ok(Driven::Ended { .. }));
            prop_assert!(!ended, "it ended: {:?}", record);
        }
        // What is recorded as done is not done again.
        for entry in &record.journal {
            prop_assert!(!calls.contains(&entry.name.as_str()), "{} was done again: {:?}", entry.name, record);
        }
        for call in &calls {
            prop_assert_eq!(calls.iter().filter(|other| *other == call).count(), 1, "{} twice: {:?}", call, record);
        }
        let fits = match &driven {
            Ok(Driven::Parked { why }) => !why.is_empty() && matches!(after.phase, Phase::Parked { .. }) && after.overdue_at.is_none(),
            Ok(Driven::Ended { .. }) => matches!(after.phase, Phase::Done { .. }) && after.overdue_at.is_none() && after.lease_until.is_none(),
            Ok(Driven::UnknownVersion) => record.version != 1 && after.phase == record.phase && calls.is_empty(),
            // It is over, parked, not due, or held by somebody.
            Ok(Driven::NotMine) | Err(_) => true,
            Ok(Driven::Paused { .. } | Driven::Superseded) => false,
        };
        prop_assert!(fits, "{:?} left {:?} of {:?}", driven, after, record);
        // A sweep and a person may come by such a run too.
        bench.clock.block_on(bench.engine.sweep(10)).ok();
        bench.clock.block_on(bench.engine.cancel(&run_1())).ok();
        bench.clock.block_on(bench.engine.resume(&run_1())).ok();
    }
}
