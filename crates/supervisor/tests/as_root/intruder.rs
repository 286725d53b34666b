//! What an agent's shell would try.

/// Attempts by their names, each a command that succeeds or does not and leaves nothing changed. `$supervisor` is the supervisor's process.
const ATTEMPTS: [(&str, &str); 9] = [
    ("signal the supervisor", "kill -0 $supervisor"),
    ("read the supervisor's keys", "cat /proc/$supervisor/environ"),
    ("look into the supervisor's memory", "head -c 1 /proc/$supervisor/maps"),
    ("read what was delivered", "cat /etc/rockpool/gateway.json"),
    ("replace what was delivered", "touch /etc/rockpool/new && rm /etc/rockpool/new"),
    ("look into the supervisor's folder", "ls /data/rockpool/lock"),
    ("move the supervisor's folder away", "mv /data/rockpool /data/moved && mv /data/moved /data/rockpool"),
    ("write into the volume's root", "touch /data/new && rm /data/new"),
    ("become root", "setpriv --reuid 0 true"),
];

/// What the gateway's user may do, as may root.
const OWN: [(&str, &str); 2] =
    [("read its own configuration", "cat /data/state/openclaw.json"), ("keep things", "touch /data/home/new && rm /data/home/new")];

/// A script that tries all of it and writes a line for each. `supervisor` is the process, as a shell names it.
pub(crate) fn script(supervisor: &str) -> String {
    let mut script = format!("supervisor={supervisor}\n");
    for (name, attempt) in ATTEMPTS.iter().chain(&OWN) {
        script += &format!("if ( {attempt} ) >/dev/null 2>&1; then echo \"{name}: yes\"; else echo \"{name}: no\"; fi\n");
    }
    script
}

/// What the script writes where these attempts succeed and what is one's own is.
pub(crate) fn expected(succeeds: impl Fn(&str) -> bool) -> String {
    let line = |name: &str, yes: bool| format!("{name}: {}\n", if yes { "yes" } else { "no" });
    let attempts = ATTEMPTS.iter().map(|(name, _)| line(name, succeeds(name)));
    attempts.chain(OWN.iter().map(|(name, _)| line(name, true))).collect()
}
