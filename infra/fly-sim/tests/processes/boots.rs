use std::os::unix::fs::PermissionsExt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fly_sim::host::Host;
use serde_json::json;

use crate::support::{MACHINE, Rig, boot, open};

const WAIT: &str = "while read line; do :; done";

#[tokio::test]
async fn a_machine_finds_its_own_environment_and_nothing_of_the_hosts() {
    let rig = Rig::new().await;
    let config = json!({
        "env": {"OVERRIDDEN": "config", "FLY_REGION": "nowhere", "ROCKPOOL_LISTEN": "[::]:8080"},
        "guest": {"cpu_kind": "shared", "cpus": 2, "memory_mb": 2048},
        "services": [{"internal_port": 8080}, {"internal_port": 9000}],
        "metrics": {"port": 9091, "path": "/metrics"},
    });
    rig.processes.boot(boot(&format!("pwd; env > env.new; mv env.new env.txt; {WAIT}"), config)).await.unwrap();
    let text = rig.wait_for_file("env.txt").await;
    let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
    let port = |internal| rig.processes.port(MACHINE, internal).unwrap();

    assert_eq!(line("FROM_IMAGE"), Some("image"));
    assert_eq!(line("OVERRIDDEN"), Some("config"));
    assert_eq!(line("SECRET"), Some("hush"));
    assert_eq!(line("FLY_APP_NAME"), Some("rp-test-one"));
    assert_eq!(line("FLY_MACHINE_ID"), Some(MACHINE));
    assert_eq!(line("FLY_REGION"), Some("fra"));
    assert_eq!(line("FLY_MACHINE_VERSION"), Some("01JD0000000000000000000000"));
    assert_eq!(line("FLY_PRIVATE_IP"), Some("fdaa:0:1::3"));
    assert_eq!(line("FLY_IMAGE_REF"), Some("shell"));
    assert_eq!(line("FLY_VM_MEMORY_MB"), Some("2048"));
    assert_eq!(line("ROCKPOOL_LISTEN"), Some(format!("127.0.0.1:{}", port(8080)).as_str()));
    assert_eq!(line("ROCKPOOL_LISTEN_9000"), Some(format!("127.0.0.1:{}", port(9000)).as_str()));
    assert_eq!(line("ROCKPOOL_METRICS_LISTEN"), Some(format!("127.0.0.1:{}", rig.processes.metrics_port(MACHINE).unwrap()).as_str()));
    assert!(line("ROCKPOOL_GATEWAY_PORT").is_some_and(|port| port.parse::<u16>().is_ok()));
    assert_eq!(line("ROCKPOOL_ROOT"), rig.root().to_str());
    assert_eq!(line("ROCKPOOL_LIFELINE"), Some("stdin"));
    assert_eq!(line("PATH"), std::env::var("PATH").ok().as_deref());
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some(), "the host has this one, so that its absence below says something");
    assert_eq!((line("CARGO_MANIFEST_DIR"), line("HOME")), (None, None));
    rig.processes.shutdown().await;
}

#[tokio::test]
async fn files_are_written_with_their_modes_and_a_mount_is_the_volume() {
    let rig = Rig::new().await;
    rig.processes.create_volume("vol_1").await.unwrap();
    let mut boot = boot(
        &format!("echo kept > data/kept; {WAIT}"),
        json!({
            "mounts": [{"volume": "vol_1", "path": "/data"}],
            "files": [
                {"guest_path": "/etc/rockpool/gateway.json", "raw_value": STANDARD.encode("{}"), "mode": 0o600},
                {"guest_path": "/etc/plain", "raw_value": STANDARD.encode("plain")},
                {"guest_path": "/data/seeded", "raw_value": STANDARD.encode("seed")},
                {"guest_path": "/etc/key", "secret_name": "KEY", "mode": 0o400},
            ],
        }),
    );
    boot.secrets.insert("KEY".to_owned(), STANDARD.encode("opens"));
    rig.processes.boot(boot).await.unwrap();
    rig.wait_for_file("data/kept").await;

    let read = |path: &str| {
        let path = rig.root().join(path);
        (std::fs::read_to_string(&path).unwrap(), std::fs::metadata(path).unwrap().permissions().mode() & 0o7777)
    };
    assert_eq!(read("etc/rockpool/gateway.json"), ("{}".to_owned(), 0o600));
    assert_eq!(read("etc/plain"), ("plain".to_owned(), 0o644));
    assert_eq!(read("etc/key"), ("opens".to_owned(), 0o400));
    let volume = rig.folder.path().join("volumes/vol_1");
    assert_eq!(std::fs::read_to_string(volume.join("seeded")).unwrap(), "seed");
    assert_eq!(std::fs::read_to_string(volume.join("kept")).unwrap(), "kept\n");

    rig.processes.destroy(MACHINE).await;
    assert!(!rig.folder.path().join("machines").join(MACHINE).exists());
    assert!(volume.join("kept").exists(), "a volume outlives its machine");
    rig.processes.delete_volume("vol_1").await.unwrap();
    rig.processes.delete_volume("vol_1").await.unwrap();
    assert!(!volume.exists());
}

