use domain::Family;

/// What the end of a gateway's process means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExitMeaning {
    /// It ended by itself or by request, with nothing to complain about.
    Clean,
    /// It will not run with this configuration: starting it again changes nothing.
    ConfigRefused {
        /// The program's own words, shortened.
        why: String,
    },
    /// Anything else: start it again, later each time.
    Crashed,
}

/// SIGTERM and SIGINT: a request to end that arrived before the program had its handlers in place.
const REQUESTS: [i32; 2] = [15, 2];
/// The longest reason that is kept, in characters.
const WHY_MAX: usize = 500;

/// What Clawdbot, which exits with 1 whatever happened, writes when it does not like its configuration.
const CLAWDBOT_REFUSALS: [&str; 9] = [
    "Missing config",
    "Gateway start blocked",
    "Invalid config",
    "Unrecognized key",
    "Invalid input",
    "Failed to read config",
    "Missing env var",
    "Refusing to bind gateway",
    "Gateway auth is set to",
];

/// What OpenClaw writes beside exit code 78.
const OPENCLAW_REFUSALS: [&str; 6] =
    ["Missing config", "Gateway start blocked", "Invalid config", "Unrecognized key", "Invalid input", "Refusing to bind gateway"];

/// What OpenClaw writes when it exits with 1, not 78, over something that only another configuration or another secret can mend.
const OPENCLAW_LATE_REFUSALS: [&str; 3] =
    ["mutually exclusive", "requires a valid IPv4 customBindHost", "required secrets are unavailable"];

/// Reads the end of a gateway's process from its exit code, the signal that ended it, and the last lines of its standard error.
///
/// OpenClaw exits with 78 (`EX_CONFIG` of sysexits.h) over its configuration; its own systemd unit never restarts on that code. Clawdbot's
/// texts, and those of OpenClaw's other refusals, were taken from the programs.
#[must_use]
pub fn classify_exit(family: Family, code: Option<i32>, signal: Option<i32>, stderr_tail: &str) -> ExitMeaning {
    match (family, code, signal) {
        (_, Some(0), _) => ExitMeaning::Clean,
        (_, None, Some(signal)) if REQUESTS.contains(&signal) => ExitMeaning::Clean,
        (Family::Openclaw, Some(78), _) => {
            let why = lines_with(stderr_tail, &OPENCLAW_REFUSALS).or_else(|| last_line(stderr_tail));
            ExitMeaning::ConfigRefused { why: why.unwrap_or_else(|| "exit code 78 without a word".to_owned()) }
        }
        (Family::Openclaw, Some(1), _) => refused(stderr_tail, &OPENCLAW_LATE_REFUSALS),
        (Family::Clawdbot, Some(1), _) => refused(stderr_tail, &CLAWDBOT_REFUSALS),
        _ => ExitMeaning::Crashed,
    }
}

fn refused(stderr_tail: &str, phrases: &[&str]) -> ExitMeaning {
    lines_with(stderr_tail, phrases).map_or(ExitMeaning::Crashed, |why| ExitMeaning::ConfigRefused { why })
}

/// The lines that hold one of the phrases, each once: Clawdbot repeats itself for every part of it that reads the configuration.
fn lines_with(text: &str, phrases: &[&str]) -> Option<String> {
    let mut found: Vec<String> = Vec::new();
    for line in text.lines().map(plain) {
        if phrases.iter().any(|phrase| line.contains(phrase)) && !found.contains(&line) {
            found.push(line);
        }
    }
    (!found.is_empty()).then(|| shortened(&found.join("; ")))
}

fn last_line(text: &str) -> Option<String> {
    text.lines().map(plain).rfind(|line| !line.is_empty()).map(|line| shortened(&line))
}

fn shortened(text: &str) -> String {
    text.chars().take(WHY_MAX).collect()
}

