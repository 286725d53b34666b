use gateway::{Family, pin};

/// What the page may do (<https://www.w3.org/TR/CSP3/>): run its one script and open its own WebSocket.
pub(crate) const POLICY: &str = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; script-src 'unsafe-inline'; \
                                 style-src 'unsafe-inline'; connect-src 'self' ws: wss:";

/// A page in the place of the Control UI: it connects as that does and says what came of it.
pub(crate) fn control_ui(family: Family) -> String {
    let pin = pin(family);
    let (name, client, mode) = match family {
        Family::Openclaw => ("OpenClaw", "openclaw-control-ui", "webchat"),
        Family::Clawdbot => ("Clawdbot", "cli", "cli"),
    };
    TEMPLATE
        .replace("{name}", name)
        .replace("{version}", &pin.version)
        .replace("{client}", client)
        .replace("{mode}", mode)
        .replace("{protocol}", &pin.protocol.to_string())
}

const TEMPLATE: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name} Control (stand-in)</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 15vh auto; max-width: 32rem; padding: 0 1rem; color: #222 }
@media (prefers-color-scheme: dark) { body { background: #16181c; color: #ddd } }
</style>
</head>
<body>
<h1>{name} {version}</h1>
<p>This is the built-in stand-in: it behaves like the gateway, but nobody is at home in it.</p>
<p role="status">connecting…</p>
<script>
const status = document.querySelector("[role=status]");
const socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/");
socket.onmessage = ({ data }) => {
  const frame = JSON.parse(data);
  if (frame.event === "connect.challenge") {
    const params = {
      minProtocol: {protocol}, maxProtocol: {protocol}, role: "operator", scopes: [], caps: [], auth: { token: "none" },
      client: { id: "{client}", mode: "{mode}", version: "{version}", platform: "web" },
    };
    socket.send(JSON.stringify({ type: "req", id: "1", method: "connect", params }));
  } else if (frame.id === "1") {
    status.textContent = frame.ok ? "connected" : "refused: " + frame.error.message;
  }
};
socket.onclose = ({ reason }) => { status.textContent += " · closed " + reason; };
</script>
</body>
</html>
"#;
