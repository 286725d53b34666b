//! The supervisor as the image starts it: as root, in a file system that is the machine's, with a gateway that it drops to another user.
//! What runs in the gateway's name is the agent's shell, so that this is the wall between a customer's agent and the supervisor.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod image;
mod intruder;
#[allow(dead_code, reason = "it serves other tests too")]
#[path = "../machine/support/mod.rs"]
mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

use gateway::environment as names;
use http::{Method, StatusCode};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::image::Image;
use crate::support::runs;

/// `uid:gid mode` of a file, of a link itself.
fn owned(file: &Path) -> String {
    let found = fs::symlink_metadata(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    format!("{}:{} {:o}", found.uid(), found.gid(), found.permissions().mode() & 0o7777)
}

/// A line of `/proc/PID/status` (proc_pid_status(5)), its words parted by one space.
fn status(pid: i32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Fails unless the process is the gateway's user in everything, without a group or a capability of root's.
fn is_nobody_but_the_gateways_user(pid: i32) {
    let user = names::GATEWAY_USER.to_string();
    let (all_four, none) = ([user.as_str(); 4].join(" "), "0000000000000000");
    assert_eq!((status(pid, "Uid"), status(pid, "Gid")), (all_four.clone(), all_four));
    assert_eq!(status(pid, "Groups"), "", "groups of root's are left");
    for set in ["CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(status(pid, set), none, "{set}");
    }
}

#[tokio::test]
async fn the_gateway_is_another_user_at_every_start_and_what_it_needs_is_its_own() {
    let image = Image::with_the_stand_in();
    let machine = image.boot();
    machine.ready().await;
    let first = machine.noted_gateway().unwrap();
    assert_eq!((status(machine.pid().as_raw(), "Uid"), status(machine.pid().as_raw(), "Groups")), ("0 0 0 0".into(), "4 27".into()));
    is_nobody_but_the_gateways_user(first);

    let owners = || {
        assert_eq!(owned(&image.place("/data")), "0:0 755", "whoever owns the volume's root can rename what lies in it");
        assert_eq!(owned(&image.place("/data/rockpool")), "0:0 700");
        for folder in [names::HOME, names::STATE, names::WORKSPACE, names::TEMPORARY] {
            assert_eq!(owned(&image.place(folder)), "1000:1000 700", "{folder}");
        }
        assert_eq!(owned(&image.place("/data/state/openclaw.json")), "1000:1000 600");
        assert_eq!(owned(&image.place("/data/rockpool/last-good.json")), "0:0 600");
        assert_eq!(owned(&image.place(names::CONFIG)), "0:0 600", "what was delivered stays as it was");
    };
    owners();

    let mut wanted = image.plan.config.clone().unwrap();
    wanted["logging"]["level"] = json!("debug");
    let orders = [
        (Method::PUT, "/_rockpool/config", json!({ "config": wanted })),
        (Method::POST, "/_rockpool/restart", json!({ "request": "op_1" })),
    ];
    let mut before = first;
    for (number, (method, path, body)) in (2..).zip(orders) {
        let order = machine.command(method, path, &body.to_string()).await;
        assert_eq!(order.status, StatusCode::ACCEPTED, "{path}: {}", order.text());
        let ready = |health: &Value| health["status"] == "ready" && health["gateway"]["starts"] == number;
        machine.health_when("the next process is ready", ready).await;
        let next = machine.noted_gateway().unwrap();
        assert!(next != before && !runs(before), "{path}: a gateway of another user was not ended");
        is_nobody_but_the_gateways_user(next);
        owners();
        before = next;
    }
    assert_eq!(owned(&image.place("/data/rockpool/applied.json")), "0:0 600");
    assert!(fs::read_to_string(image.place("/data/state/openclaw.json")).unwrap().contains("debug"), "it was not installed");
}

#[tokio::test]
async fn the_agents_shell_reaches_nothing_of_the_supervisor() {
    let image = Image::with_an_intruder();
    let machine = image.boot();
    machine.ready().await;
    let supervisor = machine.pid().as_raw();
    let report = fs::read_to_string(image.place("/data/home/report")).unwrap();
    assert_eq!(report, intruder::expected(|_| false), "by the gateway's user");

    // The same as root: every attempt can succeed, or its failure above would mean nothing.
    let by_root = machine_shell(supervisor, &intruder::script(&supervisor.to_string()));
    assert_eq!(by_root, intruder::expected(|_| true), "by root");
}

/// What a shell of root's says within the machine of a supervisor.
fn machine_shell(supervisor: i32, script: &str) -> String {
    let mut entering = std::process::Command::new("nsenter");
    entering.args(["--mount", "--root", "--wd=/", "--target", &supervisor.to_string(), "/bin/sh", "-c", script]);
    let output = entering.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_restored_volume_becomes_the_gateways_and_links_in_it_give_nothing_away() {
    let image = Image::with_the_stand_in();
    let (state, home) = (image.place(names::STATE), image.place(names::HOME));
    fs::create_dir_all(state.join("memory")).unwrap();
    fs::create_dir_all(&home).unwrap();
    fs::write(state.join("memory/old"), "remembered").unwrap();
    for restored in [&image.place("/data"), &state, &state.join("memory"), &state.join("memory/old"), &home] {
        chown(restored, Some(4242), Some(4242)).unwrap();
    }
    fs::set_permissions(image.place("/data"), fs::Permissions::from_mode(0o777)).unwrap();
    symlink(names::CONFIG, home.join("link")).unwrap();
    // A link in the place of a folder, left by an agent that would like to own what is behind it.
    symlink("/etc/rockpool", image.place(names::WORKSPACE)).unwrap();

    let machine = image.boot();
    machine.ready().await;
    assert_eq!(owned(&image.place("/data")), "0:0 755");
    assert_eq!(owned(&state.join("memory")), "1000:1000 755");
    assert_eq!(owned(&state.join("memory/old")), "1000:1000 644");
    assert!(owned(&home.join("link")).starts_with("1000:1000 "));
    assert_eq!(owned(&image.place(names::WORKSPACE)), "1000:1000 700");
    assert!(fs::symlink_metadata(image.place(names::WORKSPACE)).unwrap().is_dir());
    assert_eq!(owned(&image.place(names::CONFIG)), "0:0 600", "a link was followed");
    assert!(owned(&image.place("/etc/rockpool")).starts_with("0:0 "), "a link was followed");
}

#[tokio::test]
async fn a_gateway_of_another_user_drains_and_one_that_was_left_behind_is_ended() {
    let image = Image::with_the_stand_in();
    let mut first = image.boot();
    first.ready().await;
    let orphan = first.noted_gateway().unwrap();
    first.kill_supervisor_only();
    assert!(runs(orphan), "the gateway outlives its supervisor");

    let mut second = image.boot();
    second.ready().await;
    let gateway = second.noted_gateway().unwrap();
    assert!(!runs(orphan), "two gateways ran on one volume");
    is_nobody_but_the_gateways_user(gateway);
    second.send(Signal::SIGTERM);
    assert_eq!(second.wait_for_end().code(), Some(0));
    assert!(!runs(gateway));
}
