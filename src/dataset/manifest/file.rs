//! The manifest as an object: where it is, which version of it, and what columns it has.

use arrow_schema::SchemaRef;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::dataset::{CarriedColumn, DatasetError};
use crate::regular_file::{self, NotRegular};
use crate::store::{FetchError, Location, ParquetObject, ParquetReadError, Role, Settings, Window};

use super::columns::{ColumnNames, Holds, listed, place_of};
use super::inventory::{self, Description, Inventory};
use super::kind::{Kind, other_encoding};
use super::lines::{Lines, Record, csv_fields};

/// Bytes of one ranged read.
const WINDOW: u64 = 8 << 20;
/// What may be between the fields of a CSV file, the usual one first.
const DELIMITERS: [char; 3] = [',', ';', '\t'];
/// JSON lines that are looked at for the names under which they have their targets.
const LOOKED_AT: usize = 1000;

/// One version of a manifest.
#[derive(Debug, Clone)]
pub struct Manifest {
    location: Location,
    name: String,
    pub(super) uri: String,
    pub(super) kind: Kind,
    pub(super) names: ColumnNames,
    /// Between the fields of a CSV file.
    delimiter: char,
    size: u64,
    etag: Option<String>,
    identity: Value,
    /// Names of the columns, where the file begins with them.
    header: Option<Vec<String>>,
    /// A Parquet manifest's footer.
    pub(super) parquet: Option<(ParquetObject, SchemaRef)>,
    /// What it describes, if it is that of an S3 Inventory.
    pub(super) inventory: Option<Inventory>,
}

impl Manifest {
    /// Opens a manifest whose columns have the known names.
    ///
    /// # Errors
    /// As [`Manifest::open_with`].
    pub async fn open(address: &str, settings: Settings) -> Result<Manifest, DatasetError> {
        Manifest::open_with(address, ColumnNames::default(), settings).await
    }

