//! ListObjectsV2.

use std::fmt::Write;

use super::BUCKET;
use super::documents::{DECLARATION, NAMESPACE, element, escaped, listed_time, url_encoded};
use super::faults::Paging;
use super::objects::{Bucket, Object};
use super::request::Ask;

/// One line of a page.
#[derive(Clone)]
enum Entry {
    Key { key: String, size: usize, etag: Option<String>, modified: String },
    Below(String),
}

impl Entry {
    fn text(&self) -> &str {
        match self {
            Entry::Key { key, .. } | Entry::Below(key) => key,
        }
    }
}

/// Where a page begins: after `last`, with `given` entries before it.
struct Start {
    last: Option<String>,
    given: u64,
    /// Pages before this one.
    pages: u64,
    by_token: bool,
}

/// The parameters of a page.
struct Wanted<'a> {
    prefix: &'a str,
    delimiter: Option<&'a str>,
    start: Start,
    most: usize,
}

/// The document of one page; an error is the code to answer with 400.
pub(super) fn page(
    bucket: &Bucket,
    ask: &Ask,
    page_size: usize,
    paging: &[Paging],
    shown: &mut dyn FnMut(&Object) -> Option<String>,
) -> Result<String, &'static str> {
    let token = ask.parameter("continuation-token");
    let after = ask.parameter("start-after").filter(|after| !after.is_empty());
    let first = || Start { last: after.map(str::to_owned), given: 0, pages: 0, by_token: false };
    let mut start = match token {
        Some(token) => read_token(token).ok_or("InvalidArgument")?,
        None => first(),
    };
    for paging in paging {
        if let Paging::IgnoresToken(counts) = paging {
            start = Start { pages: if *counts { start.pages } else { 0 }, ..first() };
        }
    }
    let asked = match ask.parameter("max-keys") {
        Some(keys) => keys.parse::<usize>().map_err(|_| "InvalidArgument")?.min(1000),
        None => 1000,
    };
    let short = paging.iter().filter_map(|paging| match paging {
        Paging::Short(keys) => Some(*keys),
        _ => None,
    });
    let most = short.chain([page_size, asked]).min().unwrap_or(asked);
    let delimiter = ask.parameter("delimiter").filter(|delimiter| !delimiter.is_empty());
    let ignores_prefix = paging.iter().any(|paging| matches!(paging, Paging::IgnoresPrefix));
    let prefix = if ignores_prefix { "" } else { ask.seen.key.as_str() };
    let wanted = Wanted { prefix, delimiter, start, most };
    let by_folder = delimiter.is_none() && paging.iter().any(|paging| matches!(paging, Paging::ByFolder));
    let (mut entries, more) =
        if by_folder { entries_by_folder(bucket, &wanted, shown) } else { entries(bucket, &wanted, shown) };
    let last = entries.last().map(|entry| entry.text().to_owned()).or(wanted.start.last.clone());
    let given = wanted.start.given + entries.len() as u64;
    for paging in paging {
        match *paging {
            Paging::ReversedFrom(position) => {
                let kept = position.saturating_sub(wanted.start.given).min(entries.len() as u64);
                entries[kept as usize..].reverse();
            }
            Paging::RepeatsLast => {
                let before = wanted.start.last.as_deref().filter(|_| wanted.start.by_token);
                let object = before.and_then(|key| bucket.get(key).map(|object| (key, object)));
                if let Some((key, object)) = object {
                    entries.insert(0, listed(key, &object, shown));
                }
            }
            Paging::Short(_)
            | Paging::WayOn(_)
            | Paging::IgnoresToken(_)
            | Paging::IgnoresPrefix
            | Paging::ByFolder => {}
        }
    }
    let token = || write_token(given, wanted.start.pages + 1, last.as_deref().unwrap_or_default());
    let way_on = paging.iter().find_map(|paging| match paging {
        Paging::WayOn(text) => Some((*text).to_owned()),
        _ => None,
    });
    let next = more.then(|| way_on.unwrap_or_else(|| element("NextContinuationToken", &token())));
    Ok(document(ask, asked, &entries, next.as_deref()))
}

