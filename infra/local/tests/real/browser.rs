//! A real Chromium, from npm, driven by a script beside this folder.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use gateway::Family;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::house::{PATIENCE, installed, target};

const FILES: [(&str, &str); 3] = [
    ("package.json", include_str!("../browser/package.json")),
    ("package-lock.json", include_str!("../browser/package-lock.json")),
    ("look.mjs", include_str!("../browser/look.mjs")),
];

/// A browser that can be sent to look at a page.
pub(crate) struct Browser {
    node: PathBuf,
    script: PathBuf,
    /// Chromium unpacks itself into the temporary folder.
    scratch: TempDir,
}

impl Browser {
    /// Installs it from the committed lockfile, on the Node.js and npm that the gateways bring.
    pub(crate) async fn install() -> Self {
        let toolchain = installed(Family::Openclaw).home.join("toolchain/node_modules");
        let (node, npm) = (toolchain.join(".bin/node"), toolchain.join("npm/bin/npm-cli.js"));
        let folder = target().join("browser");
        std::fs::create_dir_all(&folder).expect("a folder");
        for (name, text) in FILES {
            std::fs::write(folder.join(name), text).expect("written");
        }
        let mut ci = Command::new(&node);
        ci.arg(npm)
            .args(["ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(&folder);
        let output = tokio::time::timeout(PATIENCE, ci.stdin(Stdio::null()).kill_on_drop(true).output()).await;
        let output = output.expect("npm is done in time").expect("npm runs");
        assert!(output.status.success(), "npm: {}", String::from_utf8_lossy(&output.stderr));
        Self { node, script: folder.join("look.mjs"), scratch: tempfile::tempdir().expect("a folder") }
    }

    /// Opens an address, waits until the texts are there and a WebSocket frame of this type has arrived, and takes a picture, which ends up
    /// in `target/screenshots`. Returns the address, the title and the frame's payload.
    pub(crate) async fn look(&self, address: &str, frame: Option<&str>, texts: &[&str], picture: &str) -> Value {
        let pictures = target().join("screenshots");
        std::fs::create_dir_all(&pictures).expect("a folder");
        let picture = pictures.join(picture);
        let patience_seconds = PATIENCE.as_secs();
        let question =
            json!({ "address": address, "picture": picture, "frame": frame, "texts": texts, "patience_seconds": patience_seconds });
        let mut command = Command::new(&self.node);
        command.arg(&self.script).env("TMPDIR", self.scratch.path()).kill_on_drop(true);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the browser's script starts");
        child.stdin.take().expect("piped").write_all(question.to_string().as_bytes()).await.expect("asked");
        // The script loses its own patience first, at any of its steps, and can then say what it saw.
        let output = tokio::time::timeout(PATIENCE * 2, child.wait_with_output()).await.expect("an answer in time").expect("an answer");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{address} shows something else ({}): {said}", picture.display());
        assert_is_a_picture(&picture);
        serde_json::from_slice(&output.stdout).expect("the answer is JSON")
    }
}

/// A PNG (<https://www.w3.org/TR/png-3/>) of the whole window that holds more than one even colour, which packs to 6 KB.
fn assert_is_a_picture(path: &Path) {
    let bytes = std::fs::read(path).expect("the picture");
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    assert_eq!((number(16), number(20)), (1280, 800));
    assert!(bytes.len() > 20_000, "{} holds next to nothing: {} bytes", path.display(), bytes.len());
}
