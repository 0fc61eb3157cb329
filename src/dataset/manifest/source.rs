//! The plan of a manifest: its rows in their order, each image once.

use futures::stream::{BoxStream, StreamExt, try_unfold};

use crate::dataset::plan::{LeftOut, LeftOutCounter, PlanPosition, PlanRow, PlanShape, PlanSource};
use crate::dataset::{CarriedColumn, DatasetError, Roots, Truth};
use crate::store::Location;

use super::file::Manifest;
use super::keys::Keys;
use super::reading::Reading;
use super::rules::ManifestRules;
use super::walk::Walk;

/// The planning side of a manifest.
pub struct ManifestSource(Reading);

impl ManifestSource {
    /// A manifest of keys below `input`.
    pub fn new(
        manifest: Manifest,
        input: &Location,
        targets: Option<Truth>,
        carried: Vec<CarriedColumn>,
    ) -> Self {
        let targets = targets.map(Truth::with_whole_floats);
        let keys = Keys::new(input.uri());
        let left_out = LeftOutCounter::default();
        ManifestSource(Reading { manifest, keys, targets, carried, rules: None, left_out })
    }

    /// The same manifest by the rules of a job.
    pub fn with_rules(self, rules: ManifestRules) -> Self {
        ManifestSource(Reading { rules: Some(rules), ..self.0 })
    }

    /// The same manifest, whose rows may name objects below these folders too.
    pub fn with_roots(self, roots: Roots) -> Self {
        ManifestSource(Reading { keys: self.0.keys.with_roots(roots), ..self.0 })
    }
}

impl PlanSource for ManifestSource {
    fn shape(&self) -> PlanShape<'_> {
        let sets = self.0.targets.as_ref().is_some_and(Truth::has_sets);
        PlanShape { carried: &self.0.carried, sets, ..PlanShape::default() }
    }

    fn rows(&self, after: Option<&PlanPosition>) -> BoxStream<'_, Result<PlanRow, DatasetError>> {
        let after = after.map(|row| row.key.clone());
        let walk = futures::stream::once(Walk::begin(&self.0, after));
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
        self.0.left_out.take()
    }

    fn empty_error(&self) -> DatasetError {
        DatasetError::Nothing {
            what: "image".into(),
            uri: self.0.manifest.uri.clone(),
            left_out: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use crate::dataset::TargetNames;
    use crate::dataset::manifest::LaterTargets;
    use crate::store::{Role, Settings};

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
        let manifest = Manifest::open(path.to_str().unwrap(), Settings::default())
            .await
            .map_err(|error| error.to_string())?;
        let input = Location::open(folder.path().to_str().unwrap(), Role::Input).unwrap();
        let targets = Truth::Beside(TargetNames::new(7, None));
        let source = ManifestSource::new(manifest, &input, Some(targets), Vec::new()).with_rules(rules);
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
    async fn an_inventory_gives_the_latest_objects_below_the_input_and_counts_the_others_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        let lines = [
            "\"b\",\"in/a%2B+b.jpg\",\"true\",\"false\",\"7\",\"x\"",
            "\"b\",\"in/old.jpg\",\"false\",\"false\",\"7\",\"x\"",
            "\"b\",\"in/gone.jpg\",\"true\",\"true\",\"\",\"\"",
            "\"b\",\"other/c.jpg\",\"true\",\"false\",\"7\",\"x\"",
            "\"b\",\"in/d.jpg\",\"true\",\"false\",\"8\",\"y\"",
        ];
        std::io::Write::write_all(&mut gzip, lines.join("\n").as_bytes()).unwrap();
        let bytes = gzip.finish().unwrap();
        let md5: [u8; 16] = md5::Digest::finalize(<md5::Md5 as md5::Digest>::new_with_prefix(&bytes)).into();
        let md5: String = md5.iter().map(|byte| format!("{byte:02x}")).collect();
        let described = serde_json::json!({
            "sourceBucket": "b",
            "fileFormat": "CSV",
            "fileSchema": "Bucket, Key, IsLatest, IsDeleteMarker, Size, ETag",
            "files": [{ "key": "lists/b/daily/data/1.csv.gz", "size": bytes.len(), "MD5checksum": md5 }],
        });
        // a copy of the folder `daily`
        std::fs::create_dir_all(folder.path().join("data")).unwrap();
        std::fs::create_dir_all(folder.path().join("2026-11-06T21-32Z")).unwrap();
        std::fs::write(folder.path().join("data/1.csv.gz"), bytes).unwrap();
        let path = folder.path().join("2026-11-06T21-32Z/manifest.json");
        std::fs::write(&path, described.to_string()).unwrap();
        let manifest = Manifest::open(path.to_str().unwrap(), Settings::default()).await.unwrap();
        let store = std::sync::Arc::new(object_store::memory::InMemory::new());
        let input = Location::over(store, "s3://b/in", Default::default()).unwrap();
        let source = ManifestSource::new(manifest.clone(), &input, None, Vec::new());
        let rows: Vec<PlanRow> = source.rows(None).try_collect().await.unwrap();
        let found: Vec<_> =
            rows.iter().map(|row| (row.key.as_str(), row.size, row.etag.as_deref())).collect();
        assert_eq!(found, [("a+ b.jpg", Some(7), Some("\"x\"")), ("d.jpg", Some(8), Some("\"y\""))]);
        let left_out = source.take_left_out();
        assert_eq!((left_out.old_versions, left_out.delete_markers, left_out.outside), (1, 1, 1));
        let last = PlanPosition { key: "d.jpg".into(), group: None };
        assert_eq!(source.rows(Some(&last)).try_collect::<Vec<_>>().await.unwrap(), []);
        assert_eq!(source.take_left_out(), LeftOut::default());
        let other = Location::over(
            std::sync::Arc::new(object_store::memory::InMemory::new()),
            "s3://c/in",
            Default::default(),
        );
        let source = ManifestSource::new(manifest, &other.unwrap(), None, Vec::new());
        let refused = source.rows(None).try_next().await.unwrap_err().to_string();
        assert!(refused.contains("bucket `b`") && refused.contains("s3://c/in"), "{refused}");
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