#[tokio::test]
async fn the_root_is_fresh_at_every_boot_unless_it_is_to_persist() {
    let rig = Rig::new().await;
    let script = |nth| format!("ls > {nth}.new; touch leftover; mv {nth}.new {nth}; {WAIT}");
    let persistent = json!({"rootfs": {"persist": "always"}});
    for (nth, config, expected) in [("first", json!({}), false), ("second", json!({}), false), ("third", persistent, true)] {
        rig.processes.boot(boot(&script(nth), config)).await.unwrap();
        let seen = rig.wait_for_file(nth).await;
        assert_eq!(seen.contains("leftover"), expected, "{nth}: {seen}");
        rig.processes.stop(MACHINE, 15, std::time::Duration::from_secs(20)).await;
    }
}

#[tokio::test]
async fn ports_stay_with_a_machine_and_are_never_shared() {
    let rig = Rig::new().await;
    let service = json!({"services": [{"internal_port": 8080}]});
    rig.processes.boot(boot(WAIT, service.clone())).await.unwrap();
    let first = rig.processes.port(MACHINE, 8080).unwrap();
    rig.processes.shutdown().await;

    // The first machine is stopped, so that its ports are free to the kernel, but not to another machine.
    let again = open(rig.folder.path());
    assert_eq!(again.port(MACHINE, 8080), Some(first));
    assert_eq!(again.port(MACHINE, 8081), None);
    assert_eq!(again.port("unknown", 8080), None);
    let mut other = boot(WAIT, service.clone());
    other.machine = "another".to_owned();
    // Nor does one without services listen where everybody would.
    other.config["services"] = json!([]);
    again.boot(other).await.unwrap();
    assert!(again.port("another", 8080).is_some_and(|port| port != 8080));
    assert_ne!(again.port("another", 8080), Some(first));

    let stranger = std::net::TcpListener::bind(("127.0.0.1", first)).unwrap();
    again.boot(boot(WAIT, service)).await.unwrap();
    assert_ne!(again.port(MACHINE, 8080), Some(first), "a port that was taken meanwhile is chosen anew");
    drop(stranger);
    again.shutdown().await;
}

#[tokio::test]
async fn a_machine_that_cannot_be_furnished_does_not_boot_and_says_why() {
    let rig = Rig::new().await;
    let outside = tempfile::tempdir().unwrap();
    rig.processes.create_volume("vol_1").await.unwrap();
    std::os::unix::fs::symlink(outside.path(), rig.folder.path().join("volumes/vol_1/link")).unwrap();
    let file = |path: &str| json!({"mounts": [{"volume": "vol_1", "path": "/data"}], "files": [{"guest_path": path, "raw_value": ""}]});
    let cases = [
        (json!({"image": "unheard-of"}), "image \"unheard-of\" is not known"),
        (json!({"mounts": [{"volume": "vol_lost", "path": "/data"}]}), "volume vol_lost is not here"),
        (json!({"mounts": [{"volume": "../vol_1", "path": "/data"}]}), "volume ../vol_1 is not here"),
        (json!({"mounts": [{"volume": "vol_1", "path": "/"}]}), "is not an absolute path within"),
        (file("/etc/../../escape"), "is not an absolute path within"),
        (file("relative"), "is not an absolute path within"),
        (file("/data/link/escape"), "would be written through a link"),
        (json!({"files": [{"guest_path": "/f", "raw_value": "not base64!"}]}), "are not base64"),
        (json!({"files": [{"guest_path": "/f", "secret_name": "ABSENT"}]}), "neither contents nor a secret"),
        (json!({"services": "none"}), "configuration cannot be read"),
    ];
    for (config, expected) in cases {
        let refused = rig.processes.boot(boot(WAIT, config.clone())).await.unwrap_err();
        assert!(refused.reason.contains(expected), "{config}: {}", refused.reason);
        assert_eq!(rig.processes.pid(MACHINE), None);
    }
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    let mut evil = boot(WAIT, json!({}));
    evil.machine = "../evil".to_owned();
    assert!(rig.processes.boot(evil).await.unwrap_err().reason.contains("no identifier"));
}
