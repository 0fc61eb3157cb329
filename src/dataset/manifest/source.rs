//! The plan of a manifest: its rows in their order, each image once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use futures::stream::{BoxStream, StreamExt, try_unfold};
use sha2::{Digest, Sha256};

use crate::dataset::plan::{LeftOut, LeftOutCounter, PlanPosition, PlanRow, PlanShape, PlanSource};
use crate::dataset::{CarriedColumn, DatasetError, Truth};
use crate::store::{Location, Uri, guard_parquet_result};

use super::columns::Holds;
use super::file::{Manifest, Places, Records};
use super::kind::Kind;
use super::rows::{JsonColumns, JsonTargets, Row, from_batch, from_fields, from_json, from_line};
use super::rules::{LaterTargets, ManifestRules};

/// The planning side of a manifest.
pub struct ManifestSource {
    manifest: Manifest,
    input: Location,
    /// Where targets come from, if from anywhere.
    targets: Option<Truth>,
    carried: Vec<CarriedColumn>,
    /// `None` where no job reads it.
    rules: Option<ManifestRules>,
    left_out: LeftOutCounter,
}

impl ManifestSource {
    /// A manifest of keys below `input`.
    pub fn new(
        manifest: Manifest,
        input: Location,
        targets: Option<Truth>,
        carried: Vec<CarriedColumn>,
    ) -> Self {
        let targets = match targets {
            Some(Truth::Beside(names)) => Some(Truth::Beside(names.with_whole_floats())),
            other => other,
        };
        ManifestSource { manifest, input, targets, carried, rules: None, left_out: LeftOutCounter::default() }
    }

    /// The same manifest by the rules of a job.
    pub fn with_rules(self, rules: ManifestRules) -> Self {
        ManifestSource { rules: Some(rules), ..self }
    }

    fn later_targets(&self) -> LaterTargets {
        self.rules.map_or(LaterTargets::Read, |rules| rules.later_targets)
    }

    fn json_columns(&self) -> JsonColumns<'_> {
        let targets = match (self.beside(), self.later_targets()) {
            (false, _) => JsonTargets::None,
            (true, LaterTargets::Read) => JsonTargets::All,
            (true, LaterTargets::Unread | LaterTargets::Refused) => JsonTargets::Earlier,
        };
        JsonColumns { names: &self.manifest.names, targets, carried: &self.carried }
    }

    /// Refuses a JSON line whose target version 0.1.0, which began the job, did not read.
    fn check_earlier(&self, line: &str) -> Result<(), String> {
        if self.later_targets() != LaterTargets::Refused || !self.beside() {
            return Ok(());
        }
        let object = serde_json::from_str(line).unwrap_or_default();
        match Holds::Targets.later_name(&object, &self.manifest.names) {
            None => Ok(()),
            Some(name) => Err(format!(
                "its target is in `{name}`, which version 0.1.0, which began this job, did not read; take a new \
                 `output.uri` (with `[input] exclude_done` its rows are kept), or finish it with version 0.1.0"
            )),
        }
    }

    async fn walk(&self, after: Option<String>) -> Result<Walk<'_>, DatasetError> {
        let places = self.manifest.places(self.beside(), &self.carried)?;
        let mut records = self.manifest.records();
        if matches!(self.manifest.kind, Kind::Csv | Kind::Tsv) {
            // the header
            records.next().await?;
        }
        Ok(Walk {
            source: self,
            places,
            records,
            group: 0,
            rows: Vec::new().into_iter(),
            row: 0,
            seen: HashMap::new(),
            after,
        })
    }

    /// Whether targets stand in the manifest.
    fn beside(&self) -> bool {
        self.targets.as_ref().is_some_and(|truth| truth.beside().is_some())
    }

    /// The key of an address that names the input otherwise than the job: `gcs://`, or the host of an account.
    fn in_other_form(&self, text: &str) -> Option<String> {
        let input = self.input.uri();
        if !text.contains("://") || !input.contains("://") {
            return None;
        }
        let below = Uri::parse(text).ok()?.below(&Uri::parse(&input).ok()?)?;
        below.strip_suffix('/').map(str::to_owned)
    }

    /// The key of an image below the input.
    fn key(&self, text: &str) -> Result<String, String> {
        let below = |root: &str| text.strip_prefix(root.trim_end_matches('/'))?.strip_prefix('/');
        let other_form = self.in_other_form(text);
        let key = match below(&self.input.uri()).or(other_form.as_deref()) {
            Some(key) => key,
            None if text.contains("://") || text.starts_with('/') => {
                return Err(format!("`{text}` does not lie below `input.uri` ({})", self.input.uri()));
            }
            None => text.strip_prefix("./").unwrap_or(text),
        };
        if key.split('/').any(|part| part == "..") {
            return Err(format!("`{text}` leaves `input.uri` with `..`"));
        }
        if key.is_empty() {
            return Err("the key is empty".into());
        }
        Ok(key.to_owned())
    }
}