/// What a line says: without its colours (ECMA-48 control sequences), out of its JSON where the log is JSON, without list marks, and
/// without the value that OpenClaw quotes after `got:`, which may be a secret.
fn plain(line: &str) -> String {
    let mut rest = line.trim();
    let mut text = String::with_capacity(rest.len());
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        text.push_str(before);
        rest = after.find(|c: char| ('@'..='~').contains(&c)).map_or("", |end| &after[end + 1..]);
    }
    text.push_str(rest);
    if let Ok(serde_json::Value::Object(entry)) = serde_json::from_str(&text)
        && let Some(message) = entry.get("message").and_then(serde_json::Value::as_str)
    {
        text = message.to_owned();
    }
    let text = text.split(", got: ").next().unwrap_or_default();
    text.trim_start_matches(['-', ' ']).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(family: Family, code: i32, stderr: &str) -> String {
        match classify_exit(family, Some(code), None, stderr) {
            ExitMeaning::ConfigRefused { why } => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_stop_that_was_asked_for_is_clean() {
        for family in Family::ALL {
            assert_eq!(classify_exit(family, Some(0), None, "Unrecognized key"), ExitMeaning::Clean);
            assert_eq!(classify_exit(family, None, Some(15), ""), ExitMeaning::Clean);
        }
    }

    #[test]
    fn a_kill_an_abort_and_an_unknown_code_are_crashes() {
        for family in Family::ALL {
            for (code, signal) in [(None, Some(9)), (None, Some(6)), (Some(1), None), (Some(134), None), (Some(137), None), (None, None)] {
                assert_eq!(classify_exit(family, code, signal, "TypeError: fetch failed"), ExitMeaning::Crashed, "{code:?} {signal:?}");
            }
        }
        assert_eq!(classify_exit(Family::Clawdbot, Some(78), None, ""), ExitMeaning::Crashed, "78 means nothing to Clawdbot");
    }

    #[test]
    fn openclaw_s_78_is_a_refusal_whatever_it_says_and_its_reason_quotes_no_value() {
        let stderr = "2026-11-23T10:03:03.574+00:00 Gateway failed to start: Invalid config at /data/state/openclaw.json:\n\
            openclaw.json:1 — gateway.bind: Invalid input (allowed: \"auto\", \"lan\"), got: \"s3cret\"\n\
            Run \"openclaw doctor --fix\" to repair, then retry.";
        assert_eq!(
            why(Family::Openclaw, 78, stderr),
            "2026-11-23T10:03:03.574+00:00 Gateway failed to start: Invalid config at /data/state/openclaw.json:; \
             openclaw.json:1 — gateway.bind: Invalid input (allowed: \"auto\", \"lan\")"
        );
        assert_eq!(why(Family::Openclaw, 78, "something new"), "something new");
        assert_eq!(why(Family::Openclaw, 78, ""), "exit code 78 without a word");
    }

    #[test]
    fn openclaw_s_exit_1_over_contradictory_authentication_is_a_refusal_in_json_too() {
        let message = "Gateway failed to start: trusted-proxy and token auth are mutually exclusive.";
        let line = serde_json::json!({ "time": "x", "level": "error", "message": message }).to_string();
        assert_eq!(why(Family::Openclaw, 1, &line), message);
        assert_eq!(why(Family::Openclaw, 1, message), message);
    }

    #[test]
    fn each_refusal_of_clawdbot_is_known_by_its_text() {
        let texts = [
            "2026-11-23T10:02:51.622Z Missing config. Run `clawdbot setup` or set gateway.mode=local (or pass --allow-unconfigured).",
            "Gateway start blocked: set gateway.mode=local (current: unset) or pass --allow-unconfigured.",
            "MissingEnvVarError: Missing env var \"NOPE_X\" referenced at config path: gateway.auth.token",
            "Failed to read config at /data/state/clawdbot.json SyntaxError: JSON5: invalid end of input at 2:1",
            "Refusing to bind gateway to lan without auth.",
            "Gateway auth is set to token, but no token is configured.",
        ];
        for text in texts {
            assert_eq!(why(Family::Clawdbot, 1, text), text);
        }
    }

    #[test]
    fn a_reason_has_no_colours_no_repetition_and_an_end() {
        let once = "\u{1b}[31m- gateway: Unrecognized key: \"bund\"\u{1b}[0m\n";
        assert_eq!(why(Family::Clawdbot, 1, &once.repeat(3)), "gateway: Unrecognized key: \"bund\"");
        assert_eq!(why(Family::Clawdbot, 1, &format!("Invalid config {}", "x".repeat(9000))).chars().count(), WHY_MAX);
    }
}
