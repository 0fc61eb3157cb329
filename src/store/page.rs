//! A page of a listing, read by us and not by the client.
//!
//! The client takes any XML for a page. A document of another kind has no keys and no token, so it would read as an
//! empty last page, and a plan would end there in silence. The client also merges keys that differ (`x` and `x/`), and
//! refuses the whole page for one that it cannot write as a path.

use object_store::{ListResult, ObjectMeta};
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

use super::reply::code;

/// Roots of a page: S3 and GCS, Azure.
const ROOTS: [&[u8]; 2] = [b"ListBucketResult", b"EnumerationResults"];

/// Why an answer is no page of a listing, or no page that leads on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The body is empty.
    #[error("the store answers a listing with an empty document")]
    Empty,
    /// Another document under a good status.
    #[error("the store answers a listing with a document `{root}`{}", code.as_ref().map_or_else(String::new, |code| format!(" (`{code}`)")))]
    Foreign {
        /// Its root element, or `not XML`.
        root: String,
        /// The error code in it, if it is an error document.
        code: Option<String>,
    },
    /// An object that the page does not name, or not as a listing does.
    #[error("a page of the listing cannot be read: {0}")]
    Malformed(String),
    /// A key that was not asked for.
    #[error("the store lists `{key}`, which does not begin `{prefix}` as was asked: it ignores the prefix")]
    Outside {
        /// The key.
        key: String,
        /// What was asked for.
        prefix: String,
    },
    /// The document ends too early.
    #[error("a page of the listing is cut off: {0}")]
    Cut(String),
    /// More keys follow, but there is no way to ask for them.
    #[error(
        "a page of the listing has `IsTruncated` = true and no `NextContinuationToken`: the keys after it cannot be \
         asked for"
    )]
    NoWayOn,
    /// The page does not show whether keys follow.
    #[error(
        "a page of the listing has no `NextContinuationToken`, and its `IsTruncated` is neither true nor false: whether \
         keys follow cannot be seen"
    )]
    NoEnd,
    /// The store ignores the continuation token.
    #[error("the store gives the same page of the listing again: it ignores the continuation token")]
    Repeated,
    /// The store gives tokens, and no keys.
    #[error("the store gives {0} pages of the listing without a key, one after another")]
    NoKeys(usize),
}

impl PageError {
    /// True where a later try may get a page: a store that ignores tokens ignores them again.
    pub(super) fn may_pass(&self) -> bool {
        !matches!(self, PageError::Repeated | PageError::NoKeys(_) | PageError::Outside { .. })
    }
}

/// One page of a listing, its keys as the store wrote them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub objects: Vec<Listed>,
    /// Folders, each in place of all keys below it, with a slash at the end.
    pub folders: Vec<String>,
    /// Where the next page begins; `None` on the last one.
    pub token: Option<String>,
    pub is_azure: bool,
}

/// One object of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Listed {
    pub key: String,
    pub size: u64,
    pub etag: Option<String>,
    /// When it was written, in the store's own words.
    pub modified: String,
}

impl From<ObjectMeta> for Listed {
    fn from(meta: ObjectMeta) -> Self {
        Listed {
            key: meta.location.into(),
            size: meta.size,
            etag: meta.e_tag,
            modified: meta.last_modified.to_rfc3339(),
        }
    }
}

/// A page of a store that does not list page by page.
impl From<ListResult> for Page {
    fn from(listing: ListResult) -> Self {
        Page {
            objects: listing.objects.into_iter().map(Listed::from).collect(),
            folders: listing.common_prefixes.into_iter().map(|path| format!("{path}/")).collect(),
            ..Page::default()
        }
    }
}

