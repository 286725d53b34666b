//! The ladder, and what is observed against what is wanted: the real flows on a provider with a memory.

use std::sync::{Arc, Mutex};

use domain::{Instance, State, Verb};
use durable::{Clock, Outcome};
use fastrand::Rng;
use flows::testing::{FakeMachine, FakeWorld, Provider, Sickness, sample};

use super::post::{Habits, Skies};
use super::town::{Eyes, Town, View, Ways};
use super::virtually;
use crate::support::Seeding;
use crate::support::VirtualClock;

/// An instance that runs, with its machine at the provider.
async fn home() -> (Town, Instance) {
    let clock = VirtualClock::start();
    let world = FakeWorld::calm(Arc::new(clock), Provider::default());
    let there = world.clone();
    let eyes = Eyes(Arc::new(move |_| {
        let answers = |machine: &FakeMachine| machine.sickness.is_none() && machine.answers_at().is_some_and(|at| at <= there.now());
        if there.provider().machines.iter().all(answers) { View::Well } else { View::Sick }
    }));
    let skies = Skies { rng: Mutex::new(Rng::with_seed(1)), latency: 20, faults: 0, lag: 300, stale: 0 };
    let ways = Ways { schedule: Habits::PROMPT, queues: Habits { twice: 100, refused: 200, ..Habits::ORDINARY } };
    let (town, inboxes) = Town::in_world(clock, world, 1, ways, Arc::new(skies), eyes);
    let model = sample::at_rest(State::Running);
    sample::settle_in(&town.world, &model, None);
    let seeding = Seeding { store: &town.store, deployment: &town.deployment, now: clock.now() };
    let (instance, run) = seeding.provisioning(seeding.ordered(model.id, model.organisation, "fra")).await;
    seeding.end(&run, Outcome::Succeeded, serde_json::to_value(model.placement).unwrap(), Vec::new()).await;
    town.open(inboxes);
    let instance = town.again(&instance).await;
    (town, instance)
}

/// How often its process was restarted, and how often its machine was booted since it was made.
fn climbed(town: &Town) -> (usize, u32) {
    let provider = town.world.provider();
    (provider.machines[0].process_restarts.len(), provider.machines[0].boots - 1)
}

fn sicken(town: &Town, sickness: Sickness) {
    town.world.provider().machines[0].sickness = Some(sickness);
}

#[test]
fn each_rung_is_climbed_once_an_hour_and_then_a_person_is_called() {
    virtually(1, async {
        let (town, instance) = home().await;
        let state = async || town.again(&instance).await.state;
        for (from, rungs, then) in [(1, (1, 0), State::Running), (13, (1, 1), State::Running), (25, (1, 1), State::Degraded)] {
            sicken(&town, Sickness::Process);
            town.minutes(from, 12).await;
            assert_eq!((climbed(&town), state().await), (rungs, then), "from minute {from}");
        }
        assert_eq!((town.world.provider().alarms.len(), town.told()), (1, vec!["instance_degraded".to_owned()]));
        // It comes back by itself; an hour later it may be helped again.
        town.world.provider().machines[0].sickness = None;
        town.minutes(37, 2).await;
        assert_eq!(state().await, State::Running);
        sicken(&town, Sickness::Process);
        town.minutes(100, 12).await;
        assert_eq!((climbed(&town), state().await), ((2, 1), State::Running));
    });
}

#[test]
fn what_nothing_helps_is_degraded_and_left_alone_until_it_answers() {
    virtually(1, async {
        let (town, instance) = home().await;
        sicken(&town, Sickness::Hopeless);
        town.minutes(1, 200).await;
        assert_eq!((climbed(&town), town.again(&instance).await.state), ((1, 1), State::Degraded));
        assert_eq!((town.log().begun.len(), town.world.provider().alarms.len()), (1, 1), "one run, one call");
        assert_eq!(town.told(), ["instance_degraded"]);
    });
}

/// Wanted running, and somebody has switched it off at the provider.
#[test]
fn a_machine_that_was_stopped_behind_our_back_runs_again() {
    virtually(1, async {
        let (town, instance) = home().await;
        let place = instance.placement.clone().unwrap();
        town.world.world().machines.stop(&place.app, &place.machine).await.unwrap();
        town.minutes(1, 20).await;
        let again = town.again(&instance).await;
        assert_eq!((again.state, again.placement), (State::Running, Some(place)), "the same machine with the same volume");
        assert_eq!((climbed(&town).1, town.world.provider().complaints.len()), (1, 0));
    });
}

/// Wanted stopped: nobody asks it, and nothing brings it back.
#[test]
fn an_instance_that_its_owner_stopped_stays_stopped() {
    virtually(1, async {
        let (town, instance) = home().await;
        let asked = town.store.ask(&instance.organisation, &instance.id, flows::Ask::new(Verb::Stop), None).await.unwrap();
        town.drive(&asked.record.unwrap().id.0).await;
        town.minutes(6, 60).await;
        assert_eq!((town.again(&instance).await.state, climbed(&town), town.log().repairs), (State::Stopped, (0, 0), 0));
    });
}
