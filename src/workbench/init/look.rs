//! Detects what is at an address that the user gave: images, shards, Parquet files, or a list of images.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::TryStreamExt;
use tokio::time::{Instant, timeout_at};

use crate::dataset::{IMAGE_EXTENSIONS, is_hidden, is_shard, split_address};
use crate::failure::{Exit, Failure};
use crate::job::Format;
use crate::store::{Entry, Location, Role, escaped};

use super::checked::impatient;

/// Objects that are inspected: two pages of a listing.
const OBJECTS: u64 = 2000;
/// Time of the listing.
const LISTING: Duration = Duration::from_secs(5);
/// Lists of images, by their names.
const LISTS: [&str; 6] = ["csv", "tsv", "jsonl", "ndjson", "txt", "lst"];
/// Fewer images are few.
pub(super) const FEW: u64 = 1000;
/// Kinds of other files that are named.
const SHOWN: usize = 5;

/// What was found.
#[derive(Debug, Clone)]
pub(super) struct FoundInput {
    /// `input.uri`
    pub uri: String,
    /// Its folder, next to which rows may go.
    pub folder: String,
    pub format: Format,
    /// The list, if it is one.
    pub manifest: Option<String>,
    /// For a person, such as `400 images in 10 folders`.
    pub text: String,
    /// The first folders of the keys that were seen.
    pub folders: BTreeSet<String>,
    /// The name of an image that was seen.
    pub example: Option<String>,
    /// All images were seen, and they are few: one of them is much of all.
    pub are_few: bool,
}

/// Inspects an address. Images of a list are below `below`, or next to the list.
pub(super) async fn look(typed: &str, below: Option<&str>) -> Result<FoundInput, Failure> {
    let extension = extension(typed);
    if typed.contains(['*', '{']) {
        let format = match extension.as_str() {
            _ if is_shard(typed) => Format::Webdataset,
            "parquet" => Format::Parquet,
            _ => Format::Folder,
        };
        return Ok(named(typed, format, format!("the pattern `{typed}`")));
    }
    if is_file(typed, &extension).await? {
        return match extension.as_str() {
            _ if is_shard(typed) => Ok(named(typed, Format::Webdataset, format!("the shard `{typed}`"))),
            "parquet" if below.is_none() => {
                Ok(named(typed, Format::Parquet, format!("the Parquet file `{typed}`")))
            }
            known if LISTS.contains(&known) || known == "parquet" => Ok(list(typed, below)),
            _ => Err(Failure::new(
                Exit::Usage,
                format!(
                    "`{typed}` is a file, but no shard (.tar), no Parquet file and no list of images (.{}); give the \
                     folder of the images",
                    LISTS.join(", .")
                ),
            )),
        };
    }
    folder(typed).await
}

fn extension(typed: &str) -> String {
    let name = typed.rsplit('/').next().unwrap_or(typed);
    name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default()
}

/// Returns what follows from the address itself.
fn named(typed: &str, format: Format, text: String) -> FoundInput {
    let (folder, _) = split_address(typed, format_extension(format));
    FoundInput {
        uri: typed.to_owned(),
        folder: folder.to_owned(),
        format,
        manifest: None,
        text,
        folders: BTreeSet::new(),
        example: None,
        are_few: false,
    }
}

fn format_extension(format: Format) -> &'static str {
    match format {
        Format::Webdataset => "tar",
        Format::Parquet => "parquet",
        Format::Folder | Format::Manifest => "",
    }
}

fn list(typed: &str, below: Option<&str>) -> FoundInput {
    let beside = match typed.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((folder, _)) => folder,
        None => ".",
    };
    let uri = below.unwrap_or(beside).to_owned();
    FoundInput {
        folder: uri.clone(),
        format: Format::Manifest,
        manifest: Some(typed.to_owned()),
        text: format!("`{typed}`, a list of images below `{uri}`"),
        folders: BTreeSet::new(),
        example: None,
        are_few: false,
        uri,
    }
}

/// Returns whether it is one object and no folder. On a store, only names that may be one are requested.
async fn is_file(typed: &str, extension: &str) -> Result<bool, Failure> {
    let Some((_, address)) = typed.split_once("://").filter(|(scheme, _)| *scheme != "file") else {
        let location = Location::open_with(typed, Role::Input, impatient())?;
        return Ok(location.local_path().is_some_and(|path| path.is_file()));
    };
    let may_be = LISTS.contains(&extension) || extension == "parquet" || is_shard(typed);
    let Some((folder, name)) = typed.rsplit_once('/').filter(|_| may_be && address.contains('/')) else {
        return Ok(false);
    };
    Ok(Location::open_with(folder, Role::Input, impatient())?.stat(name).await?.is_some())
}

