//! Journals of every version of every flow, as they were recorded. Today's code resumes each of them from every prefix: runs outlive
//! deployments, and one that was begun by older code must come to a proper end under newer code, forward or back.
//!
//! A journal is recorded once, when its version of the flow is new, and never changes afterwards. To add a version: add its scenes to
//! `scenes.rs`, run `ROCKPOOL_RECORD_JOURNALS=1 cargo test -p flows --test recorded_journals`, and have
//! `sha256sum *.json > SHA256SUMS` done in their folder.

mod fixtures;
mod performance;
mod scenes;

use std::collections::BTreeSet;
use std::fs;

use durable::{Act, Catalogue, Driven, Outcome, Phase, Record, Unknown, Why};
use flows::testing::{FakeWorld, Provider};
use flows::{Flows, Kind};
use serde_json::Value;

use crate::performance::{Death, Performance, written};
use crate::scenes::{SCENES, Scene};

#[test]
fn what_was_recorded_has_not_changed() {
    let sums: BTreeSet<String> = SCENES.iter().map(fixtures::sum).collect();
    assert_eq!(fixtures::sums(), sums, "a recorded journal is for ever");
    let known = SCENES.iter().map(|scene| format!("{}.json", scene.name)).chain([fixtures::SUMS.to_owned()]);
    let files = fs::read_dir(fixtures::folder()).expect("the folder of fixtures");
    let found = files.map(|file| file.expect("a file").file_name().into_string().expect("a name in UTF-8"));
    assert_eq!(known.collect::<BTreeSet<_>>(), found.collect(), "every file belongs to a scene");
}

#[test]
fn every_version_of_every_flow_has_a_recorded_journal() {
    let world = FakeWorld::calm(std::sync::Arc::new(durable::testing::ManualClock::default()), Provider::default());
    let flows = Flows::new(world.world());
    let recorded: BTreeSet<(String, u32)> = fixtures::all().map(|(_, record)| (record.kind, record.version)).collect();
    let mut known = BTreeSet::new();
    for (kind, version) in Kind::ALL.into_iter().flat_map(|kind| (0..100).map(move |version| (kind.as_str(), version))) {
        let opened = !matches!(flows.open(kind, version, &Value::Null), Err(Unknown::Version));
        assert_eq!(Flows::know(kind, version), opened, "{kind} {version}");
        if opened {
            known.insert((kind.to_owned(), version));
        }
    }
    assert_eq!(recorded, known);
}

/// Steps that are added, removed or put in another order are a new version: runs of the old one are under way.
#[test]
fn todays_code_takes_the_recorded_steps() {
    for (scene, recorded) in fixtures::all() {
        let (performance, record) = Performance::whole(scene, Some(recorded.version));
        assert_eq!((&record.kind, record.version), (&recorded.kind, recorded.version), "{}", scene.name);
        assert_eq!(steps(&record), steps(&recorded), "{} takes other steps: that is a new version of the flow", scene.name);
        assert_eq!(record.phase, recorded.phase, "{}", scene.name);
        let was_called_back = recorded.phase == Phase::Done { outcome: Outcome::Cancelled };
        assert_eq!(was_called_back, scene.called_back_after.is_some(), "{}", scene.name);
        assert_eq!(performance.rest().complaints(), [""; 0], "{}", scene.name);
    }
}

#[test]
fn every_prefix_of_every_journal_goes_on_to_the_same_end() {
    let mut resumed = 0;
    for (scene, recorded) in fixtures::all() {
        let (undisturbed, whole) = Performance::whole(scene.undisturbed(), Some(recorded.version));
        for (death, prefix) in ways_to_die(0..=last_forward(&scene, &recorded)) {
            let performance = Performance::broken_off(scene, &recorded, death);
            let (driven, record) = performance.resume(prefix_of(&recorded, prefix, &performance));
            let what = format!("{}, whose worker died {death:?}", scene.name);
            assert_eq!(outcome(&driven, &what), outcome_of(&whole), "{what}");
            assert_eq!(steps(&record), steps(&whole), "{what}");
            assert_eq!(performance.rest(), undisturbed.rest(), "{what}");
            resumed += 1;
        }
    }
    println!("{resumed} journals were resumed on their way forward");
}

#[test]
fn every_prefix_before_the_commit_is_undone() {
    let mut resumed = 0;
    for (scene, recorded) in fixtures::all() {
        let before = Performance::of(scene).rest();
        for (death, prefix) in ways_to_die(0..=last_before_commit(&scene, &recorded)) {
            for turn in Turn::ALL {
                let performance = Performance::broken_off(scene, &recorded, death);
                let mut record = prefix_of(&recorded, prefix, &performance);
                turn.shape(&mut record, &performance);
                let (driven, _) = performance.resume(record);
                let what = format!("{}, whose worker died {death:?} and that {turn:?}", scene.name);
                assert_eq!(outcome(&driven, &what), turn.outcome(), "{what}");
                assert_eq!(performance.rest().things(), before.things(), "{what}");
                resumed += 1;
            }
        }
    }
    println!("{resumed} journals were resumed on their way back");
}

