use domain::{Climbed, Health, Instance, RestartScope, Rung, State, Wanted};
use durable::{Act, Ending, Entry, NewRun, Outcome, Record};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{SettleError, Settlement, settle};
use crate::outcome::{Announcement, Observed};
use crate::plan::{self, Kind};
use crate::testing::sample;

const RUN: domain::OperationId = sample::operation(1);
const FRESH: domain::OperationId = sample::operation(9);

fn now() -> Timestamp {
    Timestamp::from_second(1_767_229_200).expect("a moment within range")
}

/// An instance in the hands of a run of this kind, and the run.
fn busy(kind: Kind) -> (Instance, Record) {
    let placement = sample::at_rest(State::Running).placement.expect("it has a place");
    let (state, wanted) = match kind {
        Kind::Provision => (State::Provisioning, Wanted::Running),
        Kind::Start => (State::Starting, Wanted::Running),
        Kind::Stop => (State::Stopping, Wanted::Stopped),
        Kind::Restart => (State::Restarting, Wanted::Running),
        Kind::Repair => (State::Repairing, Wanted::Running),
        Kind::Retire => (State::Deleting, Wanted::Deleted),
    };
    let base = if kind == Kind::Provision { sample::instance(&["fra"]) } else { sample::at_rest(State::Running) };
    let instance = Instance { state, wanted, wanted_rev: 5, operation: Some(RUN), ..base };
    let new = match kind {
        Kind::Provision => plan::provision(&sample::deployment(), &instance, RUN),
        Kind::Start => plan::start(&instance, &placement, RUN),
        Kind::Stop => plan::stop(&instance, &placement, RUN),
        Kind::Restart => plan::restart(&instance, &placement, RestartScope::Process, RUN),
        Kind::Repair => plan::repair(&instance, &placement, vec![Rung::Process, Rung::Machine], RUN),
        Kind::Retire => plan::retire(&sample::deployment(), &instance, RUN),
    };
    (instance, Record::begin(new, now()))
}

fn value(kind: Kind) -> Value {
    let observed = match kind {
        Kind::Provision => return serde_json::to_value(sample::at_rest(State::Running).placement).expect("texts and numbers"),
        Kind::Retire => return Value::Null,
        Kind::Stop => Observed::stopped(),
        Kind::Start | Kind::Restart | Kind::Repair => Observed::running(),
    };
    serde_json::to_value(observed).expect("texts and numbers")
}

fn succeeded(kind: Kind) -> Ending {
    Ending { outcome: Outcome::Succeeded, value: value(kind), notices: Vec::new() }
}

fn failed() -> Ending {
    let outcome = Outcome::Failed { step: "some_step".to_owned(), message: "it was refused".to_owned() };
    Ending { outcome, value: Value::Null, notices: Vec::new() }
}

fn cancelled() -> Ending {
    Ending { outcome: Outcome::Cancelled, value: Value::Null, notices: Vec::new() }
}

fn settled(read: &Instance, record: &Record, ending: &Ending) -> Settlement {
    settle(&sample::deployment(), read, record, ending, FRESH, now()).expect("it was written by one of these flows")
}

/// State and wish afterwards, and whether there is trouble.
fn after(kind: Kind, ending: &Ending) -> (State, Wanted, bool) {
    let (read, record) = busy(kind);
    let Settlement { instance, follow_up, .. } = settled(&read, &record, ending);
    let instance = instance.expect("it is not gone");
    assert_eq!(follow_up, None, "the wish stands after {kind:?} ended as {:?}", ending.outcome);
    assert_eq!((instance.operation, instance.updated_at, instance.wanted_rev), (None, now(), 5), "{kind:?}");
    (instance.state, instance.wanted, instance.trouble.is_some())
}

