//! `kill -9` of the platform in the middle of things, and another start: every operation goes on, nothing runs twice.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::STAND_IN;
use crate::bystander::Bystanders;
use crate::dice::{Dice, asked};
use crate::household::Household;
use crate::remains::under_way;
use crate::support::{Platform, command, start};

/// Within this many milliseconds of a request a creation or a deletion with the stand-in is over, on a quiet machine.
const WITHIN_MS: usize = 1_500;
/// Within this many milliseconds of an answer it is not.
const AFTER_AN_ANSWER_MS: usize = 300;
/// A start takes about as long.
const STARTING_MS: usize = 400;
/// Within this time after a start everything that was under way has ended, on a busy machine. Whoever waited for the leases of the process
/// that was killed would wait for 150 s.
const GOES_ON: Duration = Duration::from_secs(30);
/// As many cuts as these are sure to meet operations under way.
const CUTS: u64 = 25;

#[tokio::test]
async fn whenever_the_power_is_cut_everything_asked_for_comes_true_once() {
    let cuts = asked("ROCKPOOL_POWER_CUTS").unwrap_or(CUTS);
    let seed = asked("ROCKPOOL_SEED").unwrap_or(1);
    eprintln!("ROCKPOOL_POWER_CUTS={cuts} ROCKPOOL_SEED={seed} cargo test -p local --test failure power -- --nocapture");
    let mut dice = Dice::new(seed);
    let data = tempfile::tempdir().unwrap();
    let mut household = Household::default();
    // What a cut found under way: operations with their kinds.
    let mut met = BTreeMap::new();
    let mut bystanders = Bystanders::beside(data.path());
    let mut first = start(data.path(), &STAND_IN);
    first.end();

    for _ in 0..cuts {
        if dice.below(5) == 0 {
            cut_a_start(data.path(), &mut dice).await;
            continue;
        }
        let mut platform = start(data.path(), &STAND_IN[..2]);
        if dice.below(3) == 0 {
            all_ends(&platform, &met).await;
        }
        household.decide(&mut dice);
        if dice.below(2) == 0 {
            // Within the request, or whatever comes of it.
            let moment = dice.moment(WITHIN_MS);
            let cut = async |platform: &mut Platform| {
                tokio::time::sleep(moment).await;
                platform.kill();
            };
            household.ask(&mut platform, cut).await;
        } else {
            // Right after the answer, when what was accepted has hardly begun.
            household.ask(&mut platform, async |_| {}).await;
            tokio::time::sleep(dice.moment(AFTER_AN_ANSWER_MS)).await;
            platform.kill();
        }
        met.extend(under_way(data.path()).await);
    }

    let mut last = start(data.path(), &STAND_IN[..2]);
    all_ends(&last, &met).await;
    let count = |kind: &str| met.values().filter(|met| *met == kind).count();
    let (creations, deletions) = (count("provision"), count("retire"));
    eprintln!("the cuts met {creations} creations and {deletions} deletions under way");
    assert!(cuts < CUTS || (creations > 0 && deletions > 0), "it was always cut when nothing was under way: {met:?}");
    household.is_served(&mut last, data.path(), &bystanders.ids()).await;
    bystanders.are_unharmed();
    household.give_up_everything();
    household.is_served(&mut last, data.path(), &bystanders.ids()).await;
    last.end();
    bystanders.are_left_alone(data.path()).await;
}

/// Waits until these operations have ended, and fails if that takes longer than it may.
async fn all_ends(platform: &Platform, operations: &BTreeMap<String, String>) {
    let deadline = Instant::now() + GOES_ON;
    for operation in operations.keys() {
        platform.ended(operation, deadline.saturating_duration_since(Instant::now())).await;
    }
}

/// A start that does not come to its end.
async fn cut_a_start(data: &Path, dice: &mut Dice) {
    let mut starting = command(data, &STAND_IN[..2]).spawn().unwrap();
    tokio::time::sleep(dice.moment(STARTING_MS)).await;
    starting.kill().unwrap();
    starting.wait().unwrap();
}
