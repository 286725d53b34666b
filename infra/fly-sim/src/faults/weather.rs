//! What lasts for a while: full regions, hosts that do not answer, regions that are out.

use std::time::Duration;

use super::Faults;
use super::dice::Dice;

/// How long it stays as it is: every region and host is decided anew at the beginning of each slot.
const SLOT: Duration = Duration::from_secs(300);

/// A region that is out, by the number of the outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outage {
    pub(crate) number: u64,
    begins: Duration,
    ends: Duration,
}

fn slot(at: Duration) -> u64 {
    at.as_secs() / SLOT.as_secs()
}

impl Faults {
    fn happens(&self, what: &str, name: &str, at: Duration, chance: u32) -> bool {
        chance > 0 && Dice::cast(self.seed, &format!("{what} {name}"), slot(at)).of_10_000(0) < chance
    }

    /// Whether a region has no room. Times are counted from the opening of the simulator.
    pub(crate) fn region_full(&self, region: &str, at: Duration) -> bool {
        self.happens("region full", region, at, self.profile.region_full)
    }

    /// Whether a host has no room.
    pub(crate) fn host_full(&self, host: &str, at: Duration) -> bool {
        self.happens("host full", host, at, self.profile.host_full)
    }

    /// What is known of a host: `ok`, `unknown` or `unreachable`.
    pub(crate) fn host_status(&self, host: &str, at: Duration) -> &'static str {
        let profile = self.profile;
        if self.happens("host unreachable", host, at, profile.host_unreachable) {
            "unreachable"
        } else if self.happens("host unknown", host, at, profile.host_unknown) {
            "unknown"
        } else {
            "ok"
        }
    }

    /// The outage that there is.
    pub(crate) fn outage(&self, at: Duration) -> Option<Outage> {
        let outages = self.profile.outages.as_ref()?;
        self.outage_of(at.as_secs() / outages.every_s).filter(|outage| (outage.begins..outage.ends).contains(&at))
    }

    fn outage_of(&self, number: u64) -> Option<Outage> {
        let outages = self.profile.outages.as_ref()?;
        let dice = Dice::cast(self.seed, "outage", number);
        let begins = number * outages.every_s + dice.within(0, outages.begins_s.clone());
        let ends = begins + dice.within(1, outages.lasts_s.clone());
        Some(Outage { number, begins: Duration::from_secs(begins), ends: Duration::from_secs(ends) })
    }

    /// The region that an outage strikes: one of those in use.
    pub(crate) fn struck(&self, outage: Outage, in_use: impl IntoIterator<Item = String>) -> Option<String> {
        let hash = |region: &String| Dice::cast(self.seed, region, outage.number).within(2, 0..=u64::MAX - 1);
        self.region.clone().or_else(|| in_use.into_iter().min_by_key(hash))
    }

    /// When anything may change next.
    pub(crate) fn next_change(&self, at: Duration) -> Duration {
        let slot_ends = Duration::from_secs((slot(at) + 1) * SLOT.as_secs());
        let period = self.profile.outages.as_ref().map(|outages| at.as_secs() / outages.every_s);
        let edges = period.and_then(|number| self.outage_of(number)).map(|outage| [outage.begins, outage.ends]);
        edges.into_iter().flatten().filter(|edge| *edge > at).fold(slot_ends, Duration::min)
    }

    /// When the main process of the nth boot crashes, counted from 1.
    pub(crate) fn crash_after(&self, boot: u64) -> Option<Duration> {
        let dice = Dice::cast(self.seed, "crash", boot);
        let crashes = dice.of_10_000(0) < self.profile.crash;
        crashes.then(|| Duration::from_secs(dice.within(1, self.profile.crash_after_s.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600;

    fn slots(hours: u64) -> impl Iterator<Item = Duration> {
        (0..hours * HOUR / SLOT.as_secs()).map(|nth| SLOT * u32::try_from(nth).unwrap())
    }

    #[test]
    fn on_a_bad_day_hosts_and_regions_are_lost_for_a_while_and_come_back() {
        let faults = Faults::profile("bad-day", 1).unwrap();
        let share = |happens: &dyn Fn(Duration) -> bool| slots(1_000).filter(|at| happens(*at)).count();
        let full = share(&|at| faults.region_full("fra", at));
        assert!((500..1_000).contains(&full), "{full} of 12,000 slots, about 6 in a hundred");
        let lost = share(&|at| faults.host_status("vol_1", at) == "unreachable");
        assert!((60..200).contains(&lost), "{lost} of 12,000 slots, about 1 in a hundred");
        assert!(share(&|at| faults.host_full("vol_1", at)) > 200);
        let within = |at| faults.host_status("vol_1", at);
        assert!(slots(10).all(|at| within(at) == within(at + SLOT - Duration::from_millis(1))), "nothing changes within a slot");
        assert!((1..=1_000).filter_map(|boot| faults.crash_after(boot)).count() > 50);
    }

    #[test]
    fn a_calm_day_loses_no_host_and_crashes_nothing() {
        let faults = Faults::profile("calm", 1).unwrap();
        assert!(slots(100).all(|at| faults.host_status("vol_1", at) == "ok" && faults.outage(at).is_none()));
        assert!((1..=1_000).all(|boot| faults.crash_after(boot).is_none()));
    }

    #[test]
    fn an_outage_comes_every_hour_strikes_a_region_in_use_and_ends() {
        let faults = Faults::profile("regional-outage", 5).unwrap();
        let mut at = Duration::ZERO;
        let mut edges = Vec::new();
        while at < Duration::from_secs(10 * HOUR) {
            let next = faults.next_change(at);
            assert!(next > at);
            if faults.outage(at).is_none() && faults.outage(next).is_some() {
                edges.push(next);
            }
            at = next;
        }
        assert_eq!(edges.len(), 10);
        let outage = faults.outage(edges[0]).unwrap();
        let regions = || ["fra", "cdg", "iad"].map(str::to_owned);
        let struck = faults.struck(outage, regions()).unwrap();
        assert!(regions().contains(&struck));
        assert_eq!(faults.struck(outage, regions()), Some(struck));
        assert_eq!(faults.struck(outage, []), None);
        assert_eq!(faults.clone().in_region("gru").struck(outage, regions()).as_deref(), Some("gru"));
    }
}
