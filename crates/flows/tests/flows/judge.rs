//! What must be true when a performance is over, whatever went wrong in it.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::{Instance, State, Wanted};
use durable::testing::{Adversity, Finish};
use durable::{Outcome, Phase, Record};
use flows::Kind;
use flows::ports::MachineState;
use flows::testing::Provider;

use crate::epilogue::epilogue;
use crate::play::{Play, Set};

type Judged = Result<(), String>;

pub(crate) fn judge(play: &Play, finish: &Finish, set: &Set) -> Judged {
    conduct(play, finish, set)?;
    endings(play, finish)?;
    notices(finish, set)?;
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
    let allowed: BTreeSet<_> = flows::testing::sample::regions(&play.regions).into_iter().collect();
    demand(provider.regions.is_subset(&allowed), || format!("it went to {:?}, of which only {allowed:?} are allowed", provider.regions))?;
    let undone_one_by_one = provider.cascaded.is_empty() || finish.fired(Adversity::RefuseForGood);
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
pub(crate) fn at_rest(finish: &Finish, set: &Set) -> Judged {
    let provider = set.world.provider();
    let Some(instance) = set.desk.instance() else {
        return demand(provider.leftovers().is_empty(), || format!("it is gone and leaves {:?}", provider.leftovers()));
    };
    demand(instance.operation.is_none(), || format!("nothing is under way, and it names {:?}", instance.operation))?;
    let wish_holds = match instance.wanted {
        Wanted::Running => true,
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

/// Whether its gateway answers in the end, once it is seen that everything it has is there.
fn in_place(instance: &Instance, provider: &Provider, wanted: MachineState, set: &Set) -> Result<bool, String> {
    let place = exactly_one_of_each(instance, provider)?;
    let later = set.world.now() + Duration::from_secs(600);
    let seen = place.state(later);
    demand(seen == wanted, || format!("it is {}, and its machine {seen:?}", instance.state))?;
    Ok(place.answers_at().is_some_and(|at| at <= later))
}

/// One app, volume, machine and secret, and they belong together.
fn exactly_one_of_each<'p>(instance: &Instance, provider: &'p Provider) -> Result<&'p flows::testing::FakeMachine, String> {
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

/// How a run came to its end.
pub(crate) fn succeeded(record: &Record) -> bool {
    matches!(record.phase, Phase::Done { outcome: Outcome::Succeeded })
}

pub(crate) fn demand(holds: bool, otherwise: impl FnOnce() -> String) -> Judged {
    if holds { Ok(()) } else { Err(otherwise()) }
}
