use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use durable::testing::{Adversity, Casting, PointKind, Rehearsal, Schedule, Season};
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

#[test]
fn a_season_performs_every_single_and_so_many_triples_whatever_the_number_of_threads() {
    let performed = |threads| {
        let casting = Casting { rehearsal: rehearsal(), pairs: Some(60) };
        let (played, failures) = Season { castings: vec![casting], triples: 40, seed: 7, threads }.perform();
        assert_eq!(failures, []);
        (played[0].singles, played[0].pairs, played[0].possible_pairs, played[0].triples)
    };
    let (singles, pairs, possible, triples) = performed(2);
    assert_eq!((singles, triples), (rehearsal().singles().len(), 40));
    assert!((30..120).contains(&pairs) && possible > 5000, "{pairs} of {possible} pairs");
    assert_eq!(performed(1), (singles, pairs, possible, triples));
}

#[test]
fn a_performance_that_panics_is_reported_with_the_line_that_replays_it() {
    let fragile = Rehearsal::new("fragile", |stage| {
        let mut scene = scene(stage);
        scene.check = Box::new(|finish| if finish.fired(Adversity::Duplicate) { panic!("two at once") } else { Ok(()) });
        scene
    });
    let casting = Casting { rehearsal: fragile, pairs: Some(0) };
    let (_, failures) = Season { castings: vec![casting], triples: 0, seed: 1, threads: 1 }.perform();
    assert_eq!(failures[0].broken, "it panicked: two at once");
    assert!(failures.iter().all(|failure| failure.replay.starts_with("ROCKPOOL_SCHEDULE=\"fragile ")), "{failures:?}");
}

/// A subject whose wish another's transaction changes; its end is settled on the wish as the run found it, or as it is.
fn wished(reads_at_the_end: bool) -> Rehearsal {
    Rehearsal::new("wished", move |stage| {
        let (wish, settled) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (rivals, ends, wished, fulfilled) = (wish.clone(), wish.clone(), wish, settled.clone());
        let mut scene = scene(stage);
        scene.rival = Some(Box::new(move || {
            rivals.fetch_add(1, Ordering::SeqCst);
        }));
        scene.settle = Box::new(move |_, _| {
            settled.store(if reads_at_the_end { ends.load(Ordering::SeqCst) } else { 0 }, Ordering::SeqCst);
            None
        });
        scene.check = Box::new(move |_| match (wished.load(Ordering::SeqCst), fulfilled.load(Ordering::SeqCst)) {
            (wish, settled) if wish == settled => Ok(()),
            (wish, settled) => Err(format!("{wish} was wished and {settled} is settled")),
        });
        scene
    })
}

#[test]
fn an_end_that_is_settled_on_a_wish_read_earlier_is_found_by_a_conflict_and_by_nothing_else() {
    let singles = rehearsal().singles();
    assert!(singles.iter().all(|single| wished(true).perform(single).is_ok()));
    let broken = wished(false);
    for single in singles {
        assert_eq!(broken.perform(&single).is_err(), single.0[0].1 == Adversity::Conflict, "{single}");
    }
}

/// Whoever is refused by the store or the world comes back when it answers again: nobody stays behind.
#[test]
fn throttling_and_a_stale_index_cost_time_and_nothing_else() {
    let rehearsal = rehearsal();
    let (calm, points) = (rehearsal.perform(&Schedule::calm()).expect("nothing goes wrong").took, rehearsal.points());
    for single in rehearsal.singles() {
        match (single.0[0].1, rehearsal.perform(&single)) {
            (Adversity::Throttling, Ok(finish)) => {
                assert_eq!(finish.outcome(), Some(&Outcome::Succeeded), "{single}");
                let cost = finish.took - calm;
                let is_as_long = match points[single.0[0].0].kind {
                    PointKind::Effect => (60..70).contains(&cost.as_secs()),
                    _ => finish.took.as_secs() > 240 || cost.is_zero(),
                };
                assert!(is_as_long, "{single}: {:?}", finish.took);
            }
            (Adversity::StaleIndex, Ok(finish)) => assert_eq!(finish.outcome(), Some(&Outcome::Succeeded), "{single}"),
            (_, performed) => assert!(performed.is_ok(), "{single}"),
        }
    }
}
