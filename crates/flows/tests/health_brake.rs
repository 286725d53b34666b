//! The brake at its edges: which trouble is an instance's own, a region's, or ours, and for how long.

use std::collections::BTreeMap;

use domain::{InstanceId, OrganisationId, Region};
use flows::health::{Incident, Live, Suspect, count_miss, weigh, weighing_minute};

fn region(code: &str) -> Region {
    code.parse().expect("a region")
}

fn fleet(regions: &[(&str, usize)]) -> BTreeMap<Region, Live> {
    regions.iter().map(|(code, count)| (region(code), Live { instances: *count, missing: 0 })).collect()
}

fn suspects(codes: &[&str]) -> Vec<Suspect> {
    let one = |code: &str| Suspect { organisation: OrganisationId::generate(), instance: InstanceId::generate(), region: region(code) };
    codes.iter().flat_map(|code| std::iter::repeat_with(|| one(code)).take(30)).collect()
}

/// The incident that these regions in trouble open, in a fleet of this many in each region.
fn opened(live: &[(&str, usize)], down: &[&str]) -> Incident {
    weigh(&fleet(live), &suspects(down), None, 100).incident.expect("a region is in trouble")
}

#[test]
fn half_of_the_regions_are_not_most_of_them() {
    assert!(!opened(&[("fra", 50), ("iad", 50)], &["fra"]).ours);
    assert!(!opened(&[("fra", 50), ("iad", 50), ("sin", 50), ("syd", 50)], &["fra", "iad"]).ours);
    assert!(opened(&[("fra", 50), ("iad", 50), ("sin", 50)], &["fra", "iad"]).ours);
}

/// Where there is one region only, its own trouble and ours look alike; the provider's is the likelier.
#[test]
fn the_only_region_in_trouble_is_not_our_fault() {
    assert!(!opened(&[("fra", 50)], &["fra"]).ours);
    assert!(!opened(&[("fra", 50), ("iad", 0)], &["fra"]).ours, "a region without instances is none");
    assert!(opened(&[("fra", 50), ("iad", 50), ("sin", 50), ("syd", 0)], &["fra", "iad"]).ours, "nor does it speak for the others");
}

#[test]
fn an_incident_that_goes_on_stays_open_and_once_ours_stays_ours() {
    let live = fleet(&[("fra", 50), ("iad", 50), ("sin", 50)]);
    let first = weigh(&live, &suspects(&["fra", "iad"]), None, 100).incident;
    let later = weigh(&live, &suspects(&["fra"]), first.as_ref(), 110).incident.expect("it goes on");
    assert!(later.ours, "one region recovered first, and nothing is restarted all the same");
    assert_eq!((later.opened_minute, later.last_seen_minute), (100, 110));
    assert!(weigh(&live, &[], Some(&later), 114).incident.is_some(), "four quiet minutes are not five");
    assert_eq!(weigh(&live, &[], Some(&later), 115).incident, None);
}

#[test]
fn an_incident_becomes_ours_when_most_regions_follow() {
    let live = fleet(&[("fra", 50), ("iad", 50), ("sin", 50)]);
    let first = weigh(&live, &suspects(&["fra"]), None, 100).incident;
    assert!(first.as_ref().is_some_and(|incident| !incident.ours));
    let grown = weigh(&live, &suspects(&["fra", "iad"]), first.as_ref(), 101);
    assert!(grown.opened && grown.incident.is_some_and(|incident| incident.ours));
}

/// EventBridge delivers late and twice: what an earlier minute's sweep saw does not make the incident look quiet for longer than it was.
#[test]
fn a_late_sweep_does_not_move_an_incident_back() {
    let live = fleet(&[("fra", 50), ("iad", 50), ("sin", 50)]);
    let open = Incident { last_seen_minute: 110, ..opened(&[("fra", 50), ("iad", 50), ("sin", 50)], &["fra"]) };
    let late = weigh(&live, &suspects(&["fra"]), Some(&open), 107).incident.expect("it goes on");
    assert_eq!((late.opened_minute, late.last_seen_minute), (100, 110));
    assert!(weigh(&live, &[], Some(&late), 114).incident.is_some(), "five quiet minutes count from the last trouble");
}

#[test]
fn a_sweep_weighs_in_its_own_minute_however_late_or_early_its_event_is() {
    for (scheduled, now, weighed) in
        [(100, 100, 100), (97, 100, 100), (101, 100, 101), (102, 100, 101), (i64::MAX, 100, 101), (0, 100, 100)]
    {
        assert_eq!(weighing_minute(scheduled, now), weighed, "for {scheduled} at {now}");
    }
}

#[test]
fn misses_are_in_a_row_if_at_most_one_check_is_lost_between_two() {
    let counted = [
        (0, None, Some(1)),
        (0, Some(90), Some(1)),
        (1, Some(99), Some(2)),
        (1, Some(98), Some(2)),
        (2, Some(98), Some(3)),
        (1, Some(97), Some(1)),
        (2, Some(97), Some(1)),
        (2, Some(i64::MIN), Some(1)),
        (2, None, Some(1)),
        (1, Some(100), None),
        (2, Some(101), None),
        (3, Some(99), None),
        (3, Some(7), None),
        (u8::MAX, None, None),
    ];
    for (misses, last, next) in counted {
        assert_eq!(count_miss(misses, last, 100), next, "{misses} misses, the last in minute {last:?}");
    }
}

/// The first suspects of a trouble that many are in are not repaired because the others are counted a minute later.
#[test]
fn the_first_suspects_of_a_region_that_goes_down_wait_for_the_others() {
    let with = |missing: usize| [("fra", missing), ("iad", 1), ("sin", 0), ("syd", 0)];
    let live = |missing| with(missing).map(|(code, missing)| (region(code), Live { instances: 100, missing })).into();
    let (few, elsewhere) = (&suspects(&["fra"])[..5], &suspects(&["iad"])[..1]);
    let all = [few, elsewhere].concat();
    let waits = weigh(&live(21), &all, None, 100);
    assert_eq!((waits.incident, waits.repair), (None, elsewhere.to_vec()), "no alarm yet, and no repair there");
    assert_eq!(weigh(&live(20), &all, None, 100).repair, all[..4], "a fifth is not too many");
}

#[test]
fn the_first_suspects_of_an_outage_of_our_own_wait_everywhere() {
    let live: BTreeMap<_, _> =
        [("fra", 30), ("iad", 30), ("sin", 1)].map(|(code, missing)| (region(code), Live { instances: 100, missing })).into();
    let judgement = weigh(&live, &suspects(&["sin"])[..1], None, 100);
    assert_eq!((judgement.incident, judgement.repair), (None, Vec::new()));
}
