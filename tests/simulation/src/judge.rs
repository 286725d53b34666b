//! What must be true of a world at its end.

use std::collections::{BTreeMap, BTreeSet};

use domain::Notice;
use flows::ports::MachineState;
use jiff::{SignedDuration, Timestamp};

use crate::item::{Item, moment, number, planned_app, planned_region, steps, text};
use crate::provider::{Machine, Sky};
use crate::watch::Held;

/// How long before a repair its instance must have been silent at the latest: three misses and the sweep that weighs them, each of which
/// may be a minute late.
const BEFORE_A_REPAIR: SignedDuration = SignedDuration::from_mins(7);

/// What a judge looks at.
pub(crate) struct Evidence<'a> {
    pub(crate) items: &'a [&'a Item],
    pub(crate) sky: &'a Sky,
    pub(crate) taken: &'a BTreeMap<String, Notice>,
    /// Operations whose cancel was accepted.
    pub(crate) cancelled: &'a BTreeSet<String>,
    pub(crate) held: &'a [Held],
    pub(crate) now: Timestamp,
}

impl<'a> Evidence<'a> {
    /// Everything that is wrong.
    pub(crate) fn judge(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        self.runs(&mut wrong);
        self.repairs(&mut wrong);
        self.notices(&mut wrong);
        self.names_and_quota(&mut wrong);
        self.instances(&mut wrong);
        self.orphans(&mut wrong);
        wrong.extend(self.sky.complaints.iter().cloned());
        wrong
    }

    /// Nothing at all is left of those who are gone.
    pub(crate) fn nothing_is_left(&self) -> Vec<String> {
        let mut wrong = self.judge();
        wrong.extend(self.of("INSTANCE#").map(|item| format!("{} is still there", text(item, "sk").unwrap_or("?"))));
        wrong
    }

    pub(crate) fn operations(&self) -> u64 {
        self.of("RUN").count() as u64
    }

    pub(crate) fn count_repairs(&self) -> u64 {
        self.of("RUN").filter(|run| text(run, "kind") == Some("repair")).count() as u64
    }

    /// What is there that came when nobody looked any more.
    pub(crate) fn out_of_sight(&self) -> u64 {
        let is_unseen = |name: &str| self.sky.unseen.contains(name);
        let named = self.sky.apps.keys().chain(&self.sky.secrets).filter(|name| is_unseen(name)).count();
        let volumes = self.sky.apps.values().flat_map(|app| &app.volumes).filter(|volume| is_unseen(&volume.id)).count();
        let machines = self.sky.apps.values().flat_map(|app| &app.machines).filter(|machine| is_unseen(&machine.id)).count();
        (named + volumes + machines) as u64
    }

    fn of(&self, kind: &'static str) -> impl Iterator<Item = &'a Item> + use<'a> {
        self.items.iter().copied().filter(move |item| text(item, "sk").is_some_and(|sk| sk.starts_with(kind)))
    }

    /// Every operation has ended, and none in success whose cancel was accepted.
    fn runs(&self, wrong: &mut Vec<String>) {
        for run in self.of("RUN") {
            let (id, kind) = (text(run, "pk").unwrap_or("?"), text(run, "kind").unwrap_or("?"));
            let phase = text(run, "phase").unwrap_or("?");
            if phase != "done" {
                let trying = run.get("trying").map(|trying| format!("{trying:?}"));
                wrong.push(format!("the {kind} {id} is {phase}: {:?} {trying:?}", run.get("phase_detail")));
            }
            if run.contains_key("overdue_at") || run.contains_key("lease_until") {
                wrong.push(format!("the {kind} {id} has ended and is still due or held"));
            }
            let operation = id.split('.').nth(1).unwrap_or_default();
            if self.cancelled.contains(operation) && outcome(run) == "succeeded" {
                wrong.push(format!("the cancel of the {kind} {id} was accepted, and it succeeded"));
            }
        }
    }