/// Objects by what they are.
#[derive(Debug, Default)]
struct Seen {
    images: u64,
    in_folders: u64,
    folders: BTreeSet<String>,
    example: Option<String>,
    shards: u64,
    parquet: u64,
    lists: u64,
    list: Option<String>,
    others: BTreeMap<String, u64>,
    hidden: u64,
    is_whole: bool,
}

impl Seen {
    fn add(&mut self, entry: Entry) {
        if is_hidden(&entry.key) {
            self.hidden += 1;
            return;
        }
        let extension = extension(&entry.key);
        match extension.as_str() {
            known if IMAGE_EXTENSIONS.contains(&known) => {
                self.images += 1;
                if let Some((first, _)) = entry.key.split_once('/') {
                    self.in_folders += 1;
                    self.folders.insert(escaped(first));
                }
                if entry.obstacle.is_none() {
                    self.example.get_or_insert(entry.key);
                }
            }
            _ if is_shard(&entry.key) => self.shards += 1,
            "parquet" => self.parquet += 1,
            known if LISTS.contains(&known) => {
                self.lists += 1;
                self.list.get_or_insert(escaped(&entry.key));
            }
            _ => *self.others.entry(extension).or_default() += 1,
        }
    }

    fn others(&self) -> String {
        let mut kinds: Vec<String> = Vec::new();
        for (count, kind) in [(self.images, "images"), (self.shards, ".tar"), (self.parquet, ".parquet")] {
            kinds.extend((count > 0).then(|| format!("{count} {kind}")));
        }
        kinds.extend((self.lists > 0).then(|| format!("{} lists or texts", self.lists)));
        for (extension, count) in self.others.iter().take(SHOWN) {
            kinds.push(match extension.is_empty() || extension.len() > 12 {
                true => format!("{count} of no known kind"),
                false => format!("{count} .{}", escaped(extension)),
            });
        }
        kinds.extend((self.hidden > 0).then(|| format!("{} hidden", self.hidden)));
        kinds.join(", ")
    }
}

async fn folder(typed: &str) -> Result<FoundInput, Failure> {
    let location = Location::open_with(typed, Role::Input, impatient())?;
    let mut seen = Seen::default();
    let (deadline, mut looked) = (Instant::now() + LISTING, 0);
    let mut entries = location.entries(None, Box::new(|_| {}));
    while looked < OBJECTS {
        // the first object, or why there is none, is waited for: a listing that is slow or fails is not empty
        let entry = match looked {
            0 => entries.try_next().await,
            _ => match timeout_at(deadline, entries.try_next()).await {
                Ok(entry) => entry,
                Err(_) => break,
            },
        };
        let Some(entry) = entry? else {
            seen.is_whole = true;
            break;
        };
        looked += 1;
        seen.add(entry);
    }
    drop(entries);
    let nothing = |why: String| Err(Failure::new(Exit::NoInput, why));
    let or_more = if seen.is_whole { "" } else { " or more" };
    let others = seen.others();
    let (format, text) = match &seen {
        Seen { images: 0, shards: 0, parquet: 0, .. } => {
            return match &seen.list {
                _ if looked == 0 => nothing(format!("`{typed}` is empty")),
                Some(list) => nothing(format!(
                    "`{typed}` has no images, shards or Parquet files, but {others}; if `{list}` is a list of images, \
                     give that file"
                )),
                None => nothing(format!(
                    "`{typed}` has no images ({}), shards (.tar) or Parquet files, but {others}",
                    IMAGE_EXTENSIONS.join(", ")
                )),
            };
        }
        Seen { images, shards, parquet, .. } if images >= shards && images >= parquet => {
            let folders = match seen.folders.len() {
                0 => "side by side".to_owned(),
                folders if seen.in_folders == *images => {
                    format!("in {}", many(folders as u64, "folder", or_more))
                }
                folders => format!("in {} and beside them", many(folders as u64, "folder", or_more)),
            };
            (Format::Folder, format!("{} {folders}", many(*images, "image", or_more)))
        }
        Seen { shards, parquet, .. } if shards >= parquet => {
            (Format::Webdataset, format!("{} (.tar)", many(*shards, "shard", or_more)))
        }
        Seen { parquet, .. } => (Format::Parquet, many(*parquet, "Parquet file", or_more)),
    };
    let taken = match format {
        Format::Folder => seen.images,
        Format::Webdataset => seen.shards,
        Format::Parquet | Format::Manifest => seen.parquet,
    };
    let others = match looked - taken {
        0 => String::new(),
        others => format!(", and {}", many(others, "other file", or_more)),
    };
    let are_few = format == Format::Folder && seen.is_whole && seen.images < FEW;
    let Seen { folders, example, .. } = seen;
    Ok(FoundInput {
        uri: typed.to_owned(),
        folder: typed.to_owned(),
        format,
        manifest: None,
        text: format!("{text} in `{typed}`{others}"),
        folders,
        example,
        are_few,
    })
}

