//! A file system like that of the tenant's image: the system of this computer, and the machine's own folders.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use gateway::Family;
use gateway::environment as names;

use crate::intruder;
use crate::support::{Machine, Plan};

/// Where the programs are in it.
const SUPERVISOR: &str = "/opt/rockpool-supervisor";
const GATEWAY: &str = "/opt/stand-in-gateway";

/// What of this computer is in it: programs and libraries, devices and processes. What is a link here is one there.
const SYSTEM: [&str; 8] = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "dev", "proc"];

/// The folder that becomes `/`, and the machine that boots from it.
pub(crate) struct Image {
    pub(crate) plan: Plan,
    /// What a shell does to put it together: mounts, in a namespace that ends with the machine (`mount_namespaces(7)`).
    mounts: String,
}

impl Image {
    /// Its gateway is the stand-in.
    pub(crate) fn with_the_stand_in() -> Self {
        let program = stand_in::program(Path::new(GATEWAY), &[], Family::Openclaw);
        Self::new(&program.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Its gateway is the stand-in, and before it becomes that, it tries what an agent's shell would and reports on it in its home.
    pub(crate) fn with_an_intruder() -> Self {
        let script = intruder::script("$PPID");
        let script = format!("{{\n{script}}} >/data/home/report\nexec {GATEWAY} --family openclaw \"$@\"");
        Self::new(&["/bin/sh", "-c", &script, "sh"])
    }

    fn new(gateway: &[&str]) -> Self {
        assert!(nix::unistd::geteuid().is_root(), "these tests need root: without it there is no other user to become");
        let plan = Plan::new(Family::Openclaw, gateway);
        // The root of a machine is everybody's to pass through, and its `files` arrive as Fly writes them.
        fs::set_permissions(plan.root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(plan.place("/etc/rockpool")).unwrap();
        fs::write(plan.place(names::CONFIG), plan.config.as_ref().unwrap().to_string()).unwrap();
        fs::set_permissions(plan.place(names::CONFIG), fs::Permissions::from_mode(0o600)).unwrap();

        let mut mounts = "set -e\n".to_owned();
        let mut mount = |here: &Path, there: &str| {
            mounts += &format!("mount --rbind '{}' '{}'\n", here.display(), plan.place(there).display());
        };
        for name in SYSTEM {
            let (here, there) = (Path::new("/").join(name), plan.place(name));
            match fs::symlink_metadata(&here) {
                Ok(found) if found.is_symlink() => symlink(fs::read_link(&here).unwrap(), there).unwrap(),
                Ok(_) => {
                    fs::create_dir(there).unwrap();
                    mount(&here, name);
                }
                Err(_) => {}
            }
        }
        fs::create_dir(plan.place("/opt")).unwrap();
        let supervisor = PathBuf::from(env!("CARGO_BIN_EXE_rockpool-supervisor"));
        let stand_in = supervisor.with_file_name("examples").join("stand-in-gateway");
        for (program, at) in [(supervisor, SUPERVISOR), (stand_in, GATEWAY)] {
            assert!(program.exists(), "{} is missing: `cargo test -p supervisor` builds it", program.display());
            fs::write(plan.place(at), "").unwrap();
            mount(&program, at);
        }
        Self { plan, mounts }
    }

    /// Boots it. The supervisor is root with groups of root's, of which the gateway may keep none.
    pub(crate) fn boot(&self) -> Machine {
        let script = format!("{}exec chroot --groups=4,27 '{}' {SUPERVISOR}", self.mounts, self.plan.root.path().display());
        let mut command = Command::new("unshare");
        command.args(["--mount", "/bin/sh", "-c", &script]);
        self.plan.boot_by(command, None)
    }

    /// Where a path of the machine is on this computer.
    pub(crate) fn place(&self, absolute: &str) -> PathBuf {
        self.plan.place(absolute)
    }
}