#[test]
fn a_success_is_what_was_observed() {
    assert_eq!(after(Kind::Provision, &succeeded(Kind::Provision)), (State::Running, Wanted::Running, false));
    assert_eq!(after(Kind::Start, &succeeded(Kind::Start)), (State::Running, Wanted::Running, false));
    assert_eq!(after(Kind::Stop, &succeeded(Kind::Stop)), (State::Stopped, Wanted::Stopped, false));
    assert_eq!(after(Kind::Restart, &succeeded(Kind::Restart)), (State::Running, Wanted::Running, false));
    assert_eq!(after(Kind::Repair, &succeeded(Kind::Repair)), (State::Running, Wanted::Running, false));
    let degraded = serde_json::to_value(Observed::degraded("it is silent")).expect("texts");
    for kind in [Kind::Start, Kind::Restart, Kind::Repair] {
        let ending = Ending { value: degraded.clone(), ..succeeded(kind) };
        assert_eq!(after(kind, &ending), (State::Degraded, Wanted::Running, true));
    }
}

#[test]
fn a_failure_is_what_was_before_with_the_reason() {
    assert_eq!(after(Kind::Provision, &failed()), (State::Failed, Wanted::Running, true));
    assert_eq!(after(Kind::Start, &failed()), (State::Stopped, Wanted::Running, true));
    assert_eq!(after(Kind::Stop, &failed()), (State::Running, Wanted::Running, true));
    assert_eq!(after(Kind::Restart, &failed()), (State::Running, Wanted::Running, true));
    assert_eq!(after(Kind::Repair, &failed()), (State::Running, Wanted::Running, true));
}

#[test]
fn a_cancel_leaves_the_wish_as_it_was_before_the_run() {
    assert_eq!(after(Kind::Provision, &cancelled()), (State::Failed, Wanted::Running, true));
    assert_eq!(after(Kind::Start, &cancelled()), (State::Stopped, Wanted::Stopped, false));
    assert_eq!(after(Kind::Stop, &cancelled()), (State::Running, Wanted::Running, false));
    assert_eq!(after(Kind::Restart, &cancelled()), (State::Running, Wanted::Running, false));
    assert_eq!(after(Kind::Repair, &cancelled()), (State::Running, Wanted::Running, false));
}

#[test]
fn a_provision_records_where_it_put_the_instance_and_that_it_ran() {
    let (read, record) = busy(Kind::Provision);
    assert!(!read.ever_ran && read.placement.is_none());
    let instance = settled(&read, &record, &succeeded(Kind::Provision)).instance.expect("it was made");
    assert!(instance.ever_ran);
    assert_eq!(instance.placement, sample::at_rest(State::Running).placement);
    for ending in [failed(), cancelled()] {
        let instance = settled(&read, &record, &ending).instance.expect("it is kept to be looked at");
        assert!(!instance.ever_ran && instance.placement.is_none());
    }
}

#[test]
fn name_and_quota_are_given_back_only_when_the_instance_is_gone() {
    for kind in Kind::ALL {
        let (read, record) = busy(kind);
        for ending in [succeeded(kind), failed(), cancelled()] {
            let gone = settled(&read, &record, &ending).instance.is_none();
            assert_eq!(gone, kind == Kind::Retire && ending.outcome == Outcome::Succeeded, "{kind:?} ended as {:?}", ending.outcome);
        }
    }
}

#[test]
fn a_retirement_that_was_turned_back_is_followed_by_another() {
    let (read, record) = busy(Kind::Retire);
    let Settlement { instance, follow_up, .. } = settled(&read, &record, &cancelled());
    let instance = instance.expect("it is not gone");
    assert_eq!((instance.state, instance.operation), (State::Deleting, Some(FRESH)));
    assert_eq!(follow_up.map(|run| run.kind), Some("retire".to_owned()));
}