    /// Opens a manifest and identifies it: on local disk by its bytes, on a store by size and tag.
    ///
    /// # Errors
    /// If it is not there, cannot be read, or has no header where it needs one.
    pub async fn open_with(
        address: &str,
        names: ColumnNames,
        settings: Settings,
    ) -> Result<Manifest, DatasetError> {
        let (folder, name) = match address.rsplit_once('/') {
            Some(("", name)) => ("/", name),
            Some(parts) => parts,
            None => (".", address),
        };
        let location = Location::open_with(folder, Role::Input, settings)?;
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
            names,
            delimiter: DELIMITERS[0],
            size: found.size,
            etag: found.etag,
            identity: Value::Null,
            header: None,
            parquet: None,
            inventory: None,
            location,
        };
        manifest.identity = match &manifest.etag {
            Some(etag) if manifest.location.local_path().is_none() => {
                json!({ "size": found.size, "etag": etag })
            }
            // a file's tag holds its time, and a copy of it is the same manifest
            _ => json!({ "sha256": manifest.sha256().await? }),
        };
        if let Some(described) = manifest.description().await? {
            manifest.inventory = Some(Inventory::new(&manifest.uri, &manifest.location, described));
            manifest.kind = Kind::Inventory;
            // version 0.1.0 took it for plain lines
            manifest.identity = json!({ "s3_inventory": manifest.identity });
        }
        match manifest.kind {
            Kind::Csv | Kind::Tsv => {
                let mut reader = manifest.records();
                let header = reader
                    .next()
                    .await?
                    .ok_or_else(|| manifest.wrong("is empty; it begins with a header"))?;
                manifest.delimiter = manifest.delimiter_of(manifest.text(&header)?);
                manifest.header = Some(manifest.fields(&header)?);
            }
            Kind::Parquet => {
                let etag = manifest.etag.as_deref();
                let object = ParquetObject::open_tagged(&manifest.location, name, found.size, etag).await;
                let object = object.map_err(|error| manifest.unreadable(error))?;
                let schema = object.schema().map_err(|error| manifest.unreadable(error))?;
                manifest.parquet = Some((object, schema));
            }
            Kind::Plain | Kind::Inventory if manifest.names != ColumnNames::default() => {
                let why = match manifest.kind {
                    Kind::Plain => "plain lines have no columns",
                    _ => "those of an S3 Inventory are fixed",
                };
                return Err(manifest.wrong(format!(
                    "`input.path_column` and `input.target_column` name columns, but {why}"
                )));
            }
            Kind::Jsonl | Kind::Plain | Kind::Inventory => {}
        }
        Ok(manifest)
    }

    /// Where it is.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Returns whether its header names a column `name`.
    pub fn has_column(&self, name: &str) -> bool {
        self.columns().is_some_and(|columns| columns.iter().any(|column| column == name))
    }

    /// What identifies it in a fingerprint.
    pub fn identity(&self) -> Value {
        self.identity.clone()
    }

    /// Returns the columns `names` with their types; text, where the file does not define one.
    ///
    /// # Errors
    /// [`DatasetError::Manifest`]: it has no such column or no columns to carry, or one of them is not of a plain
    /// type.
    pub fn carried(&self, names: &[String]) -> Result<Vec<CarriedColumn>, DatasetError> {
        if let Some(name) = names.first().filter(|_| self.kind == Kind::Plain) {
            return Err(
                self.wrong(format!("`input.carry_columns` names `{name}`, but plain lines have no columns"))
            );
        }
        if let Some(name) = names.first().filter(|_| self.kind == Kind::Inventory) {
            return Err(self.wrong(format!(
                "`input.carry_columns` names `{name}`, but columns of an S3 Inventory are not carried"
            )));
        }
        if let Some(columns) = self.columns()
            && let Some(missing) = names.iter().find(|name| place_of(&columns, name).is_none())
        {
            return Err(self.wrong(format!(
                "`input.carry_columns` names `{missing}`, but its columns are {}",
                listed(&columns)
            )));
        }
        let column = |name: &String| match &self.parquet {
            None => Ok(CarriedColumn::text(name)),
            Some((_, schema)) => self
                .columns()
                .and_then(|columns| place_of(&columns, name))
                .and_then(|place| CarriedColumn::of(name, schema.field(place).data_type()))
                .ok_or_else(|| {
                    self.wrong(format!(
                        "the column `{name}` is not of a plain type (text, number, yes or no)"
                    ))
                }),
        };
        names.iter().map(column).collect()
    }

    /// Returns the positions of the columns of keys, targets and carried values; `None` where the kind has no fixed
    /// columns.
    pub(super) fn places(
        &self,
        targets: bool,
        carried: &[CarriedColumn],
    ) -> Result<Option<Places>, DatasetError> {
        let Some(columns) = self.columns() else { return Ok(None) };
        let find = |holds: Holds| {
            let place = holds.place(&columns, &self.names);
            place.ok_or_else(|| self.wrong(holds.missing(&columns, &self.names)))
        };
        let key = find(Holds::Keys)?;
        let target = if targets { Some(find(Holds::Targets)?) } else { None };
        let carried = carried.iter().map(|column| {
            let place = place_of(&columns, &column.name);
            place.ok_or_else(|| self.wrong(format!("it has no column `{}`", column.name)))
        });
        Ok(Some(Places { key, target, carried: carried.collect::<Result<_, _>>()?, all: columns }))
    }

    /// Reports columns that could be the keys or the targets too and are not read.
    pub fn notices(&self, targets: bool) -> Vec<String> {
        let Some(columns) = self.columns() else { return Vec::new() };
        let holds = [Holds::Keys, Holds::Targets].into_iter().take(if targets { 2 } else { 1 });
        holds.filter_map(|holds| holds.notice(&columns, &self.names)).collect()
    }

    /// Looks at the first JSON lines: whether one has its target only under a name that version 0.1.0 did not know,
    /// and the first notice of keys and of targets under several names. Lines that cannot be read are reported when
    /// the plan reaches them.
    ///
    /// # Errors
    /// If the manifest cannot be read.
    pub async fn look_at_lines(&self, targets: bool) -> Result<(bool, Vec<String>), DatasetError> {
        let (mut is_later, mut notices) = (false, [None, None]);
        if self.kind != Kind::Jsonl {
            return Ok((false, Vec::new()));
        }
        let mut records = self.records();
        for _ in 0..LOOKED_AT {
            let Some(record) = records.next().await? else { break };
            let Ok(object) = serde_json::from_slice::<serde_json::Map<_, _>>(&record.bytes) else { continue };
            is_later |= targets && Holds::Targets.later_name(&object, &self.names).is_some();
            let keys: Vec<String> = object.keys().cloned().collect();
            for (notice, holds) in
                notices.iter_mut().zip([Holds::Keys, Holds::Targets]).take(1 + usize::from(targets))
            {
                *notice = notice.take().or_else(|| holds.notice(&keys, &self.names));
            }
        }
        Ok((is_later, notices.into_iter().flatten().collect()))
    }

    /// Names of its columns, where they are the same for all rows.
    fn columns(&self) -> Option<Vec<String>> {
        match &self.parquet {
            Some((_, schema)) => Some(schema.fields().iter().map(|field| field.name().clone()).collect()),
            None => self.header.clone(),
        }
    }

    /// What is between the fields of a CSV file: a comma, unless only another one gives the header a column of keys.
    fn delimiter_of(&self, header: &str) -> char {
        if self.kind != Kind::Csv {
            return DELIMITERS[0];
        }
        let has_keys = |delimiter: &char| {
            csv_fields(header, *delimiter)
                .is_ok_and(|columns| Holds::Keys.place(&columns, &self.names).is_some())
        };
        DELIMITERS.into_iter().find(has_keys).unwrap_or(DELIMITERS[0])
    }

    /// The fields of a record with a header.
    pub(super) fn fields(&self, record: &Record) -> Result<Vec<String>, DatasetError> {
        let text = self.text(record)?;
        match self.kind {
            Kind::Csv => csv_fields(text, self.delimiter)
                .map_err(|why| self.wrong(format!("line {}: {why}", record.line))),
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
    ) -> Result<Vec<arrow_array::RecordBatch>, DatasetError> {
        if let Some(why) = object.unread_compression(group, |leaf| columns.contains(&leaf.column)) {
            return Err(self.wrong(why));
        }
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

    /// What it describes, if it is that of an S3 Inventory.
    async fn description(&self) -> Result<Option<Description>, DatasetError> {
        if self.kind != Kind::Plain || self.size == 0 || self.size > inventory::MOST_BYTES {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < self.size {
            bytes.extend_from_slice(&self.window(bytes.len() as u64).await?.bytes);
            if bytes.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
                return Ok(None);
            }
        }
        Description::parse(&bytes).transpose().map_err(|why| self.wrong(why))
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

/// The positions of the columns that are read.
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
    /// Returns the next record, or `None` at the end.
    ///
    /// # Errors
    /// The manifest changed, cannot be read or is in another encoding, or a record is too long or has an open quote.
    pub async fn next(&mut self) -> Result<Option<Record>, DatasetError> {
        loop {
            let ended = self.at >= self.manifest.size;
            let record = self.lines.next(ended).map_err(|why| self.manifest.wrong(why))?;
            if record.is_some() || ended {
                return Ok(record);
            }
            let window = self.manifest.window(self.at).await?;
            if self.at == 0
                && let Some(encoding) = other_encoding(&window.bytes)
            {
                return Err(self.manifest.wrong(format!("it is {encoding} text; save it as UTF-8")));
            }
            self.at += window.bytes.len() as u64;
            self.lines.push(&window.bytes);
        }
    }
}
