//! Watches a world while it lives: who is down, for how long, and whether that has an excuse; and which operation never ends.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::clock::VirtualClock;
use crate::crew::Sight;
use crate::ground::{Ground, Seen};
use crate::item::{Item, inner, moment, number, text};
use crate::mirror::Primary;
use crate::provider::Provider;
use crate::storm::Storm;

/// No instance that is wanted running is down for longer without an excuse: four minutes until the third miss is weighed, two rungs of the
/// ladder of at most ten minutes each, and as long as others may be repaired before it.
pub const BOUND_MINUTES: u64 = 30;

/// No operation is under way for longer: some three quarters of an hour for the steps of a start, an hour for an undo, and an hour until
/// a person has looked at one that waits for somebody.
pub const OPERATION_BOUND_MINUTES: u64 = 180;

/// An incident as it was seen after a sweep: which regions nothing was restarted in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Held {
    pub(crate) regions: Vec<String>,
    pub(crate) ours: bool,
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
}

/// The regions that are held back, and whether all are.
type Incident = (Vec<String>, bool);

/// What a minute of the schedule has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Work {
    /// Nothing: neither the sweep nor any check would write.
    Nothing,
    /// Checks in these shards alone: the sweep would send them, those of the others would find what they found before, and it would find
    /// nothing that is due.
    Checks(BTreeSet<u32>),
    /// A sweep, and checks in these shards.
    Sweep(BTreeSet<u32>),
}

pub(crate) struct Watch {
    pub(crate) seen: Seen,
    pub(crate) provider: Provider,
    pub(crate) sight: Sight,
    pub(crate) storm: Storm,
    pub(crate) clock: VirtualClock,
    down: BTreeMap<String, u64>,
    /// Operations that were complained about.
    endless: BTreeSet<Primary>,
    /// The longest that anybody was down without an excuse.
    pub(crate) longest: u64,
    /// The longest that an operation was under way, in minutes.
    pub(crate) longest_operation: u64,
    /// Every incident, with what it held back at each moment.
    pub(crate) held: Vec<Held>,
    pub(crate) complaints: Vec<String>,
}

/// A sweep begins within this from its minute.
const PUNCTUAL: SignedDuration = SignedDuration::from_secs(4);

/// How often all operations under way are looked at, in minutes.
const ROUND: i64 = 5;

impl Watch {
    pub(crate) fn new(ground: &Ground, provider: Provider, sight: Sight, storm: Storm, clock: VirtualClock) -> Self {
        Self {
            seen: Seen::of(ground),
            provider,
            sight,
            storm,
            clock,
            down: BTreeMap::new(),
            endless: BTreeSet::new(),
            longest: 0,
            longest_operation: 0,
            held: Vec::new(),
            complaints: Vec::new(),
        }
    }

    /// What this minute has to do, and a look at everybody who is down.
    pub(crate) async fn look(&mut self, minute: i64) -> Work {
        self.seen.refresh().await;
        let now = self.clock.now();
        let silent = self.provider.sky().silent(now);
        let incident = self.incident();
        self.remember_incident(incident.as_ref(), now);
        self.count_the_minutes(&silent, incident.as_ref(), now);
        if minute % ROUND == 0 {
            self.look_at_operations(now);
        }

        let mut chosen = Vec::new();
        for place in self.sight.places_of_chance(minute, self.seen.fleet_size()) {
            let Some((app, shard)) = self.seen.checked(place) else { continue };
            self.sight.misses_by_chance(app, minute);
            chosen.push(shard);
        }
        let Seen::There(_, mirror) = &self.seen else {
            // What the indexes of the embedded table hold is followed by nobody.
            return Work::Sweep((0..dynamo::Store::FLEET_SHARDS).collect());
        };
        let mut shards: BTreeSet<u32> = mirror.unsteady_shards().chain(chosen).collect();
        shards.extend(silent.iter().filter_map(|app| mirror.shard_of(app)));
        if self.sight.is_blind() {
            shards.extend(0..dynamo::Store::FLEET_SHARDS);
        }
        match incident.is_some() || mirror.is_anything_due(now + PUNCTUAL) {
            true => Work::Sweep(shards),
            false if shards.is_empty() => Work::Nothing,
            false => Work::Checks(shards),
        }
    }

