//! A command in a machine that runs.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use futures::future;
use nix::sys::signal::Signal;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::proc_table;
use crate::host::{ExecFailed, Executed};

/// Bytes of each output that are answered; the rest is read and dropped, so that the command does not wait for a reader.
const OUTPUT: usize = 1024 * 1024;

/// How long outputs are read on after the command has ended.
const AFTER_THE_END: Duration = Duration::from_millis(500);

/// Runs a command in a machine's root, with the environment of its main process, without input and in a group of its own, which is killed
/// as a whole when the time is over. It bears the machine's name like everything that was started in it and ends with it at the latest.
pub(super) async fn run(
    root: &Path,
    environment: &BTreeMap<OsString, OsString>,
    command: &[String],
    timeout: Duration,
) -> Result<Executed, ExecFailed> {
    let (name, arguments) = command.split_first().ok_or_else(|| ExecFailed::NotStarted("there is no command".to_owned()))?;
    let mut child = Command::new(name)
        .args(arguments)
        .env_clear()
        .envs(environment)
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| ExecFailed::NotStarted(format!("{name}: {error}")))?;
    let group = child.id().and_then(|id| i32::try_from(id).ok());
    let ended = CancellationToken::new();
    let outputs = tokio::spawn(future::join(collect(child.stdout.take(), ended.clone()), collect(child.stderr.take(), ended.clone())));
    let waited = tokio::time::timeout(timeout, child.wait()).await;
    if waited.is_err()
        && let Some(group) = group
    {
        // It is not collected yet, so that the number is still its own.
        proc_table::signal_group(group, Signal::SIGKILL);
    }
    ended.cancel();
    let (stdout, stderr) = outputs.await.unwrap_or_default();
    let status = waited.map_err(|_| ExecFailed::TimedOut)?.map_err(|error| ExecFailed::NotStarted(error.to_string()))?;
    let signal = status.signal().unwrap_or_default();
    Ok(Executed { stdout, stderr, exit_code: status.code().unwrap_or(128 + signal), exit_signal: signal })
}

/// Reads an output to its end. Children that the command left behind may hold it open: they are not waited for.
async fn collect(output: Option<impl AsyncRead + Unpin>, ended: CancellationToken) -> String {
    let mut kept = Vec::new();
    let Some(mut output) = output else { return String::new() };
    let last_call = async {
        ended.cancelled().await;
        tokio::time::sleep(AFTER_THE_END).await;
    };
    tokio::pin!(last_call);
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            read = output.read(&mut chunk) => read.unwrap_or_default(),
            () = &mut last_call => 0,
        };
        if read == 0 {
            return String::from_utf8_lossy(&kept).into_owned();
        }
        kept.extend_from_slice(&chunk[..read.min(OUTPUT - kept.len())]);
    }
}