    /// Nobody is repaired who was well all the time, and nobody while that is held back.
    fn repairs(&self, wrong: &mut Vec<String>) {
        for run in self.of("RUN").filter(|run| text(run, "kind") == Some("repair")) {
            let (Some(app), Some(at)) = (planned_app(run), moment(run, "created_at")) else {
                wrong.push("a repair of nothing".to_owned());
                continue;
            };
            if !self.sky.was_silent(app, at - BEFORE_A_REPAIR, at) {
                wrong.push(format!("{app} was repaired at {at} although it was well"));
            }
            let region = planned_region(run).unwrap_or_default();
            let is_held = |held: &&Held| held.ours || held.regions.iter().any(|held| held == region);
            // The sweep that opens an incident may meet one that was a moment earlier.
            let began = |held: &&Held| held.from + SignedDuration::from_secs(30) < at && at < held.until;
            if let Some(held) = self.held.iter().filter(is_held).find(began) {
                wrong.push(format!("{app} in {region} was repaired at {at} during {held:?}"));
            }
        }
    }

    /// Recorded once each, delivered, and nothing else was.
    fn notices(&self, wrong: &mut Vec<String>) {
        let mut recorded: BTreeMap<&str, Vec<&Item>> = BTreeMap::new();
        for notice in self.of("NOTICE#") {
            recorded.entry(text(notice, "pk").unwrap_or("?")).or_default().push(notice);
            let id = text(notice, "id").unwrap_or("?");
            if !notice.contains_key("delivered_at") || !self.taken.contains_key(id) {
                wrong.push(format!("the notice {id} was not delivered"));
            }
        }
        let all: usize = recorded.values().map(Vec::len).sum();
        if all != self.taken.len() {
            wrong.push(format!("{all} notices are recorded and {} were delivered", self.taken.len()));
        }
        for run in self.of("RUN") {
            let (id, kind) = (text(run, "pk").unwrap_or("?"), text(run, "kind").unwrap_or("?"));
            let said = recorded.get(id).map(Vec::as_slice).unwrap_or_default();
            let events: Vec<&str> = said.iter().filter_map(|notice| text(notice, "event")).collect();
            let failed = format!("instance_{kind}_failed");
            let expected: &[&str] = match (kind, outcome(run)) {
                ("provision", "succeeded") => &["instance_ready"],
                ("start" | "restart" | "repair", "succeeded") if steps(run).contains(&"degraded") => &["instance_degraded"],
                (_, "failed") if !self.is_unwanted(run) => &[&failed],
                _ => &[],
            };
            if events != expected {
                wrong.push(format!("the {kind} {id} {} and said {events:?} instead of {expected:?}", outcome(run)));
            }
        }
    }

    /// Whether the deletion of its instance had been asked for when a run ended: whoever asked is not bothered with a failure, and the
    /// run that removes it followed at once.
    fn is_unwanted(&self, run: &Item) -> bool {
        let follower = text(run, "followed_by").and_then(|id| self.of("RUN").find(|other| text(other, "pk") == Some(id)));
        follower.is_some_and(|follower| text(follower, "kind") == Some("retire"))
    }

    fn names_and_quota(&self, wrong: &mut Vec<String>) {
        let mut instances: BTreeMap<&str, i128> = BTreeMap::new();
        let mut names = BTreeSet::new();
        for instance in self.of("INSTANCE#") {
            let (organisation, id) = (text(instance, "pk").unwrap_or("?"), text(instance, "sk").unwrap_or("?"));
            *instances.entry(organisation).or_default() += 1;
            names.insert((organisation, text(instance, "name").unwrap_or("?"), id.trim_start_matches("INSTANCE#")));
        }
        let taken = self.of("NAME#").map(|name| {
            let taken = text(name, "sk").unwrap_or("?").trim_start_matches("NAME#");
            (text(name, "pk").unwrap_or("?"), taken, text(name, "instance").unwrap_or("?"))
        });
        let taken: BTreeSet<_> = taken.collect();
        if names != taken {
            wrong.push(format!("names differ: {:?}", names.symmetric_difference(&taken).collect::<Vec<_>>()));
        }
        for quota in self.of("QUOTA") {
            let organisation = text(quota, "pk").unwrap_or("?");
            let (counted, there) = (number(quota, "instances"), instances.remove(organisation).unwrap_or_default());
            if counted != Some(there) {
                wrong.push(format!("{organisation} has {there} instances, and {counted:?} are counted"));
            }
        }
        wrong.extend(instances.keys().map(|organisation| format!("{organisation} has instances that nobody counts")));
    }

