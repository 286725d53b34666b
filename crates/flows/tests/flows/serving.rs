//! Start, stop and restart.

use domain::{State, Wanted};
use durable::Outcome;
use durable::testing::{Adversity, Schedule};
use flows::testing::repertoire::{
    Set, restart_machine, restart_machine_of_a_silent_gateway, restart_of_a_broken_machine, restart_process,
    restart_process_of_a_silent_gateway, restart_without_volume, start, start_of_a_broken_machine, start_of_a_silent_gateway,
    start_then_stop, start_without_volume, stop, stop_of_a_silent_gateway,
};

#[test]
fn a_start_and_a_stop_do_what_they_say() {
    let (_, set) = start().perform(&Schedule::calm());
    let instance = set.desk.instance().expect("it is there");
    assert_eq!((instance.state, instance.wanted, instance.trouble), (State::Running, Wanted::Running, None));
    let (_, set) = stop().perform(&Schedule::calm());
    let instance = set.desk.instance().expect("it is there");
    assert_eq!((instance.state, instance.wanted), (State::Stopped, Wanted::Stopped));
}

#[test]
fn a_start_without_its_volume_fails_closed() {
    let (finish, set) = start_without_volume().perform(&Schedule::calm());
    assert!(matches!(finish.outcome(), Some(Outcome::Failed { step, .. }) if step == "check_volume"), "{:?}", finish.run.phase);
    let provider = set.world.provider();
    assert_eq!((provider.complaints.len(), provider.volumes.len(), provider.machines[0].boots), (0, 0, 1), "it was left as it was");
    let instance = set.desk.instance().expect("it is there");
    assert!(instance.state == State::Stopped && instance.trouble.is_some());
}

#[test]
fn a_start_whose_machine_cannot_boot_fails_and_keeps_what_there_is() {
    let (finish, set) = start_of_a_broken_machine().perform(&Schedule::calm());
    assert!(matches!(finish.outcome(), Some(Outcome::Failed { step, .. }) if step == "await_started"), "{:?}", finish.run.phase);
    assert_eq!(set.desk.instance().map(|instance| (instance.state, instance.wanted)), Some((State::Stopped, Wanted::Running)));
}

#[test]
fn a_restart_restarts_once() {
    let process = restart_process().perform(&Schedule::calm()).1;
    let machine = restart_machine().perform(&Schedule::calm()).1;
    let counts = |set: &Set| {
        let provider = set.world.provider();
        (provider.machines[0].process_restarts.len(), provider.machines[0].boots)
    };
    assert_eq!((counts(&process), counts(&machine)), ((1, 1), (0, 2)));
}

#[test]
fn a_process_is_restarted_once_whatever_is_lost_on_the_way() {
    let play = restart_process();
    let points = play.rehearsal().points();
    for (index, point) in points.iter().enumerate() {
        for adversity in [Adversity::LostAnswer, Adversity::CrashAfter, Adversity::Duplicate] {
            let (_, set) = play.perform(&Schedule::calm().and(index, adversity));
            assert_eq!(set.world.provider().machines[0].process_restarts.len(), 1, "{adversity:?} at {point}");
        }
    }
}

#[test]
fn a_gateway_that_stays_silent_after_a_start_is_degraded_and_keeps_its_machine() {
    let play = start_of_a_silent_gateway();
    let (finish, set) = play.perform(&Schedule::calm());
    assert_eq!(finish.outcome(), Some(&Outcome::Succeeded));
    assert_eq!(set.desk.instance().map(|instance| instance.state), Some(State::Degraded));
}

#[test]
fn a_stop_of_a_silent_gateway_can_be_called_off() {
    let play = stop_of_a_silent_gateway();
    let points = play.rehearsal().points().len();
    for index in 0..points {
        let (finish, set) = play.perform(&Schedule::calm().and(index, Adversity::Cancel));
        let instance = set.desk.instance().expect("it is there");
        let expected = if finish.cancel_accepted { (State::Running, Wanted::Running) } else { (State::Stopped, Wanted::Stopped) };
        assert_eq!((instance.state, instance.wanted), expected, "called off at {index}");
    }
}

#[test]
fn a_start_that_was_called_off_leaves_the_machine_off_and_the_wish_as_it_was() {
    let play = start();
    let points = play.rehearsal().points().len();
    let mut accepted = 0;
    for index in 0..points {
        let (finish, set) = play.perform(&Schedule::calm().and(index, Adversity::Cancel));
        let instance = set.desk.instance().expect("it is there");
        accepted += usize::from(finish.cancel_accepted);
        let expected = if finish.cancel_accepted { (State::Stopped, Wanted::Stopped) } else { (State::Running, Wanted::Running) };
        assert_eq!((instance.state, instance.wanted), expected, "called off at {index}");
    }
    assert!(accepted > 5, "only {accepted} were accepted");
}

#[test]
fn a_machine_that_does_not_come_back_is_degraded() {
    let (finish, set) = restart_of_a_broken_machine().perform(&Schedule::calm());
    assert_eq!(finish.outcome(), Some(&Outcome::Succeeded));
    assert_eq!(set.desk.instance().map(|instance| instance.state), Some(State::Degraded));
}

#[test]
fn a_gateway_that_stays_silent_after_a_restart_is_degraded() {
    for play in [restart_process_of_a_silent_gateway(), restart_machine_of_a_silent_gateway()] {
        let (finish, set) = play.perform(&Schedule::calm());
        assert_eq!(finish.outcome(), Some(&Outcome::Succeeded), "{}", play.name);
        assert_eq!(set.desk.instance().map(|instance| instance.state), Some(State::Degraded), "{}", play.name);
    }
}

#[test]
fn every_single_adversity_of_a_start_that_cannot_end_well_ends_as_it_must() {
    start_without_volume().every_single_adversity();
    restart_without_volume().every_single_adversity();
    start_of_a_broken_machine().every_single_adversity();
}

#[test]
fn every_single_adversity_of_a_start_ends_well() {
    start().every_single_adversity();
    start_of_a_silent_gateway().every_single_adversity();
    start_then_stop().every_single_adversity();
}

#[test]
fn every_single_adversity_of_a_stop_ends_well() {
    stop().every_single_adversity();
    stop_of_a_silent_gateway().every_single_adversity();
}

#[test]
fn every_single_adversity_of_a_restart_ends_well() {
    restart_process().every_single_adversity();
    restart_machine().every_single_adversity();
}

#[test]
fn every_single_adversity_of_a_restart_that_does_not_help_ends_well() {
    restart_process_of_a_silent_gateway().every_single_adversity();
    restart_machine_of_a_silent_gateway().every_single_adversity();
    restart_of_a_broken_machine().every_single_adversity();
}

#[test]
fn every_pair_of_adversities_of_a_stop_ends_well() {
    stop().every_pair_of(&Adversity::ALL, &Adversity::ALL);
}

#[test]
fn pairs_of_adversities_of_start_stop_and_restart_end_well() {
    for play in [start(), stop(), restart_machine()] {
        play.every_unknown_effect_before_the_way_forward_ends();
        play.by_chance(3, 2, 100);
        play.by_chance(4, 3, 50);
    }
}
