use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::{InstallError, Progress};

/// Lines of npm's standard error that are kept.
const KEPT_LINES: usize = 40;
/// How often the folder is looked at while npm works.
const LOOK: Duration = Duration::from_millis(250);

/// An npm that can be run.
#[derive(Debug, Clone)]
pub(crate) struct Npm {
    /// The command and what comes before its arguments.
    pub(crate) program: Vec<PathBuf>,
    /// Folders that go first on its `PATH`.
    pub(crate) first_on_path: Option<PathBuf>,
}

/// What npm is to install: the folder with the manifest, and how many folders it will make, for the progress.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) folders: u64,
    pub(crate) doing: &'static str,
    /// The lock on the installation.
    pub(crate) lock: &'a File,
}

impl Npm {
    /// Runs npm to its end.
    ///
    /// A person's own settings (registry, proxy, certificates) stay in force; what decides the content of an installation does not.
    /// Install scripts of dependencies never run: everything native comes ready-built, and hundreds of packages are hundreds of authors.
    pub(crate) fn run(&self, arguments: &[&str], job: Job<'_>, progress: &mut dyn Progress) -> Result<(), InstallError> {
        let (program, before) = self.program.split_first().expect("an npm has a program");
        let mut command = Command::new(program);
        command.args(before).args(arguments).current_dir(job.folder).env_remove("NODE_OPTIONS").env_remove("NODE_ENV");
        if let Some(first) = &self.first_on_path {
            command.env("PATH", joined(first));
        }
        // The lock is an empty file, and open it stays locked. If this process is killed, npm goes on for a while; the next installation
        // then waits for it, where two in one folder would break each other.
        let held = job.lock.try_clone().map_err(InstallError::io("hand on the lock of", job.folder))?;
        command.stdin(held).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => InstallError::NpmMissing,
            _ => InstallError::io("run", program)(error),
        })?;
        let stderr = child.stderr.take().expect("standard error was asked for");
        let reader = thread::spawn(move || tail(stderr));
        let status = loop {
            match child.try_wait().map_err(InstallError::io("wait for", program))? {
                Some(status) => break status,
                None => thread::sleep(LOOK),
            }
            progress.advance(unpacked(&job.folder.join("node_modules")), job.folders);
        };
        let said = reader.join().unwrap_or_default();
        if status.success() { Ok(()) } else { Err(classify(job, &status.to_string(), said)) }
    }
}

/// What makes npm install from the lockfile alone, and the same on every machine.
pub(crate) const CI: [&str; 11] = [
    "ci",
    "--ignore-scripts",
    "--include=optional",
    "--omit=dev",
    "--install-strategy=hoisted",
    "--prefer-offline",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
    "--fetch-retries=4",
    "--fetch-timeout=60000",
];

fn joined(first: &Path) -> std::ffi::OsString {
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(first.to_owned()).chain(std::env::split_paths(&inherited));
    std::env::join_paths(all).unwrap_or(inherited)
}

fn tail(stderr: impl Read) -> String {
    let mut lines: VecDeque<String> = VecDeque::new();
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        lines.push_back(line);
        if lines.len() > KEPT_LINES {
            lines.pop_front();
        }
    }
    Vec::from(lines).join("\n")
}

/// Folders below `node_modules`, those of scopes counted instead of the scope.
fn unpacked(node_modules: &Path) -> u64 {
    let folders = |path: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
    };
    let name = |path: &Path| path.file_name().and_then(OsStr::to_str).unwrap_or_default().to_owned();
    let all = folders(node_modules);
    let count = all.iter().map(|path| match name(path) {
        hidden if hidden.starts_with('.') => 0,
        scope if scope.starts_with('@') => folders(path).len(),
        _ => 1,
    });
    count.sum::<usize>() as u64
}

/// npm's error codes, as it writes them in `npm error code …`.
fn classify(job: Job<'_>, status: &str, said: String) -> InstallError {
    let has = |codes: &[&str]| codes.iter().any(|code| said.contains(code));
    if has(&["ENOSPC"]) {
        let (free_mb, need_mb) = (crate::disk::free_mb(job.folder).unwrap_or(0), crate::disk::NEED_MB);
        return InstallError::DiskFull { into: job.folder.to_owned(), free_mb, need_mb };
    }
    if has(&["EINTEGRITY", "can only install packages when your package.json and package-lock.json", "ETARGET", "E404", "EUSAGE"]) {
        return InstallError::LockfileMismatch { said };
    }
    if has(&[
        "ENOTFOUND",
        "EAI_AGAIN",
        "ECONNREFUSED",
        "ECONNRESET",
        "ETIMEDOUT",
        "ENETUNREACH",
        "EHOSTUNREACH",
        "ENOTCACHED",
        "E503",
        "E502",
    ]) {
        return InstallError::RegistryUnreachable { said };
    }
    InstallError::NpmFailed { doing: job.doing, status: status.to_owned(), said }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(said: &str) -> InstallError {
        let lock = File::open("/dev/null").unwrap();
        classify(Job { folder: Path::new("/tmp"), folders: 0, doing: "fetch it", lock: &lock }, "exit status: 1", said.to_owned())
    }

    #[test]
    fn npm_s_error_codes_become_errors_that_say_what_to_do() {
        assert!(matches!(class("npm error code ENOSPC\nnpm error nospc no space left on device"), InstallError::DiskFull { .. }));
        assert!(matches!(class("npm error code EINTEGRITY"), InstallError::LockfileMismatch { .. }));
        let unsynced =
            "npm error code EUSAGE\n`npm ci` can only install packages when your package.json and package-lock.json are in sync.";
        assert!(matches!(class(unsynced), InstallError::LockfileMismatch { .. }));
        assert!(matches!(class("npm error code ENOTFOUND"), InstallError::RegistryUnreachable { .. }));
        assert!(matches!(class("npm error code ECONNREFUSED"), InstallError::RegistryUnreachable { .. }));
        let other = class("npm error something else");
        assert_eq!(other.to_string(), "npm could not fetch it (exit status: 1): npm error something else");
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let text: String = (0..100).map(|n| format!("line {n}\n")).collect();
        let kept = tail(text.as_bytes());
        assert_eq!(kept.lines().count(), KEPT_LINES);
        assert!(kept.ends_with("line 99"));
    }
}
