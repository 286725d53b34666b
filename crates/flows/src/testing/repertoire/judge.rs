//! What must be true when a performance is over, whatever went wrong in it.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::Kind;
use crate::ports::MachineState;
use crate::testing::Provider;
use domain::{Instance, State, Wanted};
use durable::testing::{Adversity, Finish};
use durable::{Act, Outcome, Phase, Record};

use crate::testing::repertoire::epilogue::epilogue;
use crate::testing::repertoire::play::{Play, Set};

type Judged = Result<(), String>;

pub(super) fn judge(play: &Play, finish: &Finish, set: &Set) -> Judged {
    conduct(play, finish, set)?;
    endings(play, finish)?;
    everything_undone(finish)?;
    notices(finish, set)?;
    quota_and_name(set)?;
    let parked = std::iter::once(&finish.run).chain(&finish.followers).find(|record| matches!(record.phase, Phase::Parked { .. }));
    match parked {
        Some(parked) => epilogue(parked, set),
        None => at_rest(finish, set),
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
fn endings(play: &Play, finish: &Finish) -> Judged {
    for record in std::iter::once(&finish.run).chain(&finish.followers) {
        let asked = record.cancel_requested_at.is_some();
        match &record.phase {
            Phase::Done { outcome: Outcome::Failed { step, message } } => {
                let refused = finish.fired(Adversity::RefuseForGood) && message.contains("refused for good");
                demand(refused || play.doomed, || format!("{} failed at {step} without a cause: {message}", record.id))?;
            }
            Phase::Done { outcome: Outcome::Cancelled } => demand(asked, || format!("{} was cancelled unasked", record.id))?,
            Phase::Done { outcome: Outcome::Succeeded } => {
                demand(!asked || record.committed, || format!("{} ignored a cancel", record.id))?
            }
            Phase::Parked { why, .. } => {
                demand(why.contains("refused for good"), || format!("{} parked without a cause: {why}", record.id))?
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
pub(super) fn at_rest(finish: &Finish, set: &Set) -> Judged {
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
    let ended = std::iter::once(&finish.run).chain(&finish.followers);
    let undisturbed = ended.clone().all(|record| matches!(record.phase, Phase::Done { outcome: Outcome::Succeeded }));
    match instance.state {
        State::Failed => {
            demand(instance.placement.is_none() && !instance.ever_ran, || "it failed and has a place".to_owned())?;
            demand(provider.leftovers().is_empty(), || format!("it failed and leaves {:?}", provider.leftovers()))
        }
        State::Running => in_place(&instance, &provider, MachineState::Started, set)
            .and_then(|machine_answers| demand(machine_answers || !undisturbed, || "it is said to run and does not answer".to_owned())),
        State::Stopped => in_place(&instance, &provider, MachineState::Stopped, set).map(drop),
        State::Degraded => {
            demand(instance.trouble.is_some(), || "it is degraded and nobody knows why".to_owned())?;
            demand(!provider.alarms.is_empty(), || "it is degraded and nobody was called".to_owned())?;
            exactly_one_of_each(&instance, &provider).map(drop)
        }
        state => Err(format!("nothing is under way, and it is {state}")),
    }
}

fn failed(finish: &Finish) -> bool {
    let mut all = std::iter::once(&finish.run).chain(&finish.followers);
    all.any(|record| matches!(record.phase, Phase::Done { outcome: Outcome::Failed { .. } }))
}

/// Whether its gateway answers in the end, once it is seen that everything it has is there.
fn in_place(instance: &Instance, provider: &Provider, wanted: MachineState, set: &Set) -> Result<bool, String> {
    let place = exactly_one_of_each(instance, provider)?;
    let later = set.world.now() + Duration::from_secs(600);
    let seen = place.state(later);
    demand(seen == wanted, || format!("it is {}, and its machine {seen:?}", instance.state))?;
    Ok(place.answers_at().is_some_and(|at| at <= later))
}

/// One app, volume, machine and secret, and they belong together.
fn exactly_one_of_each<'p>(instance: &Instance, provider: &'p Provider) -> Result<&'p crate::testing::FakeMachine, String> {
    let counts = [provider.apps.len(), provider.volumes.len(), provider.machines.len(), provider.secrets.len()];
    demand(counts == [1; 4], || format!("it has {:?}", provider.leftovers()))?;
    let place = instance.placement.as_ref().ok_or("it has no place")?;
    let machine = provider.machine(&place.app, &place.machine).ok_or("its machine is another's")?;
    let volume = &provider.volumes[0];
    demand(volume.id == place.volume && machine.spec.volume == volume.id, || format!("its volume is {volume:?}"))?;
    demand(volume.spec.region == place.region && machine.spec.region == place.region, || format!("it is not in {}", place.region))?;
    let app = provider.apps.get(&place.app).ok_or("its app is another's")?;
    let secrets = provider.secrets.values().next().map(|secrets| &secrets.0);
    demand(secrets == Some(&app.secrets.0) && !app.secrets.0.is_empty(), || "its app has other secrets than the vault".to_owned())?;
    demand(app.addresses.len() == 2, || format!("its app has the addresses {:?}", app.addresses))?;
    Ok(machine)
}

pub(super) fn demand(holds: bool, otherwise: impl FnOnce() -> String) -> Judged {
    if holds { Ok(()) } else { Err(otherwise()) }
}