/// `1 image`, `2 images`, `2000 or more images`.
fn many(count: u64, what: &str, or_more: &str) -> String {
    let plural = if count == 1 && or_more.is_empty() { "" } else { "s" };
    format!("{count}{or_more} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn found(files: &[&str]) -> Result<FoundInput, Failure> {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        look(root.path().to_str().unwrap(), None).await
    }

    #[tokio::test]
    async fn a_folder_is_what_most_of_its_files_are() {
        for (files, format, words) in [
            (&["a/1.jpg", "b/2.PNG", "notes.txt"][..], Format::Folder, "2 images in 2 folders in "),
            (&["1.jpg", "b/2.jpg"], Format::Folder, "2 images in 1 folder and beside them"),
            (&["1.jpg"], Format::Folder, "1 image side by side"),
            (&["a/1.jpg", "a/._1.jpg", ".trash/2.jpg"], Format::Folder, "1 image in 1 folder in "),
            (&["0.tar", "._0.jpg", "._1.jpg"], Format::Webdataset, "1 shard "),
            (&["x/0.tar", "x/1.tar.zst", "1.jpg"], Format::Webdataset, "2 shards"),
            (&["0.parquet"], Format::Parquet, "1 Parquet file in"),
        ] {
            let found = found(files).await.unwrap();
            assert_eq!(found.format, format, "{files:?}");
            assert!(found.text.starts_with(words), "{}", found.text);
        }
    }

    #[tokio::test]
    async fn what_else_lies_there_is_counted() {
        for (files, words) in [
            (&["1.jpg"][..], "`"),
            (&["1.jpg", "notes.txt"], "`, and 1 other file"),
            (&["1.jpg", "2.jpg", "x.pdf", "0.tar"], "`, and 2 other files"),
            (&["1.jpg", "._1.jpg", ".ipynb_checkpoints/1-checkpoint.jpg"], "`, and 2 other files"),
        ] {
            let found = found(files).await.unwrap();
            assert!(found.text.ends_with(words) && found.are_few, "{}", found.text);
        }
    }

    #[tokio::test]
    async fn a_folder_of_something_else_is_66_and_says_of_what() {
        for (files, words) in [
            (&[][..], "is empty"),
            (&["a.pdf", "b.pdf"], "2 .pdf"),
            (&["._1.jpg", ".DS_Store"], "but 2 hidden"),
            (&["list.csv"], "`list.csv` is a list of images"),
        ] {
            let failure = found(files).await.unwrap_err();
            assert_eq!(failure.exit, Exit::NoInput);
            assert!(failure.to_string().contains(words), "{failure}");
        }
        assert_eq!(look("/no/such/folder", None).await.unwrap_err().exit, Exit::NoInput);
    }

    #[tokio::test]
    async fn patterns_and_lists_are_told_by_their_names() {
        let found = look("s3://b/train/{000..150}.tar", None).await.unwrap();
        assert_eq!((found.format, found.folder.as_str()), (Format::Webdataset, "s3://b/train"));
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("list.csv");
        std::fs::write(&path, "path\n1.jpg\n").unwrap();
        let found = look(path.to_str().unwrap(), None).await.unwrap();
        assert_eq!((found.format, found.uri.as_str()), (Format::Manifest, root.path().to_str().unwrap()));
        let found = look(path.to_str().unwrap(), Some("s3://b/x")).await.unwrap();
        assert_eq!(found.uri, "s3://b/x");
        std::fs::write(root.path().join("a.jpg"), "x").unwrap();
        let failure = look(root.path().join("a.jpg").to_str().unwrap(), None).await.unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
    }
}
