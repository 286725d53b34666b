//! The brake at its edges: which trouble is an instance's own, a region's, or ours, and for how long.

use std::collections::BTreeMap;

use domain::{InstanceId, OrganisationId, Region};
use flows::health::{Incident, Suspect, weigh};

fn region(code: &str) -> Region {
    code.parse().expect("a region")
}

fn fleet(regions: &[(&str, usize)]) -> BTreeMap<Region, usize> {
    regions.iter().map(|(code, count)| (region(code), *count)).collect()
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
