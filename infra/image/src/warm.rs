use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use gateway::{Family, Launch, Settings, pin, render};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::layout::Layout;

/// Memory that the caches may be made with, in MiB: compiling Clawdbot's plugins takes 1.1 GB, once.
const MEMORY_MB: u32 = 4096;

/// Starts the gateway once, as the supervisor would, waits until it is ready and ends it: compiled code stays behind in its caches.
///
/// Measured on two cores: OpenClaw's first start takes 7 s instead of 10 with them, Clawdbot's 2 s instead of 19 and 0.3 GB instead of 1.1.
pub(crate) fn warm(layout: &Layout) -> Result<(), String> {
    let scratch = layout.root.join("scratch");
    let result = start_once(layout, &scratch);
    let removed = fs::remove_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()));
    result.and(removed)
}

fn start_once(layout: &Layout, scratch: &Path) -> Result<(), String> {
    let said = |error: std::io::Error| error.to_string();
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_err(said)?.port();
    let launch = Launch::below(scratch, layout.family, port, MEMORY_MB);
    for folder in launch.folders() {
        fs::create_dir_all(folder).map_err(said)?;
    }
    let config = render(&Settings::of_machine(pin(layout.family).release(), "http://localhost"));
    fs::write(launch.config(), config.to_string()).map_err(said)?;
    let mut command = guarded(&layout.start());
    command.args(launch.arguments()).env_clear().envs(launch.environment()).current_dir(&launch.workspace);
    let mut running = Running(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(said)?);
    let ready = match layout.family {
        Family::Openclaw => "gateway ready",
        Family::Clawdbot => "listening on ws://",
    };
    running.wait_for(ready, gateway::start_timeout(layout.family))?;
    running.end(gateway::drain_timeout(Family::Clawdbot))
}

/// What starts the program and kills it at the end of standard input, and otherwise passes on SIGTERM and its exit.
const GUARD: &str = r#"
exec 3<&0 </dev/null
(cat; kill -KILL 0) <&3 >/dev/null &
trap : TERM
"$@" 3<&- &
wait $!
status=$?
while kill -0 $! 2>/dev/null; do
    wait $!
    status=$?
done
exit $status
"#;

/// A command for the program in a group of its own, which ends with this process however that ends: only this process holds the other side
/// of standard input. Otherwise Ctrl-C at the wrong moment would leave a gateway behind, which nobody knows.
fn guarded(program: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", GUARD, "sh"]).arg(program).stdin(Stdio::piped()).process_group(0);
    command
}

/// A process that does not outlive this value.
struct Running(Child);

impl Running {
    fn wait_for(&mut self, phrase: &'static str, patience: Duration) -> Result<(), String> {
        let stdout = self.0.stdout.take().ok_or("no standard output")?;
        let (ready, found) = mpsc::channel();
        // The reader lives as long as the process does, so that the process never waits for somebody to read.
        thread::spawn(move || {
            let mut waiting = Some(ready);
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(ready) = waiting.take_if(|_| line.contains(phrase)) {
                    ready.send(()).ok();
                }
            }
        });
        found.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => format!("it was not ready after {} s", patience.as_secs()),
            RecvTimeoutError::Disconnected => "it ended before it was ready".to_owned(),
        })
    }

    fn end(mut self, patience: Duration) -> Result<(), String> {
        self.signal(Signal::SIGTERM);
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            match self.0.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(format!("it ended with {status}")),
                Ok(None) => thread::sleep(Duration::from_millis(50)),
                Err(error) => return Err(error.to_string()),
            }
        }
        Err(format!("it did not end within {} s", patience.as_secs()))
    }

    fn signal(&self, signal: Signal) {
        if let Ok(id) = i32::try_from(self.0.id()) {
            // A group that is gone already is what this wants.
            killpg(Pid::from_raw(id), signal).ok();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        self.0.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn a_gateway_ends_with_the_process_that_warms_it() {
        let mut running = Running(guarded(Path::new("/bin/sleep")).arg("1000").stdout(Stdio::piped()).spawn().unwrap());
        // What the kernel does when this process is killed.
        drop(running.0.stdin.take());
        assert_eq!(running.0.wait().unwrap().signal(), Some(9));
        let mut said = String::new();
        // It ends when the last process that has it open does.
        std::io::Read::read_to_string(&mut running.0.stdout.take().unwrap(), &mut said).unwrap();
    }

    #[test]
    fn a_gateway_s_own_end_is_passed_on() {
        let start = |script: &str| {
            let mut command = guarded(Path::new("/bin/sh"));
            Running(command.args(["-c", script]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
        };
        let patience = Duration::from_secs(20);
        let mut failing = start("exit 78");
        assert_eq!(failing.wait_for("ready", patience), Err("it ended before it was ready".to_owned()));
        assert_eq!(failing.0.wait().unwrap().code(), Some(78));

        let mut draining = start("trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done");
        draining.wait_for("ready", patience).unwrap();
        assert_eq!(draining.end(patience), Ok(()));
    }
}
