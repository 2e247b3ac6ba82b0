//! One resource, followed for as long as somebody listens: found, listed, watched, and again from where it was when something
//! breaks. What is known is never forgotten because the API server cannot be asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use kube::Client;
use kube::api::{ListParams, WatchParams};
use kube::core::Request;
use serde_json::Value;
use tokio::sync::mpsc;

use super::discover::discover;
use super::exchange::{Lines, Trouble, fetch, lines};
use super::keep::Keep;
use super::news::{Known, News, Told, version};
use super::pace::{BELIEVED, Pace};
use super::page::Page;
use super::standing::{SILENCE, Standing, Watch};
use super::writes::Shown;
use crate::connection::Draw;

/// Objects on a page of a list, at first; fewer when a page is too long.
const PAGE: u32 = 250;
/// A watch that has lived so long was not refused.
const LIVED: Duration = Duration::from_secs(10);
/// So often in a row, which takes most of a minute, a resource is not there before its objects are taken to be gone: an API server
/// that starts may not know of a CRD at first.
const CERTAIN: u32 = 7;
/// What a watch is asked for where metadata is enough.
const METADATA: HeaderValue = HeaderValue::from_static("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
/// The same for a list, which is refused under the other name.
const METADATA_LIST: HeaderValue =
    HeaderValue::from_static("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");

/// What a step led to.
enum Step {
    /// On with the next one.
    Next,
    /// The server has closed a watch that began then.
    Closed(Instant),
    /// Nobody listens any more.
    End,
}

/// Who follows one resource.
pub(crate) struct Follower {
    client: Client,
    pace: Pace,
    draw: Draw,
    place: usize,
    watch: Arc<Watch>,
    known: Known,
    shown: Option<Arc<Shown>>,
    told: mpsc::Sender<Told>,
    /// Where it is served, once that is known.
    path: Option<String>,
    /// The version to go on from; none when all is to be listed.
    version: Option<Box<str>>,
    /// Whether lists are asked for as watches.
    streaming: bool,
    page: u32,
    failures: u32,
    missing: u32,
}

impl Follower {
    pub(crate) fn new(
        client: Client,
        pace: Pace,
        place: usize,
        watch: Arc<Watch>,
        node: Arc<str>,
        told: mpsc::Sender<Told>,
        shown: Option<Arc<Shown>>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            client,
            pace,
            draw: Draw::seeded()?,
            place,
            known: Known::new(watch.watched, node, shown.clone()),
            shown,
            watch,
            told,
            path: None,
            version: None,
            streaming: true,
            page: PAGE,
            failures: 0,
            missing: 0,
        })
    }

    /// Follows until nobody listens.
    pub(crate) async fn follow(mut self) {
        loop {
            let pause = match self.step().await {
                Ok(Step::Next) => continue,
                Ok(Step::End) => return,
                Ok(Step::Closed(begun)) => self.closed(begun),
                Err(trouble) => match self.trouble(&trouble).await {
                    Some(pause) => pause,
                    None => return,
                },
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.told.closed() => return,
            }
        }
    }

    /// Finds where the resource is served, lists it, or watches it: whatever comes next.
    async fn step(&mut self) -> Result<Step, Trouble> {
        let Some(path) = self.path.clone() else { return self.find().await };
        match (&self.version, self.streaming) {
            (Some(from), _) => {
                let from = from.clone();
                let begun = Instant::now();
                let lines = self.open(&path, &from, false).await?;
                self.watch.stand(Standing::Following);
                self.read(lines, false, begun).await
            }
            (None, true) => {
                let begun = Instant::now();
                let lines = match self.open(&path, "", true).await {
                    // As servers answer to whom this is not known or not allowed.
                    Err(trouble) if matches!(trouble.code(), 400 | 422) => {
                        self.streaming = false;
                        return Ok(Step::Next);
                    }
                    opened => opened?,
                };
                self.known.begin();
                self.read(lines, true, begun).await
            }
            (None, false) => self.list(&path).await,
        }
    }

    async fn find(&mut self) -> Result<Step, Trouble> {
        let found = discover(&self.client, self.watch.watched).await?;
        self.watch.heard();
        if let Some(path) = found {
            self.missing = 0;
            self.shown.iter().for_each(|shown| shown.served(self.watch.watched.kind, &path));
            self.version = None;
            self.path = Some(path);
            return Ok(Step::Next);
        }
        self.watch.stand(Standing::Absent);
        self.missing = self.missing.saturating_add(1);
        if self.missing >= CERTAIN {
            self.known.begin();
            if !self.sweep().await {
                return Ok(Step::End);
            }
        }
        if self.known.len() == 0 && !self.tell(None, News::Absent).await {
            return Ok(Step::End);
        }
        let pause = self.pace.missing(self.missing, self.draw.next_u32());
        tokio::time::sleep(pause).await;
        Ok(Step::Next)
    }

    /// All objects, page by page.
    async fn list(&mut self, path: &str) -> Result<Step, Trouble> {
        self.known.begin();
        let mut next: Option<String> = None;
        loop {
            let watched = self.watch.watched;
            let mut wanted = ListParams::default().limit(self.page);
            wanted.field_selector = watched.field_selector();
            wanted.continue_token = next.take();
            let request = Request::new(path).list(&wanted).map_err(|error| Trouble::Garbage(error.to_string()))?;
            let text = fetch(&self.client, self.accepting(request, METADATA_LIST)).await?;
            self.watch.heard();
            let page = Page::read(&text, watched.keep)?;
            drop(text);
            for item in page.items {
                let news = self.known.put(item);
                if !self.tell(None, news).await {
                    return Ok(Step::End);
                }
            }
            next = page.next;
            if next.is_none() {
                return Ok(if self.complete(page.version).await { Step::Next } else { Step::End });
            }
        }
    }

    async fn open(&mut self, path: &str, from: &str, listing: bool) -> Result<Lines, Trouble> {
        // Not all watches of all nodes are to end at once.
        let seconds = 240 + self.draw.next_u32() % 50;
        let wanted = WatchParams {
            field_selector: self.watch.watched.field_selector(),
            timeout: Some(seconds),
            bookmarks: true,
            send_initial_events: listing,
            ..WatchParams::default()
        };
        let request = Request::new(path).watch(&wanted, from).map_err(|error| Trouble::Garbage(error.to_string()))?;
        let lines = lines(&self.client, self.accepting(request, METADATA)).await?;
        self.watch.heard();
        Ok(lines)
    }

    /// Reads a watch to its end; while `listing`, what comes first is the objects that there are.
    async fn read(&mut self, mut lines: Lines, mut listing: bool, begun: Instant) -> Result<Step, Trouble> {
        while let Some(line) = lines.next(SILENCE).await? {
            self.watch.heard();
            let (kind, object) = self.event(&line)?;
            let version = version(&object).ok_or_else(|| Trouble::Garbage("an event without a version".to_owned()))?;
            let ended = object["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true";
            let news = match &*kind {
                "ADDED" | "MODIFIED" => self.known.put(object),
                "DELETED" => self.known.remove(object),
                _ => News::Nothing,
            };
            self.failures = 0;
            let heard = if listing && kind == "BOOKMARK" && ended {
                listing = false;
                self.complete(version).await
            } else if listing {
                self.tell(None, news).await
            } else {
                self.version = Some(version.clone());
                self.watch.count(self.known.len());
                self.tell(Some(version), news).await
            };
            if !heard {
                return Ok(Step::End);
            }
        }
        if listing {
            self.streaming = false;
        }
        Ok(Step::Closed(begun))
    }

    /// A line of a watch: what happened, and to what. An error is the end of the watch.
    fn event(&self, line: &[u8]) -> Result<(String, Value), Trouble> {
        let garbage = |error: serde_json::Error| Trouble::Garbage(error.to_string());
        let event = [("type", Keep::All), ("object", self.watch.watched.keep)];
        let mut event = Keep::Only(&event).read(line).map_err(garbage)?;
        let Some(kind) = event["type"].as_str().map(str::to_owned) else {
            return Err(Trouble::Garbage("an event without a type".to_owned()));
        };
        if kind == "ERROR" {
            let whole: Value = serde_json::from_slice(line).map_err(garbage)?;
            let status = serde_json::from_value(whole["object"].clone()).map_err(garbage)?;
            return Err(Trouble::Refused(Box::new(status)));
        }
        Ok((kind, event["object"].take()))
    }

    /// All objects have been told, as they were at a version.
    async fn complete(&mut self, version: Box<str>) -> bool {
        if !self.sweep().await {
            return false;
        }
        self.failures = 0;
        self.version = Some(version.clone());
        self.watch.stand(Standing::Following);
        self.tell(Some(version), News::Complete).await
    }

    /// Tells what was not listed again.
    async fn sweep(&mut self) -> bool {
        for object in self.known.end() {
            if !self.tell(None, News::Remove(object)).await {
                return false;
            }
        }
        self.watch.count(self.known.len());
        true
    }

    /// False when nobody listens any more. Waits while the node loop has enough to do.
    async fn tell(&mut self, version: Option<Box<str>>, news: News) -> bool {
        if version.is_none() && matches!(news, News::Nothing) {
            return true;
        }
        self.told.send(Told { from: self.place, version, news }).await.is_ok()
    }

    fn accepting(&self, mut request: http::Request<Vec<u8>>, metadata: HeaderValue) -> http::Request<Vec<u8>> {
        if self.watch.watched.metadata_only {
            request.headers_mut().insert(http::header::ACCEPT, metadata);
        }
        request
    }

    /// How long to wait after the server has closed a watch: it does so after minutes, and then there is no need to.
    fn closed(&mut self, begun: Instant) -> Duration {
        if begun.elapsed() >= LIVED {
            self.failures = 0;
        }
        self.pace.apart.saturating_sub(begun.elapsed())
    }

    /// What to do after a trouble: how long to wait, or `None` when nobody listens.
    async fn trouble(&mut self, trouble: &Trouble) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        match (trouble, trouble.code()) {
            // What happened since is not known any more: all is listed again.
            (_, 410) => self.version = None,
            (_, 404) => self.path = None,
            (Trouble::Refused(status), 401 | 403) if self.failures >= BELIEVED => {
                self.watch.heard();
                let problem = self.forbidden(&status.message);
                self.watch.stand(Standing::Forbidden(problem));
                if self.known.len() == 0 && !self.tell(None, News::Forbidden).await {
                    return None;
                }
                return Some(self.pace.missing(self.failures, self.draw.next_u32()));
            }
            (Trouble::TooLong, _) if self.page > 1 => {
                self.streaming = false;
                self.page /= 2;
            }
            // A list as a watch that does not come to its end is asked for as a list.
            (Trouble::Silent(_) | Trouble::Garbage(_), _) if self.version.is_none() => self.streaming = false,
            _ => {}
        }
        match trouble.code() {
            410 => {}
            404 if self.watch.watched.built_in => self.watch.stand(Standing::Failing(format!(
                "{trouble}; the cluster does not serve it: Kubernetes 1.21 or a newer one is needed"
            ))),
            404 => {}
            _ => self.watch.stand(Standing::Failing(trouble.to_string())),
        }
        Some(self.pace.after(self.failures, self.draw.next_u32()))
    }

    fn forbidden(&self, message: &str) -> String {
        let watched = self.watch.watched;
        let (plural, group) = (watched.plural, watched.group);
        format!(
            "{}: {message}; give the daemon's ClusterRole verbs [list, watch] on resource {plural:?} of API group {group:?}",
            watched.resource()
        )
    }
}
