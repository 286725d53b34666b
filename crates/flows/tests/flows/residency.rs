use durable::testing::{Adversity, PointKind, Schedule};

use flows::testing::repertoire::{Part, Play};

/// The judge asks it of every performance; here every refusal of a region pushes towards another.
#[test]
fn a_refusal_never_drives_an_instance_out_of_its_regions() {
    let play = Play { regions: vec!["fra", "ams"], ..Play::new("residency", Part::Provision) };
    let points = play.rehearsal().points();
    for (index, point) in points.iter().enumerate().filter(|(_, point)| point.kind == PointKind::Effect) {
        let (_, set) = play.perform(&Schedule::calm().and(index, Adversity::RefuseForGood));
        let regions: Vec<&str> = set.world.provider().regions.iter().map(|region| region.code()).collect();
        assert!(regions.iter().all(|region| play.regions.contains(region)), "{regions:?} after {point}");
    }
}
