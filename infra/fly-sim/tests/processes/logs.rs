use fly_sim::host::Host;
use serde_json::json;

use crate::support::{MACHINE, Rig, boot, eventually, open};

#[tokio::test]
async fn both_streams_are_one_log_that_outlives_stops_and_hosts() {
    let rig = Rig::new().await;
    let script = r#"echo one; echo two >&2; echo '{"level":"ERROR","message":"three"}'; printf half; exit 1"#;
    rig.boot(script).await;
    eventually("the end", || rig.processes.pid(MACHINE).is_none().then_some(())).await;
    rig.boot("echo again; read line").await;
    let mut lines = Vec::new();
    while lines.len() < 5 {
        lines = rig.processes.logs("rp-test-one", Some(MACHINE), 0, 100).await;
        tokio::task::yield_now().await;
    }
    let seen: Vec<_> = lines.iter().map(|line| (line.level.as_str(), line.message.as_str())).collect();
    let expected =
        [("info", "one"), ("info", "two"), ("error", r#"{"level":"ERROR","message":"three"}"#), ("info", "half"), ("info", "again")];
    assert_eq!(seen, expected);
    assert!(lines.iter().all(|line| line.machine == MACHINE && line.region == "fra"));

    let after_two = rig.processes.logs("rp-test-one", None, lines[1].timestamp_ns, 2).await;
    assert_eq!(after_two.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), [&lines[2].message, "half"]);
    assert!(rig.processes.logs("another-app", None, 0, 100).await.is_empty());
    assert!(rig.processes.logs("rp-test-one", Some("another-machine"), 0, 100).await.is_empty());
    rig.processes.shutdown().await;

    let times = |lines: &[fly_sim::host::LogLine]| lines.iter().map(|line| line.timestamp_ns).collect::<Vec<_>>();
    assert_eq!(times(&open(rig.folder.path()).logs("rp-test-one", None, 0, 100).await), times(&lines));
}

#[tokio::test]
async fn lines_of_several_machines_come_in_the_order_of_their_times() {
    let rig = Rig::new().await;
    for nth in 0..3 {
        let mut boot = boot(&format!("echo {nth}"), json!({}));
        boot.machine = format!("machine{}", 2 - nth);
        rig.processes.boot(boot).await.unwrap();
        eventually("the line", || {
            let text = std::fs::read_to_string(rig.folder.path().join(format!("machines/machine{}/machine.log", 2 - nth))).ok()?;
            text.ends_with('\n').then_some(())
        })
        .await;
        rig.processes.logs("rp-test-one", None, 0, 10).await;
    }
    let lines = rig.processes.logs("rp-test-one", None, 0, 10).await;
    assert!(lines.is_sorted_by_key(|line| line.timestamp_ns));
    assert_eq!(lines.len(), 3);
}
