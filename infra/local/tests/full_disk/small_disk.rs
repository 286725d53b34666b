use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Its size: the platform needs some, and a test has to fill it.
const MB: u64 = 96;

/// A file system that is quickly filled: a tmpfs in a mount namespace of its own (`mount_namespaces(7)`), so that it leaves nothing behind
/// and goes with the process that holds it.
///
/// Root may mount. Everybody else needs a user namespace for it (`user_namespaces(7)`), which many systems forbid, Ubuntu since 24.04 among
/// them; there is nothing that could be filled then, and the test fails.
pub(crate) struct SmallDisk {
    holder: Child,
    folder: TempDir,
}

impl SmallDisk {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mount = format!(r#"mount -t tmpfs -o size={MB}m,mode=700 tmpfs "$0" && echo mounted && exec sleep 3600"#);
        let mut unshare = Command::new("unshare");
        if !nix::unistd::geteuid().is_root() {
            unshare.args(["--user", "--map-root-user"]);
        }
        unshare.args(["--mount", "sh", "-c", &mount]).arg(folder.path());
        let mut holder = unshare.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("util-linux has unshare");
        let mut said = String::new();
        BufReader::new(holder.stdout.take().expect("piped")).read_line(&mut said).expect("text");
        if said != "mounted\n" {
            holder.wait().expect("it ended");
            panic!("nothing can be mounted here: run the test as root, or allow user namespaces to everybody");
        }
        Self { holder, folder }
    }

    /// The folder that lies on it.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The command as it must be run to see the disk. Its process becomes the command's.
    pub(crate) fn beside(&self, command: &Command) -> Command {
        let mut entering = Command::new("nsenter");
        if !nix::unistd::geteuid().is_root() {
            entering.args(["--user", "--preserve-credentials"]);
        }
        entering.args(["--mount", "--target", &self.holder.id().to_string()]);
        entering.arg(command.get_program()).args(command.get_args());
        entering
    }

    fn shell(&self, script: &str) {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).arg(self.folder.path());
        let ended = self.beside(&shell).stderr(Stdio::null()).status().expect("sh is there");
        assert!(ended.success(), "{script}");
    }

    /// Leaves no byte.
    pub(crate) fn fill(&self) {
        self.shell(r#"! head -c 1000000000 /dev/zero > "$0/ballast""#);
    }

    /// Gives back what [`SmallDisk::fill`] took.
    pub(crate) fn make_room(&self) {
        self.shell(r#"rm "$0/ballast""#);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.holder.kill().and_then(|()| self.holder.wait()).expect("it is ours to end");
    }
}
