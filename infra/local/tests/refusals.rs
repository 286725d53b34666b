//! Starts that cannot be: one clear line each.

mod support;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use support::{command, start};

const STAND_IN: [&str; 4] = ["--gateway", "stand-in", "--port", "0"];

fn first_line(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_folder_in_use_names_its_holder() {
    let data = tempfile::tempdir().unwrap();
    let first = start(data.path(), &STAND_IN);
    let line = first_line(&command(data.path(), &STAND_IN).output().unwrap());
    assert!(line.contains("is in use by process") && line.contains(&first.child.id().to_string()), "{line}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let data = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let line = first_line(&command(data.path(), &["--gateway", "stand-in", "--port", &port.to_string()]).output().unwrap());
    assert!(line.contains(&format!("port {port} on 127.0.0.1 is taken; choose another with --port")), "{line}");
}

#[test]
fn another_port_than_the_instances_have_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let mut first = start(data.path(), &STAND_IN);
    first.end();
    let line = first_line(&command(data.path(), &["--gateway", "stand-in", "--port", "1999"]).output().unwrap());
    assert!(line.contains("have addresses with port"), "{line}");
}

#[test]
fn a_folder_of_a_newer_rockpool_is_left_alone() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("platform.json"), br#"{"version":99,"instances_port":8081}"#).unwrap();
    let line = first_line(&command(data.path(), &STAND_IN).output().unwrap());
    assert!(line.contains("was written by a newer Rockpool"), "{line}");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("a-file");
    std::fs::write(&file, b"").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o400)).unwrap();
    let line = first_line(&command(&file, &STAND_IN).output().unwrap());
    assert!(line.contains("a-file cannot be used"), "{line}");
}

#[test]
fn without_npm_the_stand_in_takes_over_and_says_so() {
    let data = tempfile::tempdir().unwrap();
    let mut platform = command(data.path(), &["--port", "0"]);
    let mut child = platform.env("PATH", data.path()).spawn().unwrap();
    let mut said = String::new();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let gateway = lines.by_ref().map_while(Result::ok).find(|line| line.contains("Gateway")).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert!(gateway.contains("the built-in stand-in"), "{gateway}");
    assert_eq!(said.lines().filter(|line| line.contains("npm was not found")).count(), 1, "{said}");
}
