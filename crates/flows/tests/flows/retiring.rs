use domain::State;
use durable::testing::{Adversity, Schedule};
use durable::{Outcome, Phase};
use flows::testing::FakeWorld;

use crate::desk::Desk;
use crate::play::{Part, Play};

type Before = fn(&Desk, &FakeWorld);

fn lose_machine(_: &Desk, world: &FakeWorld) {
    world.provider().machines.clear();
}

fn lose_machine_and_volume(desk: &Desk, world: &FakeWorld) {
    lose_machine(desk, world);
    world.provider().volumes.clear();
}

fn lose_app(desk: &Desk, world: &FakeWorld) {
    lose_machine_and_volume(desk, world);
    world.provider().apps.clear();
}

fn lose_secret(_: &Desk, world: &FakeWorld) {
    world.provider().secrets.clear();
}

fn lose_everything(desk: &Desk, world: &FakeWorld) {
    lose_app(desk, world);
    lose_secret(desk, world);
}

/// Two volumes of the planned name, of which one belongs to nobody.
fn one_too_many(_: &Desk, world: &FakeWorld) {
    let mut provider = world.provider();
    let mut surplus = provider.volumes[0].clone();
    surplus.id = "vol_surplus".to_owned();
    provider.volumes.push(surplus);
}

/// What provisions that parked leave behind.
const LEFT: [(&str, Before); 7] = [
    ("retire", |_, _| {}),
    ("retire_without_machine", lose_machine),
    ("retire_without_volume", lose_machine_and_volume),
    ("retire_without_app", lose_app),
    ("retire_without_secret", lose_secret),
    ("retire_nothing", lose_everything),
    ("retire_surplus", one_too_many),
];

#[test]
fn a_retirement_assumes_nothing_about_what_exists() {
    for (name, before) in LEFT {
        let (finish, set) = Play { before, ..Play::new(name, Part::Retire) }.perform(&Schedule::calm());
        assert_eq!(finish.outcome(), Some(&Outcome::Succeeded), "{name}");
        assert!(set.desk.instance().is_none(), "{name} gives back name and quota");
    }
}

#[test]
fn every_single_adversity_of_a_retirement_ends_well() {
    for (name, before) in LEFT {
        Play { before, ..Play::new(name, Part::Retire) }.every_single_adversity();
    }
}

/// A cancel can reach a retirement before its first entry, which is its point of no return. What is wanted deleted is deleted then by
/// the run that follows.
#[test]
fn a_retirement_that_was_called_off_in_time_is_followed_by_another() {
    let (finish, set) = Play::new("retire", Part::Retire).perform(&Schedule::calm().and(0, Adversity::Cancel));
    assert!(finish.cancel_accepted);
    assert_eq!(finish.outcome(), Some(&Outcome::Cancelled));
    assert_eq!(finish.followers.len(), 1);
    assert!(set.desk.instance().is_none());
}

#[test]
fn a_retirement_that_cannot_go_on_parks_and_its_instance_stays_visible_to_us() {
    let play = Play::new("retire", Part::Retire);
    let points = play.rehearsal().points();
    let delete = points.iter().position(|point| point.name == "delete_volumes").expect("a volume is deleted");
    let (finish, set) = play.perform(&Schedule::calm().and(delete, Adversity::RefuseForGood));
    assert!(matches!(&finish.run.phase, Phase::Parked { why, .. } if why.contains("delete_volume")), "{:?}", finish.run.phase);
    assert_eq!(set.desk.instance().map(|instance| instance.state), Some(State::Deleting));
}

#[test]
fn pairs_of_adversities_of_a_retirement_end_well() {
    let play = Play::new("retire", Part::Retire);
    play.every_unknown_effect_before_the_way_forward_ends();
    play.by_chance(7, 2, 100);
    play.by_chance(8, 3, 50);
}