/// The kind of the run that follows when the wish changed to this one, and the state meanwhile.
fn follows(kind: Kind, ending: &Ending, wanted: Wanted) -> (Option<String>, State) {
    let (read, record) = busy(kind);
    let read = Instance { wanted, wanted_rev: read.wanted_rev + 1, ..read };
    let Settlement { instance, follow_up, .. } = settled(&read, &record, ending);
    let instance = instance.expect("it is not gone yet");
    assert_eq!((instance.wanted, instance.wanted_rev), (wanted, read.wanted_rev), "a wish that came meanwhile stands");
    assert_eq!(instance.operation, follow_up.as_ref().map(|_| FRESH));
    if let Some(NewRun { plan, .. }) = &follow_up {
        assert_eq!(plan["wanted_rev"], json!(read.wanted_rev), "it fulfils the wish that came meanwhile");
    }
    (follow_up.map(|run| run.kind), instance.state)
}

fn run(kind: &str, state: State) -> (Option<String>, State) {
    (Some(kind.to_owned()), state)
}

#[test]
fn a_wish_that_came_meanwhile_is_followed() {
    assert_eq!(follows(Kind::Provision, &succeeded(Kind::Provision), Wanted::Stopped), run("stop", State::Stopping));
    assert_eq!(follows(Kind::Start, &succeeded(Kind::Start), Wanted::Stopped), run("stop", State::Stopping));
    assert_eq!(follows(Kind::Restart, &succeeded(Kind::Restart), Wanted::Stopped), run("stop", State::Stopping));
    assert_eq!(follows(Kind::Repair, &succeeded(Kind::Repair), Wanted::Stopped), run("stop", State::Stopping));
    assert_eq!(follows(Kind::Stop, &succeeded(Kind::Stop), Wanted::Running), run("start", State::Starting));
    // Turned back, it may be where the new wish wants it.
    assert_eq!(follows(Kind::Stop, &cancelled(), Wanted::Running), (None, State::Running));
    assert_eq!(follows(Kind::Start, &failed(), Wanted::Stopped), (None, State::Stopped));
    assert_eq!(follows(Kind::Start, &cancelled(), Wanted::Running), run("start", State::Starting));
    assert_eq!(follows(Kind::Stop, &failed(), Wanted::Stopped), run("stop", State::Stopping));
    // What was never made can neither be started nor stopped.
    assert_eq!(follows(Kind::Provision, &failed(), Wanted::Stopped), (None, State::Failed));
}

#[test]
fn wishes_that_cancel_each_other_out_are_followed_by_nothing() {
    for (kind, state) in [(Kind::Start, State::Running), (Kind::Stop, State::Stopped), (Kind::Restart, State::Running)] {
        let (read, record) = busy(kind);
        let read = Instance { wanted_rev: read.wanted_rev + 2, ..read };
        let Settlement { instance, follow_up, .. } = settled(&read, &record, &succeeded(kind));
        assert_eq!((instance.map(|instance| instance.state), follow_up), (Some(state), None), "{kind:?}");
    }
}

#[test]
fn a_delete_that_came_meanwhile_is_followed_whatever_the_end() {
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Retire) {
        for ending in [succeeded(kind), failed(), cancelled()] {
            assert_eq!(follows(kind, &ending, Wanted::Deleted), run("retire", State::Deleting), "{kind:?} ended as {:?}", ending.outcome);
        }
    }
}

fn entry(name: &str, seconds: i64) -> Entry {
    let finished_at = now() - SignedDuration::from_secs(seconds);
    Entry { name: name.to_owned(), act: Act::Step, result: json!({"Ok": null}), started_at: finished_at, finished_at, attempts: 1 }
}