/// One pass over a manifest.
struct Walk<'a> {
    source: &'a ManifestSource,
    places: Option<Places>,
    records: Records<'a>,
    /// The next row group of a Parquet manifest, and the rows of the one before.
    group: usize,
    rows: std::vec::IntoIter<Row>,
    row: u64,
    /// 128 bits of each key's hash → where it stands.
    seen: HashMap<[u8; 16], u64>,
    /// Rows up to this key stand in the plan already.
    after: Option<String>,
}

impl Walk<'_> {
    /// The next row as it is written, and where it stands: a line, or the number of a Parquet row.
    async fn raw(&mut self) -> Result<Option<(u64, Row)>, DatasetError> {
        let manifest = &self.source.manifest;
        let targets = self.source.beside();
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
                    let found = guard_parquet_result(|| from_batch(&batch, places, &self.source.carried));
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
                (_, None) => from_json(line, self.source.json_columns()),
            };
            if manifest.kind == Kind::Jsonl && self.after.is_none() {
                let checked = self.source.check_earlier(line);
                checked.map_err(|why| manifest.wrong(format!("line {}: {why}", record.line)))?;
            }
            let row = row.map_err(|why| manifest.wrong(format!("line {}: {why}", record.line)))?;
            return Ok(Some((record.line, row)));
        }
        Ok(None)
    }

    async fn next(&mut self) -> Result<Option<PlanRow>, DatasetError> {
        let source = self.source;
        let unit = if source.manifest.parquet.is_some() { "row" } else { "line" };
        while let Some((at, row)) = self.raw().await? {
            let wrong = |why: String| source.manifest.wrong(format!("{unit} {at}: {why}"));
            let key = source.key(&row.key).map_err(wrong)?;
            match self.seen.entry(hash(&key)) {
                Entry::Occupied(_) if source.rules.is_some_and(|rules| rules.skips_duplicates) => {
                    // before that, it was counted when the plan's rows were made
                    if self.after.is_none() {
                        source.left_out.count(|left_out| left_out.duplicates += 1);
                    }
                    continue;
                }
                Entry::Occupied(first) => {
                    let advice = match source.rules {
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
            let target = match &source.targets {
                None => None,
                Some(Truth::Beside(names)) => {
                    names.target(&row.target).map_err(|why| wrong(format!("its target: {why}")))?
                }
                Some(Truth::Named(truth)) => truth.of(&key),
            };
            if source.targets.is_some() && target.is_none() {
                source.left_out.count(|left_out| left_out.without_target += 1);
            }
            return Ok(Some(PlanRow { key, target, carried: row.carried, ..PlanRow::default() }));
        }
        match self.after.take() {
            Some(key) => {
                Err(source.manifest.wrong(format!("`{key}`, which stands in the plan, is not in it")))
            }
            None => Ok(None),
        }
    }
}

fn hash(key: &str) -> [u8; 16] {
    let hash = Sha256::digest(key);
    std::array::from_fn(|byte| hash[byte])
}

impl PlanSource for ManifestSource {
    fn shape(&self) -> PlanShape<'_> {
        let sets = self.targets.as_ref().is_some_and(Truth::has_sets);
        PlanShape { carried: &self.carried, sets, ..PlanShape::default() }
    }

    fn rows(&self, after: Option<&PlanPosition>) -> BoxStream<'_, Result<PlanRow, DatasetError>> {
        let after = after.map(|row| row.key.clone());
        let walk = futures::stream::once(self.walk(after));
        walk.map(|walk| match walk {
            Err(error) => futures::stream::once(async { Err(error) }).boxed(),
            Ok(walk) => {
                try_unfold(walk, |mut walk| async move { Ok(walk.next().await?.map(|row| (row, walk))) })
                    .boxed()
            }
        })
        .flatten()
        .boxed()
    }

    fn take_left_out(&self) -> LeftOut {
        self.left_out.take()
    }

    fn empty_error(&self) -> DatasetError {
        DatasetError::Nothing {
            what: "image".into(),
            uri: self.manifest.uri.clone(),
            left_out: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use crate::dataset::TargetNames;
    use crate::store::Role;

    use super::*;

    /// The rows of a manifest in a separate folder, as key and class, and what was left out.
    async fn rows(
        name: &str,
        text: &str,
        rules: ManifestRules,
        after: Option<&str>,
    ) -> Result<(Vec<(String, Option<i32>)>, LeftOut), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let manifest = Manifest::open(path.to_str().unwrap()).await.map_err(|error| error.to_string())?;
        let input = Location::open(folder.path().to_str().unwrap(), Role::Input).unwrap();
        let targets = Truth::Beside(TargetNames::new(7, None));
        let source = ManifestSource::new(manifest, input, Some(targets), Vec::new()).with_rules(rules);
        let after = after.map(|key| PlanPosition { key: key.to_owned(), group: None });
        let rows: Vec<PlanRow> =
            source.rows(after.as_ref()).try_collect().await.map_err(|error| error.to_string())?;
        let rows = rows.into_iter().map(|row| (row.key, row.target.and_then(|target| target.class())));
        Ok((rows.collect(), source.take_left_out()))
    }

    fn row(key: &str, class: i32) -> (String, Option<i32>) {
        (key.to_owned(), Some(class))
    }

    #[tokio::test]
    async fn a_second_row_of_an_image_is_left_out_where_that_is_set_and_counted_once() {
        let text = "a 1\na 2\nb 3\n./a 1\nc 4\nb 3\n";
        let skips = ManifestRules { skips_duplicates: true, ..ManifestRules::default() };
        let (found, left_out) = rows("a.txt", text, skips, None).await.unwrap();
        assert_eq!((found, left_out.duplicates), (vec![row("a", 1), row("b", 3), row("c", 4)], 3));
        // those before the position are in the counts of earlier segments
        let (found, left_out) = rows("a.txt", text, skips, Some("b")).await.unwrap();
        assert_eq!((found, left_out.duplicates), (vec![row("c", 4)], 2));
        let refused = rows("a.txt", text, ManifestRules::default(), None).await.unwrap_err();
        assert!(refused.contains("line 2: `a` is in line 1 already"), "{refused}");
        assert!(refused.contains("input.duplicates"), "{refused}");
    }

    #[tokio::test]
    async fn targets_under_names_that_version_0_1_0_did_not_know_follow_the_rules_of_the_job() {
        let text = "{\"path\": \"a\", \"label\": 1}\n{\"path\": \"b\", \"class\": 2}\n";
        let rules = |later_targets| ManifestRules { later_targets, ..ManifestRules::default() };
        let (found, _) = rows("a.jsonl", text, rules(LaterTargets::Read), None).await.unwrap();
        assert_eq!(found, [row("a", 1), row("b", 2)]);
        let (found, left_out) = rows("a.jsonl", text, rules(LaterTargets::Unread), None).await.unwrap();
        assert_eq!((&found[1].1, left_out.without_target), (&None, 1));
        let refused = rows("a.jsonl", text, rules(LaterTargets::Refused), None).await.unwrap_err();
        assert!(refused.contains("line 2: its target is in `class`"), "{refused}");
        // all of it is planned already
        let (found, _) = rows("a.jsonl", text, rules(LaterTargets::Refused), Some("b")).await.unwrap();
        assert_eq!(found, []);
    }

    #[tokio::test]
    async fn the_delimiter_of_a_csv_file_is_the_one_that_gives_a_column_of_keys() {
        let read = ManifestRules::default();
        for (text, key) in [
            ("path,target\n\"a;b\",3\n", "a;b"),
            ("path;target\na;3\n", "a"),
            ("\"path\";\"target\"\n\"a,b\";\"3\"\n", "a,b"),
            ("path\ttarget\na;b\t3\n", "a;b"),
            (" path , target\na,3\n", "a"),
            ("label;image_path;url\n3;a;b\n", "a"),
            ("path;,target,path\nx,3,a\n", "a"),
        ] {
            let (found, _) = rows("a.csv", text, read, None).await.unwrap();
            assert_eq!(found, [row(key, 3)], "{text}");
        }
    }

    #[tokio::test]
    async fn whole_floats_are_indices_in_every_kind_of_text() {
        for (name, text) in [
            ("a.csv", "path,target\na,3.0\n"),
            ("a.tsv", "path\ttarget\na\t3.0\n"),
            ("a.jsonl", "{\"path\": \"a\", \"target\": 3.0}\n"),
            ("a.txt", "a 3.0\n"),
        ] {
            let (found, _) = rows(name, text, ManifestRules::default(), None).await.unwrap();
            assert_eq!(found, [row("a", 3)], "{name}");
            let text = text.replace("3.0", "3.5");
            let refused = rows(name, &text, ManifestRules::default(), None).await.unwrap_err();
            let line = if matches!(name, "a.csv" | "a.tsv") { "line 2" } else { "line 1" };
            assert!(refused.contains(line) && refused.contains("`3.5` is no whole number"), "{refused}");
        }
    }

    #[tokio::test]
    async fn text_that_is_not_utf_8_is_named_by_its_encoding() {
        let text: String = "path,target\na,3\n".chars().flat_map(|letter| [letter, '\0']).collect();
        for name in ["a.csv", "a.tsv", "a.jsonl", "a.txt"] {
            let refused = rows(name, &text, ManifestRules::default(), None).await.unwrap_err();
            assert!(refused.contains("UTF-16") && refused.contains("save it as UTF-8"), "{name}: {refused}");
        }
    }
}
