use domain::{Climbed, Instance, Placement, RestartScope, Rung, State, Verb, Wanted};
use durable::{NewRun, Phase, Record};
use jiff::{SignedDuration, Timestamp};

use super::{Ask, Decision, decide, repair};
use crate::address::run_id;
use crate::plan::{self, RepairPlan, RestartPlan, Target};
use crate::testing::sample;

const VERBS: [Verb; 4] = [Verb::Start, Verb::Stop, Verb::Restart, Verb::Delete];
const FRESH: domain::OperationId = sample::operation(9);

fn now() -> Timestamp {
    Timestamp::from_second(1_767_229_200).expect("a moment within range")
}

/// An instance in this state, with the wish that brought it there and, if it is busy, with a run.
fn instance(state: State, busy: bool) -> Instance {
    let wanted = match state {
        State::Stopping | State::Stopped => Wanted::Stopped,
        State::Deleting => Wanted::Deleted,
        _ => Wanted::Running,
    };
    let placement: Option<Placement> =
        sample::at_rest(State::Running).placement.filter(|_| !matches!(state, State::Provisioning | State::Failed));
    Instance { state, wanted, placement, operation: busy.then_some(sample::operation(1)), ..sample::at_rest(State::Running) }
}

/// The run that such an instance names.
fn run_of(instance: &Instance) -> Record {
    let placement = sample::at_rest(State::Running).placement.expect("it has a place");
    let operation = sample::operation(1);
    let new = match instance.state {
        State::Provisioning | State::Failed => plan::provision(&sample::deployment(), instance, operation),
        State::Stopping | State::Stopped => plan::stop(instance, &placement, operation),
        State::Deleting => plan::retire(&sample::deployment(), instance, operation),
        State::Repairing => plan::repair(instance, &placement, Vec::new(), operation),
        State::Restarting => plan::restart(instance, &placement, RestartScope::Process, operation),
        State::Starting | State::Running | State::Degraded => plan::start(instance, &placement, operation),
    };
    Record::begin(new, now())
}

fn park(mut record: Record) -> Record {
    record.phase = Phase::Parked { why: "a person has to look".to_owned(), was: Box::new(record.phase) };
    record
}

fn ask(read: &Instance, current: Option<&Record>, verb: Verb) -> Decision {
    decide(&sample::deployment(), read, current, Ask::new(verb), FRESH, now())
}

