//! Watches a world on a table in memory while it lives: who is down, for how long, and whether that has an excuse.

use std::collections::BTreeMap;

use domain::OrganisationId;
use dynamo::memory::MemoryTable;
use flows::ports::MachineState;
use jiff::Timestamp;

use crate::clock::VirtualClock;
use crate::crew::Sight;
use crate::item::{Item, inner, number, text};
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

pub(crate) struct Watch {
    pub(crate) table: MemoryTable,
    pub(crate) provider: Provider,
    pub(crate) sight: Sight,
    pub(crate) storm: Storm,
    pub(crate) clock: VirtualClock,
    pub(crate) organisations: Vec<OrganisationId>,
    down: BTreeMap<String, u64>,
    /// The longest that anybody was down without an excuse.
    pub(crate) longest: u64,
    /// Every incident, with what it held back at each moment.
    pub(crate) held: Vec<Held>,
    pub(crate) complaints: Vec<String>,
}

impl Watch {
    pub(crate) fn new(
        table: MemoryTable,
        provider: Provider,
        sight: Sight,
        storm: Storm,
        clock: VirtualClock,
        organisations: Vec<OrganisationId>,
    ) -> Self {
        let (down, held, complaints) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { table, provider, sight, storm, clock, organisations, down, longest: 0, held, complaints }
    }

    /// Whether a sweep of this minute, and the checks it sends, would find anything at all. If so, the shards in which they would not.
    pub(crate) fn quiet_shards(&self, minute: i64) -> Option<Vec<u32>> {
        let mut quiet = vec![true; dynamo::Store::FLEET_SHARDS as usize];
        self.table.count("fleet", |entry| {
            let steady = text(entry, "state") != Some("degraded") && number(entry, "misses") == Some(0);
            let news = !steady || text(entry, "address").is_some_and(|address| self.sight.has_news(address, minute));
            if let Some(shard) = text(entry, "fleet_shard").and_then(|shard| shard.parse::<usize>().ok()).filter(|_| news) {
                quiet[shard] = false;
            }
            news
        });
        let nothing = quiet.iter().all(|quiet| *quiet) && self.incident().is_none();
        let nothing_due = self.table.count("overdue", |_| true) == 0 && self.table.count("suspects", |_| true) == 0;
        if nothing && nothing_due {
            return None;
        }
        Some((0u32..).zip(quiet).filter_map(|(shard, quiet)| quiet.then_some(shard)).collect())
    }

    /// Nobody is down.
    pub(crate) fn all_is_well(&mut self) {
        self.down.clear();
    }

    /// Looks at every instance.
    pub(crate) fn look(&mut self) {
        let now = self.clock.now();
        self.remember_incident(now);
        let mut still = BTreeMap::new();
        let mut late = Vec::new();
        for organisation in &self.organisations {
            self.table.each(&organisation.to_string(), "INSTANCE#", |instance| {
                let Some(app) = text(instance, "app") else { return };
                if !self.is_down(instance, app, now) {
                    return;
                }
                let minutes = if self.excuse(instance, app, now) { 0 } else { self.down.get(app).copied().unwrap_or_default() + 1 };
                if minutes == BOUND_MINUTES + 1 {
                    late.push(format!("{app} is down for {minutes} minutes at {now}: {:?}", Shown(instance)));
                }
                still.insert(app.to_owned(), minutes);
            });
        }
        self.longest = still.values().copied().max().unwrap_or_default().max(self.longest);
        self.down = still;
        self.complaints.extend(late);
        self.count_machines();
    }

    fn is_down(&self, instance: &Item, app: &str, now: Timestamp) -> bool {
        text(instance, "wanted") == Some("running") && !self.provider.sky().answers(app, now)
    }

    /// What keeps it down is none of the platform's failings: a customer's own operation, what stands under it, an incident, or a person
    /// who was called.
    fn excuse(&self, instance: &Item, app: &str, now: Timestamp) -> bool {
        let state = text(instance, "state").unwrap_or_default();
        let own_operation = matches!(state, "provisioning" | "starting" | "stopping" | "restarting" | "deleting");
        // Its start failed, and its owner was told.
        let told = state == "stopped";
        let region = text(instance, "region").unwrap_or_default();
        let held = self.incident().is_some_and(|(regions, ours)| ours || regions.iter().any(|held| held == region));
        let sky = self.provider.sky();
        let host_down = sky.apps.get(app).is_some_and(|app| app.machines.iter().any(|machine| !sky.is_up(machine.host, now)));
        let id = text(instance, "sk").unwrap_or_default().trim_start_matches("INSTANCE#");
        let called = state == "degraded" && sky.alarms.values().any(|about| about == id);
        own_operation || told || held || host_down || called || self.storm.is_down() || self.sight.is_blind()
    }

    /// The regions that are held back, and whether all are.
    fn incident(&self) -> Option<(Vec<String>, bool)> {
        let mut found = None;
        self.table.each("INCIDENT", "INCIDENT", |item| {
            let regions = item.get("regions").and_then(|regions| regions.as_l().ok()).into_iter().flatten();
            let regions = regions.filter_map(|region| region.as_s().ok().cloned()).collect();
            found = Some((regions, item.get("ours").and_then(|ours| ours.as_bool().ok()).copied().unwrap_or_default()));
        });
        found
    }

    fn remember_incident(&mut self, now: Timestamp) {
        let Some((regions, ours)) = self.incident() else { return };
        match self.held.last_mut() {
            // The minute before, the same was held.
            Some(last) if last.regions == regions && last.ours == ours && now.duration_since(last.until).as_secs() < 90 => last.until = now,
            _ => self.held.push(Held { regions, ours, from: now, until: now }),
        }
    }

    fn count_machines(&mut self) {
        let sky = self.provider.sky();
        let several = sky.apps.iter().filter(|(_, app)| app.machines.iter().filter(|it| it.heads_for() == MachineState::Started).count() > 1);
        self.complaints.extend(several.map(|(name, _)| format!("{name} has several machines that run")));
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
