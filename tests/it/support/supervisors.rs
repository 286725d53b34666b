use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// How the supervisor of an instance answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// The gateway is ready.
    Well,
    /// The supervisor answers that the gateway is in this phase.
    Phase(&'static str),
    /// As with [`Mood::Phase`], until the process is restarted.
    UntilRestarted(&'static str),
    /// Somebody answers who is no supervisor.
    Page(u16),
    /// Nobody ever answers.
    BlackHole,
}

#[derive(Default)]
struct Moods {
    by_app: BTreeMap<String, Mood>,
    checks: BTreeMap<String, usize>,
    restarts: Vec<String>,
}

/// All supervisors behind one port, told apart by the host that is asked for, as behind the provider's proxy.
#[derive(Clone)]
pub(crate) struct Supervisors {
    server: Arc<MockServer>,
    moods: Arc<Mutex<Moods>>,
}

impl Supervisors {
    /// All of them well.
    pub(crate) async fn start() -> Self {
        let (server, moods) = (MockServer::builder().disable_request_recording().start().await, Arc::new(Mutex::new(Moods::default())));
        let asked = moods.clone();
        Mock::given(any()).respond_with(move |request: &Request| asked.lock().unwrap().answer(request)).mount(&server).await;
        Self { server: Arc::new(server), moods }
    }

    /// Where instances are, with `{app}` for the name of the app.
    pub(crate) fn origin(&self) -> String {
        format!("http://{{app}}.localhost:{}", self.server.address().port())
    }

    /// From now on an app's supervisor answers like this.
    pub(crate) fn set(&self, app: &str, mood: Mood) {
        self.moods.lock().unwrap().by_app.insert(app.to_owned(), mood);
    }

    /// How often each app was asked how it is since the last look.
    pub(crate) fn checks(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut self.moods.lock().unwrap().checks)
    }

    /// The apps whose process was restarted since the last look.
    pub(crate) fn restarts(&self) -> Vec<String> {
        std::mem::take(&mut self.moods.lock().unwrap().restarts)
    }
}

impl Moods {
    fn answer(&mut self, request: &Request) -> ResponseTemplate {
        let host = request.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
        let app = host.split('.').next().unwrap_or_default().to_owned();
        match request.url.path() {
            "/health" => {
                *self.checks.entry(app.clone()).or_default() += 1;
                health(self.by_app.get(&app).copied().unwrap_or(Mood::Well))
            }
            "/_rockpool/restart" => {
                if let Some(mood @ Mood::UntilRestarted(_)) = self.by_app.get_mut(&app) {
                    *mood = Mood::Well;
                }
                self.restarts.push(app);
                ResponseTemplate::new(202).set_body_json(json!({ "order": 1 }))
            }
            _ => ResponseTemplate::new(404),
        }
    }
}

fn health(mood: Mood) -> ResponseTemplate {
    let report = |phase: &str| json!({ "gateway": { "ready": phase == "ready", "phase": phase } });
    match mood {
        Mood::Well => ResponseTemplate::new(200).set_body_json(report("ready")),
        Mood::Phase(phase) | Mood::UntilRestarted(phase) => ResponseTemplate::new(503).set_body_json(report(phase)),
        Mood::Page(status) => ResponseTemplate::new(status).set_body_raw("<title>Welcome</title>", "text/html"),
        Mood::BlackHole => ResponseTemplate::new(200).set_delay(Duration::from_secs(3600)),
    }
}