#[test]
fn rungs_are_counted_from_the_journal_and_forgotten_after_an_hour() {
    let (mut read, mut record) = busy(Kind::Repair);
    let climbed = |rung, seconds| Climbed { rung, at: now() - SignedDuration::from_secs(seconds) };
    let recent = climbed(Rung::Process, 1800);
    read.health = Health { misses: 3, last_miss_minute: Some(7), climbed: vec![climbed(Rung::Machine, 3600), recent] };
    record.journal = vec![entry("await_healthy", 90), entry("check_volume", 80), entry("restart_machine", 70)];
    for ending in [succeeded(Kind::Repair), failed(), cancelled()] {
        let health = settled(&read, &record, &ending).instance.expect("it is there").health;
        assert_eq!(health, Health { misses: 0, last_miss_minute: None, climbed: vec![recent, climbed(Rung::Machine, 70)] });
    }
    // The same step of a restart that a customer asked for is no rung.
    let (_, mut restart) = busy(Kind::Restart);
    restart.journal = vec![entry("restart_machine", 70)];
    assert_eq!(settled(&read, &restart, &succeeded(Kind::Restart)).instance.expect("it is there").health.climbed, [recent]);
}

#[test]
fn what_a_flow_says_becomes_a_notice_with_a_stable_identifier() {
    let (read, record) = busy(Kind::Provision);
    let said = ["instance_ready", "instance_greeted"].map(|event| Announcement::new(read.id, event, "is one sentence."));
    let notices = said.map(|said| serde_json::to_value(said).expect("texts")).to_vec();
    let ending = Ending { notices, ..succeeded(Kind::Provision) };
    let told = settled(&read, &record, &ending).notices;
    assert_eq!(told, settled(&read, &record, &ending).notices, "settled again, it says the same");
    let ids: Vec<String> = told.iter().map(|notice| notice.id.clone()).collect();
    assert_eq!(ids, [format!("{}-0", record.id), format!("{}-1", record.id)]);
    let first = &told[0];
    assert_eq!((first.organisation, first.instance, &first.instance_name), (read.organisation, read.id, &read.name));
    assert_eq!((first.event.as_str(), first.message.as_str(), first.recorded_at), ("instance_ready", "aria is one sentence.", now()));
    let renamed = Instance { name: "renamed".parse().expect("a name"), ..read };
    assert_eq!(settled(&renamed, &record, &ending).notices[0].message, "renamed is one sentence.", "it was renamed meanwhile");
}

#[test]
fn a_failure_is_told_unless_the_instance_is_wanted_gone() {
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Retire) {
        let (read, record) = busy(kind);
        let told = settled(&read, &record, &failed()).notices;
        assert_eq!(told.iter().map(|notice| notice.event.clone()).collect::<Vec<_>>(), [format!("instance_{}_failed", kind.as_str())]);
        assert!(told[0].message.contains("some_step") && told[0].message.contains("aria"), "{}", told[0].message);
        assert!(!told[0].message.contains("it was refused"), "what a provider says is not for its owner: {}", told[0].message);
        assert_eq!(settled(&read, &record, &cancelled()).notices, [], "who called it off knows");
        let unwanted = Instance { wanted: Wanted::Deleted, wanted_rev: 6, ..read };
        assert_eq!(settled(&unwanted, &record, &failed()).notices, []);
    }
}

#[test]
fn what_no_flow_of_this_code_wrote_is_refused() {
    let (read, record) = busy(Kind::Start);
    let refused =
        |record: &Record, ending: &Ending| settle(&sample::deployment(), &read, record, ending, FRESH, now()).expect_err("refused");
    let unknown = Record { kind: "teleport".to_owned(), ..record.clone() };
    assert!(matches!(refused(&unknown, &succeeded(Kind::Start)), SettleError::UnknownKind(kind) if kind == "teleport"));
    let planless = Record { plan: json!({}), ..record.clone() };
    assert!(matches!(refused(&planless, &succeeded(Kind::Start)), SettleError::Unreadable { what: "plan", kind: "start", .. }));
    let valueless = Ending { value: json!(7), ..succeeded(Kind::Start) };
    assert!(matches!(refused(&record, &valueless), SettleError::Unreadable { what: "value", .. }));
    let babbling = Ending { notices: vec![json!("hello")], ..succeeded(Kind::Start) };
    assert!(matches!(refused(&record, &babbling), SettleError::Unreadable { what: "notice", .. }));
}
