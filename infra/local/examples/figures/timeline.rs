//! Where the time of one provision went, read from its own journal.

use std::time::Duration;

use durable::Record;
use jiff::Timestamp;

use crate::vertical::Turn;

/// What a step waits for at the provider.
pub(crate) const STATED: [(&str, u64); 6] = [
    ("create_app", 200),
    ("set_secrets", 100),
    ("assign_ips", 2 * 150),
    ("create_volume", 300),
    ("create_machine", 500),
    ("await_started", BOOT),
];

/// From the machine's creation until it runs.
pub(crate) const BOOT: u64 = 2000;

/// The sum of what the provider states, in milliseconds: no control plane could be faster.
pub(crate) fn sum() -> u64 {
    STATED.iter().map(|(_, stated)| stated).sum()
}

/// One part of a provision.
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) stated: u64,
    /// In milliseconds, and below zero for what the boot hides.
    pub(crate) took: f64,
}

/// Cuts a provision into parts that add up to its makespan.
pub(crate) fn parts(asked: Timestamp, turns: &[Turn], picked_up: Duration, makespan: Duration, record: &Record) -> Vec<Part> {
    let millis = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs_f64() * 1000.0;
    let part = |name: &str, stated, took| Part { name: name.to_owned(), stated, took };
    let mut parts = vec![part("asked, recorded, sent, picked up", 0, picked_up.as_secs_f64() * 1000.0)];
    let mut at = asked + picked_up;
    let mut writes = 0.0;
    // While the machine boots other steps are done: they cost nothing as long as they are faster than the boot.
    let mut booting = false;
    for entry in &record.journal {
        let (gap, took) = (millis(at, entry.started_at), millis(entry.started_at, entry.finished_at));
        at = entry.finished_at;
        let stated = STATED.iter().find(|(name, _)| *name == entry.name).map_or(0, |(_, stated)| *stated);
        if booting {
            let last = parts.last_mut().expect("the boot is the last part");
            last.took += gap + took;
            booting = entry.name != "await_started";
            continue;
        }
        if parts.len() == 1 {
            parts.push(part("claim", 0, gap));
        } else {
            writes += gap;
        }
        parts.push(part(&entry.name, stated, took));
        if entry.name == "create_machine" {
            booting = true;
            parts.push(part("boot, and the steps during it", BOOT, 0.0));
        }
    }
    parts.push(part("writes between steps", 0, writes));
    let rest = makespan.as_secs_f64() * 1000.0 - parts.iter().map(|part| part.took).sum::<f64>();
    parts.push(part(&format!("end ({} invocation)", turns.len()), 0, rest));
    parts
}
