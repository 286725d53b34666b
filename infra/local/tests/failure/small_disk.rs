use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Its size: the platform needs some, and a test has to fill it.
const MB: u64 = 96;

/// A file system that is quickly filled.
///
/// It is a tmpfs in a mount namespace of its own, which takes no rights on the computer (`user_namespaces(7)`) and leaves nothing behind:
/// it goes with the process that holds it. Where namespaces are forbidden, as in many containers, it is a folder of `/dev/shm`, which is
/// as small there. Where that is large instead, there is nothing that could be filled, and the test fails.
pub(crate) struct SmallDisk {
    holder: Option<Child>,
    folder: TempDir,
}

impl SmallDisk {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut unshare = Command::new("unshare");
        let mount = format!(r#"mount -t tmpfs -o size={MB}m,mode=700 tmpfs "$0" && echo mounted && exec sleep 3600"#);
        unshare.args(["--user", "--map-root-user", "--mount", "sh", "-c", &mount]).arg(folder.path());
        let held = unshare.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        if let Ok(mut holder) = held {
            let mut said = String::new();
            BufReader::new(holder.stdout.take().expect("piped")).read_line(&mut said).expect("text");
            if said == "mounted\n" {
                return Self { holder: Some(holder), folder };
            }
            holder.wait().expect("it ended");
        }
        Self::in_shared_memory()
    }

    fn in_shared_memory() -> Self {
        let shared = Path::new("/dev/shm");
        let size = nix::sys::statvfs::statvfs(shared).map(|disk| disk.blocks() * disk.fragment_size() / 1_000_000);
        let small = size.is_ok_and(|size| (48..=256).contains(&size));
        assert!(small, "a small file system is needed: allow user namespaces, or give the container a /dev/shm of 64 MB (`--shm-size`)");
        Self { holder: None, folder: tempfile::tempdir_in(shared).expect("a folder") }
    }

    /// The folder that lies on it.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The command as it must be run to see the disk. Its process becomes the command's.
    pub(crate) fn beside(&self, command: &Command) -> Command {
        let Some(holder) = &self.holder else {
            let mut same = Command::new(command.get_program());
            same.args(command.get_args());
            return same;
        };
        let mut entering = Command::new("nsenter");
        entering.args(["--user", "--mount", "--preserve-credentials", "--target", &holder.id().to_string()]);
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
        if let Some(holder) = &mut self.holder {
            holder.kill().and_then(|()| holder.wait()).expect("it is ours to end");
        }
    }
}
