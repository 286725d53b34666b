use fly_sim::host::{Disk, Host};
use serde_json::json;

use crate::support::{MACHINE, Rig, boot};

const WAIT: &str = "while read line; do :; done";

fn volume(id: &str) -> Disk {
    Disk::Volume(id.to_owned())
}

#[tokio::test]
async fn a_snapshot_and_a_fork_hold_what_the_volume_held_and_outlive_it() {
    let rig = Rig::new().await;
    rig.processes.create_volume("vol_1").await.unwrap();
    let mounts = |volume: &str| json!({"mounts": [{"volume": volume, "path": "/data"}]});
    rig.processes.boot(boot(&format!("echo then > data/new; mv data/new data/kept; {WAIT}"), mounts("vol_1"))).await.unwrap();
    rig.wait_for_file("data/kept").await;
    let snapshot = Disk::Snapshot("vs_1".to_owned());
    assert_eq!(rig.processes.copy(&volume("vol_1"), &snapshot).await.unwrap(), 5);
    std::fs::write(rig.root().join("data/kept"), "now\n").unwrap();
    rig.processes.copy(&volume("vol_1"), &volume("vol_2")).await.unwrap();
    rig.processes.destroy(MACHINE).await;
    rig.processes.delete_volume("vol_1").await.unwrap();
    rig.processes.copy(&snapshot, &volume("vol_3")).await.unwrap();

    for (id, expected) in [("vol_2", "now\n"), ("vol_3", "then\n")] {
        rig.processes.boot(boot(WAIT, mounts(id))).await.unwrap();
        assert_eq!(std::fs::read_to_string(rig.root().join("data/kept")).unwrap(), expected);
    }
    rig.processes.shutdown().await;
    rig.processes.delete_snapshot("vs_1").await.unwrap();
    rig.processes.delete_snapshot("vs_1").await.unwrap();
    assert!(rig.processes.copy(&snapshot, &volume("vol_4")).await.is_err());
    assert!(rig.processes.copy(&volume("vol_2"), &volume("../vol_5")).await.is_err());
}
