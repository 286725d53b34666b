//! What must be true when a performance is over, whatever went wrong in it.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::Kind;
use crate::ports::MachineState;
use crate::testing::{FakeVolume, Provider};
use domain::{Instance, State, Wanted};
use durable::testing::{Adversity, Finish};
use durable::{Act, Outcome, Phase, Record};

use crate::testing::repertoire::epilogue::epilogue;
use crate::testing::repertoire::play::{Part, Play, Set};

type Judged = Result<(), String>;

pub(super) fn judge(play: &Play, finish: &Finish, set: &Set) -> Judged {
    conduct(play, finish, set)?;
    endings(play, finish, set)?;
    everything_undone(finish)?;
    notices(finish, set)?;
    quota_and_name(set)?;
    let parked = std::iter::once(&finish.run).chain(&finish.followers).find(|record| matches!(record.phase, Phase::Parked { .. }));
    match parked {
        Some(parked) => epilogue(play, parked, set),
        None => at_rest(play, finish, set),
    }
}

/// No flow did what none must ever do.
fn conduct(play: &Play, finish: &Finish, set: &Set) -> Judged {
    let provider = set.world.provider();
    demand(provider.complaints.is_empty(), || format!("the world complains: {:?}", provider.complaints))?;
    let allowed: BTreeSet<_> = crate::testing::sample::regions(&play.regions).into_iter().collect();
    demand(provider.regions.is_subset(&allowed), || format!("it went to {:?}, of which only {allowed:?} are allowed", provider.regions))?;
    // What nobody was told of and no list shows yet is nothing that an undo could find: the app's end is the only one it can have.
    let untold = finish.fired(Adversity::LateEffect) || finish.fired(Adversity::LostAnswer);
    let out_of_sight = untold && !play.conditions.lists_lag.is_zero();
    let undone_one_by_one = provider.cascaded.is_empty() || finish.fired(Adversity::RefuseForGood) || out_of_sight;
    demand(undone_one_by_one, || format!("nobody removed {:?}; the app took them with it", provider.cascaded))?;
    let broken = set.desk.book().broken.clone();
    demand(broken.is_empty(), || format!("{broken:?}"))
}

/// Every end has a reason.
fn endings(play: &Play, finish: &Finish, set: &Set) -> Judged {
    let cannot_boot = set.world.provider().conditions.cannot_boot;
    for record in std::iter::once(&finish.run).chain(&finish.followers) {
        let asked = record.cancel_requested_at.is_some();
        match &record.phase {
            Phase::Done { outcome: Outcome::Failed { step, message } } => {
                let refused = finish.fired(Adversity::RefuseForGood) && message.contains("refused for good");
                demand(refused || play.doomed.contains(&step.as_str()), || {
                    format!("{} failed at {step} without a cause: {message}", record.id)
                })?;
            }
            Phase::Done { outcome: Outcome::Cancelled } => demand(asked, || format!("{} was cancelled unasked", record.id))?,
            Phase::Done { outcome: Outcome::Succeeded } => {
                demand(!asked || record.committed, || format!("{} ignored a cancel", record.id))?
            }
            Phase::Parked { why, .. } => {
                // What was refused made it turn back, and the world does not let it.
                let no_way_back = (cannot_boot && why.contains("start_machine (the machine could not boot)"))
                    || (play.without_volume && is_about_the_volume(why));
                demand(why.contains("refused for good") || no_way_back, || format!("{} parked without a cause: {why}", record.id))?
            }
            phase => return Err(format!("{} is {phase:?}", record.id)),
        }
        let left = record.undone.iter().any(|undone| undone.left.is_some());
        demand(!left || matches!(record.phase, Phase::Parked { .. }), || format!("{} ended with something left", record.id))?;
    }
    Ok(())
}

/// Steps that do what can be undone, and what undoes them.
const UNDONE_BY: [(&str, &str); 6] = [
    ("create_secret", "delete_secret"),
    ("create_app", "delete_app"),
    ("create_volume", "delete_volume"),
    ("create_machine", "delete_machine"),
    ("stop_machine", "start_machine"),
    ("start_machine", "stop_machine"),
];

/// A run that turned back and ended has undone whatever it is known to have done.
fn everything_undone(finish: &Finish) -> Judged {
    let turned_back = |record: &&Record| matches!(record.phase, Phase::Done { outcome: Outcome::Cancelled | Outcome::Failed { .. } });
    for record in std::iter::once(&finish.run).chain(&finish.followers).filter(turned_back) {
        for (step, undo) in UNDONE_BY {
            let of = |act: Act, name: &str| record.journal.iter().filter(|entry| entry.act == act && entry.name == name).count();
            let undone = record.undone.iter().filter(|undone| undone.name == undo && undone.left.is_none()).count();
            let (done, undone) = (of(Act::Step, step), undone + of(Act::Release, undo));
            demand(undone >= done, || format!("{} did {step} {done} times and undid it {undone} times", record.id))?;
        }
    }
    Ok(())
}

