//! A folder of images on any store: what belongs to it, in byte order of the key.

use futures::stream::{BoxStream, StreamExt, TryStreamExt};

use crate::store::{ListingOrder, Location, Unreadable, escaped};

use super::hidden::{is_hidden, is_hidden_name};
use super::plan::{LeftOut, LeftOutCounter, PlanPosition, PlanRow, PlanShape, PlanSource, extension_of};
use super::{DatasetError, FolderRule, FolderTargets, Glob, ImageNames, NameTruth};

/// How many folders are looked into at the same time for their first image.
const FOLDERS_AT_ONCE: usize = 16;

/// The planning side of a folder.
pub struct FolderSource {
    input: Location,
    any_extension: bool,
    names: ImageNames,
    takes_hidden: bool,
    leaves_out_obstacles: bool,
    targets: Option<NameTruth>,
    /// Which keys are taken, if not all are; and the prefix of our keys in the pattern.
    glob: Option<(Glob, String)>,
    left_out: LeftOutCounter,
}

impl FolderSource {
    /// A folder whose targets are known (or do not matter).
    pub fn new(input: Location, any_extension: bool, targets: Option<NameTruth>) -> Self {
        let left_out = LeftOutCounter::default();
        let names = ImageNames::default();
        FolderSource {
            input,
            any_extension,
            names,
            takes_hidden: false,
            leaves_out_obstacles: false,
            targets,
            glob: None,
            left_out,
        }
    }

    /// Takes files for images by other rules.
    pub fn with_names(self, names: ImageNames) -> Self {
        FolderSource { names, ..self }
    }

    /// Takes hidden files as well, as version 0.1.0 did.
    pub fn with_hidden(self, takes_hidden: bool) -> Self {
        FolderSource { takes_hidden, ..self }
    }

    /// Leaves out, and counts, what a local disk lists and cannot give, as version 0.1.0 did.
    pub fn without_obstacles(self, leaves_out_obstacles: bool) -> Self {
        FolderSource { leaves_out_obstacles, ..self }
    }

    /// Only the images that a pattern means.
    ///
    /// # Errors
    /// Where the pattern means nothing.
    pub fn matching(mut self, pattern: Option<&str>) -> Result<Self, DatasetError> {
        let bad = |why| DatasetError::Pattern { pattern: pattern.unwrap_or_default().to_owned(), why };
        let glob = pattern.map(Glob::parse).transpose().map_err(bad)?;
        self.glob = glob.map(|glob| (glob, String::new()));
        Ok(self)
    }

    /// Finds the classes by the rule of the dataset, or by one that fits: folder names first, and only if no rule
    /// takes them as they are, whether each holds an image (so that a bucket, which has no empty folders, and a
    /// disk agree).
    ///
    /// # Errors
    /// The input cannot be listed, has no class folder with an image, or has a folder that fits no rule.
    pub async fn observe_targets(
        &self,
        rule: Option<FolderRule>,
        model_classes: Option<&[String]>,
        class_count: usize,
    ) -> Result<FolderTargets, DatasetError> {
        let mut names = self.input.folders().await?;
        // a pattern may name one
        names.retain(|name| self.glob.is_some() || !is_hidden_name(name));
        let choose = |names: &[String]| match rule {
            Some(rule) => FolderTargets::by_rule(rule, &self.input.uri(), names),
            None => FolderTargets::choose(&self.input.uri(), names, model_classes, class_count),
        };
        if let Ok(targets) = choose(&names)
            && targets.rule != FolderRule::Codepoint
            && self.glob.is_none()
        {
            return Ok(targets);
        }
        let holds: Vec<(String, bool)> = futures::stream::iter(names)
            .map(|name| async move {
                let source = FolderSource {
                    glob: self.glob.as_ref().map(|(glob, front)| (glob.clone(), format!("{front}{name}/"))),
                    names: self.names,
                    ..FolderSource::new(self.input.below(&name)?, self.any_extension, None)
                };
                Ok::<_, DatasetError>((name, source.first().await?.is_some()))
            })
            .buffered(FOLDERS_AT_ONCE)
            .try_collect()
            .await?;
        let names: Vec<String> =
            holds.into_iter().filter(|(_, holds)| *holds).map(|(name, _)| name).collect();
        choose(&names)
    }

