//! What the indexes of a table in memory hold, followed change by change, so that nobody has to look through all of it every minute.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use dynamo::memory::{EntryChange, MemoryTable};
use jiff::Timestamp;

use crate::item::{Item, moment, number, text};
use crate::provider::app_at;

/// The primary key of an item.
pub(crate) type Primary = (String, String);

/// Who is checked, in which shard.
struct Checked {
    app: String,
    shard: u32,
}

#[derive(Default)]
pub(crate) struct Mirror {
    fleet: BTreeMap<Primary, Checked>,
    shards: HashMap<String, u32>,
    /// Those about whom the next check writes something whatever it sees: they missed some, or are degraded.
    unsteady: BTreeMap<Primary, u32>,
    due: BTreeMap<Primary, Due>,
    suspects: BTreeSet<Primary>,
    /// Where the instance of an app is kept.
    homes: HashMap<String, Primary>,
}

/// When the sweep has to do with something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// A live run.
    Run(Timestamp),
    /// A notice that nobody has taken.
    Notice(Timestamp),
}

impl Mirror {
    /// Takes in what was written since the last time.
    pub(crate) fn follow(&mut self, table: &MemoryTable) {
        for EntryChange { index, key, entry } in table.changes() {
            match index {
                "fleet" => self.fleet_changed(key, entry.as_ref()),
                "overdue" => match entry.as_ref().and_then(due) {
                    Some(due) => drop(self.due.insert(key, due)),
                    None => drop(self.due.remove(&key)),
                },
                "suspects" if entry.is_some() => drop(self.suspects.insert(key)),
                "suspects" => drop(self.suspects.remove(&key)),
                other => panic!("the index {other} is followed by nobody"),
            }
        }
    }

    fn fleet_changed(&mut self, key: Primary, entry: Option<&Item>) {
        if let Some(before) = self.fleet.remove(&key) {
            self.shards.remove(&before.app);
            self.unsteady.remove(&key);
        }
        let Some(entry) = entry else { return };
        let app = text(entry, "address").and_then(app_at).expect("whoever is checked has an address").to_owned();
        let shard = text(entry, "fleet_shard").and_then(|shard| shard.parse().ok()).expect("a shard is a number");
        if text(entry, "state") == Some("degraded") || number(entry, "misses") != Some(0) {
            self.unsteady.insert(key.clone(), shard);
        }
        self.shards.insert(app.clone(), shard);
        self.homes.insert(app.clone(), key.clone());
        self.fleet.insert(key, Checked { app, shard });
    }

    /// Whether a sweep at this moment has anything to write but checks.
    pub(crate) fn is_anything_due(&self, now: Timestamp) -> bool {
        let is_due = |due: &Due| match due {
            Due::Run(at) => *at <= now,
            // The sweep gives the worker a minute, and puts a notice off by what it wants it to wait.
            Due::Notice(at) => *at + jiff::SignedDuration::from_secs(60) <= now,
        };
        !self.suspects.is_empty() || self.due.values().any(is_due)
    }

    /// Whether no run is under way, no notice is to be delivered and nobody has missed a check.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.due.is_empty() && self.unsteady.is_empty() && self.suspects.is_empty()
    }

    /// The shards of those about whom a check writes something whatever it sees.
    pub(crate) fn unsteady_shards(&self) -> impl Iterator<Item = u32> {
        self.unsteady.values().copied()
    }

    /// In which shard an app is checked, if it is.
    pub(crate) fn shard_of(&self, app: &str) -> Option<u32> {
        self.shards.get(app).copied()
    }

    /// Whoever is checked at a place among all of them.
    pub(crate) fn checked(&self, place: usize) -> Option<(&str, u32)> {
        self.fleet.values().nth(place).map(|checked| (checked.app.as_str(), checked.shard))
    }

    pub(crate) fn fleet_size(&self) -> usize {
        self.fleet.len()
    }

    /// The items of all live runs.
    pub(crate) fn live_runs(&self) -> impl Iterator<Item = &Primary> {
        self.due.iter().filter(|(_, due)| matches!(due, Due::Run(_))).map(|(key, _)| key)
    }

    /// The item of the instance of an app, once it has been in service.
    pub(crate) fn home(&self, app: &str) -> Option<&Primary> {
        self.homes.get(app)
    }
}

fn due(entry: &Item) -> Option<Due> {
    let at = moment(entry, "overdue_at")?;
    let shard = text(entry, "overdue_shard")?;
    Some(match shard.split('#').next()? {
        "RUN" => Due::Run(at),
        "NOTICE" => Due::Notice(at),
        // A run that waits for a person: the sweep says so, and writes nothing.
        _ => return None,
    })
}
