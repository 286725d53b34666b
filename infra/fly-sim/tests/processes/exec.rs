use std::time::{Duration, Instant};

use fly_sim::host::{ExecFailed, Host};
use serde_json::json;

use crate::support::{MACHINE, Rig, boot, eventually, lives};

const WAIT: &str = "while read line; do :; done";
const LONG: Duration = Duration::from_secs(60);

fn shell(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

#[tokio::test]
async fn a_command_runs_in_the_machine_s_root_with_its_environment_and_no_input() {
    let rig = Rig::new().await;
    rig.processes.boot(boot(WAIT, json!({"env": {"COLOUR": "green"}}))).await.unwrap();
    let told =
        rig.processes.exec(MACHINE, &shell("pwd; echo $COLOUR $SECRET $FLY_MACHINE_ID; cat; echo bad >&2; exit 3"), LONG).await.unwrap();
    assert_eq!(told.stdout, format!("{}\ngreen hush {MACHINE}\n", rig.root().display()));
    assert_eq!((told.stderr.as_str(), told.exit_code, told.exit_signal), ("bad\n", 3, 0));
    let killed = rig.processes.exec(MACHINE, &shell("kill -9 $$"), LONG).await.unwrap();
    assert_eq!((killed.exit_code, killed.exit_signal), (137, 9));
    let missing = rig.processes.exec(MACHINE, &["no-such-program".to_owned()], LONG).await;
    assert!(matches!(missing, Err(ExecFailed::NotStarted(_))));
    rig.processes.shutdown().await;
    assert!(matches!(rig.processes.exec(MACHINE, &shell("true"), LONG).await, Err(ExecFailed::NotRunning)));
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_killed_with_its_children() {
    let rig = Rig::new().await;
    rig.processes.boot(boot(WAIT, json!({}))).await.unwrap();
    let begun = Instant::now();
    let told = rig.processes.exec(MACHINE, &shell("sleep 1000 & echo $! > pid; wait"), Duration::from_millis(500)).await;
    assert!(matches!(told, Err(ExecFailed::TimedOut)));
    assert!(begun.elapsed() < LONG);
    let child: i32 = rig.wait_for_file("pid").await.trim().parse().unwrap();
    eventually("the child's end", || (!lives(child)).then_some(())).await;
    rig.processes.shutdown().await;
}

#[tokio::test]
async fn a_long_output_is_cut_and_does_not_hold_the_command_up() {
    let rig = Rig::new().await;
    rig.processes.boot(boot(WAIT, json!({}))).await.unwrap();
    let told = rig.processes.exec(MACHINE, &shell("head -c 5000000 /dev/zero; echo done > done"), LONG).await.unwrap();
    assert_eq!((told.stdout.len(), told.exit_code), (1024 * 1024, 0));
    rig.wait_for_file("done").await;
    rig.processes.shutdown().await;
}

#[tokio::test]
async fn a_child_that_the_command_leaves_behind_is_not_waited_for_and_ends_with_the_machine() {
    let rig = Rig::new().await;
    rig.processes.boot(boot(WAIT, json!({}))).await.unwrap();
    let told = rig.processes.exec(MACHINE, &shell("setsid sleep 1000 & echo $! > left; echo said"), LONG).await.unwrap();
    assert_eq!((told.stdout.as_str(), told.exit_code), ("said\n", 0));
    let left: i32 = rig.wait_for_file("left").await.trim().parse().unwrap();
    assert!(lives(left));
    rig.processes.stop(MACHINE, 9, LONG).await;
    eventually("the child's end", || (!lives(left)).then_some(())).await;
}

#[tokio::test]
async fn the_processes_of_a_machine_are_listed_its_main_one_first() {
    let rig = Rig::new().await;
    rig.processes.boot(boot(&format!("sleep 1000 & echo $! > child; {WAIT}"), json!({}))).await.unwrap();
    let child: i32 = rig.wait_for_file("child").await.trim().parse().unwrap();
    let listed = rig.processes.processes(MACHINE).await;
    assert_eq!(Some(listed[0].pid), rig.processes.pid(MACHINE));
    let other = listed.iter().find(|process| process.pid == child).unwrap();
    assert_eq!((other.command.as_str(), other.directory.as_str()), ("sleep 1000", rig.root().to_str().unwrap()));
    rig.processes.shutdown().await;
    assert!(rig.processes.processes(MACHINE).await.is_empty());
}
