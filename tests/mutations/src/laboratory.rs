//! Builds and runs single tests of the copy.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, thread};

use cargo_metadata::{Message, TargetKind};

use crate::mutation::{Target, Test};
use crate::workshop::{PACKAGES, Workshop};

/// A test that takes longer hangs. The slowest takes some seconds.
const LONGEST: Duration = Duration::from_secs(120);

/// Cargo could not be run.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct LaboratoryError {
    what: String,
    #[source]
    source: std::io::Error,
}

/// What became of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    Failed,
    /// The code does not compile: nothing was tried.
    NotBuilt(String),
    /// There is no test of this name.
    NotFound,
    Hung,
}

/// The programs of the copy's tests, by package and target; the library has no name.
pub(crate) struct Programs(BTreeMap<(String, Option<String>), Program>);

struct Program {
    executable: PathBuf,
    folder: PathBuf,
}

/// Builds the programs of these tests. The inner error is what the compiler said.
pub(crate) fn build(shop: &Workshop, tests: &[Test]) -> Result<Result<Programs, String>, LaboratoryError> {
    let mut targets: Vec<Target> = tests.iter().map(|test| test.target).collect();
    targets.sort_unstable();
    targets.dedup();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["test", "--no-run", "--message-format=json-render-diagnostics", "--quiet"]).current_dir(&shop.tree);
    // All packages are named each time, so that their dependencies have the same features and are built once.
    cargo.args(PACKAGES.iter().flat_map(|package| ["-p", package]));
    for target in targets {
        match target {
            Target::Lib => cargo.arg("--lib"),
            Target::Tests(name) => cargo.args(["--test", name]),
        };
    }
    strip(&mut cargo).env("CARGO_TARGET_DIR", &shop.target).env("CARGO_PROFILE_DEV_DEBUG", "0").env("RUSTFLAGS", "--cap-lints allow");
    let mut child = cargo.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed("cargo does not start"))?;
    let said = aside(child.stderr.take());
    let mut programs = BTreeMap::new();
    for message in Message::parse_stream(BufReader::new(child.stdout.take().expect("it is piped"))) {
        if let Message::CompilerArtifact(artifact) = message.map_err(failed("cargo says what cannot be read"))?
            && let (true, Some(executable)) = (artifact.profile.test, artifact.executable)
        {
            let folder = artifact.manifest_path.parent().expect("a manifest is in a folder").as_std_path().to_owned();
            let package = folder.file_name().expect("a package has a folder").to_string_lossy().into_owned();
            let is_lib = artifact.target.kind.contains(&TargetKind::Lib);
            let program = Program { executable: executable.into_std_path_buf(), folder };
            programs.insert((package, if is_lib { None } else { Some(artifact.target.name) }), program);
        }
    }
    let status = child.wait().map_err(failed("cargo does not end"))?;
    if !status.success() {
        return Ok(Err(said.join().unwrap_or_default()));
    }
    Ok(Ok(Programs(programs)))
}

impl Programs {
    /// Runs one test, alone.
    pub(crate) fn run(&self, test: &Test) -> Result<Verdict, LaboratoryError> {
        let target = match test.target {
            Target::Lib => None,
            Target::Tests(name) => Some(name.to_owned()),
        };
        let Some(program) = self.0.get(&(test.package.to_owned(), target)) else { return Ok(Verdict::NotFound) };
        let mut command = Command::new(&program.executable);
        strip(command.args(["--exact", test.name]).current_dir(&program.folder)).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(failed("a test does not start"))?;
        let (done, waiting) = mpsc::channel();
        let mut stdout = child.stdout.take().expect("it is piped");
        // Its output ends when it does.
        thread::spawn(move || {
            let mut said = Vec::new();
            let read = stdout.read_to_end(&mut said);
            drop(done.send(read.map(|_| String::from_utf8_lossy(&said).into_owned())));
        });
        let Ok(said) = waiting.recv_timeout(LONGEST) else {
            child.kill().map_err(failed("a test that hangs cannot be ended"))?;
            child.wait().map_err(failed("a test that hangs cannot be ended"))?;
            return Ok(Verdict::Hung);
        };
        let said = said.map_err(failed("the output of a test cannot be read"))?;
        let status = child.wait().map_err(failed("a test does not end"))?;
        Ok(match said.contains("running 1 test") {
            false => Verdict::NotFound,
            true if status.success() => Verdict::Passed,
            true => Verdict::Failed,
        })
    }
}

/// Takes from a command what the cargo that runs this program says to it, and what would lead the store to another DynamoDB.
fn strip(command: &mut Command) -> &mut Command {
    let ours = |name: &str| name.starts_with("CARGO_") && name != "CARGO_HOME" || name.starts_with("AWS_");
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(ours) {
            command.env_remove(name);
        }
    }
    command
}

fn aside(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut said = Vec::new();
        match stream.map(|mut stream| stream.read_to_end(&mut said)) {
            Some(Err(error)) => error.to_string(),
            _ => String::from_utf8_lossy(&said).into_owned(),
        }
    })
}

fn failed(what: &str) -> impl Fn(std::io::Error) -> LaboratoryError {
    let what = what.to_owned();
    move |source| LaboratoryError { what: what.clone(), source }
}