#[test]
fn a_way_back_that_was_begun_goes_on_from_every_undo() {
    let mut resumed = 0;
    for (scene, recorded) in fixtures::all().filter(|(_, recorded)| !recorded.undone.is_empty()) {
        let before = Performance::of(scene).rest();
        let forward = recorded.journal.len();
        for (death, prefix) in ways_to_die(forward..=written(&recorded)) {
            let performance = Performance::broken_off(scene, &recorded, death);
            let mut record = prefix_of(&recorded, forward, &performance);
            record.undone = recorded.undone[..prefix - forward].to_vec();
            match outcome_of(&recorded) {
                Outcome::Failed { step, message } => record.phase = Phase::Unwinding { why: Why::Failed { step, message } },
                _ => Turn::IsTurningBackForACancel.shape(&mut record, &performance),
            }
            let (driven, record) = performance.resume(record);
            let what = format!("{}, whose worker died {death:?}", scene.name);
            assert_eq!(outcome(&driven, &what), outcome_of(&recorded), "{what}");
            assert_eq!(undone(&record), undone(&recorded), "{what}");
            assert_eq!(performance.rest().things(), before.things(), "{what}");
            resumed += 1;
        }
    }
    assert!(resumed > 0, "no recorded run was called back");
    println!("{resumed} journals were resumed half-way back");
}

/// How a run comes to turn back.
#[derive(Debug, Clone, Copy)]
enum Turn {
    WasAskedToCancel,
    IsTurningBackForACancel,
    IsTurningBackForAFailure,
}

impl Turn {
    const ALL: [Self; 3] = [Self::WasAskedToCancel, Self::IsTurningBackForACancel, Self::IsTurningBackForAFailure];

    fn shape(self, record: &mut Record, performance: &Performance) {
        let failed = Why::Failed { step: "a_step".to_owned(), message: "it was refused".to_owned() };
        let asked = Some(performance.now());
        match self {
            Self::WasAskedToCancel => record.cancel_requested_at = asked,
            Self::IsTurningBackForACancel => {
                record.cancel_requested_at = asked;
                record.phase = Phase::Unwinding { why: Why::Cancelled };
            }
            Self::IsTurningBackForAFailure => record.phase = Phase::Unwinding { why: failed },
        }
    }

    fn outcome(self) -> Outcome {
        match self {
            Self::WasAskedToCancel | Self::IsTurningBackForACancel => Outcome::Cancelled,
            Self::IsTurningBackForAFailure => Outcome::Failed { step: "a_step".to_owned(), message: "it was refused".to_owned() },
        }
    }
}

/// Each place with a worker that died right after it and one that died in the middle of what follows.
fn ways_to_die(places: std::ops::RangeInclusive<usize>) -> impl Iterator<Item = (Death, usize)> {
    places.flat_map(|place| [(Death::After(place), place), (Death::BeforeMoreThan(place), place)])
}

/// The last place from which a run can only go forward as it was recorded: where somebody asked to cancel, its worker has seen that.
fn last_forward(scene: &Scene, recorded: &Record) -> usize {
    recorded.journal.len() - usize::from(scene.called_back_after.is_some())
}

fn last_before_commit(scene: &Scene, recorded: &Record) -> usize {
    let commit = recorded.journal.iter().position(|entry| entry.act == Act::Commit);
    commit.unwrap_or_else(|| last_forward(scene, recorded))
}

/// The recorded run as it was when so many entries were written, held by nobody.
fn prefix_of(recorded: &Record, entries: usize, performance: &Performance) -> Record {
    let journal = recorded.journal[..entries].to_vec();
    Record {
        phase: Phase::Running,
        committed: journal.iter().any(|entry| entry.act == Act::Commit),
        journal,
        undone: Vec::new(),
        trying: None,
        owner: None,
        lease_until: None,
        not_before: None,
        overdue_at: Some(performance.now()),
        cancel_requested_at: None,
        ended_at: None,
        ..recorded.clone()
    }
}

fn steps(record: &Record) -> Vec<(&str, Act)> {
    record.journal.iter().map(|entry| (entry.name.as_str(), entry.act)).collect()
}

fn undone(record: &Record) -> Vec<(u32, &str)> {
    record.undone.iter().map(|undone| (undone.place, undone.name.as_str())).collect()
}

fn outcome(driven: &Driven, what: &str) -> Outcome {
    match driven {
        Driven::Ended { outcome, .. } => outcome.clone(),
        other => panic!("{what}: {other:?}"),
    }
}

fn outcome_of(ended: &Record) -> Outcome {
    match &ended.phase {
        Phase::Done { outcome } => outcome.clone(),
        phase => panic!("{} is {phase:?}", ended.id),
    }
}