    /// What is wanted is so, with exactly one machine on exactly its volume.
    fn instances(&self, wrong: &mut Vec<String>) {
        for instance in self.of("INSTANCE#") {
            if let Err(why) = self.instance(instance) {
                let shown = ["sk", "state", "wanted", "app", "operation"].map(|name| text(instance, name).unwrap_or("-"));
                wrong.push(format!("{why}: {}", shown.join(" ")));
            }
        }
    }

    fn instance(&self, instance: &Item) -> Result<(), String> {
        if instance.contains_key("operation") {
            return Err("an instance at rest names an operation".to_owned());
        }
        let state = text(instance, "state").unwrap_or("?");
        let Some(app) = text(instance, "app") else {
            return if state == "failed" { Ok(()) } else { Err("an instance has no place".to_owned()) };
        };
        let there = self.sky.apps.get(app).ok_or("its app is gone")?;
        let (Some(machine), Some(volume)) = (text(instance, "machine"), text(instance, "volume")) else {
            return Err("a place without a machine or a volume".to_owned());
        };
        let machines: Vec<&str> = there.machines.iter().map(|machine| machine.id.as_str()).collect();
        let is_known = |id: &&str| !self.sky.unseen.contains(*id);
        let volumes: Vec<&str> = there.volumes.iter().map(|volume| volume.id.as_str()).filter(is_known).collect();
        if machines != [machine] || volumes != [volume] || there.machines[0].volume != volume {
            return Err(format!("it has {machines:?} and {volumes:?} where {machine} and {volume} are recorded"));
        }
        let runs = |machine: &Machine| !matches!(machine.state(self.now), MachineState::Stopped | MachineState::Failed);
        match (state, text(instance, "wanted").unwrap_or("?")) {
            ("running", "running") if self.sky.answers(app, self.now) => Ok(()),
            ("stopped", "stopped") if !runs(&there.machines[0]) || self.sky.unseen.contains(machine) => Ok(()),
            (_, wanted) => {
                let does = there.machines[0].state(self.now);
                Err(format!("it is wanted {wanted}; its machine is {does:?} and answers: {}", self.sky.answers(app, self.now)))
            }
        }
    }

    /// Whatever is at the provider belongs to an instance, or came when nobody looked any more.
    fn orphans(&self, wrong: &mut Vec<String>) {
        let apps: BTreeSet<&str> = self.of("INSTANCE#").filter_map(|instance| text(instance, "app")).collect();
        let secrets: BTreeSet<&str> = apps.iter().filter_map(|app| app.rsplit('-').next()).collect();
        let is_known = |name: &&String| !self.sky.unseen.contains(*name);
        let orphans = self.sky.apps.keys().filter(|app| !apps.contains(app.as_str())).filter(is_known);
        wrong.extend(orphans.map(|app| format!("the app {app} is an orphan")));
        let is_orphan = |secret: &&String| !secrets.iter().any(|digits| secret.ends_with(digits));
        wrong.extend(self.sky.secrets.iter().filter(is_orphan).filter(is_known).map(|secret| format!("the secret {secret} is an orphan")));
    }
}

fn outcome(run: &Item) -> &str {
    crate::item::inner(run, "phase_detail", "outcome").unwrap_or("?")
}
