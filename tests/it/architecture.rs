//! The arrows of `docs/architecture.md`, and what must not be found in a source. Held here, so that nobody has to remember them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Neither AWS nor HTTP, nor a runtime to wait for them.
const PURE: [&str; 5] = ["access", "domain", "durable", "flows", "gateway"];

/// Each is between flows and one remote system, and knows no other.
const ADAPTERS: [&str; 5] = ["control", "dynamo", "fly", "identity", "vault"];

/// Programs; only what composes them all may depend on their libraries.
const MAINS: [&str; 7] = ["api", "deploy-check", "flow-runner", "health-checker", "local", "notifier", "sweep"];

/// Which of our own crates a crate may depend on, tests aside.
fn allowed(package: &str) -> BTreeSet<&'static str> {
    let flows = ["domain", "durable", "gateway"];
    let shell = ["access", "control", "domain", "durable", "dynamo", "flows", "fly", "gateway", "identity", "vault"];
    let main = || shell.iter().copied().chain(["edge", "shell"]).collect();
    match package {
        "domain" | "durable" | "access" | "aws-sim" | "fly-sim" | "lambda-sim" | "hello" => BTreeSet::new(),
        "gateway" => BTreeSet::from(["domain"]),
        "flows" => BTreeSet::from(flows),
        "identity" => BTreeSet::from(["access", "domain"]),
        "control" => BTreeSet::from(["access", "domain", "durable", "flows"]),
        "dynamo" | "fly" | "vault" => flows.into_iter().chain(["flows"]).collect(),
        "edge" => BTreeSet::from(["domain", "identity"]),
        "shell" => BTreeSet::from(shell),
        "supervisor" => BTreeSet::from(["access", "gateway"]),
        "image" | "stand-in" => BTreeSet::from(["domain", "gateway"]),
        "api" | "flow-runner" | "health-checker" | "notifier" | "sweep" => main(),
        "deploy-check" => BTreeSet::from(["durable", "dynamo", "flows", "shell"]),
        "local" => everything(),
        other => panic!("`{other}` is new: say here, and in docs/architecture.md, what it may depend on"),
    }
}

fn everything() -> BTreeSet<&'static str> {
    let libraries = ["edge", "shell", "aws-sim", "fly-sim", "image", "stand-in", "supervisor"];
    PURE.into_iter().chain(ADAPTERS).chain(libraries).chain(MAINS).filter(|name| *name != "local").collect()
}

