//! `kill -9` of the platform in the middle of things, and another start: every operation goes on, nothing runs twice.

use std::path::Path;

use crate::STAND_IN;
use crate::bystander::Bystanders;
use crate::dice::{Dice, asked};
use crate::household::Household;
use crate::support::{command, start, until_no_process};

/// Within this many milliseconds of a request a creation or a deletion with the stand-in is over, on a quiet machine.
const WITHIN_MS: usize = 1_500;
/// A start takes about as long.
const STARTING_MS: usize = 400;

#[tokio::test]
async fn whenever_the_power_is_cut_everything_asked_for_comes_true_once() {
    let cuts = asked("ROCKPOOL_POWER_CUTS").unwrap_or(25);
    let seed = asked("ROCKPOOL_SEED").unwrap_or(1);
    eprintln!("ROCKPOOL_POWER_CUTS={cuts} ROCKPOOL_SEED={seed} cargo test -p local --test failure power -- --nocapture");
    let mut dice = Dice::new(seed);
    let data = tempfile::tempdir().unwrap();
    let mut household = Household::default();
    let mut bystanders = Bystanders::beside(data.path());
    let mut first = start(data.path(), &STAND_IN);
    first.end();

    for _ in 0..cuts {
        if dice.below(5) == 0 {
            cut_a_start(data.path(), &mut dice).await;
            continue;
        }
        let mut platform = start(data.path(), &STAND_IN[..2]);
        household.decide(&mut dice);
        let moment = dice.moment(WITHIN_MS);
        let cut = async |platform: &mut crate::support::Platform| {
            tokio::time::sleep(moment).await;
            platform.kill();
        };
        household.ask(&mut platform, cut).await;
    }

    let mut last = start(data.path(), &STAND_IN[..2]);
    household.is_served(&mut last, data.path(), &bystanders.ids()).await;
    bystanders.are_unharmed();
    household.give_up_everything();
    household.is_served(&mut last, data.path(), &bystanders.ids()).await;
    last.end();
    bystanders.are_unharmed();
    drop(bystanders);
    until_no_process(data.path()).await;
}

/// A start that does not come to its end.
async fn cut_a_start(data: &Path, dice: &mut Dice) {
    let mut starting = command(data, &STAND_IN[..2]).spawn().unwrap();
    tokio::time::sleep(dice.moment(STARTING_MS)).await;
    starting.kill().unwrap();
    starting.wait().unwrap();
}