/// They are given back with the instance, once, and not before.
fn quota_and_name(set: &Set) -> Judged {
    let book = set.desk.book();
    let held = usize::from(book.instance.is_some());
    demand((book.quota, book.names.len()) == (i64::from(book.instance.is_some()), held), || {
        format!("{held} instances hold {} places of the quota and the names {:?}", book.quota, book.names)
    })
}

/// What is said is said once, and under an identifier of the run that caused it.
fn notices(finish: &Finish, set: &Set) -> Judged {
    let book = set.desk.book();
    let ids: BTreeSet<_> = book.notices.iter().map(|notice| notice.id.clone()).collect();
    demand(ids.len() == book.notices.len(), || format!("a notice was recorded twice: {:?}", book.notices))?;
    for record in std::iter::once(&finish.run).chain(&finish.followers) {
        let of_this_run = |id: &String| id.rsplit_once('-').is_some_and(|(run, _)| run == record.id.0);
        let said: Vec<&str> = book.notices.iter().filter(|notice| of_this_run(&notice.id)).map(|notice| notice.event.as_str()).collect();
        let kind = Kind::named(&record.kind).expect("a flow of this crate");
        let failed = format!("instance_{}_failed", kind.as_str());
        let degraded = record.journal.iter().any(|entry| entry.name == "degraded");
        let expected: &[&str] = match (&record.phase, kind) {
            (Phase::Done { outcome: Outcome::Succeeded }, Kind::Provision) => &["instance_ready"],
            (Phase::Done { outcome: Outcome::Succeeded }, _) if degraded => &["instance_degraded"],
            (Phase::Done { outcome: Outcome::Failed { .. } }, _) if !is_unwanted(book.instance.as_ref()) => &[&failed],
            _ => &[],
        };
        demand(said == expected, || format!("{} said {said:?} instead of {expected:?}", record.id))?;
    }
    Ok(())
}

/// A failure of what is being deleted interests nobody.
fn is_unwanted(instance: Option<&Instance>) -> bool {
    instance.is_none_or(|instance| instance.wanted == Wanted::Deleted)
}

/// Nobody works on the instance, and it is what it is said to be.
fn at_rest(play: &Play, finish: &Finish, set: &Set) -> Judged {
    let provider = set.world.provider();
    let Some(instance) = set.desk.instance() else {
        return demand(provider.leftovers().is_empty(), || format!("it is gone and leaves {:?}", provider.leftovers()));
    };
    demand(instance.operation.is_none(), || format!("nothing is under way, and it names {:?}", instance.operation))?;
    let wish_holds = match instance.wanted {
        // What was called off or failed is not tried again by itself.
        Wanted::Running => instance.state != State::Stopped || failed(finish),
        Wanted::Stopped => matches!(instance.state, State::Stopped | State::Failed),
        Wanted::Deleted => false,
    };
    demand(wish_holds, || format!("it is wanted {:?} and rests {}", instance.wanted, instance.state))?;
    wish_stands(play, finish, &instance)?;
    told(play, finish, &instance, &provider)?;
    let mut ended = std::iter::once(&finish.run).chain(&finish.followers);
    let undisturbed = ended.all(|record| matches!(record.phase, Phase::Done { outcome: Outcome::Succeeded }));
    match instance.state {
        State::Failed => {
            demand(instance.placement.is_none() && !instance.ever_ran, || "it failed and has a place".to_owned())?;
            demand(provider.leftovers().is_empty(), || format!("it failed and leaves {:?}", provider.leftovers()))
        }
        // A restart that was turned back from a machine that does not boot leaves it to the health checks.
        State::Running => in_place(play, &instance, &provider, MachineState::Started, !undisturbed, set)
            .and_then(|machine_answers| demand(machine_answers || !undisturbed, || "it is said to run and does not answer".to_owned())),
        State::Stopped => in_place(play, &instance, &provider, MachineState::Stopped, true, set).map(drop),
        State::Degraded => {
            demand(instance.trouble.is_some(), || "it is degraded and nobody knows why".to_owned())?;
            demand(!provider.alarms.is_empty(), || "it is degraded and nobody was called".to_owned())?;
            exactly_one_of_each(play, &instance, &provider).map(drop)
        }
        state => Err(format!("nothing is under way, and it is {state}")),
    }
}

fn failed(finish: &Finish) -> bool {
    let mut all = std::iter::once(&finish.run).chain(&finish.followers);
    all.any(|record| matches!(record.phase, Phase::Done { outcome: Outcome::Failed { .. } }))
}