    /// An excuse stops the count, and does not set it back.
    fn count_the_minutes(&mut self, silent: &[String], incident: Option<&Incident>, now: Timestamp) {
        let mut still = BTreeMap::new();
        for app in silent {
            let copied_if_wanted = |instance: &Item| (text(instance, "wanted") == Some("running")).then(|| instance.clone());
            let Some(instance) = self.seen.look_home(app, copied_if_wanted).flatten() else { continue };
            let before = self.down.get(app).copied().unwrap_or_default();
            let is_excused = self.excuse(&instance, app, incident, now);
            let minutes = if is_excused { before } else { before + 1 };
            if minutes == BOUND_MINUTES + 1 && !is_excused {
                self.complaints.push(format!("{app} is down for {minutes} minutes at {now}: {:?}", Shown(&instance)));
            }
            still.insert(app.clone(), minutes);
        }
        self.longest = still.values().copied().max().unwrap_or_default().max(self.longest);
        self.down = still;
    }

    /// No operation goes on for ever.
    fn look_at_operations(&mut self, now: Timestamp) {
        for key in self.seen.live_runs() {
            let Some((kind, age)) = self.seen.look(&key, |run| (text(run, "kind").unwrap_or("?").to_owned(), age(run, now))) else {
                continue;
            };
            self.longest_operation = self.longest_operation.max(age);
            if age > OPERATION_BOUND_MINUTES && self.endless.insert(key.clone()) {
                self.complaints.push(format!("the {kind} {} is under way for {age} minutes at {now}", key.0));
            }
        }
    }

    /// What keeps it down is none of the platform's failings: a customer's own operation, what stands under it, an incident, or a person
    /// who was called.
    fn excuse(&self, instance: &Item, app: &str, incident: Option<&Incident>, now: Timestamp) -> bool {
        let state = text(instance, "state").unwrap_or_default();
        let own_operation = matches!(state, "starting" | "stopping" | "restarting") && self.is_timely(instance, now);
        // Its start failed, and its owner was told: nothing tries again by itself.
        let told = state == "stopped" && inner(instance, "trouble", "message").is_some_and(|why| why.starts_with("start failed"));
        let region = text(instance, "region").unwrap_or_default();
        let held = incident.is_some_and(|(regions, ours)| *ours || regions.iter().any(|held| held == region));
        let sky = self.provider.sky();
        let host_down = sky.apps.get(app).is_some_and(|app| app.machines.iter().any(|machine| !sky.is_up(machine.host, now)));
        let id = text(instance, "sk").unwrap_or_default().trim_start_matches("INSTANCE#");
        let called = state == "degraded" && sky.alarms.values().any(|about| about == id);
        own_operation || told || held || host_down || called || self.storm.is_down() || self.sight.is_blind()
    }

    /// Whether the operation of an instance is not under way for too long.
    fn is_timely(&self, instance: &Item, now: Timestamp) -> bool {
        let (Some(organisation), Some(operation)) = (text(instance, "pk"), text(instance, "operation")) else { return false };
        let key = (format!("{organisation}.{operation}"), "RUN".to_owned());
        self.seen.look(&key, |run| age(run, now) <= OPERATION_BOUND_MINUTES).unwrap_or(false)
    }

    /// The regions that are held back, and whether all are.
    fn incident(&self) -> Option<Incident> {
        self.seen.look(&("INCIDENT".to_owned(), "INCIDENT".to_owned()), |item| {
            let regions = item.get("regions").and_then(|regions| regions.as_l().ok()).into_iter().flatten();
            let regions = regions.filter_map(|region| region.as_s().ok().cloned()).collect();
            (regions, item.get("ours").and_then(|ours| ours.as_bool().ok()).copied().unwrap_or_default())
        })
    }

    fn remember_incident(&mut self, incident: Option<&Incident>, now: Timestamp) {
        let Some((regions, ours)) = incident.cloned() else { return };
        match self.held.last_mut() {
            // The minute before, the same was held.
            Some(last) if last.regions == regions && last.ours == ours && now.duration_since(last.until).as_secs() < 90 => last.until = now,
            _ => self.held.push(Held { regions, ours, from: now, until: now }),
        }
    }
}

/// For how long a run is under way, in minutes.
fn age(run: &Item, now: Timestamp) -> u64 {
    let seconds = moment(run, "created_at").map(|began| now.duration_since(began).as_secs());
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or_default() / 60
}

/// What of an instance helps to understand why it is down.
struct Shown<'a>(&'a Item);

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(item) = self;
        let shown = ["sk", "state", "wanted", "operation", "region"].map(|name| text(item, name).unwrap_or("-"));
        write!(f, "{} misses {:?} {:?}", shown.join(" "), number(item, "misses"), inner(item, "trouble", "message"))
    }
}
