//! A small flow with everything in it: undos, a choice of region with a release, waiting, a commit, a step after it, and a notice.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use durable::testing::{Adversity, Finish, Scene, Stage};
use durable::{Attempt, Catalogue, Execute, Flow, NewRun, Outcome, Phase, Run, RunId, Setback, Unknown};
use serde_json::{Value, json};

const REGIONS: [&str; 2] = ["full", "free"];

/// What exists. Names are not unique here, as volumes are not at the provider.
#[derive(Debug, Default, PartialEq, Eq)]
struct Things {
    apps: Vec<&'static str>,
    volumes: Vec<&'static str>,
    machines: Vec<&'static str>,
    announced: usize,
    looks: usize,
}

#[derive(Clone)]
struct World {
    stage: Arc<Stage>,
    things: Arc<Mutex<Things>>,
}

impl World {
    async fn change<T: Send + 'static>(&self, name: &str, change: impl FnOnce(&mut Things) -> Attempt<T> + Send + 'static) -> Attempt<T> {
        let things = self.things.clone();
        self.stage.effect(name, move || change(&mut things.lock().expect("no holder panics"))).await
    }

    async fn act(&self, name: &str, act: impl FnOnce(&mut Things) + Send + 'static) -> Attempt<()> {
        self.change(name, |things| {
            act(things);
            Ok(())
        })
        .await
    }

    async fn ensure_app(&self) -> Attempt<()> {
        self.act("ensure_app", |things| ensure(&mut things.apps, "app")).await
    }

    async fn delete_app(&self) -> Attempt<()> {
        self.act("delete_app", |things| things.apps.clear()).await
    }

    async fn ensure_volume(&self, region: &'static str) -> Attempt<()> {
        self.act("ensure_volume", move |things| ensure(&mut things.volumes, region)).await
    }

    async fn delete_volumes(&self) -> Attempt<()> {
        self.act("delete_volumes", |things| things.volumes.clear()).await
    }

    /// Whether there was room.
    async fn ensure_machine(&self, region: &'static str) -> Attempt<bool> {
        self.change("ensure_machine", move |things| {
            if region == "full" {
                return Ok(false);
            }
            ensure(&mut things.machines, region);
            Ok(true)
        })
        .await
    }

    async fn delete_machine(&self) -> Attempt<()> {
        self.act("delete_machine", |things| things.machines.clear()).await
    }

    async fn healthy(&self) -> Attempt<()> {
        self.change("healthy", |things| {
            things.looks += 1;
            if things.looks < 3 { Err(Setback::not_yet(5, "booting")) } else { Ok(()) }
        })
        .await
    }

    async fn announce(&self) -> Attempt<()> {
        self.act("announce", |things| things.announced = 1).await
    }
}

fn ensure(things: &mut Vec<&'static str>, name: &'static str) {
    if !things.contains(&name) {
        things.push(name);
    }
}

async fn provision<'a>(run: &mut Run<'a>, world: &'a World) -> Flow<Option<String>> {
    run.undo("delete_app", world.delete_app());
    run.step("create_app", world.ensure_app()).await?;

    let mut placed = None;
    for region in REGIONS {
        let mark = run.mark();
        run.undo("delete_volumes", world.delete_volumes());
        run.step("create_volume", world.ensure_volume(region)).await?;
        run.undo("delete_machine", world.delete_machine());
        if run.step("create_machine", world.ensure_machine(region)).await? {
            placed = Some(region.to_owned());
            break;
        }
        run.release(mark).await?;
    }

    run.step("await_healthy", world.healthy()).await?;
    run.commit("in_service").await?;
    run.step("announce", world.announce()).await?;
    run.notify(json!({ "event": "ready" }));
    Ok(placed)
}

struct Provision<'w>(&'w World);

impl Execute for Provision<'_> {
    fn walk<'r, 'a: 'r>(&'a self, run: &'r mut Run<'a>) -> Pin<Box<dyn Future<Output = Flow<Value>> + Send + 'r>> {
        Box::pin(async move { Ok(json!(provision(run, self.0).await?)) })
    }
}

impl Catalogue for World {
    fn open(&self, kind: &str, version: u32, _: &Value) -> Result<Box<dyn Execute + '_>, Unknown> {
        if (kind, version) == ("provision", 1) { Ok(Box::new(Provision(self))) } else { Err(Unknown::Version) }
    }
}

pub(crate) fn scene(stage: &Arc<Stage>) -> Scene {
    let things = Arc::new(Mutex::new(Things::default()));
    let world = World { stage: stage.clone(), things: things.clone() };
    let run =
        NewRun { id: RunId("run_1".to_owned()), kind: "provision".to_owned(), version: 1, subject: "ins_1".to_owned(), plan: Value::Null };
    Scene {
        run,
        catalogue: Arc::new(world),
        settle: Box::new(|_, _| None),
        rival: None,
        check: Box::new(move |finish| check(finish, &things.lock().expect("no holder panics"))),
    }
}

fn check(finish: &Finish, things: &Things) -> Result<(), String> {
    let counts = (things.apps.len(), things.volumes.len(), things.machines.len(), things.announced);
    let notices = finish.ending().map_or(0, |ending| ending.notices.len());
    match (&finish.run.phase, finish.outcome()) {
        (_, Some(Outcome::Succeeded)) if counts == (1, 1, 1, 1) && notices == 1 => {
            let value = finish.ending().map(|ending| &ending.value);
            if things.volumes != ["free"] || value != Some(&json!("free")) {
                return Err(format!("it is in the wrong region: {things:?}, {value:?}"));
            }
            Ok(())
        }
        (_, Some(Outcome::Cancelled)) if finish.cancel_accepted => nothing_left(things, notices),
        (_, Some(Outcome::Failed { .. })) if finish.fired(Adversity::RefuseForGood) => nothing_left(things, notices),
        (Phase::Parked { why, .. }, _) => parked(finish, things, why),
        (phase, _) => Err(format!("{phase:?} with {notices} notices and {things:?}")),
    }
}

fn nothing_left(things: &Things, notices: usize) -> Result<(), String> {
    let nothing = things.apps.is_empty() && things.volumes.is_empty() && things.machines.is_empty() && things.announced == 0;
    if nothing && notices == 0 { Ok(()) } else { Err(format!("left over: {things:?} and {notices} notices")) }
}

/// A run parks if an undo is refused for good, naming it, with everything else undone; or if a step after the commit is.
fn parked(finish: &Finish, things: &Things, why: &str) -> Result<(), String> {
    let refused = finish.refused_for_good();
    let explained = refused.iter().any(|name| why.contains(name));
    let kept = |left: bool, undo: &str| !left || refused.contains(&undo);
    let others_undone = finish.run.committed
        || kept(!things.apps.is_empty(), "delete_app")
            && kept(!things.volumes.is_empty(), "delete_volumes")
            && kept(!things.machines.is_empty(), "delete_machine");
    if explained && others_undone { Ok(()) } else { Err(format!("parked because {why}, with {things:?}")) }
}
