use domain::{Instance, Placement, State};

use super::{Kind, MachinePlan, ProvisionPlan, RetirePlan, provision, retire, start};
use crate::address::{run_id, subject};
use crate::testing::sample;

fn planned(codes: &[&str]) -> ProvisionPlan {
    let run = provision(&sample::deployment(), &sample::instance(codes), sample::operation(1));
    serde_json::from_value(run.plan).expect("a plan is read as it is written")
}

#[test]
fn the_same_instance_is_planned_the_same_way_for_ever() {
    let plan = planned(&["fra"]);
    assert_eq!(plan, planned(&["fra"]));
    // These names are in provider accounts and must never change.
    assert_eq!(plan.app, "rp-test-0190000000007000800000000000a001");
    assert_eq!((plan.volume.as_str(), plan.machine.as_str(), plan.generation), ("data_1", "gateway-1", 1));
    assert_eq!(plan.secret, "rockpool/test/instances/ins_0190000000007000800000000000a001");
    assert_eq!(plan.address, "https://rp-test-0190000000007000800000000000a001.fly.test");
    assert_eq!(plan.network, plan.app, "a network of its own");
    assert!(plan.image.starts_with("registry.fly.test/rockpool-tenant"), "{}", plan.image);
}

#[test]
fn another_operation_plans_the_same_names() {
    let instance = sample::instance(&["fra"]);
    let [one, other] = [1, 2].map(|n| provision(&sample::deployment(), &instance, sample::operation(n)));
    assert_eq!(one.plan, other.plan);
    assert_ne!(one.id, other.id);
}

#[test]
fn regions_keep_the_order_of_the_customer() {
    for codes in [vec!["fra"], vec!["sin", "ams", "fra"], vec!["ams", "fra", "sin"]] {
        assert_eq!(planned(&codes).regions, sample::regions(&codes));
    }
}

#[test]
fn a_volume_and_a_machine_are_as_large_as_the_plan_that_was_bought() {
    let plan = planned(&["fra"]);
    let bought = sample::instance(&["fra"]).plan.plan();
    assert_eq!((plan.size, plan.disk_gb), (bought.machine, bought.disk_gb));
    let volume = plan.volume_in(plan.regions[0]);
    assert_eq!((volume.size_gb, volume.machine, volume.region), (bought.disk_gb, bought.machine, plan.regions[0]));
    assert_eq!((volume.app, volume.name), (plan.app, plan.volume));
}

#[test]
fn a_run_names_its_kind_and_its_instance() {
    let instance = sample::at_rest(State::Stopped);
    let placement = instance.placement.clone().expect("it has a place");
    let run = start(&instance, &placement, sample::operation(3));
    assert_eq!((Kind::named(&run.kind), run.version), (Some(Kind::Start), 1));
    assert_eq!(run.id, run_id(&instance.organisation, &sample::operation(3)));
    assert_eq!(run.subject, subject(&instance.organisation, &instance.id));
    let plan: MachinePlan = serde_json::from_value(run.plan).expect("a plan is read as it is written");
    assert_eq!((plan.placement, plan.request), (placement, sample::operation(3).to_string()));
    for kind in Kind::ALL {
        assert_eq!(Kind::named(kind.as_str()), Some(kind));
    }
    assert_eq!(Kind::named("teleport"), None);
}

#[test]
fn a_retirement_names_every_generation_newest_first() {
    let generation = |generation| sample::at_rest(State::Running).placement.map(|placement| Placement { generation, ..placement });
    for (placement, machines, volumes) in [
        (None, vec!["gateway-1"], vec!["data_1"]),
        (generation(1), vec!["gateway-1"], vec!["data_1"]),
        (generation(3), vec!["gateway-3", "gateway-2", "gateway-1"], vec!["data_3", "data_2", "data_1"]),
    ] {
        let instance = Instance { placement, ..sample::at_rest(State::Running) };
        let run = retire(&sample::deployment(), &instance, sample::operation(1));
        let plan: RetirePlan = serde_json::from_value(run.plan).expect("a plan is read as it is written");
        assert_eq!(
            (plan.machines, plan.volumes),
            (machines.into_iter().map(str::to_owned).collect(), volumes.into_iter().map(str::to_owned).collect())
        );
        let made = planned(&["fra"]);
        assert_eq!((plan.app, plan.secret), (made.app, made.secret), "what was made is what is removed");
    }
}
