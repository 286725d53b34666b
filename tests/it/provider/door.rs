use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use durable::{Engine, RunId};
use fly_sim::{Match, Simulator};
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::UnixListener;
use tokio::sync::Notify;
use tower::ServiceExt;

use super::mishap::{Mishap, Mishaps};

type Answer = Response<axum::body::Body>;

/// The provider's door: counts who comes, and lets happen what is to happen.
pub(super) struct Door {
    fly: Simulator,
    router: axum::Router,
    mishaps: Mishaps,
    seen: Mutex<Seen>,
    /// The worker that waits for an answer is to end.
    pub(super) crash: Notify,
}

/// What the door has seen.
#[derive(Default)]
struct Seen {
    calls: Vec<(Method, String)>,
    under_way: Option<(Engine, RunId)>,
    cancels: usize,
    moves: usize,
}

impl Door {
    /// Opens it at a socket. Such a socket hands over at once, so that a runtime whose time is paused never takes a call under way for
    /// nothing to do.
    pub(super) fn open(fly: Simulator, mishaps: Mishaps, socket: &Path) -> Arc<Self> {
        let router = fly.router();
        let door = Arc::new(Self { fly, router, mishaps, seen: Mutex::default(), crash: Notify::new() });
        let (listener, opened) = (UnixListener::bind(socket).unwrap(), door.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let door = opened.clone();
                let service = TowerToHyperService::new(tower::service_fn(move |request| {
                    let door = door.clone();
                    async move { Ok::<_, Infallible>(door.pass(request).await) }
                }));
                tokio::spawn(async move {
                    // A connection that breaks ends with an error, as it should.
                    Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await.ok();
                });
            }
        });
        door
    }

    /// What is asked to cancel, should it come to that.
    pub(super) fn under_way(&self, engine: Engine, run: RunId) {
        self.seen().under_way = Some((engine, run));
    }

    /// Methods and paths of the calls so far.
    pub(super) fn calls(&self) -> Vec<(Method, String)> {
        self.seen().calls.clone()
    }

    /// How many cancels were accepted so far.
    pub(super) fn cancels(&self) -> usize {
        self.seen().cancels
    }

    /// How often the machine was to be moved so far.
    pub(super) fn moves(&self) -> usize {
        self.seen().moves
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pass(&self, request: Request<Incoming>) -> Answer {
        let (mishap, under_way) = {
            let mut seen = self.seen();
            let number = seen.calls.len();
            seen.calls.push((request.method().clone(), request.uri().path().to_owned()));
            (self.mishaps.at(number), seen.under_way.clone())
        };
        match mishap {
            Some(Mishap::CrashBefore) => self.crash().await,
            Some(Mishap::CrashAfter) => {
                // The provider goes on, whoever has gone.
                tokio::spawn(self.router.clone().oneshot(request.map(axum::body::Body::new))).await.unwrap().unwrap();
                self.crash().await
            }
            Some(Mishap::Moved) => {
                // One there is at most, and none before it was made.
                for machine in self.fly.machines() {
                    self.seen().moves += 1;
                    self.fly.migrate(&machine.id).await;
                }
                self.answer(request).await
            }
            Some(Mishap::Cancel) => {
                let (engine, run) = under_way.expect("whoever calls works on a run");
                let accepted = matches!(engine.cancel(&run).await, Ok(durable::CancelReply::Accepted { .. }));
                self.seen().cancels += usize::from(accepted);
                self.answer(request).await
            }
            Some(other) => {
                self.fly.script().on(Match::any()).then(other.fault().expect("all others are faults"));
                self.answer(request).await
            }
            None => self.answer(request).await,
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        self.router.clone().oneshot(request.map(axum::body::Body::new)).await.unwrap()
    }

    async fn crash(&self) -> Answer {
        self.crash.notify_one();
        std::future::pending().await
    }
}
