//! What runs in the machines: the image of a release, as a program on this machine.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::Family;
use fly_sim::processes::Program;
use image::{Bar, InstallError};

use crate::arguments::GatewayChoice;

/// The gateways on this machine. Clones share the knowledge of what is being fetched.
#[derive(Clone)]
pub struct Gateways {
    choice: GatewayChoice,
    /// This program: it is also the supervisor and the stand-in.
    program: PathBuf,
    folder: PathBuf,
    fetching: Arc<Mutex<HashSet<Family>>>,
}

impl Gateways {
    /// Gateways of this choice; `program` is the one that is also the supervisor and the stand-in, `folder` holds what is fetched.
    #[must_use]
    pub fn new(choice: GatewayChoice, program: PathBuf, folder: PathBuf) -> Self {
        Self { choice, program, folder, fetching: Arc::default() }
    }

    /// The program behind an image reference such as `registry.fly.io/rockpool-tenant:openclaw-2026.9.6`: a supervisor that starts the
    /// release's gateway. A release that is not here yet is fetched meanwhile, and its machine waits for it as one waits for an image.
    pub(crate) fn program(&self, image: &str) -> Option<Program> {
        let (_, tag) = image.rsplit_once(':')?;
        let family: Family = tag.split_once('-')?.0.parse().ok()?;
        let gateway = match self.choice {
            GatewayChoice::StandIn => stand_in::program(&self.program, &["stand-in"], family),
            GatewayChoice::Real => {
                self.fetch(family);
                [self.program.to_str()?, "gateway", self.folder.to_str()?, family.as_str()].map(str::to_owned).to_vec()
            }
        };
        Some(Program {
            argv: [self.program.clone().into_os_string(), OsString::from("supervisor")].into(),
            env: vec![(gateway::environment::GATEWAY_PROGRAM.to_owned(), serde_json::to_string(&gateway).ok()?)],
        })
    }

    /// Begins to fetch the pinned release of a family, unless it is here or on its way.
    pub(crate) fn fetch(&self, family: Family) {
        let home = home(&self.folder, family);
        if image::installed(family, &home).is_some() || !self.fetching().insert(family) {
            return;
        }
        let gateways = self.clone();
        std::thread::spawn(move || {
            let release = gateway::pin(family).release();
            let outcome = image::install(family, &home, &mut Bar::new(release.to_string()));
            gateways.fetching().remove(&family);
            match outcome {
                Ok(_) => println!("{release} is here."),
                Err(error) => eprintln!("{release} could not be fetched: {error}. It is tried again when a machine wants it."),
            }
        });
    }

    fn fetching(&self) -> std::sync::MutexGuard<'_, HashSet<Family>> {
        self.fetching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The choice that can be kept: without npm, and without a gateway that was fetched before, the built-in one stands in.
pub(crate) fn possible(choice: GatewayChoice, folder: &Path) -> GatewayChoice {
    let here = Family::ALL.iter().any(|family| image::installed(*family, &home(folder, *family)).is_some());
    let npm = Command::new("npm").arg("--version").output().is_ok_and(|output| output.status.success());
    if choice == GatewayChoice::Real && !here && !npm {
        eprintln!("{}, so the built-in stand-in gateway runs instead of the real one.", InstallError::NpmMissing);
        return GatewayChoice::StandIn;
    }
    choice
}

fn home(folder: &Path, family: Family) -> PathBuf {
    folder.join(family.as_str())
}

/// Becomes the gateway of a family as soon as it has been fetched: the program that a supervisor starts.
pub(crate) fn become_gateway(folder: &Path, family: Family, arguments: &[String]) -> ExitCode {
    let installed = loop {
        match image::installed(family, &home(folder, family)) {
            Some(installed) => break installed,
            None => std::thread::sleep(Duration::from_millis(500)),
        }
    };
    let Some((program, first)) = installed.program.split_first() else { return ExitCode::FAILURE };
    // The process stays the same, so that whoever watches and ends it watches and ends the gateway itself.
    let error = Command::new(program).args(first).args(arguments).exec();
    eprintln!("{program} could not be started: {error}");
    ExitCode::FAILURE
}
