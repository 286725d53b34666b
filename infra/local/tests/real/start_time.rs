use std::time::Duration;

use gateway::Family;

use crate::house::{House, installed};
use crate::measure;

#[tokio::test]
async fn the_platform_adds_less_than_a_second_to_openclaw_s_own_start() {
    let house = House::with(Family::Openclaw).await;
    let alone = measure::alone(&installed(Family::Openclaw).program).await;
    let platform = &house.platform;
    let through = measure::provision(&platform.address, &platform.token, &platform.data).await;
    println!(
        "OpenClaw alone: {alone:.2?}; through the platform: {:.2?}, of which its own start {:.2?}, before it {:.2?}, after it {:.2?}",
        through.whole, through.own, through.before, through.after
    );
    // Compared with its own start in the same run: two starts on a busy machine differ by more than the platform adds.
    assert!(through.added() <= Duration::from_secs(1), "{through:?}");
}
