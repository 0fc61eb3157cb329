//! Listings of the simulated store as S3 answers them: three keys a page, each page a request, with changes of the
//! bucket in between, and wrong pages.

use std::collections::BTreeMap;
use std::fmt::Write;

use futures::StreamExt;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use object_store::path::Path;
use object_store::{ClientOptions, ObjectMeta, ObjectStore, Result};
use url::form_urlencoded;

use super::world::{Client, give_way};

const KEYS_A_PAGE: usize = 3;

/// Answers under status 200 that are no page.
const FOREIGN: [&str; 4] = [
    "",
    "<html><body>Sign in</body></html>",
    "<Error><Code>InternalError</Code></Error>",
    "<?xml version=\"1.0\"?><ErrorResponse><Error><Code>SlowDown</Code></Error></ErrorResponse>",
];

/// The fault of one page.
enum Fault {
    None,
    /// Fewer keys than a page can hold, with a token.
    Short,
    /// The page announces more keys and has no token.
    NoWayOn,
    /// Another document.
    Foreign(&'static str),
    /// The page before is sent again.
    Repeated,
}

/// The listing side of a worker's store.
#[derive(Debug, Clone)]
pub struct Pages(pub Client);

impl HttpConnector for Pages {
    fn connect(&self, _: &ClientOptions) -> Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait::async_trait]
impl HttpService for Pages {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let query = request.uri().query().unwrap_or_default();
        let asked: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        assert!(asked.contains_key("list-type"), "the sim has listings only: {}", request.uri());
        let before = self.0.before().await;
        before.map_err(|error| HttpError::new(HttpErrorKind::Connect, error))?;
        let body = self.answer(&asked).await;
        give_way().await;
        Ok(HttpResponse::new(body.into()))
    }
}

impl Pages {
    fn fault(&self) -> Fault {
        let mut state = self.0.world.state();
        if state.calm {
            return Fault::None;
        }
        match state.noise.below(100) {
            0..10 => Fault::Short,
            10..12 => Fault::NoWayOn,
            12..15 => Fault::Foreign(FOREIGN[state.noise.below(FOREIGN.len() as u64) as usize]),
            15..17 => Fault::Repeated,
            _ => Fault::None,
        }
    }

    async fn answer(&self, asked: &BTreeMap<String, String>) -> String {
        let value = |name: &str| asked.get(name).map_or("", String::as_str);
        let (prefix, token) = (value("prefix"), value("continuation-token"));
        let after = if token.is_empty() { value("start-after") } else { token };
        let fault = self.fault();
        // several listings of one folder run at the same time, each from a different key
        let query = (self.0.worker, format!("{prefix}\n{}\n{}", value("start-after"), value("delimiter")));
        if let (Fault::Repeated, false) = (&fault, token.is_empty())
            && let Some(page) = self.0.world.state().pages.get(&query)
        {
            return page.clone();
        }
        if let Fault::Foreign(document) = fault {
            return document.to_owned();
        }
        let mut items: Vec<_> =
            self.items(prefix, !value("delimiter").is_empty()).await.into_iter().collect();
        let by_folder = self.0.world.state().by_folder;
        if by_folder {
            items.sort_by(|(one, _), (other, _)| folders_first(one).cmp(folders_first(other)));
        }
        let is_after = |key: &str| match by_folder {
            true => folders_first(key).gt(folders_first(after)),
            false => key > after,
        };
        let mut rest = items.into_iter().filter(|(key, _)| is_after(key)).peekable();
        let most = if matches!(fault, Fault::Short) { 1 } else { KEYS_A_PAGE };
        let page: Vec<(String, Option<ObjectMeta>)> = rest.by_ref().take(most).collect();
        let is_truncated = rest.peek().is_some();
        let mut body = format!("<ListBucketResult><IsTruncated>{is_truncated}</IsTruncated>");
        if let (true, Some((last, _)), false) = (is_truncated, page.last(), matches!(fault, Fault::NoWayOn)) {
            write!(body, "<NextContinuationToken>{last}</NextContinuationToken>").unwrap();
        }
        for (key, meta) in &page {
            body += &match meta {
                Some(meta) => contents(key, meta),
                None => format!("<CommonPrefixes><Prefix>{key}</Prefix></CommonPrefixes>"),
            };
        }
        body += "</ListBucketResult>";
        self.0.world.state().pages.insert(query, body.clone());
        body
    }

    /// Keys in order; a folder has no object.
    async fn items(&self, prefix: &str, is_flat: bool) -> BTreeMap<String, Option<ObjectMeta>> {
        let folder = Path::from(prefix);
        let metas: Vec<Result<ObjectMeta>> = self.0.world.store.list(Some(&folder)).collect().await;
        let mut items = BTreeMap::new();
        for meta in metas {
            let meta = meta.unwrap();
            let key = meta.location.to_string();
            let below = key.strip_prefix(prefix).unwrap_or_default();
            match below.split_once('/') {
                Some((name, _)) if is_flat => items.insert(format!("{prefix}{name}/"), None),
                _ => items.insert(key, Some(meta)),
            };
        }
        items
    }
}

/// The sort key of a store that sorts by folder.
fn folders_first(key: &str) -> impl Iterator<Item = &str> {
    key.split('/')
}

fn contents(key: &str, meta: &ObjectMeta) -> String {
    let tag = meta.e_tag.as_deref().unwrap_or_default();
    let time = meta.last_modified.format("%Y-%m-%dT%H:%M:%S.000Z");
    let size = meta.size;
    format!(
        "<Contents><Key>{key}</Key><LastModified>{time}</LastModified><ETag>\"{tag}\"</ETag><Size>{size}</Size></Contents>"
    )
}
