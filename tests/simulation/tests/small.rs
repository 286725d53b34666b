//! Small worlds, for every day; `cargo run -p simulation` lets two hundred large ones live.

use simulation::{Report, Scale, live};

const SMALL: Scale = Scale { instances: 30, hours: 24, wishes: 21, embedded: false };

fn lived(seed: u64, scale: Scale) -> Report {
    live(seed, scale).unwrap_or_else(|failure| panic!("{failure}"))
}

#[test]
fn the_same_seed_is_the_same_world() {
    assert_eq!(lived(1, SMALL), lived(1, SMALL));
    assert_ne!(lived(1, SMALL), lived(2, SMALL));
}

#[test]
fn small_worlds_end_well_and_much_has_gone_wrong_in_them() {
    let mut all = Report::default();
    (1..=8).for_each(|seed| all.add(&lived(seed, SMALL)));
    println!("{all}");
    assert!(all.faults > 100 && all.calamities > 10 && all.kills > 1 && all.cancels > 10 && all.repairs > 1, "{all}");
}

#[test]
fn a_small_world_on_the_embedded_dynamodb_ends_well() {
    lived(5, Scale { instances: 5, hours: 2, wishes: 200, embedded: true });
}
