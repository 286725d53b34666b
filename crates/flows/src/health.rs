//! The health ladder's head: who is checked, and the brake that tells a sick instance from a sick region from a sick platform.

use std::collections::BTreeMap;

use domain::{InstanceId, OrganisationId, Region};
use serde::{Deserialize, Serialize};

/// Misses in a row that make an instance a suspect. A miss counts once per minute.
pub const SUSPECT_AFTER: u8 = 3;

/// Misses further apart than this, in minutes, are not in a row: one minute's checks may be lost between two of them, but whoever was not
/// looked at for longer may have been well all the time.
pub const LONGEST_GAP_MINUTES: i64 = 2;

/// Suspects below which a region is never thought to be down.
const LEAST_SUSPECTS: usize = 3;

/// A region with more suspects than this share of its instances is thought to be down: one in five.
const REGION_SHARE: usize = 5;

/// Repairs per minute: one in a hundred of the fleet, and at least one.
const REPAIR_SHARE: usize = 100;

/// Minutes without a region in trouble after which an incident closes.
const QUIET_MINUTES: i64 = 5;

/// The message that asks for one shard of the fleet to be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardCheck {
    /// The shard.
    pub shard: u32,
    /// The minute for which the check was scheduled, in Unix time divided by 60.
    pub minute: i64,
}

/// An instance that missed three checks in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// Its owner.
    pub organisation: OrganisationId,
    /// The instance.
    pub instance: InstanceId,
    /// Where it lives.
    pub region: Region,
}

/// Trouble that is not an instance's own. While it is open nothing in it is restarted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// The regions that were in trouble.
    pub regions: Vec<Region>,
    /// Whether most regions were at once: then the fault is ours, and nothing is restarted anywhere.
    pub ours: bool,
    /// The minute it opened.
    pub opened_minute: i64,
    /// The last minute in which a region was in trouble.
    pub last_seen_minute: i64,
}

/// What one minute's look at the whole fleet comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The incident from now on, if there is one.
    pub incident: Option<Incident>,
    /// Whether it opened, or grew, in this minute: one alarm and a notice to those concerned.
    pub opened: bool,
    /// Those to repair in this minute, not more than one in a hundred of the fleet.
    pub repair: Vec<Suspect>,
}

/// The misses that stand after one more, seen by this minute's check. `None` where it does not count: that minute or a later one is
/// counted, because checks are delivered twice and out of order, or there are as many as count.
#[must_use]
pub const fn count_miss(misses: u8, last_miss_minute: Option<i64>, minute: i64) -> Option<u8> {
    match last_miss_minute {
        _ if misses >= SUSPECT_AFTER => None,
        Some(last) if last >= minute => None,
        Some(last) if minute.saturating_sub(last) <= LONGEST_GAP_MINUTES => Some(misses + 1),
        _ => Some(1),
    }
}

/// The minute that a sweep weighs in: the clock's own, because suspects are read as they are now, however late or often the event comes
/// that asks for it. An event that is a moment ahead of this clock has its own minute, or the two would share one and a batch be lost.
#[must_use]
pub fn weighing_minute(scheduled: i64, now: i64) -> i64 {
    scheduled.clamp(now, now.saturating_add(1))
}

/// The live instances of a region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Live {
    /// All of them.
    pub instances: usize,
    /// Those that missed their last check, suspects or not.
    pub missing: usize,
}

/// Weighs suspects against live instances per region.
///
/// Trouble that comes over many at once does not make suspects of all in the same minute: it begins in the middle of one minute's checks,
/// or a part of them is late. The first few would look like sick instances. So a region in which too many miss their checks is left alone
/// for this minute, and everything where most regions are like that; whether it is an incident is seen when they are suspects.
#[must_use]
pub fn weigh(live: &BTreeMap<Region, Live>, suspects: &[Suspect], open: Option<&Incident>, minute: i64) -> Judgement {
    let mut suspected: BTreeMap<Region, usize> = BTreeMap::new();
    for suspect in suspects {
        *suspected.entry(suspect.region).or_default() += 1;
    }
    let missing = live.iter().map(|(region, live)| (*region, live.missing)).collect();
    let (down, shaky) = (regions_down(live, &suspected), regions_down(live, &missing));
    let populated = live.values().filter(|live| live.instances > 0).count();
    let most = |regions: &[Region]| populated > 1 && regions.len() * 2 > populated;

    let incident = carry_on(open, &down, most(&down), minute);
    let opened = incident
        .as_ref()
        .is_some_and(|now| !down.is_empty() && open.is_none_or(|before| now.regions != before.regions || now.ours != before.ours));
    let in_incident = |region: Region| incident.as_ref().is_some_and(|incident| incident.ours || incident.regions.contains(&region));
    let held = |region: Region| in_incident(region) || most(&shaky) || shaky.contains(&region);
    let fleet: usize = live.values().map(|live| live.instances).sum();
    let batch = (fleet / REPAIR_SHARE).max(1);
    let repair = suspects.iter().filter(|suspect| !held(suspect.region)).take(batch).cloned().collect();
    Judgement { incident, opened, repair }
}

