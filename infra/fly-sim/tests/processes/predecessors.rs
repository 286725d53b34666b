//! What a host finds when the one before it was killed.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use fly_sim::host::Host;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::{MACHINE, boot, eventually, lives, open};

/// In the environment of the process that plays the host to be killed: the folder of its machines.
const HOST_TO_KILL: &str = "FLY_SIM_TEST_HOST_TO_KILL";
const DRAINS: &str = "echo begun >> data/story; while read line; do :; done; echo drained >> data/story";

/// A shell that stays one: while it became another program, its environment would name no machine for a moment.
const SLEEPS: &str = "sleep 1000; :";

fn on_volume() -> Value {
    json!({"mounts": [{"volume": "vol_1", "path": "/data"}]})
}

fn machine_folder(root: &Path) -> PathBuf {
    root.join("machines").join(MACHINE)
}

fn record(root: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(machine_folder(root).join("process.json")).ok()?).ok()
}

fn kernel_boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().to_owned()
}

/// A process that leads its own group and ends only when it is killed, here at the latest.
struct Stranger(Child);

impl Stranger {
    /// Starts one that has nothing to do with any machine, and returns also what a host would have recorded of it.
    fn new(script: &str) -> (Self, Value) {
        Self::started(Command::new("sh").args(["-c", script]))
    }

    /// Starts one as a host starts its machines: with the machine and its folder in the environment.
    fn in_machine(root: &Path, script: &str) -> (Self, Value) {
        let folder = machine_folder(&root.canonicalize().unwrap()).join("root");
        Self::started(Command::new("sh").args(["-c", script]).env("FLY_MACHINE_ID", MACHINE).env("MACHINE_ROOT", folder))
    }

    fn started(command: &mut Command) -> (Self, Value) {
        let stranger = Self(command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0).spawn().unwrap());
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", stranger.pid())).unwrap();
        let start_time: u64 = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap();
        let record =
            json!({"phase": "running", "boot_id": kernel_boot(), "pid": stranger.pid(), "start_time": start_time, "instance_id": "01J"});
        (stranger, record)
    }

    fn pid(&self) -> i32 {
        self.0.id().try_into().unwrap()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // Not yet collected, so that the number is still its own.
        killpg(Pid::from_raw(self.pid()), Signal::SIGKILL).unwrap();
        self.0.wait().unwrap();
    }
}

fn leave(root: &Path, record: &Value) {
    std::fs::create_dir_all(machine_folder(root)).unwrap();
    std::fs::write(machine_folder(root).join("process.json"), record.to_string()).unwrap();
}

#[tokio::test]
async fn a_machine_of_a_killed_host_drains_by_its_lifeline_and_never_runs_twice() {
    if let Some(root) = std::env::var_os(HOST_TO_KILL) {
        let processes = open(Path::new(&root));
        processes.create_volume("vol_1").await.unwrap();
        processes.boot(boot(DRAINS, on_volume())).await.unwrap();
        // Until it is killed.
        return std::future::pending().await;
    }
    let folder = tempfile::tempdir().unwrap();
    let story = folder.path().join("volumes/vol_1/story");
    let read = || std::fs::read_to_string(&story).unwrap_or_default();
    let mut host = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "predecessors::a_machine_of_a_killed_host_drains_by_its_lifeline_and_never_runs_twice", "--nocapture"])
        .env(HOST_TO_KILL, folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let first = eventually("the machine", || {
        let record = record(folder.path()).filter(|record| record["phase"] == "running")?;
        (read() == "begun\n").then(|| i32::try_from(record["pid"].as_i64().unwrap()).unwrap())
    })
    .await;
    host.kill().unwrap();
    host.wait().unwrap();

    let processes = open(folder.path());
    processes.boot(boot(DRAINS, on_volume())).await.unwrap();
    assert!(!lives(first));
    eventually("the second run", || (read().lines().count() > 2).then_some(())).await;
    assert_eq!(read(), "begun\ndrained\nbegun\n");
    assert_eq!(record(folder.path()).unwrap()["pid"].as_i64(), processes.pid(MACHINE).map(i64::from));
    processes.shutdown().await;
    assert_eq!(record(folder.path()), None, "an orderly end leaves nothing to wait for");
}

