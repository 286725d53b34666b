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
use crate::error::StartError;

/// What lies between an attempt to fetch a gateway that failed and the next. It doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The gateways on this machine. Clones share the knowledge of what is being fetched.
#[derive(Clone)]
pub struct Gateways {
    choice: GatewayChoice,
    /// This program: it is also the supervisor and the stand-in. A machine's environment names it in JSON, so that it is a text.
    program: String,
    folder: String,
    fetching: Arc<Mutex<HashSet<Family>>>,
}

impl Gateways {
    /// Gateways of this choice; `program` is the one that is also the supervisor and the stand-in, `folder` holds what is fetched.
    ///
    /// # Errors
    /// If a path is not UTF-8: no machine could be told of it.
    pub fn new(choice: GatewayChoice, program: PathBuf, folder: PathBuf) -> Result<Self, StartError> {
        let text = |path: PathBuf| path.into_os_string().into_string().map_err(|path| StartError::NotUtf8 { path: path.into() });
        Ok(Self { choice, program: text(program)?, folder: text(folder)?, fetching: Arc::default() })
    }

    /// The program behind an image reference such as `registry.fly.io/rockpool-tenant:openclaw-2026.9.6`: a supervisor that starts the
    /// release's gateway. A release that is not here yet is fetched meanwhile, and its machine waits for it as one waits for an image.
    pub(crate) fn program(&self, image: &str) -> Option<Program> {
        let (_, tag) = image.rsplit_once(':')?;
        let family: Family = tag.split_once('-')?.0.parse().ok()?;
        let gateway = match self.choice {
            GatewayChoice::StandIn => stand_in::program(Path::new(&self.program), &["stand-in"], family),
            GatewayChoice::Real => {
                self.fetch(family);
                [self.program.as_str(), "gateway", &self.folder, family.as_str()].map(str::to_owned).to_vec()
            }
        };
        Some(Program {
            argv: [OsString::from(&self.program), OsString::from("supervisor")].into(),
            env: vec![(gateway::environment::GATEWAY_PROGRAM.to_owned(), serde_json::json!(gateway).to_string())],
        })
    }

    /// Begins to fetch the pinned release of a family, unless it is here or on its way, and goes on until it is here: a machine may wait.
    pub(crate) fn fetch(&self, family: Family) {
        let home = home(Path::new(&self.folder), family);
        if image::installed(family, &home).is_some() || !self.fetching().insert(family) {
            return;
        }
        let gateways = self.clone();
        std::thread::spawn(move || {
            let release = gateway::pin(family).release();
            let install = || image::install(family, &home, &mut Bar::new(release.to_string()));
            let outcome = persist(install, |error, pause| {
                eprintln!("{release} could not be fetched: {error}. It is tried again in {} s.", pause.as_secs());
                std::thread::sleep(pause);
            });
            gateways.fetching().remove(&family);
            match outcome {
                Ok(_) => println!("{release} is here."),
                Err(error) => eprintln!("{release} cannot be fetched: {error}."),
            }
        });
    }

    fn fetching(&self) -> std::sync::MutexGuard<'_, HashSet<Family>> {
        self.fetching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tries again and again until something is installed, with pauses that `pause` makes. Only what no time heals ends it.
fn persist<T>(
    mut install: impl FnMut() -> Result<T, InstallError>,
    mut pause: impl FnMut(&InstallError, Duration),
) -> Result<T, InstallError> {
    let mut next = FIRST_PAUSE;
    loop {
        match install() {
            Err(error @ (InstallError::Unsupported { .. } | InstallError::Foreign { .. } | InstallError::LockfileMismatch { .. })) => {
                return Err(error);
            }
            Err(error) => pause(&error, next),
            installed => return installed,
        }
        next = LONGEST_PAUSE.min(next * 2);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What a fetch comes to whose attempts end like this, and its pauses in seconds.
    fn fetched(mut attempts: Vec<Result<&'static str, InstallError>>) -> (Result<&'static str, String>, Vec<u64>) {
        let mut pauses = Vec::new();
        attempts.reverse();
        let outcome = persist(|| attempts.pop().expect("no more than these attempts"), |_, pause| pauses.push(pause.as_secs()));
        assert!(attempts.is_empty(), "it was given up");
        (outcome.map_err(|error| error.to_string()), pauses)
    }

    #[test]
    fn a_path_that_no_machine_could_be_told_of_is_refused() {
        use std::os::unix::ffi::OsStringExt as _;
        let strange = PathBuf::from(OsString::from_vec(b"/tmp/g\xffteways".to_vec()));
        let Err(refused) = Gateways::new(GatewayChoice::StandIn, "/p".into(), strange) else { panic!("it was taken") };
        assert!(refused.to_string().contains("is not UTF-8"), "{refused}");
        let gateways = Gateways::new(GatewayChoice::StandIn, "/p".into(), "/gateways".into()).unwrap();
        assert!(gateways.program("registry.fly.io/rockpool-tenant:openclaw-2026.9.6").is_some());
    }

    #[test]
    fn a_download_that_breaks_off_is_tried_again_until_it_is_here() {
        let broken = || Err(InstallError::RegistryUnreachable { said: "ECONNRESET".to_owned() });
        let attempts = (0..6).map(|_| broken()).chain([Ok("here")]).collect();
        assert_eq!(fetched(attempts), (Ok("here"), vec![5, 10, 20, 40, 60, 60]));
        // Whoever reads the line can install it meanwhile.
        assert_eq!(fetched(vec![Err(InstallError::NpmMissing), Ok("here")]), (Ok("here"), vec![5]));
    }

    #[test]
    fn what_no_time_heals_is_said_at_once() {
        let (outcome, pauses) = fetched(vec![Err(InstallError::Foreign { into: "x".into() })]);
        assert!(outcome.is_err_and(|said| said.contains("holds something else")) && pauses.is_empty());
    }
}
