use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{PATIENCE, processes_of};

/// Processes of somebody else that look like a machine's: the same command line, and either its folder or its name in the environment.
pub(crate) struct Bystanders([Child; 2]);

impl Bystanders {
    /// Starts one that stands in the data folder and one that bears the name of a machine.
    pub(crate) fn beside(data: &Path) -> Self {
        let folder = data.canonicalize().expect("the folder is there").join("fly/machines/148e21f71d9e89/");
        let alike = |name: &str, value: &Path| {
            let mut command = Command::new("sleep");
            command.arg0(env!("CARGO_BIN_EXE_rockpool-local")).arg("3600").env(name, value).current_dir(data);
            command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0).spawn().expect("sleep is there")
        };
        Self([alike("PWD", &folder), alike("FLY_MACHINE_ID", Path::new("148e21f71d9e89"))])
    }

    pub(crate) fn ids(&self) -> [u32; 2] {
        self.0.each_ref().map(Child::id)
    }

    /// Waits until nothing else runs in the folder, and fails if any of them was ended.
    pub(crate) async fn are_left_alone(&mut self, data: &Path) {
        let others = || processes_of(data).into_iter().filter(|(id, _)| !self.ids().contains(id)).collect::<Vec<_>>();
        let deadline = Instant::now() + PATIENCE;
        while !others().is_empty() {
            assert!(Instant::now() < deadline, "left over: {:?}", others());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.are_unharmed();
    }

    /// Fails if any of them was ended.
    pub(crate) fn are_unharmed(&mut self) {
        for bystander in &mut self.0 {
            let ended = bystander.try_wait().expect("it is ours to wait for");
            assert!(ended.is_none(), "the platform ended somebody else's process: {ended:?}");
        }
    }
}

impl Drop for Bystanders {
    fn drop(&mut self) {
        for bystander in &mut self.0 {
            bystander.kill().and_then(|()| bystander.wait()).expect("it is ours to end");
        }
    }
}