fn metadata() -> Metadata {
    let manifest = root().join("Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Whether a package consists of tests of the whole, which may know everything.
fn tests_the_whole(package: &Package) -> bool {
    package.manifest_path.starts_with(root().join("tests").to_str().unwrap())
}

/// What a package depends on to run.
fn needs(package: &Package) -> BTreeSet<&str> {
    package.dependencies.iter().filter(|one| one.kind == DependencyKind::Normal).map(|one| one.name.as_str()).collect()
}

#[test]
fn dependencies_point_one_way() {
    let metadata = metadata();
    let ours: BTreeSet<_> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let mut wrong = Vec::new();
    for package in metadata.packages.iter().filter(|package| !tests_the_whole(package)) {
        let (allowed, needs) = (allowed(&package.name), needs(package));
        for other in needs.intersection(&ours).filter(|other| !allowed.contains(**other)) {
            wrong.push(format!("{} → {other}", package.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn the_pure_crates_know_neither_aws_nor_http_nor_a_runtime() {
    let remote = ["reqwest", "axum", "hyper", "hyper-util", "http", "tokio", "tokio-util", "tower", "tower-http", "wiremock"];
    // aws-lc-rs is cryptography that happens to be made by AWS.
    let is_remote = |name: &str| remote.contains(&name) || (name.starts_with("aws") && name != "aws-lc-rs") || name.starts_with("lambda");
    for package in metadata().packages.iter().filter(|package| PURE.contains(&package.name.as_str())) {
        let found: Vec<_> = needs(package).into_iter().filter(|name| is_remote(name)).map(str::to_owned).collect();
        assert!(found.is_empty(), "{} needs {found:?}", package.name);
    }
}

#[test]
fn no_adapter_knows_another() {
    for package in metadata().packages.iter().filter(|package| ADAPTERS.contains(&package.name.as_str())) {
        let found: Vec<_> = needs(package).into_iter().filter(|name| ADAPTERS.contains(name)).map(str::to_owned).collect();
        assert!(found.is_empty(), "{} needs {found:?}", package.name);
    }
}

#[test]
fn nothing_but_the_local_platform_and_these_tests_depends_on_a_program() {
    for package in metadata().packages.iter().filter(|package| package.name != "local" && !tests_the_whole(package)) {
        let found: Vec<_> = package.dependencies.iter().map(|one| one.name.as_str()).filter(|name| MAINS.contains(name)).collect();
        assert!(found.is_empty(), "{} needs {found:?}", package.name);
    }
}

#[test]
fn only_those_who_serve_http_name_axum() {
    let root = root();
    for package in metadata().packages.iter().filter(|package| !tests_the_whole(package)) {
        let place = package.manifest_path.strip_prefix(&root).unwrap().as_str().to_owned();
        let serves = ["crates/edge/", "crates/supervisor/", "functions/", "infra/"].iter().any(|start| place.starts_with(start));
        let names = package.dependencies.iter().any(|one| one.name.starts_with("axum") || one.name.starts_with("utoipa-axum"));
        assert!(serves || !names, "{place} names axum");
    }
}

#[test]
fn every_program_is_a_library_with_a_main_of_ten_lines() {
    for package in metadata().packages.iter().filter(|package| MAINS.contains(&package.name.as_str())) {
        let folder = package.manifest_path.parent().unwrap();
        let main = std::fs::read_to_string(folder.join("src/main.rs")).unwrap();
        assert!(main.lines().count() <= 10, "{folder}/src/main.rs has {} lines", main.lines().count());
        assert!(folder.join("src/lib.rs").exists(), "{folder} is no library");
    }
}

/// One version of each dependency, named in one place.
#[test]
fn every_dependency_is_the_workspaces() {
    let root = root();
    for package in &metadata().packages {
        let manifest: toml::Table = std::fs::read_to_string(&package.manifest_path).unwrap().parse().unwrap();
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, entry) in manifest.get(table).and_then(toml::Value::as_table).into_iter().flatten() {
                let inherited = entry.get("workspace").and_then(toml::Value::as_bool) == Some(true);
                // A crate whose tests use its own feature can only name itself by path.
                let itself = *name == *package.name && entry.get("path").is_some();
                assert!(inherited || itself, "{} gives `{name}` a version of its own", package.manifest_path);
            }
        }
        assert!(manifest["lints"]["workspace"].as_bool() == Some(true), "{} has lints of its own", package.manifest_path);
    }
    let lock: toml::Table = std::fs::read_to_string(root.join("Cargo.lock")).unwrap().parse().unwrap();
    let mut versions = BTreeMap::<&str, BTreeSet<&str>>::new();
    for package in lock["package"].as_array().unwrap() {
        versions.entry(package["name"].as_str().unwrap()).or_default().insert(package["version"].as_str().unwrap());
    }
    let whole: toml::Table = std::fs::read_to_string(root.join("Cargo.toml")).unwrap().parse().unwrap();
    let named = whole["workspace"]["dependencies"].as_table().unwrap();
    for name in named.keys() {
        assert!(versions.contains_key(name.as_str()), "the workspace names `{name}`, and nobody uses it");
    }
}

/// Every Rust file below these folders, with its text.
fn sources(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let root = root();
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(&root).unwrap().to_owned(), text));
            }
        }
    }
    assert!(!found.is_empty(), "there are no sources where they are looked for");
    found
}

/// The lines of code in which one of these words is found, without those in comments.
fn lines_with(folders: &[&str], words: &[&str]) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, text) in sources(folders) {
        let code = text.lines().zip(1..).filter(|(line, _)| !line.trim_start().starts_with("//"));
        for (line, number) in code.filter(|(line, _)| words.iter().any(|word| line.contains(word))) {
            lines.push(format!("{}:{number}: {}", path.display(), line.trim()));
        }
    }
    lines
}

#[test]
fn nothing_is_ever_found_by_a_scan() {
    let scans =
        lines_with(&["crates", "functions", "workers", "infra/local"], &[".scan()", "operation::scan", "ScanInput", "ScanFluentBuilder"]);
    assert!(scans.is_empty(), "{scans:#?}");
}

/// A function's settings are parameters; where they come from is its `main`'s and the shell's business.
#[test]
fn only_mains_the_shell_and_the_programs_of_machines_read_the_environment() {
    let readers = ["crates/shell/", "crates/supervisor/", "crates/cli/"];
    let others = |line: &String| {
        let is_reader = readers.iter().any(|start| line.starts_with(start));
        let in_tests = line.contains("/tests/") || line.contains("/testing/") || line.contains("/examples/");
        !is_reader && !in_tests && !line.contains("/src/main.rs:")
    };
    let found: Vec<_> =
        lines_with(&["crates", "functions", "workers"], &["env::var", "env::vars", "env::args"]).into_iter().filter(others).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_handler_of_the_api_names_aws_or_the_provider() {
    let found = lines_with(&["functions/api/src/routes", "functions/api/src/views"], &["aws_", "fly::", "reqwest::"]);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_test_is_left_out() {
    let skipped = lines_with(&["crates", "functions", "workers", "infra", "tests"], &[concat!("#[", "ignore")]);
    assert!(skipped.is_empty(), "{skipped:#?}");
}
