use durable::testing::{Adversity, PointKind, Rehearsal, Schedule};
use durable::{Outcome, Phase};

use crate::sample::scene;

fn rehearsal() -> Rehearsal {
    Rehearsal::new("sample", scene)
}

#[test]
fn a_calm_performance_does_each_thing_once() {
    let finish = rehearsal().perform(&Schedule::calm()).expect("nothing goes wrong");
    assert_eq!(finish.outcome(), Some(&Outcome::Succeeded));
    let timeline: Vec<&str> = finish.run.journal.iter().map(|entry| entry.name.as_str()).collect();
    let region = ["create_volume", "create_machine"];
    let released = ["delete_machine", "delete_volumes"];
    let rest = ["await_healthy", "in_service", "announce"];
    assert_eq!(timeline, [&["create_app"][..], &region, &released, &region, &rest].concat());
    let writes = finish.points.iter().filter(|point| point.kind == PointKind::Write).count();
    // One claim for each of three invocations (it waits twice), one write per entry, two pauses and the end.
    assert_eq!(writes, 3 + timeline.len() + 2 + 1);
    assert_eq!(finish.took.as_secs(), 10);
}

#[test]
fn every_single_adversity_at_every_point_ends_well() {
    let rehearsal = rehearsal();
    let explored = rehearsal.explore(rehearsal.singles());
    println!("{} single adversities", explored.performed);
}

#[test]
fn seeded_pairs_and_triples_of_adversities_end_well() {
    let rehearsal = rehearsal();
    rehearsal.explore(rehearsal.sampled(1, 2, 1500));
    rehearsal.explore(rehearsal.sampled(2, 3, 500));
}

#[test]
fn a_schedule_replays_exactly() {
    let rehearsal = rehearsal();
    let points = rehearsal.points();
    let effect = points.iter().position(|point| point.kind == PointKind::Effect).expect("a flow has effects");
    let late = Schedule::calm().and(effect, Adversity::LateEffect);
    let twice = rehearsal.widened(&late).into_iter().rfind(|wider| wider.0[1].1 == Adversity::CrashAfter).expect("a crash fits");
    let replayed: Schedule = twice.to_string().parse().expect("a schedule is read as it is written");
    let (once, again) = (rehearsal.perform(&twice).expect("it ends well"), rehearsal.perform(&replayed).expect("it ends well"));
    assert!(once.fired(Adversity::LateEffect) && once.fired(Adversity::CrashAfter));
    assert_eq!((once.points, once.took), (again.points, again.took));
}

#[test]
fn an_undo_that_is_refused_for_good_parks_the_run_by_its_name() {
    let rehearsal = rehearsal();
    let points = rehearsal.points();
    let first = points.iter().position(|point| point.name == "delete_volumes").expect("a release deletes the volume");
    let finish = rehearsal.perform(&Schedule::calm().and(first, Adversity::RefuseForGood)).expect("the scene allows it");
    let Phase::Parked { why, .. } = &finish.run.phase else { panic!("{:?}", finish.run.phase) };
    assert!(why.contains("delete_volumes"), "{why}");
}
