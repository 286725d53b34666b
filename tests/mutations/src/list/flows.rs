//! `crates/flows`: what a flow's author could get wrong.

use crate::mutation::{Edit, Mutation, Target, Test};

const PROVISION: &str = "crates/flows/src/provision.rs";
const REPAIR: &str = "crates/flows/src/repair.rs";
const SETTLE: &str = "crates/flows/src/settle.rs";
const START: &str = "crates/flows/src/start.rs";
const STOP: &str = "crates/flows/src/stop.rs";

const fn flows(name: &'static str) -> Test {
    Test { package: "flows", target: Target::Tests("flows"), name }
}

const fn recorded(name: &'static str) -> Test {
    Test { package: "flows", target: Target::Tests("recorded_journals"), name }
}

pub(crate) const MUTATIONS: &[Mutation] = &[
    Mutation {
        name: "undo armed after the step",
        breaks: "An app whose creation was not answered stays when the creation is given up.",
        edits: &[Edit {
            file: PROVISION,
            before: "run.undo(\"delete_app\", apps.delete_app(app));\n    run.step(\"create_app\", apps.ensure_app(app, network)).await?;",
            after: "run.step(\"create_app\", apps.ensure_app(app, network)).await?;\n    run.undo(\"delete_app\", apps.delete_app(app));",
        }],
        caught_by: flows("provisioning::whatever_was_done_unknown_is_undone_when_the_way_forward_ends_later"),
    },
    Mutation {
        name: "refused region left as it is",
        breaks: "A volume that nobody knows of is paid for in every region that was full.",
        edits: &[Edit { file: PROVISION, before: "run.release(mark).await?;", after: "let _: durable::Mark = mark;" }],
        caught_by: flows("provisioning::a_full_region_is_left_clean_before_the_next_is_tried"),
    },
    Mutation {
        name: "surplus volumes kept",
        breaks: "A lost answer leaves a second volume, and a later run may pick the empty one.",
        edits: &[Edit {
            file: PROVISION,
            before: "|| volumes.delete_surplus(app, volume, &machine_id, &volume_id)",
            after: "|| std::future::ready(Ok(()))",
        }],
        caught_by: flows("provisioning::a_lost_answer_that_made_a_second_volume_leaves_one"),
    },
    Mutation {
        name: "started without its volume",
        breaks: "A customer finds an empty disk.",
        edits: &[Edit {
            file: START,
            before: "run.step(\"check_volume\", check_volume(world, &plan.placement))",
            after: "run.step(\"check_volume\", std::future::ready(Ok(())))",
        }],
        caught_by: flows("serving::a_start_without_its_volume_fails_closed"),
    },
    Mutation {
        name: "turned back without its volume",
        breaks: "A stop that is called off boots a machine onto an empty disk.",
        edits: &[Edit { file: STOP, before: "        check_volume(world, &plan.placement).await?;\n", after: "" }],
        caught_by: flows("repairing::a_stop_that_turns_back_does_not_boot_a_machine_whose_volume_is_missing"),
    },
    Mutation {
        name: "rebooted without its volume",
        breaks: "A repair boots a machine onto an empty disk.",
        edits: &[
            Edit { file: REPAIR, before: "Ok(false) => return", after: "Ok(false) if app.is_empty() => return" },
            Edit { file: REPAIR, before: "Ok(true) => {}", after: "Ok(_) => {}" },
        ],
        caught_by: flows("repairing::a_machine_whose_volume_is_missing_is_not_rebooted"),
    },
    Mutation {
        name: "wish that came meanwhile forgotten",
        breaks: "A stop that was absorbed by a start never happens.",
        edits: &[Edit {
            file: SETTLE,
            before: "let wish_stands = instance.wanted_rev == target.wanted_rev;",
            after: "let wish_stands = instance.wanted_rev >= target.wanted_rev;",
        }],
        caught_by: flows("wishes::a_wish_that_comes_at_any_moment_is_fulfilled_in_the_end"),
    },
    Mutation {
        name: "cancelled start leaves its wish",
        breaks: "What its owner called off is tried again by the next thing that looks at the wish.",
        edits: &[Edit { file: SETTLE, before: "(Kind::Start, Outcome::Cancelled) => instance.wanted = Wanted::Stopped,", after: "" }],
        caught_by: flows("serving::a_start_that_was_called_off_leaves_the_machine_off_and_the_wish_as_it_was"),
    },
    Mutation {
        name: "step renamed without a new version",
        breaks: "Every stop that is under way during the deployment parks.",
        edits: &[Edit { file: STOP, before: "\"await_stopped\"", after: "\"await_off\"" }],
        caught_by: recorded("todays_code_takes_the_recorded_steps"),
    },
    Mutation {
        name: "step added without a new version",
        breaks: "A provision that was begun by older code cannot go on.",
        edits: &[Edit {
            file: PROVISION,
            before: "run.step(\"assign_ips\", apps.ensure_addresses(app)).await?;",
            after: "run.step(\"check_app\", apps.ensure_app(app, network)).await?;\n    run.step(\"assign_ips\", apps.ensure_addresses(app)).await?;",
        }],
        caught_by: recorded("every_prefix_of_every_journal_goes_on_to_the_same_end"),
    },
];
