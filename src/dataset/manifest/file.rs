//! The manifest as an object: where it is, which version of it, and what columns it has.

use arrow::datatypes::SchemaRef;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::dataset::{CarriedColumn, DatasetError};
use crate::regular_file::{self, NotRegular};
use crate::store::{FetchError, Location, ParquetObject, ParquetReadError, Role, Window};

use super::kind::{KEY_COLUMNS, Kind, TARGET_COLUMNS};
use super::lines::{Lines, Record, csv_fields};

/// Bytes of one ranged read.
const WINDOW: u64 = 8 << 20;

/// One version of a manifest.
#[derive(Debug, Clone)]
pub struct Manifest {
    location: Location,
    name: String,
    pub(super) uri: String,
    pub(super) kind: Kind,
    size: u64,
    etag: Option<String>,
    identity: Value,
    /// Names of the columns, where the file says them at its beginning.
    header: Option<Vec<String>>,
    /// A Parquet manifest's footer.
    pub(super) parquet: Option<(ParquetObject, SchemaRef)>,
}

impl Manifest {
    /// Opens a manifest and says which one it is: on local disk by its bytes, on a store by size and tag.
    pub async fn open(address: &str) -> Result<Manifest, DatasetError> {
        let (folder, name) = match address.rsplit_once('/') {
            Some(("", name)) => ("/", name),
            Some(parts) => parts,
            None => (".", address),
        };
        let location = Location::open(folder, Role::Input)?;
        let uri = format!("{}/{name}", location.uri().trim_end_matches('/'));
        if let Some(folder) = location.local_path()
            && let Err(error) = regular_file::check(&folder.join(name))
            && NotRegular::is_cause_of(&error)
        {
            return Err(DatasetError::Manifest {
                uri,
                why: format!("{error}: a job reads it several times"),
            });
        }
        let Some(found) = location.stat(name).await? else { return Err(DatasetError::Missing { uri }) };
        let mut manifest = Manifest {
            name: name.to_owned(),
            uri,
            kind: Kind::of(name),
            size: found.size,
            etag: found.etag,
            identity: Value::Null,
            header: None,
            parquet: None,
            location,
        };
        manifest.identity = match &manifest.etag {
            Some(etag) if manifest.location.local_path().is_none() => {
                json!({ "size": found.size, "etag": etag })
            }
            // a file's tag holds its time, and a copy of it is the same manifest
            _ => json!({ "sha256": manifest.sha256().await? }),
        };
        match manifest.kind {
            Kind::Csv | Kind::Tsv => {
                let mut reader = manifest.records();
                let header = reader
                    .next()
                    .await?
                    .ok_or_else(|| manifest.wrong("is empty; it begins with a header"))?;
                manifest.header = Some(manifest.fields(&header)?);
            }
            Kind::Parquet => {
                let etag = manifest.etag.as_deref();
                let object = ParquetObject::open_tagged(&manifest.location, name, found.size, etag).await;
                let object = object.map_err(|error| manifest.unreadable(error))?;
                let schema = object.schema().map_err(|error| manifest.unreadable(error))?;
                manifest.parquet = Some((object, schema));
            }
            Kind::Jsonl | Kind::Plain => {}
        }
        Ok(manifest)
    }

    /// Where it stands.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Whether it says at its beginning that it has a column of this name.
    pub fn has_column(&self, name: &str) -> bool {
        self.columns().is_some_and(|columns| columns.iter().any(|column| column == name))
    }

    /// What identifies it in a fingerprint.
    pub fn identity(&self) -> Value {
        self.identity.clone()
    }

    /// The columns of these names with their types; text, where the file does not say.
    pub fn carried(&self, names: &[String]) -> Result<Vec<CarriedColumn>, DatasetError> {
        if let Some(name) = names.first().filter(|_| self.kind == Kind::Plain) {
            return Err(
                self.wrong(format!("`input.carry_columns` names `{name}`, but plain lines have no columns"))
            );
        }
        if let Some(columns) = self.columns()
            && let Some(missing) = names.iter().find(|name| !columns.contains(name))
        {
            return Err(self.wrong(format!(
                "`input.carry_columns` names `{missing}`, but its columns are {}",
                listed(&columns)
            )));
        }
        let column = |name: &String| match &self.parquet {
            None => Ok(CarriedColumn::text(name)),
            Some((_, schema)) => schema
                .field_with_name(name)
                .ok()
                .and_then(|field| CarriedColumn::of(name, field.data_type()))
                .ok_or_else(|| {
                    self.wrong(format!(
                        "the column `{name}` is not of a plain type (text, number, yes or no)"
                    ))
                }),
        };
        names.iter().map(column).collect()
    }