/// Reads a body that must be a whole page of a listing, and name a way on if keys follow.
///
/// # Errors
/// [`PageError`] describes what the body is instead.
pub(super) fn parse(body: &[u8]) -> Result<Page, PageError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.trim_ascii().is_empty() {
        return Err(PageError::Empty);
    }
    let mut reader = Reader::from_reader(body);
    let (mut fields, mut open, mut has_ended) = (Fields::default(), Vec::<Vec<u8>>::new(), false);
    loop {
        let begins = usize::try_from(reader.buffer_position()).unwrap_or_default();
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(_) if open.is_empty() && !has_ended => return Err(foreign("not XML", body)),
            Err(error) => return Err(PageError::Cut(error.to_string())),
        };
        match event {
            Event::Start(tag) => {
                let name = tag.local_name().as_ref().to_vec();
                // an error can come when the page has been begun
                if open.len() == 1 && name == b"Error" {
                    return Err(foreign("Error", body.get(begins..).unwrap_or_default()));
                }
                if open.is_empty() && (has_ended || !ROOTS.contains(&&*name)) {
                    return Err(foreign(&String::from_utf8_lossy(&name), body));
                }
                fields.is_encoded = tag
                    .attributes()
                    .flatten()
                    .any(|said| said.key.as_ref() == b"Encoded" && &*said.value == b"true");
                fields.page.is_azure |= open.is_empty() && name == ROOTS[1];
                fields.text.clear();
                open.push(name);
            }
            Event::Empty(tag) if open.is_empty() => {
                // `<ListBucketResult/>` shows neither that it ends nor that it continues
                return Err(foreign(&String::from_utf8_lossy(tag.local_name().as_ref()), body));
            }
            Event::End(_) => {
                fields.end(&open)?;
                open.pop();
                has_ended = open.is_empty();
            }
            Event::Text(text) if open.is_empty() && !has_ended && !text.trim_ascii().is_empty() => {
                return Err(foreign("not XML", body));
            }
            Event::Text(text) => fields.text.push_str(utf8(&text)?),
            Event::CData(text) => fields.text.push_str(utf8(&text)?),
            Event::GeneralRef(reference) => {
                let name = utf8(&reference)?;
                match reference.resolve_char_ref() {
                    Ok(Some(letter)) => fields.text.push(letter),
                    _ => match resolve_predefined_entity(name) {
                        Some(text) => fields.text.push_str(text),
                        None => return Err(PageError::Malformed(format!("`&{name};` has no meaning in it"))),
                    },
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    match has_ended {
        false => Err(PageError::Cut("its root element has no end".into())),
        true if fields.page.token.is_some() || fields.page.is_azure => Ok(fields.page),
        true => match fields.is_truncated {
            Some(false) => Ok(fields.page),
            Some(true) => Err(PageError::NoWayOn),
            None => Err(PageError::NoEnd),
        },
    }
}

/// What was read of a page so far.
#[derive(Default)]
struct Fields {
    page: Page,
    /// Whether keys follow; `None` if the page does not show it.
    is_truncated: Option<bool>,
    /// The text of the element that is being read, and whether it is percent-encoded.
    text: String,
    is_encoded: bool,
    object: Listed,
    has_key: bool,
    has_size: bool,
    /// An entry of a hierarchical account that is a folder, and no object.
    is_folder: bool,
}

impl Fields {
    /// Takes the text of the innermost open element, which ends here.
    fn end(&mut self, open: &[Vec<u8>]) -> Result<(), PageError> {
        let mut text = std::mem::take(&mut self.text);
        if std::mem::take(&mut self.is_encoded) {
            let decoded = percent_encoding::percent_decode_str(&text).decode_utf8();
            text =
                decoded.map_err(|_| PageError::Malformed("a name in it is not UTF-8".into()))?.into_owned();
        }
        let path: Vec<&[u8]> = open.iter().skip(1).map(|name| &**name).collect();
        match path.as_slice() {
            [b"IsTruncated"] => {
                self.is_truncated = match text.trim().to_ascii_lowercase().as_str() {
                    "true" | "1" => Some(true),
                    "false" | "0" => Some(false),
                    _ => None,
                }
            }
            [b"NextContinuationToken"] => self.page.token = Some(text).filter(|text| !text.trim().is_empty()),
            // S3's own `NextMarker` belongs to another way of listing, which was not asked for
            [b"NextMarker"] if self.page.is_azure => {
                self.page.token = Some(text).filter(|text| !text.trim().is_empty());
            }
            [b"Contents", b"Key"] | [b"Blobs", b"Blob", b"Name"] => {
                (self.object.key, self.has_key) = (text, true);
            }
            [b"Contents", b"Size"] | [b"Blobs", b"Blob", b"Properties", b"Content-Length"] => {
                let size = text.trim().parse();
                self.object.size = size.map_err(|_| PageError::Malformed(format!("`{text}` is no size")))?;
                self.has_size = true;
            }
            [b"Contents", b"ETag"] | [b"Blobs", b"Blob", b"Properties", b"Etag"] => {
                self.object.etag = Some(text)
            }
            [b"Contents", b"LastModified"] | [b"Blobs", b"Blob", b"Properties", b"Last-Modified"] => {
                self.object.modified = text;
            }
            [b"Blobs", b"Blob", b"Properties", b"ResourceType"] => {
                self.is_folder = text.trim() == "directory"
            }
            [b"CommonPrefixes", b"Prefix"] | [b"Blobs", b"BlobPrefix", b"Name"] => {
                self.page.folders.push(text)
            }
            [b"Contents"] | [b"Blobs", b"Blob"] => {
                let object = std::mem::take(&mut self.object);
                let (has_key, has_size) =
                    (std::mem::take(&mut self.has_key), std::mem::take(&mut self.has_size));
                let is_folder = std::mem::take(&mut self.is_folder);
                if !has_key || !has_size && !is_folder {
                    return Err(PageError::Malformed("an object in it has no key or no size".into()));
                }
                if !is_folder {
                    self.page.objects.push(object);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, PageError> {
    std::str::from_utf8(bytes).map_err(|_| PageError::Malformed("a text in it is not UTF-8".into()))
}

fn foreign(root: &str, body: &[u8]) -> PageError {
    let shown: String = root.chars().take(40).flat_map(char::escape_debug).collect();
    PageError::Foreign { root: shown, code: code(&String::from_utf8_lossy(body)) }
}