/// The entries of a page in byte order, and whether others follow.
fn entries(
    bucket: &Bucket,
    wanted: &Wanted<'_>,
    shown: &mut dyn FnMut(&Object) -> Option<String>,
) -> (Vec<Entry>, bool) {
    let Wanted { prefix, delimiter, start, most } = wanted;
    let last = start.last.as_deref();
    let from = last.filter(|last| last > prefix).unwrap_or(prefix);
    let below = |key: &str| {
        let delimiter = delimiter.as_ref()?;
        let rest = &key[prefix.len()..];
        rest.find(delimiter).map(|at| key[..prefix.len() + at + delimiter.len()].to_owned())
    };
    let mut found: Vec<Entry> = Vec::new();
    let mut keys = bucket.from(from);
    while let Some((key, object)) = keys.next() {
        if !key.starts_with(prefix) {
            break;
        }
        let common = below(&key);
        let entry = common.as_deref().unwrap_or(&key);
        let repeated = found.last().is_some_and(|found| found.text() == entry);
        let before = last.is_some_and(|last| key.as_str() <= last || (start.by_token && entry == last));
        if repeated || before {
            // skips most keys below a common prefix at once
            let far = common.map(|common| format!("{common}\u{10ffff}")).filter(|far| key < *far);
            if let Some(far) = far {
                keys = bucket.from(&far);
            }
            continue;
        }
        if found.len() == *most {
            return (found, true);
        }
        found.push(common.map_or_else(|| listed(&key, object, shown), Entry::Below));
    }
    (found, false)
}

/// The keys of a page in the order of folders, and whether others follow.
fn entries_by_folder(
    bucket: &Bucket,
    wanted: &Wanted<'_>,
    shown: &mut dyn FnMut(&Object) -> Option<String>,
) -> (Vec<Entry>, bool) {
    let last = wanted.start.last.as_deref();
    let below = bucket.from(wanted.prefix).take_while(|(key, _)| key.starts_with(wanted.prefix));
    let mut rest: Vec<_> =
        below.filter(|(key, _)| last.is_none_or(|last| key.split('/').gt(last.split('/')))).collect();
    rest.sort_by(|(one, _), (other, _)| one.split('/').cmp(other.split('/')));
    let more = rest.len() > wanted.most;
    (rest.iter().take(wanted.most).map(|(key, object)| listed(key, object, shown)).collect(), more)
}

fn listed(key: &str, object: &Object, shown: &mut dyn FnMut(&Object) -> Option<String>) -> Entry {
    Entry::Key {
        key: key.to_owned(),
        size: object.bytes.len(),
        etag: shown(object),
        modified: listed_time(object.modified),
    }
}

fn document(ask: &Ask, asked: usize, entries: &[Entry], next: Option<&str>) -> String {
    let encoded = ask.parameter("encoding-type") == Some("url");
    let name = |text: &str| if encoded { url_encoded(text) } else { escaped(text) };
    let mut document = format!("{DECLARATION}<ListBucketResult xmlns=\"{NAMESPACE}\">");
    let mut line = |name: &str, text: &str| {
        write!(document, "<{name}>{text}</{name}>").expect("a string takes all");
    };
    line("Name", BUCKET);
    line("Prefix", &name(&ask.seen.key));
    line("MaxKeys", &asked.to_string());
    line("KeyCount", &entries.len().to_string());
    line("IsTruncated", if next.is_some() { "true" } else { "false" });
    for (field, value) in [("Delimiter", "delimiter"), ("StartAfter", "start-after")] {
        if let Some(value) = ask.parameter(value) {
            line(field, &name(value));
        }
    }
    if encoded {
        line("EncodingType", "url");
    }
    if let Some(token) = ask.parameter("continuation-token") {
        line("ContinuationToken", &escaped(token));
    }
    document.push_str(next.unwrap_or_default());
    let mut line = |name: &str, text: &str| {
        write!(document, "<{name}>{text}</{name}>").expect("a string takes all");
    };
    for entry in entries {
        match entry {
            Entry::Below(common) => line("CommonPrefixes", &format!("<Prefix>{}</Prefix>", name(common))),
            Entry::Key { key, size, etag, modified } => {
                let etag = etag.as_ref().map(|etag| element("ETag", etag)).unwrap_or_default();
                let key = name(key);
                let content = format!(
                    "<Key>{key}</Key><LastModified>{modified}</LastModified>{etag}<Size>{size}</Size>\
                     <StorageClass>STANDARD</StorageClass>"
                );
                line("Contents", &content);
            }
        }
    }
    document + "</ListBucketResult>"
}

/// How many entries and pages were given, and the last entry in hexadecimal: opaque to clients, and plain in any query.
fn write_token(given: u64, pages: u64, last: &str) -> String {
    let mut token = format!("{given}-{pages}-");
    for byte in last.bytes() {
        write!(token, "{byte:02x}").expect("a string takes all");
    }
    token
}

fn read_token(token: &str) -> Option<Start> {
    let (given, rest) = token.split_once('-')?;
    let (pages, last) = rest.split_once('-')?;
    let digits = last.as_bytes().chunks(2);
    let bytes = digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    let last = String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok()?;
    let last = (!last.is_empty()).then_some(last);
    Some(Start { last, given: given.parse().ok()?, pages: pages.parse().ok()?, by_token: true })
}
