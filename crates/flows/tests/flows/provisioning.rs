use std::collections::BTreeSet;

use domain::State;
use durable::Outcome;
use durable::testing::{Adversity, Schedule};

use flows::testing::repertoire::{
    provision, provision_1, provision_1_lagging_lists, provision_1_of_a_silent_gateway, provision_lagging_lists, provision_no_room,
    provision_of_a_broken_machine, provision_of_a_silent_gateway, provision_third_region,
};

#[test]
fn a_calm_provision_does_each_thing_once_and_in_order() {
    let (finish, set) = provision().perform(&Schedule::calm());
    let timeline: Vec<&str> = finish.run.journal.iter().map(|entry| entry.name.as_str()).collect();
    let expected = [
        "create_secret",
        "create_app",
        "set_secrets",
        "assign_ips",
        "create_volume",
        "create_machine",
        "choose_region",
        "await_started",
        "await_healthy",
        "delete_surplus_volumes",
        "in_service",
    ];
    assert_eq!(timeline, expected);
    let instance = set.desk.instance().expect("it was made");
    assert_eq!((instance.state, instance.ever_ran, instance.trouble), (State::Running, true, None));
    assert_eq!(set.desk.book().notices[0].id, format!("{}-0", finish.run.id));
    assert_eq!(set.world.provider().machines[0].boots, 1);
}

#[test]
fn a_full_region_is_left_clean_before_the_next_is_tried() {
    let (finish, set) = provision_third_region().perform(&Schedule::calm());
    let timeline: Vec<&str> = finish.run.journal.iter().skip(4).take(9).map(|entry| entry.name.as_str()).collect();
    let full_of_volumes = ["create_volume", "delete_volume"];
    let full_of_machines = ["create_volume", "create_machine", "delete_machine", "delete_volume"];
    assert_eq!(timeline, [&full_of_volumes[..], &full_of_machines, &["create_volume", "create_machine", "choose_region"]].concat());
    let placement = set.desk.instance().and_then(|instance| instance.placement).expect("it has a place");
    assert_eq!(placement.region.code(), "cdg");
}

#[test]
fn without_room_anywhere_it_fails_and_names_the_regions_that_were_tried() {
    let (finish, set) = provision_no_room().perform(&Schedule::calm());
    let Some(Outcome::Failed { step, message }) = finish.outcome() else { panic!("{:?}", finish.run.phase) };
    assert_eq!(step, "choose_region");
    assert!(message.contains("fra, ams"), "{message}");
    assert_eq!(set.desk.instance().map(|instance| instance.state), Some(State::Failed));
}

#[test]
fn a_gateway_that_never_answers_and_a_machine_that_cannot_boot_leave_nothing_behind() {
    for (play, at) in [
        (provision_of_a_silent_gateway(), "await_healthy"),
        (provision_1_of_a_silent_gateway(), "await_healthy"),
        (provision_of_a_broken_machine(), "await_started"),
    ] {
        let (finish, _) = play.perform(&Schedule::calm());
        assert!(matches!(finish.outcome(), Some(Outcome::Failed { step, .. }) if step == at), "{:?}", finish.run.phase);
    }
}

#[test]
fn calls_that_say_not_yet_are_waited_for() {
    let calls = provision().perform(&Schedule::calm()).1.world.calls();
    for call in calls.iter().collect::<BTreeSet<_>>() {
        let mut play = provision();
        play.conditions.not_yet.insert(call.clone(), 2);
        let (finish, _) = play.perform(&Schedule::calm());
        assert_eq!(finish.outcome(), Some(&Outcome::Succeeded), "{call}");
    }
}

#[test]
fn a_lost_answer_that_made_a_second_volume_leaves_one() {
    for play in [provision_lagging_lists(), provision_1_lagging_lists()] {
        let points = play.rehearsal().points();
        let create = points.iter().position(|point| point.name == "ensure_volume fra").expect("a volume is made");
        let (finish, set) = play.perform(&Schedule::calm().and(create, Adversity::LostAnswer));
        assert_eq!(finish.outcome(), Some(&Outcome::Succeeded));
        let ids: Vec<String> = set.world.provider().volumes.iter().map(|volume| volume.id.clone()).collect();
        assert_eq!(ids, ["vol_2"], "the first was surplus in {}", play.name);
    }
}

#[test]
fn every_single_adversity_in_one_region_ends_well() {
    provision().every_single_adversity();
    provision_1().every_single_adversity();
}

#[test]
fn every_single_adversity_in_three_regions_ends_well() {
    provision_third_region().every_single_adversity();
}

#[test]
fn every_single_adversity_without_room_ends_well() {
    provision_no_room().every_single_adversity();
}

#[test]
fn every_single_adversity_of_a_provision_that_never_comes_up_leaves_nothing() {
    provision_of_a_silent_gateway().every_single_adversity();
    provision_1_of_a_silent_gateway().every_single_adversity();
    provision_of_a_broken_machine().every_single_adversity();
}

#[test]
fn every_single_adversity_with_lagging_lists_ends_well() {
    provision_lagging_lists().every_single_adversity();
}

#[test]
fn whatever_was_done_unknown_is_undone_when_the_way_forward_ends_later() {
    provision().every_unknown_effect_before_the_way_forward_ends();
    provision_third_region().every_unknown_effect_before_the_way_forward_ends();
}

#[test]
fn seeded_pairs_and_triples_end_well() {
    provision().by_chance(1, 2, 1500);
    provision_third_region().by_chance(2, 2, 1000);
    provision_third_region().by_chance(3, 3, 500);
}