/// The regions in which so many are in trouble that it is the region's.
fn regions_down(live: &BTreeMap<Region, Live>, troubled: &BTreeMap<Region, usize>) -> Vec<Region> {
    // The index of suspects and that of the fleet lag differently: a region has at least as many instances as are in trouble there.
    let fleet = |region: &Region, troubled: usize| live.get(region).map_or(0, |live| live.instances).max(troubled);
    let is_down = |region: &Region, troubled: usize| troubled >= LEAST_SUSPECTS && troubled * REGION_SHARE > fleet(region, troubled);
    troubled.iter().filter(|(region, troubled)| is_down(region, **troubled)).map(|(region, _)| *region).collect()
}

/// An incident only grows while it is open, so that a region that flickers is not restarted in between.
fn carry_on(open: Option<&Incident>, down: &[Region], ours: bool, minute: i64) -> Option<Incident> {
    match open {
        None if down.is_empty() => None,
        None => Some(Incident { regions: down.to_vec(), ours, opened_minute: minute, last_seen_minute: minute }),
        Some(open) if down.is_empty() => (minute - open.last_seen_minute < QUIET_MINUTES).then(|| open.clone()),
        Some(open) => {
            let mut regions = open.regions.clone();
            regions.extend(down.iter().filter(|region| !open.regions.contains(region)));
            regions.sort_unstable();
            // Of two sweeps the later one's look may be written first.
            let last_seen_minute = minute.max(open.last_seen_minute);
            Some(Incident { regions, ours: ours || open.ours, last_seen_minute, ..open.clone() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(code: &str) -> Region {
        code.parse().expect("a region")
    }

    fn fleet(regions: &[(&str, usize)]) -> BTreeMap<Region, Live> {
        regions.iter().map(|(code, count)| (region(code), Live { instances: *count, missing: 0 })).collect()
    }

    fn suspects(code: &str, count: usize) -> Vec<Suspect> {
        let one = || Suspect { organisation: OrganisationId::generate(), instance: InstanceId::generate(), region: region(code) };
        std::iter::repeat_with(one).take(count).collect()
    }

    #[test]
    fn a_few_suspects_are_repaired() {
        let judgement = weigh(&fleet(&[("fra", 10), ("iad", 10)]), &suspects("fra", 2), None, 100);
        assert_eq!((judgement.incident, judgement.repair.len()), (None, 1));
    }

    #[test]
    fn at_most_one_in_a_hundred_is_repaired_in_a_minute() {
        let judgement = weigh(&fleet(&[("fra", 1000)]), &suspects("fra", 50), None, 100);
        assert_eq!(judgement.repair.len(), 10);
    }

    #[test]
    fn two_suspects_of_two_are_no_incident_but_three_of_three_are() {
        assert_eq!(weigh(&fleet(&[("fra", 2)]), &suspects("fra", 2), None, 100).incident, None);
        let judgement = weigh(&fleet(&[("fra", 3), ("iad", 50)]), &suspects("fra", 3), None, 100);
        assert!(judgement.opened && judgement.repair.is_empty());
    }

    #[test]
    fn exactly_a_fifth_of_a_region_is_still_repaired() {
        assert_eq!(weigh(&fleet(&[("fra", 50), ("iad", 50)]), &suspects("fra", 10), None, 100).incident, None);
        assert!(weigh(&fleet(&[("fra", 49), ("iad", 50)]), &suspects("fra", 10), None, 100).incident.is_some());
    }

    #[test]
    fn a_region_that_is_down_holds_only_its_own_repairs() {
        let both = [suspects("fra", 30), suspects("iad", 1)].concat();
        let judgement = weigh(&fleet(&[("fra", 50), ("iad", 50), ("sin", 50)]), &both, None, 100);
        assert_eq!(judgement.repair.iter().map(|suspect| suspect.region).collect::<Vec<_>>(), [region("iad")]);
    }

    #[test]
    fn most_regions_at_once_are_our_own_fault_and_nothing_is_restarted() {
        let all = [suspects("fra", 30), suspects("iad", 30), suspects("sin", 1)].concat();
        let judgement = weigh(&fleet(&[("fra", 50), ("iad", 50), ("sin", 50)]), &all, None, 100);
        assert!(judgement.incident.is_some_and(|incident| incident.ours) && judgement.repair.is_empty());
    }

    #[test]
    fn an_incident_closes_after_five_quiet_minutes_and_not_before() {
        let live = fleet(&[("fra", 3), ("iad", 50)]);
        let open = weigh(&live, &suspects("fra", 3), None, 100).incident;
        let after = |minute| weigh(&live, &suspects("fra", 1), open.as_ref(), minute);
        assert!(after(104).incident.is_some() && after(104).repair.is_empty() && !after(104).opened);
        assert_eq!((after(105).incident, after(105).repair.len()), (None, 1));
    }

    #[test]
    fn an_alarm_is_raised_once_and_again_only_when_the_incident_grows() {
        let live = fleet(&[("fra", 3), ("iad", 3), ("sin", 90), ("syd", 90), ("nrt", 90)]);
        let first = weigh(&live, &suspects("fra", 3), None, 100);
        assert!(first.opened);
        assert!(!weigh(&live, &suspects("fra", 3), first.incident.as_ref(), 101).opened);
        let grown = weigh(&live, &[suspects("fra", 3), suspects("iad", 3)].concat(), first.incident.as_ref(), 102);
        assert!(grown.opened && grown.incident.is_some_and(|incident| incident.regions.len() == 2 && incident.opened_minute == 100));
    }
}