    /// The first image, if there is one; leaves no trace in the counts.
    ///
    /// # Errors
    /// The listing fails until the retries are spent, or a folder cannot be read.
    pub async fn first(&self) -> Result<Option<PlanRow>, DatasetError> {
        let first = self.rows(None).try_next().await?;
        Ok(first)
    }

    fn matches(&self, key: &str) -> bool {
        self.glob.as_ref().is_none_or(|(glob, front)| match front.is_empty() {
            true => glob.matches(key),
            false => glob.matches(&format!("{front}{key}")),
        })
    }

    /// True if a key is hidden and no pattern names it.
    fn hides(&self, key: &str) -> bool {
        match &self.glob {
            _ if self.takes_hidden => false,
            None => is_hidden(key),
            Some((glob, front)) => {
                let key = format!("{front}{key}");
                is_hidden(&key) && !glob.names_hidden(&key)
            }
        }
    }

    fn takes(&self, extension: Option<&str>) -> bool {
        self.any_extension || extension.is_some_and(|extension| self.names.take(extension))
    }
}

impl PlanSource for FolderSource {
    fn shape(&self) -> PlanShape<'_> {
        let sets = self.targets.as_ref().is_some_and(NameTruth::has_sets);
        PlanShape { sets, ..PlanShape::default() }
    }

    fn rows(&self, after: Option<&PlanPosition>) -> BoxStream<'_, Result<PlanRow, DatasetError>> {
        let tell = |file: Unreadable| self.left_out.refuse(&file.path, file.why);
        // the listing borrows the closure for as long as it runs
        let tell: Box<dyn Fn(Unreadable) + Send + Sync + '_> = Box::new(tell);
        let rows = self.input.entries(after.map(|row| row.key.as_str()), tell).map_err(DatasetError::from);
        rows.try_filter_map(move |entry| {
            if let Some(obstacle) = entry.obstacle.filter(|_| self.leaves_out_obstacles) {
                self.left_out.refuse(&escaped(&entry.key), obstacle.why());
                return futures::future::ready(Ok(None));
            }
            if !self.matches(&entry.key) {
                return futures::future::ready(Ok(None));
            }
            if entry.is_marker() {
                self.left_out.count(|left_out| left_out.markers += 1);
                return futures::future::ready(Ok(None));
            }
            if self.hides(&entry.key) {
                self.left_out.count(|left_out| left_out.hidden += 1);
                return futures::future::ready(Ok(None));
            }
            let extension = extension_of(&entry.key);
            if !self.takes(extension.as_deref()) {
                self.left_out.count_extension(extension.as_deref());
                if self.glob.is_some() {
                    self.left_out.name(extension.as_deref(), &entry.key);
                }
                return futures::future::ready(Ok(None));
            }
            let target = self.targets.as_ref().and_then(|targets| targets.of(&entry.key));
            if self.targets.is_some() && target.is_none() {
                self.left_out.count(|left_out| left_out.without_target += 1);
            }
            futures::future::ready(Ok(Some(PlanRow { target, ..PlanRow::listed(entry) })))
        })
        .boxed()
    }

    fn order(&self) -> Option<&ListingOrder> {
        Some(self.input.order())
    }

    fn empty_error(&self) -> DatasetError {
        DatasetError::Empty {
            uri: self.input.uri(),
            left_out: self.take_left_out().in_brackets(),
            extensions: self.names.extensions().join(", "),
        }
    }

    fn take_left_out(&self) -> LeftOut {
        self.left_out.take()
    }
}
