use domain::State;
use durable::testing::{Adversity, Schedule};
use durable::{Outcome, Phase};
use flows::testing::repertoire::{Part, Play, retirements};

#[test]
fn a_retirement_assumes_nothing_about_what_exists() {
    for play in retirements() {
        let name = play.name;
        let (finish, set) = play.perform(&Schedule::calm());
        assert_eq!(finish.outcome(), Some(&Outcome::Succeeded), "{name}");
        assert!(set.desk.instance().is_none(), "{name} gives back name and quota");
    }
}

#[test]
fn every_single_adversity_of_a_retirement_ends_well() {
    retirements().iter().for_each(Play::every_single_adversity);
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