/// Where nobody changed the wish meanwhile, it is what was asked for, or what it was before a run that was called off.
fn wish_stands(play: &Play, finish: &Finish, instance: &Instance) -> Judged {
    if play.wish.is_some() || finish.fired(Adversity::Conflict) {
        return Ok(());
    }
    let expected = match (play.part, finish.outcome()) {
        (Part::Start, Some(Outcome::Cancelled)) | (Part::Stop, Some(Outcome::Succeeded)) => Wanted::Stopped,
        _ => Wanted::Running,
    };
    demand(instance.wanted == expected, || format!("it is wanted {:?} after {:?}", instance.wanted, finish.outcome()))
}

/// What the last run failed at is the instance's trouble; and who saw that its volume is missing says so, and calls a person.
fn told(play: &Play, finish: &Finish, instance: &Instance, provider: &Provider) -> Judged {
    let last = finish.endings.last().map(|(id, _)| id);
    let Some(last) = std::iter::once(&finish.run).chain(&finish.followers).find(|record| Some(&record.id) == last) else {
        return Ok(());
    };
    let trouble = instance.trouble.as_ref().map_or("", |trouble| trouble.message.as_str());
    if let Phase::Done { outcome: Outcome::Failed { step, message } } = &last.phase {
        demand(trouble.contains(message.as_str()), || format!("it failed at {step}, and its trouble is `{trouble}`"))?;
        let seen = play.without_volume && play.doomed.contains(&step.as_str()) && !message.contains("refused for good");
        demand(!seen || is_about_the_volume(message), || format!("its volume is missing, and it failed because {message}"))?;
    }
    let is_missing = serde_json::json!({ "Ok": false });
    if last.journal.iter().any(|entry| entry.name == "check_volume" && entry.result == is_missing) && instance.state == State::Degraded {
        let called = provider.alarms.values().any(|(_, said)| is_about_the_volume(said));
        demand(called && is_about_the_volume(trouble), || format!("its volume is missing, and its trouble is `{trouble}`"))?;
    }
    Ok(())
}

pub(super) fn is_about_the_volume(said: &str) -> bool {
    said.contains("the volume vol_1 that holds") && said.contains("is missing")
}

/// Whether its gateway answers in the end, once it is seen that everything it has is there. `or_failed`: where no machine can boot, this
/// one may have tried.
fn in_place(
    play: &Play,
    instance: &Instance,
    provider: &Provider,
    wanted: MachineState,
    or_failed: bool,
    set: &Set,
) -> Result<bool, String> {
    let place = exactly_one_of_each(play, instance, provider)?;
    let later = set.world.now() + Duration::from_secs(600);
    let seen = place.state(later);
    let failed = or_failed && provider.conditions.cannot_boot && seen == MachineState::Failed;
    demand(seen == wanted || failed, || format!("it is {}, and its machine {seen:?}", instance.state))?;
    Ok(place.answers_at().is_some_and(|at| at <= later))
}

/// One app, volume, machine and secret, and they belong together. A volume that is gone is missed: nothing was made in its place, and
/// nothing of the rest was deleted.
fn exactly_one_of_each<'p>(play: &Play, instance: &Instance, provider: &'p Provider) -> Result<&'p crate::testing::FakeMachine, String> {
    let counts = [provider.apps.len(), provider.volumes.len(), provider.machines.len(), provider.secrets.len()];
    demand(counts == [1, usize::from(!play.without_volume), 1, 1], || format!("it has {:?}", provider.leftovers()))?;
    let place = instance.placement.as_ref().ok_or("it has no place")?;
    let machine = provider.machine(&place.app, &place.machine).ok_or("its machine is another's")?;
    let is_its_own = |volume: &FakeVolume| volume.id == place.volume && volume.spec.region == place.region;
    demand(provider.volumes.iter().all(is_its_own), || format!("its volume is {:?}", provider.volumes))?;
    demand(machine.spec.volume == place.volume, || format!("its machine is on {}", machine.spec.volume))?;
    demand(machine.spec.region == place.region, || format!("it is not in {}", place.region))?;
    demand(!play.without_volume || machine.boots == 1, || "it was booted without its volume".to_owned())?;
    let app = provider.apps.get(&place.app).ok_or("its app is another's")?;
    let secrets = provider.secrets.values().next().map(|secrets| &secrets.0);
    demand(secrets == Some(&app.secrets.0) && !app.secrets.0.is_empty(), || "its app has other secrets than the vault".to_owned())?;
    demand(app.addresses.len() == 2, || format!("its app has the addresses {:?}", app.addresses))?;
    Ok(machine)
}

pub(super) fn demand(holds: bool, otherwise: impl FnOnce() -> String) -> Judged {
    if holds { Ok(()) } else { Err(otherwise()) }
}
