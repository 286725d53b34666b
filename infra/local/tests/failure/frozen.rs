//! A platform that stood still for longer than a lease: a suspended laptop, a virtual machine that was paused.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::STAND_IN;
use crate::bystander::Bystanders;
use crate::copied_folder::copy;
use crate::household::Household;
use crate::remains::under_way;
use crate::support::{Platform, start};

/// A lease is 150 s. Nothing shortens it for a test: what is shown here is what the program does that people run.
const LONGER_THAN_A_LEASE: Duration = Duration::from_secs(153);

#[tokio::test]
async fn after_a_freeze_of_more_than_a_lease_all_goes_on_and_nothing_runs_twice() {
    let data = tempfile::tempdir().unwrap();
    let mut bystanders = Bystanders::beside(data.path());
    let mut platform = start(data.path(), &STAND_IN);
    let mut household = Household::default();
    (0..2).for_each(|_| household.want_another());
    household.is_served(&mut platform, data.path(), &bystanders.ids()).await;

    // One is being deleted and two are being made while the time stands still.
    let old = household.wanted.first().cloned().unwrap();
    household.give_up(&old);
    (0..2).for_each(|_| household.want_another());
    let freeze = async |platform: &mut Platform| {
        tokio::time::sleep(Duration::from_millis(250)).await;
        platform.signal(Signal::SIGSTOP);
        let met = under_way_in_a_copy(data.path()).await;
        assert!(!met.is_empty(), "the time stood still when nothing was under way");
        eprintln!("the freeze met {met:?}");
        tokio::time::sleep(LONGER_THAN_A_LEASE).await;
        platform.signal(Signal::SIGCONT);
    };
    household.ask(&mut platform, freeze).await;

    household.is_served(&mut platform, data.path(), &bystanders.ids()).await;
    household.give_up_everything();
    household.is_served(&mut platform, data.path(), &bystanders.ids()).await;
    platform.end();
    bystanders.are_left_alone(data.path()).await;
}

/// The operations under way of a platform that stands still, and their kinds: its own folder is in use.
async fn under_way_in_a_copy(data: &Path) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    assert!(copy(&data.join("aws"), &folder.path().join("aws")));
    under_way(folder.path()).await
}