#[tokio::test]
async fn a_predecessor_that_does_not_notice_is_ended_with_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let stubborn = format!("trap '' TERM; sleep 1000 & echo $! > {}; while :; do sleep 1000; done", pids.display());
    let (child, record) = Stranger::in_machine(folder.path(), &stubborn);
    let grandchild = eventually("the grandchild", || std::fs::read_to_string(&pids).ok()?.trim().parse().ok()).await;
    leave(folder.path(), &record);
    let processes = open(folder.path());
    processes.boot(boot("read line", json!({}))).await.unwrap();
    assert!(!lives(child.pid()));
    assert!(!lives(grandchild), "its children are gone too");
    processes.shutdown().await;
}

#[tokio::test]
async fn a_process_whose_start_time_is_not_the_recorded_one_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (child, mut record) = Stranger::new("sleep 1000");
    record["start_time"] = (record["start_time"].as_u64().unwrap() + 1).into();
    leave(folder.path(), &record);
    let processes = open(folder.path());
    processes.stop(MACHINE, 9, std::time::Duration::ZERO).await;
    leave(folder.path(), &record);
    processes.boot(boot("read line", json!({}))).await.unwrap();
    assert!(lives(child.pid()));
    processes.shutdown().await;
}

#[tokio::test]
async fn the_processes_of_the_folder_that_this_one_was_copied_from_are_left_alone() {
    let [original, copy] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (child, record) = Stranger::in_machine(original.path(), SLEEPS);
    let processes = open(copy.path());
    for _ in 0..2 {
        leave(copy.path(), &record);
        processes.stop(MACHINE, 9, std::time::Duration::ZERO).await;
        processes.boot(boot("read line", json!({}))).await.unwrap();
    }
    processes.destroy(MACHINE).await;
    assert!(lives(child.pid()));
}

#[tokio::test]
async fn a_process_recorded_in_another_boot_of_the_kernel_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (child, mut record) = Stranger::new("sleep 1000");
    record["boot_id"] = "00000000-0000-0000-0000-000000000000".into();
    leave(folder.path(), &record);
    let processes = open(folder.path());
    processes.boot(boot("read line", json!({}))).await.unwrap();
    processes.destroy(MACHINE).await;
    assert!(lives(child.pid()));
}

#[tokio::test]
async fn a_destroyed_machine_takes_its_predecessor_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let (child, record) = Stranger::in_machine(folder.path(), SLEEPS);
    leave(folder.path(), &record);
    open(folder.path()).destroy(MACHINE).await;
    assert!(!lives(child.pid()));
    assert!(!machine_folder(folder.path()).exists());
}

#[tokio::test]
async fn a_process_that_is_just_becoming_another_program_is_not_taken_for_a_strangers() {
    // The kernel lets the parent go on before the child's new environment is written; about one start in a hundred is met without one.
    for _ in 0..100 {
        let folder = tempfile::tempdir().unwrap();
        let (child, record) = Stranger::in_machine(folder.path(), SLEEPS);
        leave(folder.path(), &record);
        open(folder.path()).destroy(MACHINE).await;
        assert!(!lives(child.pid()));
    }
}

#[tokio::test]
async fn a_process_without_any_environment_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (child, record) = Stranger::started(Command::new("/bin/sleep").arg("1000").env_clear());
    leave(folder.path(), &record);
    open(folder.path()).destroy(MACHINE).await;
    assert!(lives(child.pid()));
}

#[tokio::test]
async fn a_start_that_was_cut_off_before_its_record_is_waited_for_and_otherwise_refused() {
    let folder = tempfile::tempdir().unwrap();
    leave(folder.path(), &json!({"phase": "starting", "boot_id": kernel_boot()}));
    // As the process would that nobody knows: it holds the lock that it inherited with its output.
    let log = std::fs::File::create(machine_folder(folder.path()).join("machine.log")).unwrap();
    log.lock().unwrap();
    let output = log.try_clone().unwrap();
    let child =
        Stranger(Command::new("sh").args(["-c", "read line"]).stdin(Stdio::piped()).stdout(output).process_group(0).spawn().unwrap());
    drop(log);

    let processes = open(folder.path());
    let refused = processes.boot(boot("read line", json!({}))).await.unwrap_err();
    assert!(refused.reason.contains("never recorded"), "{}", refused.reason);
    assert!(lives(child.pid()), "nobody knows whose it is, so it is not touched");
    drop(child);
    processes.boot(boot("read line", json!({}))).await.unwrap();
    processes.shutdown().await;
}
