//! Wishes that come while a flow is at work.

use domain::{State, Verb, Wanted};
use durable::testing::{Adversity, PointKind, Schedule};
use durable::{Outcome, Phase, Record};
use flows::testing::{Conditions, Sickness};
use std::time::Duration;

use flows::testing::repertoire::{Part, Play, provision_deleted, provision_stopped, side_plays, stop_deleted, stop_then_start};

fn plays() -> Vec<Play> {
    let quick = Conditions { gateway_start: Duration::from_secs(15), ..Conditions::default() };
    let play = |name, part| Play { conditions: quick.clone(), ..Play::new(name, part) };
    vec![
        play("provision_and_wish", Part::Provision),
        play("start_and_wish", Part::Start),
        play("stop_and_wish", Part::Stop),
        play("restart_and_wish", Part::RestartMachine),
        Play { sickness: Some(Sickness::Process), ..play("repair_and_wish", Part::Repair) },
    ]
}

#[test]
fn a_wish_that_comes_at_any_moment_is_fulfilled_in_the_end() {
    let mut performed = 0;
    for play in plays() {
        let calls = play.perform(&Schedule::calm()).1.world.calls().len();
        for (place, verb) in (0..calls).flat_map(|place| [Verb::Start, Verb::Stop, Verb::Delete].map(|verb| (place, verb))) {
            let (finish, set) = Play { wish: Some((place, verb)), ..play.clone() }.perform(&Schedule::calm());
            let rests = set.desk.instance().map(|instance| (instance.wanted, instance.state));
            let expected = match verb {
                Verb::Start => Some((Wanted::Running, State::Running)),
                Verb::Stop => Some((Wanted::Stopped, State::Stopped)),
                _ => None,
            };
            assert_eq!(rests, expected, "{} and {verb:?} at {place}", play.name);
            let stands = match play.part {
                Part::Stop => Verb::Stop,
                _ => Verb::Start,
            };
            assert_eq!(
                finish.followers.is_empty(),
                verb == stands,
                "{} and {verb:?} at {place} are followed by {:?}",
                play.name,
                finish.followers
            );
            performed += 1;
        }
    }
    println!("{performed} wishes at other moments");
}

#[test]
fn a_delete_calls_a_provision_back_and_leaves_nothing_at_any_moment() {
    let play = Play::new("provision_and_delete", Part::Provision);
    let effects: Vec<usize> = effects_of(&play);
    let mut called_back = 0;
    for (place, index) in effects.into_iter().enumerate() {
        let play = Play { wish: Some((place, Verb::Delete)), ..play.clone() };
        let (finish, set) = play.perform(&Schedule::calm().and(index, Adversity::Cancel));
        assert!(set.desk.book().called_back, "a delete during provisioning asks the run to cancel");
        assert!(set.desk.instance().is_none(), "{place}");
        assert!(finish.followers.iter().all(succeeded) && finish.followers.len() == 1, "{:?}", finish.followers);
        called_back += usize::from(finish.cancel_accepted);
        assert_eq!(set.desk.book().notices.len(), usize::from(!finish.cancel_accepted), "its owner wanted it gone");
    }
    assert!(called_back > 8, "only {called_back} deletes came before the commit");
}

/// A wish changed and everything else that can go wrong goes wrong too.
#[test]
fn every_single_adversity_of_a_provision_that_is_deleted_ends_well() {
    provision_deleted().every_single_adversity();
    provision_stopped().every_single_adversity();
}

#[test]
fn every_single_adversity_of_a_stop_that_is_followed_by_a_start_ends_well() {
    stop_then_start().every_single_adversity();
    stop_deleted().every_single_adversity();
}

#[test]
fn every_single_adversity_of_a_start_a_restart_and_a_repair_whose_wish_changes_ends_well() {
    let named = ["start_deleted", "restart_then_stop", "repair_deleted"];
    let plays: Vec<Play> = side_plays().into_iter().filter(|play| named.contains(&play.name)).collect();
    assert_eq!(plays.len(), named.len());
    plays.iter().for_each(Play::every_single_adversity);
}

fn succeeded(record: &Record) -> bool {
    matches!(record.phase, Phase::Done { outcome: Outcome::Succeeded })
}

fn effects_of(play: &Play) -> Vec<usize> {
    let points = play.rehearsal().points();
    points.iter().enumerate().filter(|(_, point)| point.kind == PointKind::Effect).map(|(index, _)| index).collect()
}
