//! The bucket: objects that are held, and families of objects that are computed.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;

use bytes::Bytes;
use hyper::header::HeaderName;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

/// One object.
#[derive(Clone)]
pub(super) struct Object {
    pub bytes: Bytes,
    /// In quotes: 128 bits of the SHA-256.
    pub etag: String,
    pub modified: OffsetDateTime,
    /// More headers of its reads. Those of S3's checksums are shown to requests that ask for them.
    pub headers: Vec<(HeaderName, String)>,
    /// What GCS sends to clients that do not accept the encoding that it is stored with.
    pub decoded: Option<Bytes>,
}

/// The number of a version, as GCS counts them.
pub(super) fn generation(object: &Object) -> i128 {
    object.modified.unix_timestamp_nanos() / 1000
}

impl Object {
    pub fn new(bytes: Bytes) -> Object {
        let digest = Sha256::digest(&bytes);
        let hex: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let modified = OffsetDateTime::now_utc();
        Object { bytes, etag: format!("\"{hex}\""), modified, headers: Vec::new(), decoded: None }
    }
}

/// Objects whose keys are computed from their number.
pub(super) struct Virtual {
    prefix: String,
    count: u64,
    name: Box<dyn Fn(u64) -> String + Send + Sync>,
    objects: Vec<Object>,
}

impl Virtual {
    pub fn new(
        prefix: &str,
        count: u64,
        name: Box<dyn Fn(u64) -> String + Send + Sync>,
        bytes: Vec<Bytes>,
    ) -> Virtual {
        assert!(!bytes.is_empty(), "a virtual object needs bytes");
        let step = (count / 1024).max(1) as usize;
        for index in (1..count).step_by(step) {
            let (before, after) = (name(index - 1), name(index));
            assert!(before < after, "names {before:?} and {after:?} of {index} do not grow");
        }
        let objects = bytes.into_iter().map(Object::new).collect();
        Virtual { prefix: prefix.to_owned(), count, name, objects }
    }

    fn key(&self, index: u64) -> String {
        format!("{}{}", self.prefix, (self.name)(index))
    }

    fn object(&self, index: u64) -> &Object {
        &self.objects[(index % self.objects.len() as u64) as usize]
    }

    /// The first number whose key is not below `key`.
    fn position(&self, key: &str) -> u64 {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.key(middle).as_str() < key { low = middle + 1 } else { high = middle }
        }
        low
    }

    fn get(&self, key: &str) -> Option<&Object> {
        if !key.starts_with(&self.prefix) {
            return None;
        }
        let index = self.position(key);
        (index < self.count && self.key(index) == key).then(|| self.object(index))
    }

    fn from<'a>(&'a self, key: &str) -> impl Iterator<Item = (String, &'a Object)> + use<'a> {
        (self.position(key)..self.count).map(|index| (self.key(index), self.object(index)))
    }
}

/// All objects, by key.
#[derive(Default)]
pub(super) struct Bucket {
    held: BTreeMap<String, Object>,
    computed: Vec<Virtual>,
    /// Computed keys that were deleted.
    deleted: BTreeSet<String>,
}

impl Bucket {
    pub fn put(&mut self, key: String, object: Object) {
        self.held.insert(key, object);
    }

    pub fn add_virtual(&mut self, objects: Virtual) {
        self.computed.push(objects);
    }

    pub fn get(&self, key: &str) -> Option<Object> {
        if let Some(object) = self.held.get(key) {
            return Some(object.clone());
        }
        if self.deleted.contains(key) {
            return None;
        }
        self.computed.iter().find_map(|objects| objects.get(key)).cloned()
    }

    pub fn delete(&mut self, key: &str) -> bool {
        let held = self.held.remove(key).is_some();
        let computed = self.computed.iter().any(|objects| objects.get(key).is_some());
        (computed && self.deleted.insert(key.to_owned())) || held
    }

    /// Every object whose key is not below `key`, in byte order.
    pub fn from(&self, key: &str) -> InOrder<'_> {
        let held = self.held.range(key.to_owned()..).map(|(key, object)| (key.clone(), object));
        let mut sources: Vec<Source<'_>> = vec![(Box::new(held) as Box<dyn Iterator<Item = _>>).peekable()];
        for objects in &self.computed {
            let computed = objects.from(key).filter(|(key, _)| !self.deleted.contains(key));
            sources.push((Box::new(computed) as Box<dyn Iterator<Item = _>>).peekable());
        }
        InOrder { sources }
    }
}

type Source<'a> = Peekable<Box<dyn Iterator<Item = (String, &'a Object)> + 'a>>;

/// The sources merged; where two have the same key, the earlier source counts.
pub(super) struct InOrder<'a> {
    sources: Vec<Source<'a>>,
}

impl<'a> Iterator for InOrder<'a> {
    type Item = (String, &'a Object);

    fn next(&mut self) -> Option<Self::Item> {
        let mut first: Option<(usize, &str)> = None;
        for (index, source) in self.sources.iter_mut().enumerate() {
            if let Some((key, _)) = source.peek()
                && first.is_none_or(|(_, least)| key.as_str() < least)
            {
                first = Some((index, key));
            }
        }
        let (chosen, _) = first?;
        let found = self.sources[chosen].next()?;
        for source in &mut self.sources {
            // only later sources can have it too, and none has it twice
            source.next_if(|(other, _)| *other == found.0);
        }
        Some(found)
    }
}