fn word(decision: Decision) -> String {
    match decision {
        Decision::Start { run, abandon: None, .. } => run.kind,
        Decision::Start { run, abandon: Some(_), .. } => format!("{} and abandon", run.kind),
        Decision::Absorb { cancel: None, .. } => "absorb".to_owned(),
        Decision::Absorb { cancel: Some(_), .. } => "absorb and cancel".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// What `start`, `stop`, `restart` and `delete` mean.
fn words(read: &Instance, current: Option<&Record>) -> [String; 4] {
    VERBS.map(|verb| word(ask(read, current, verb)))
}

#[test]
fn at_rest_a_verb_starts_its_run_or_says_why_not() {
    let table = [
        (State::Running, ["nothing", "stop", "restart", "retire"]),
        (State::Degraded, ["nothing", "stop", "restart", "retire"]),
        (State::Stopped, ["start", "nothing", "forbidden", "retire"]),
        (State::Failed, ["forbidden", "forbidden", "forbidden", "retire"]),
    ];
    for (state, expected) in table {
        assert_eq!(words(&instance(state, false), None), expected, "{state}");
    }
}

const BUSY: [(State, [&str; 4]); 10] = [
    (State::Provisioning, ["nothing", "absorb", "busy", "absorb and cancel"]),
    (State::Stopping, ["absorb", "nothing", "busy", "absorb"]),
    (State::Starting, ["nothing", "absorb", "busy", "absorb"]),
    (State::Restarting, ["nothing", "absorb", "busy", "absorb"]),
    (State::Repairing, ["nothing", "absorb", "busy", "absorb"]),
    (State::Deleting, ["gone", "gone", "gone", "gone"]),
    // A run may own an instance whose state it has not changed yet.
    (State::Running, ["nothing", "absorb", "busy", "absorb"]),
    (State::Degraded, ["nothing", "absorb", "busy", "absorb"]),
    (State::Stopped, ["absorb", "nothing", "forbidden", "absorb"]),
    (State::Failed, ["forbidden", "forbidden", "forbidden", "absorb"]),
];

#[test]
fn a_busy_instance_absorbs_wishes_and_starts_nothing() {
    for (state, expected) in BUSY {
        let read = instance(state, true);
        assert_eq!(words(&read, Some(&run_of(&read))), expected, "{state}");
    }
}

#[test]
fn a_run_that_cannot_be_read_is_a_run_under_way_that_cannot_be_cancelled() {
    for (state, expected) in BUSY {
        let expected = expected.map(|word| if word == "absorb and cancel" { "absorb" } else { word });
        assert_eq!(words(&instance(state, true), None), expected, "{state}");
    }
}

#[test]
fn a_delete_gives_up_a_parked_run_and_every_other_verb_finds_it_busy() {
    for (state, [start, stop, restart, _]) in BUSY {
        let read = instance(state, true);
        let delete = if state == State::Deleting { "gone" } else { "retire and abandon" };
        assert_eq!(words(&read, Some(&park(run_of(&read)))), [start, stop, restart, delete], "{state}");
    }
}

#[test]
fn access_is_never_written_down() {
    for (state, busy) in State::ALL.into_iter().flat_map(|state| [(state, false), (state, true)]) {
        let read = instance(state, busy);
        let decision = ask(&read, busy.then(|| run_of(&read)).as_ref(), Verb::Access);
        assert!(!matches!(decision, Decision::Start { .. } | Decision::Absorb { .. }), "{state}: {decision:?}");
    }
}

#[test]
fn an_absorbed_wish_is_counted_once() {
    let read = instance(State::Starting, true);
    let run = run_of(&read);
    let Decision::Absorb { instance: stopped, cancel: None } = ask(&read, Some(&run), Verb::Stop) else { panic!("it is absorbed") };
    let expected = Instance { wanted: Wanted::Stopped, wanted_rev: read.wanted_rev + 1, updated_at: now(), ..read.clone() };
    assert_eq!(*stopped, expected, "nothing else is touched");
    assert_eq!(ask(&stopped, Some(&run), Verb::Stop), Decision::Nothing, "the same wish again");
    let Decision::Absorb { instance: started, .. } = ask(&stopped, Some(&run), Verb::Start) else { panic!("it is absorbed") };
    assert_eq!((started.wanted, started.wanted_rev), (Wanted::Running, read.wanted_rev + 2));
}

#[test]
fn a_delete_during_provisioning_names_the_run_that_is_to_turn_back() {
    let read = instance(State::Provisioning, true);
    let run = run_of(&read);
    let Decision::Absorb { instance, cancel } = ask(&read, Some(&run), Verb::Delete) else { panic!("it is absorbed") };
    assert_eq!(cancel, Some(run.id.clone()));
    assert_eq!((instance.wanted, instance.state, instance.operation), (Wanted::Deleted, State::Provisioning, read.operation));
    assert_eq!(ask(&instance, Some(&run), Verb::Delete), Decision::Nothing, "a repeated delete");
}

#[test]
fn what_is_wanted_deleted_is_gone_for_every_other_verb() {
    for (state, busy) in State::ALL.into_iter().flat_map(|state| [(state, false), (state, true)]) {
        let read = Instance { wanted: Wanted::Deleted, ..instance(state, busy) };
        let run = busy.then(|| run_of(&read));
        for verb in [Verb::Start, Verb::Stop, Verb::Restart, Verb::Access] {
            assert_eq!(ask(&read, run.as_ref(), verb), Decision::Gone, "{state} and {verb:?}");
        }
        let repeated = if state == State::Deleting { Decision::Gone } else { Decision::Nothing };
        assert_eq!(ask(&read, run.as_ref(), Verb::Delete), repeated, "{state}");
    }
}

#[test]
fn a_repeated_delete_helps_when_the_way_back_has_parked() {
    let read = Instance { wanted: Wanted::Deleted, wanted_rev: 2, ..instance(State::Provisioning, true) };
    let parked = park(run_of(&read));
    let Decision::Start { instance, run, abandon } = ask(&read, Some(&parked), Verb::Delete) else { panic!("a retirement begins") };
    assert_eq!((abandon, instance.state, instance.operation), (Some(parked.id), State::Deleting, Some(FRESH)));
    assert_eq!((run.kind.as_str(), instance.wanted_rev), ("retire", 3));
}

#[test]
fn a_run_that_begins_owns_its_instance_and_knows_the_wish_it_fulfils() {
    for (state, verb, becomes, wanted) in [
        (State::Stopped, Verb::Start, State::Starting, Wanted::Running),
        (State::Running, Verb::Stop, State::Stopping, Wanted::Stopped),
        (State::Degraded, Verb::Stop, State::Stopping, Wanted::Stopped),
        (State::Running, Verb::Restart, State::Restarting, Wanted::Running),
        (State::Failed, Verb::Delete, State::Deleting, Wanted::Deleted),
    ] {
        let read = instance(state, false);
        let Decision::Start { instance, run, abandon: None } = ask(&read, None, verb) else { panic!("{verb:?} begins") };
        let raised = u64::from(wanted != read.wanted);
        assert_eq!((instance.state, instance.wanted, instance.wanted_rev), (becomes, wanted, read.wanted_rev + raised), "{verb:?}");
        assert_eq!((instance.operation, instance.updated_at), (Some(FRESH), now()));
        assert_eq!(run.id, run_id(&read.organisation, &FRESH));
        assert_eq!(target(&run).wanted_rev, instance.wanted_rev, "{verb:?}");
    }
}

#[test]
fn a_restart_restarts_what_was_asked_for() {
    for scope in [RestartScope::Process, RestartScope::Machine] {
        let asked = Ask { verb: Verb::Restart, scope };
        let read = instance(State::Running, false);
        let Decision::Start { run, .. } = decide(&sample::deployment(), &read, None, asked, FRESH, now()) else { panic!("it begins") };
        let plan: RestartPlan = serde_json::from_value(run.plan).expect("a plan is read as it is written");
        assert_eq!((plan.scope, plan.machine.request), (scope, FRESH.to_string()));
    }
}

#[test]
fn without_a_place_there_is_nothing_to_start_or_stop() {
    for (state, verb) in [(State::Stopped, Verb::Start), (State::Running, Verb::Stop), (State::Running, Verb::Restart)] {
        let read = Instance { placement: None, ..instance(state, false) };
        assert_eq!(ask(&read, None, verb), Decision::Forbidden, "{verb:?}");
    }
}

#[test]
fn only_an_idle_instance_that_is_wanted_running_and_runs_is_repaired() {
    let idle = instance(State::Running, false);
    assert!(repair(&idle, FRESH, now()).is_some());
    for read in [
        instance(State::Running, true),
        Instance { wanted: Wanted::Stopped, ..idle.clone() },
        Instance { wanted: Wanted::Deleted, ..idle.clone() },
        Instance { placement: None, ..idle.clone() },
    ] {
        assert_eq!(repair(&read, FRESH, now()), None, "{read:?}");
    }
    for state in State::ALL.into_iter().filter(|state| *state != State::Running) {
        assert_eq!(repair(&Instance { wanted: Wanted::Running, ..instance(state, false) }, FRESH, now()), None, "{state}");
    }
}

#[test]
fn each_rung_is_climbed_once_within_the_hour() {
    let climbed = |rung, seconds| Climbed { rung, at: now() - SignedDuration::from_secs(seconds) };
    let both = vec![Rung::Process, Rung::Machine];
    let cases = [
        (vec![], both.clone()),
        (vec![climbed(Rung::Process, 3599)], vec![Rung::Machine]),
        (vec![climbed(Rung::Machine, 60)], vec![Rung::Process]),
        (vec![climbed(Rung::Process, 60), climbed(Rung::Machine, 60)], vec![]),
        (vec![climbed(Rung::Process, 3600), climbed(Rung::Machine, 7200)], both),
    ];
    for (climbed, rungs) in cases {
        let mut read = instance(State::Running, false);
        read.health.climbed = climbed;
        let (instance, run) = repair(&read, FRESH, now()).expect("it is repaired");
        assert_eq!((instance.state, instance.operation, instance.wanted_rev), (State::Repairing, Some(FRESH), read.wanted_rev));
        let plan: RepairPlan = serde_json::from_value(run.plan).expect("a plan is read as it is written");
        assert_eq!(plan.rungs, rungs);
    }
}

fn target(run: &NewRun) -> Target {
    serde_json::from_value(run.plan.clone()).expect("every plan says whom it is about")
}