    /// Where the columns of keys, targets and carried values stand; `None` where the kind has no fixed columns.
    pub(super) fn places(
        &self,
        targets: bool,
        carried: &[CarriedColumn],
    ) -> Result<Option<Places>, DatasetError> {
        let Some(columns) = self.columns() else { return Ok(None) };
        let find = |wanted: &[&str]| {
            wanted.iter().find_map(|wanted| columns.iter().position(|column| column == wanted))
        };
        let missing = |what: &str, wanted: &[&str]| {
            self.wrong(format!(
                "it has no column of {what} (named {}); its columns are {}",
                wanted.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or "),
                listed(&columns)
            ))
        };
        let key = find(&KEY_COLUMNS).ok_or_else(|| missing("keys", &KEY_COLUMNS))?;
        let target = match targets {
            true => Some(find(&TARGET_COLUMNS).ok_or_else(|| missing("targets", &TARGET_COLUMNS))?),
            false => None,
        };
        let carried = carried
            .iter()
            .map(|column| find(&[&column.name]).ok_or_else(|| missing("that", &[&column.name])));
        Ok(Some(Places { key, target, carried: carried.collect::<Result<_, _>>()?, all: columns }))
    }

    /// Names of its columns, where they are the same for all rows.
    fn columns(&self) -> Option<Vec<String>> {
        match &self.parquet {
            Some((_, schema)) => Some(schema.fields().iter().map(|field| field.name().clone()).collect()),
            None => self.header.clone(),
        }
    }

    /// The fields of a record with a header.
    pub(super) fn fields(&self, record: &Record) -> Result<Vec<String>, DatasetError> {
        let text = self.text(record)?;
        match self.kind {
            Kind::Csv => csv_fields(text).map_err(|why| self.wrong(format!("line {}: {why}", record.line))),
            _ => Ok(text.split('\t').map(str::to_owned).collect()),
        }
    }

    pub(super) fn text<'a>(&self, record: &'a Record) -> Result<&'a str, DatasetError> {
        std::str::from_utf8(&record.bytes)
            .map_err(|_| self.wrong(format!("line {}: it is not UTF-8", record.line)))
    }

    /// Its records from the beginning on.
    pub(super) fn records(&self) -> Records<'_> {
        Records { manifest: self, lines: Lines::new(self.kind == Kind::Csv), at: 0 }
    }

    /// The rows of one group of a Parquet manifest, of the named columns only.
    pub(super) async fn group(
        &self,
        object: &ParquetObject,
        group: usize,
        columns: &[&str],
    ) -> Result<Vec<arrow::array::RecordBatch>, DatasetError> {
        let batches = object.read_group(&self.location, group, Some(columns)).await;
        batches.map_err(|error| self.unreadable(error))
    }

    pub(super) fn wrong(&self, why: impl Into<String>) -> DatasetError {
        DatasetError::Manifest { uri: self.uri.clone(), why: why.into() }
    }

    fn unreadable(&self, error: ParquetReadError) -> DatasetError {
        match error {
            ParquetReadError::Damaged { why, .. } => self.wrong(format!("it is damaged: {why}")),
            ParquetReadError::Refused { error, .. } => self.refused(error),
            ParquetReadError::Store(error) => error.into(),
        }
    }

    fn refused(&self, error: FetchError) -> DatasetError {
        match error {
            FetchError::Store(error) => error.into(),
            FetchError::Changed => self.wrong(
                "it was changed while it was read; its rows would be no plan: run again, into another `output.uri` if \
                 the job has begun",
            ),
            FetchError::NotFound => DatasetError::Missing { uri: self.uri.clone() },
            error => self.wrong(error.to_string()),
        }
    }

    async fn window(&self, at: u64) -> Result<Window, DatasetError> {
        let end = (at + WINDOW).min(self.size);
        let window = self.location.window(&self.name, at..end, self.etag.as_deref()).await;
        let window = window.map_err(|error| self.refused(error))?;
        match window.size == self.size {
            true => Ok(window),
            false => Err(self.refused(FetchError::Changed)),
        }
    }

    async fn sha256(&self) -> Result<String, DatasetError> {
        let mut hash = Sha256::new();
        let mut at = 0;
        while at < self.size {
            let window = self.window(at).await?;
            hash.update(&window.bytes);
            at += window.bytes.len() as u64;
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// Where the columns that matter stand among all.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub key: usize,
    pub target: Option<usize>,
    pub carried: Vec<usize>,
    pub all: Vec<String>,
}

/// Reads a text manifest record by record.
pub(super) struct Records<'a> {
    manifest: &'a Manifest,
    lines: Lines,
    at: u64,
}

impl Records<'_> {
    pub async fn next(&mut self) -> Result<Option<Record>, DatasetError> {
        loop {
            let ended = self.at >= self.manifest.size;
            let record = self.lines.next(ended).map_err(|why| self.manifest.wrong(why))?;
            if record.is_some() || ended {
                return Ok(record);
            }
            let window = self.manifest.window(self.at).await?;
            self.at += window.bytes.len() as u64;
            self.lines.push(&window.bytes);
        }
    }
}

/// The first names of a list, for a message.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let mut names: Vec<String> = names.iter().take(SHOWN + 1).map(|name| format!("`{name}`")).collect();
    if names.len() > SHOWN {
        names[SHOWN] = "…".into();
    }
    names.join(", ")
}
