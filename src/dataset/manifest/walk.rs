//! One pass over a manifest: its rows in their order, each image once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use sha2::{Digest, Sha256};

use crate::dataset::plan::PlanRow;
use crate::dataset::{DatasetError, Truth};
use crate::store::{guard_parquet_result, opaque_tag};

use super::file::{Places, Records};
use super::inventory::{Fate, InventoryReader, Record, Scope};
use super::kind::Kind;
use super::reading::Reading;
use super::rows::{Row, from_batch, from_fields, from_json, from_line};

/// One pass over a manifest.
pub(super) struct Walk<'a> {
    reading: &'a Reading,
    places: Option<Places>,
    records: Records<'a>,
    /// The next row group of a Parquet manifest, and the rows of the one before.
    group: usize,
    rows: std::vec::IntoIter<Row>,
    row: u64,
    /// 128 bits of each key's hash → its line or row.
    seen: HashMap<[u8; 16], u64>,
    /// Rows up to this key are in the plan already.
    after: Option<String>,
    /// The files of an inventory, and which of their objects are meant.
    inventory: Option<(InventoryReader, Scope)>,
}

impl<'a> Walk<'a> {
    /// Begins at the first row, or after the row of the key `after`.
    ///
    /// # Errors
    /// A column is missing, the header cannot be read, an inventory is of another bucket, or targets are wanted from
    /// one.
    pub async fn begin(reading: &'a Reading, after: Option<String>) -> Result<Walk<'a>, DatasetError> {
        let places = reading.manifest.places(reading.beside(), &reading.carried)?;
        let mut records = reading.manifest.records();
        if matches!(reading.manifest.kind, Kind::Csv | Kind::Tsv) {
            // the header
            records.next().await?;
        }
        let inventory = match &reading.manifest.inventory {
            None => None,
            Some(_) if reading.beside() => {
                let why = "an S3 Inventory has no targets; set `input.targets` to \"none\"";
                return Err(reading.manifest.wrong(why));
            }
            Some(inventory) => {
                let scope = Scope::new(&inventory.description().bucket, reading.keys.input());
                let scope = scope.map_err(|why| reading.manifest.wrong(why))?;
                Some((InventoryReader::new(inventory), scope))
            }
        };
        Ok(Walk {
            reading,
            places,
            records,
            group: 0,
            rows: Vec::new().into_iter(),
            row: 0,
            seen: HashMap::new(),
            after,
            inventory,
        })
    }

    /// The next object of an inventory that becomes a row, and its number. The others are counted.
    async fn object(&mut self) -> Result<Option<(u64, Row)>, DatasetError> {
        let (reading, is_counted) = (self.reading, self.after.is_none());
        let Some((reader, scope)) = &mut self.inventory else { return Ok(None) };
        while let Some((record, at)) = reader.next().await? {
            self.row += 1;
            let fate = scope.fate(&record);
            match fate.map_err(|why| reading.manifest.wrong(format!("{at}: {why}")))? {
                Fate::Row(key) => {
                    let Record { size, etag, .. } = record;
                    // as a listing has it
                    let etag = etag.map(|etag| format!("\"{}\"", opaque_tag(&etag)));
                    return Ok(Some((self.row, Row { key, size, etag, ..Row::default() })));
                }
                Fate::LeftOut(why) if is_counted => reading.left_out.count(|left_out| why.count(left_out)),
                Fate::LeftOut(_) => {}
            }
        }
        Ok(None)
    }

    /// Returns the next row as it is written, and its place: a line, or the number of a Parquet row.
    async fn raw(&mut self) -> Result<Option<(u64, Row)>, DatasetError> {
        if self.inventory.is_some() {
            return self.object().await;
        }
        let manifest = &self.reading.manifest;
        let targets = self.reading.beside();
        if let (Some((object, _)), Some(places)) = (&manifest.parquet, &self.places) {
            loop {
                if let Some(row) = self.rows.next() {
                    self.row += 1;
                    return Ok(Some((self.row, row)));
                }
                if self.group == object.groups() {
                    return Ok(None);
                }
                let wanted = places.carried.iter().chain(&places.target).chain([&places.key]);
                let columns: Vec<&str> = wanted.map(|place| places.all[*place].as_str()).collect();
                let mut rows = Vec::new();
                for batch in manifest.group(object, self.group, &columns).await? {
                    let found = guard_parquet_result(|| from_batch(&batch, places, &self.reading.carried));
                    rows.extend(
                        found.map_err(|why| manifest.wrong(format!("row group {}: {why}", self.group)))?,
                    );
                }
                self.rows = rows.into_iter();
                self.group += 1;
            }
        }
        while let Some(record) = self.records.next().await? {
            let line = manifest.text(&record)?;
            if line.trim().is_empty() {
                continue;
            }
            let row = match (manifest.kind, &self.places) {
                (Kind::Plain, _) => Ok(from_line(line, targets)),
                (_, Some(places)) => from_fields(manifest.fields(&record)?, places),
                (_, None) => from_json(line, self.reading.json_columns()),
            };
            if manifest.kind == Kind::Jsonl && self.after.is_none() {
                let checked = self.reading.check_earlier(line);
                checked.map_err(|why| manifest.wrong(format!("line {}: {why}", record.line)))?;
            }
            let row = row.map_err(|why| manifest.wrong(format!("line {}: {why}", record.line)))?;
            return Ok(Some((record.line, row)));
        }
        Ok(None)
    }

    /// Returns the next row of the plan, or `None` after the last.
    ///
    /// # Errors
    /// A record cannot be read, its key or target is wrong, its key is there twice, or the key `after` is not in it.
    pub async fn next(&mut self) -> Result<Option<PlanRow>, DatasetError> {
        let reading = self.reading;
        let unit = match reading.manifest.kind {
            Kind::Parquet => "row",
            Kind::Inventory => "object",
            _ => "line",
        };
        while let Some((at, row)) = self.raw().await? {
            let wrong = |why: String| reading.manifest.wrong(format!("{unit} {at}: {why}"));
            let key = match &self.inventory {
                // it is the store's own
                Some(_) => row.key,
                None => reading.keys.key(&row.key).map_err(wrong)?,
            };
            match self.seen.entry(hash(&key)) {
                Entry::Occupied(_) if reading.rules.is_some_and(|rules| rules.skips_duplicates) => {
                    // before that, it was counted when the plan's rows were made
                    if self.after.is_none() {
                        reading.left_out.count(|left_out| left_out.duplicates += 1);
                    }
                    continue;
                }
                Entry::Occupied(first) => {
                    let advice = match reading.rules {
                        Some(_) => "leave one of them out, or set `input.duplicates = \"skip\"`",
                        None => "leave one of them out",
                    };
                    return Err(wrong(format!(
                        "`{key}` is in {unit} {} already; an image is one row, so {advice}",
                        first.get()
                    )));
                }
                Entry::Vacant(free) => free.insert(at),
            };
            if let Some(after) = &self.after {
                if *after == key {
                    self.after = None;
                }
                continue;
            }
            let target = match &reading.targets {
                None => None,
                Some(Truth::Beside(names)) => {
                    names.target(&row.target).map_err(|why| wrong(format!("its target: {why}")))?
                }
                Some(Truth::Named(truth)) => truth.of(&key),
            };
            if reading.targets.is_some() && target.is_none() {
                reading.left_out.count(|left_out| left_out.without_target += 1);
            }
            return Ok(Some(PlanRow {
                key,
                size: row.size,
                etag: row.etag,
                target,
                carried: row.carried,
                ..PlanRow::default()
            }));
        }
        match self.after.take() {
            Some(key) => Err(reading.manifest.wrong(format!("`{key}` is in the plan, but not in it"))),
            None => Ok(None),
        }
    }
}

fn hash(key: &str) -> [u8; 16] {
    let hash = Sha256::digest(key);
    std::array::from_fn(|byte| hash[byte])
}
