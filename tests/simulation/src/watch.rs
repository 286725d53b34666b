//! Watches a world on a table in memory while it lives: who is down, for how long, and whether that has an excuse.

use std::collections::{BTreeMap, BTreeSet};

use dynamo::memory::MemoryTable;
use jiff::{SignedDuration, Timestamp};

use crate::clock::VirtualClock;
use crate::crew::Sight;
use crate::item::{Item, inner, number, text};
use crate::mirror::Mirror;
use crate::provider::Provider;
use crate::storm::Storm;

/// No instance that is wanted running is down for longer without an excuse: four minutes until the third miss is weighed, two rungs of the
/// ladder of at most ten minutes each, and as long as others may be repaired before it.
pub const BOUND_MINUTES: u64 = 30;

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
    pub(crate) table: MemoryTable,
    pub(crate) provider: Provider,
    pub(crate) sight: Sight,
    pub(crate) storm: Storm,
    pub(crate) clock: VirtualClock,
    pub(crate) mirror: Mirror,
    down: BTreeMap<String, u64>,
    /// The longest that anybody was down without an excuse.
    pub(crate) longest: u64,
    /// Every incident, with what it held back at each moment.
    pub(crate) held: Vec<Held>,
    pub(crate) complaints: Vec<String>,
}

/// A sweep begins within this from its minute.
const PUNCTUAL: SignedDuration = SignedDuration::from_secs(4);

impl Watch {
    pub(crate) fn new(table: MemoryTable, provider: Provider, sight: Sight, storm: Storm, clock: VirtualClock) -> Self {
        let (mut mirror, down, held, complaints) = (Mirror::default(), BTreeMap::new(), Vec::new(), Vec::new());
        mirror.follow(&table);
        Self { table, provider, sight, storm, clock, mirror, down, longest: 0, held, complaints }
    }

    /// What this minute has to do, and a look at everybody who is down.
    pub(crate) fn look(&mut self, minute: i64) -> Work {
        let now = self.clock.now();
        self.mirror.follow(&self.table);
        let silent = self.provider.sky().silent(now);
        let incident = self.incident();
        self.remember_incident(incident.as_ref(), now);
        self.count_the_minutes(&silent, incident.as_ref(), now);

        let mut shards: BTreeSet<u32> = self.mirror.unsteady_shards().collect();
        shards.extend(silent.iter().filter_map(|app| self.mirror.shard_of(app)));
        if self.sight.is_blind() {
            shards.extend(0..dynamo::Store::FLEET_SHARDS);
        }
        for place in self.sight.places_of_chance(minute, self.mirror.fleet_size()) {
            let Some((app, shard)) = self.mirror.checked(place) else { continue };
            self.sight.misses_by_chance(app, minute);
            shards.insert(shard);
        }
        match incident.is_some() || self.mirror.is_anything_due(now + PUNCTUAL) {
            true => Work::Sweep(shards),
            false if shards.is_empty() => Work::Nothing,
            false => Work::Checks(shards),
        }
    }

    fn count_the_minutes(&mut self, silent: &[String], incident: Option<&Incident>, now: Timestamp) {
        let mut still = BTreeMap::new();
        for app in silent {
            let count = |instance: &Item| {
                let is_wanted = text(instance, "wanted") == Some("running");
                let excused = is_wanted && self.excuse(instance, app, incident, now);
                let minutes = if excused { 0 } else { self.down.get(app).copied().unwrap_or_default() + 1 };
                let complaint = || format!("{app} is down for {minutes} minutes at {now}: {:?}", Shown(instance));
                is_wanted.then(|| (minutes, (minutes == BOUND_MINUTES + 1).then(complaint)))
            };
            let Some((minutes, complaint)) = self.mirror.home(app).and_then(|home| self.table.look(home, count)).flatten() else {
                continue;
            };
            self.complaints.extend(complaint);
            still.insert(app.clone(), minutes);
        }
        self.longest = still.values().copied().max().unwrap_or_default().max(self.longest);
        self.down = still;
    }

    /// What keeps it down is none of the platform's failings: a customer's own operation, what stands under it, an incident, or a person
    /// who was called.
    fn excuse(&self, instance: &Item, app: &str, incident: Option<&Incident>, now: Timestamp) -> bool {
        let state = text(instance, "state").unwrap_or_default();
        let own_operation = matches!(state, "provisioning" | "starting" | "stopping" | "restarting" | "deleting");
        // Its start failed, and its owner was told.
        let told = state == "stopped";
        let region = text(instance, "region").unwrap_or_default();
        let held = incident.is_some_and(|(regions, ours)| *ours || regions.iter().any(|held| held == region));
        let sky = self.provider.sky();
        let host_down = sky.apps.get(app).is_some_and(|app| app.machines.iter().any(|machine| !sky.is_up(machine.host, now)));
        let id = text(instance, "sk").unwrap_or_default().trim_start_matches("INSTANCE#");
        let called = state == "degraded" && sky.alarms.values().any(|about| about == id);
        own_operation || told || held || host_down || called || self.storm.is_down() || self.sight.is_blind()
    }

    /// The regions that are held back, and whether all are.
    fn incident(&self) -> Option<Incident> {
        let mut found = None;
        self.table.each("INCIDENT", "INCIDENT", |item| {
            let regions = item.get("regions").and_then(|regions| regions.as_l().ok()).into_iter().flatten();
            let regions = regions.filter_map(|region| region.as_s().ok().cloned()).collect();
            found = Some((regions, item.get("ours").and_then(|ours| ours.as_bool().ok()).copied().unwrap_or_default()));
        });
        found
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

/// What of an instance helps to understand why it is down.
struct Shown<'a>(&'a Item);

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(item) = self;
        let shown = ["sk", "state", "wanted", "operation", "region"].map(|name| text(item, name).unwrap_or("-"));
        write!(f, "{} misses {:?} {:?}", shown.join(" "), number(item, "misses"), inner(item, "trouble", "message"))
    }
}
