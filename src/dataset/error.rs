//! What can be wrong with an input as a whole.

use crate::failure::{Exit, Failure};
use crate::sample::{RowError, Sample};
use crate::store::{ParquetReadError, StoreError};

/// The message of the row of an object in an archive tier.
pub(super) const ARCHIVED: &str = "the object is in an archive tier of the store; restore it, then run a job with \
                                   `input.exclude_done`, which reads it";

/// A fault found while planning.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// No image at all.
    #[error(
        "no image below `{uri}`{left_out}; the names read end in {extensions}, or set `[input] extensions = \"any\"`"
    )]
    Empty {
        /// The input.
        uri: String,
        /// What was seen and left out, with a leading space, or nothing.
        left_out: String,
        /// The extensions that are read.
        extensions: String,
    },
    /// No shard or file at all.
    #[error("no {what} in `{uri}`{left_out}")]
    Nothing {
        /// What was looked for.
        what: String,
        /// The input.
        uri: String,
        /// What was seen and left out, with a leading space, or nothing.
        left_out: String,
    },
    /// A pattern of shard names that means nothing.
    #[error("`{pattern}` in `input.uri` is no pattern of shards: {why}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// A manifest that cannot be a plan.
    #[error("the manifest `{uri}`: {why}")]
    Manifest {
        /// The manifest.
        uri: String,
        /// Where and what: found, expected, what to do.
        why: String,
    },
    /// A Parquet file that cannot be read as images.
    #[error("`{uri}`: {why}")]
    File {
        /// The file.
        uri: String,
        /// What was found and what was expected.
        why: String,
    },
    /// The input is not there.
    #[error("the input `{uri}` is not there or is no folder")]
    Missing {
        /// The input.
        uri: String,
    },
    /// Images, but no class folders.
    #[error(
        "no image below `{uri}` is in a subfolder, so there are no classes to read; give the folder above it, or set \
         `[input] targets = \"none\"`"
    )]
    NoFolders {
        /// The input.
        uri: String,
    },
    /// The folders cannot be the model's classes.
    #[error(
        "`{uri}` has {folders} class folders, but the model has {classes} classes and the folder names are neither \
         ImageNet wnids nor all among the model's class names (the first that is not: `{unknown}`); rename the \
         folders, give `[input] classes` (one name for each of the model's classes), or set `[input] targets = \"none\"`"
    )]
    Classes {
        /// The input.
        uri: String,
        /// Class folders with images in them.
        folders: usize,
        /// Classes of the model.
        classes: usize,
        /// A folder that is no class.
        unknown: String,
    },
    /// Folders most of which are named as classes, so that their number alone is no evidence.
    #[error(
        "{named} of the {folders} class folders of `{uri}` have the name of one of the model's classes, but these have \
         not: {unknown}; counted by position, the targets would be wrong: rename these folders or move them out of the \
         input, give `[input] classes` (one name for each of the model's classes), or set `[input] targets = \"none\"`"
    )]
    PartlyNamed {
        /// The input.
        uri: String,
        /// Folders that have a class's name.
        named: usize,
        /// Class folders.
        folders: usize,
        /// Those that have none, in quotes.
        unknown: String,
    },
    /// A folder that the convention of the dataset does not know.
    #[error(
        "`{uri}` has a folder `{folder}`, but the folders of this dataset are {expected}; is it another dataset, or the \
         folder above or below it? (`[input] targets` names the dataset)"
    )]
    NoClass {
        /// The input.
        uri: String,
        /// The folder.
        folder: String,
        /// What its name should be.
        expected: &'static str,
    },
    /// A truth file that cannot be believed.
    #[error("the truth file `{uri}`: {why}")]
    Truth {
        /// The file.
        uri: String,
        /// What was found and what was expected.
        why: String,
    },
    /// No truth file at all.
    #[error("the truth file `{uri}` is not there")]
    NoTruth {
        /// The file.
        uri: String,
    },
    /// Images of whose names the targets know none.
    #[error(
        "none of the first {looked} images of `{uri}` has a target (the first is `{key}`): {expected}; is it another \
         dataset? (`[input] targets` names the dataset)"
    )]
    NoTargets {
        /// The input.
        uri: String,
        /// How many images were looked at.
        looked: usize,
        /// The first of them.
        key: String,
        /// What a name should be.
        expected: String,
    },
    /// A plan on the output that does not fit this job or itself.
    #[error("the plan segment `{name}` {why}")]
    BadSegment {
        /// The object.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A plan that was begun from a listing in another order.
    #[error(
        "the plan was begun with `[input] listing = \"{begun}\"` and goes on only so; set it, or take a new `output.uri`"
    )]
    OtherListing {
        /// The setting that it was begun with.
        begun: &'static str,
    },
    /// An output whose images are to be left out cannot be read any more.
    #[error(
        "the output `{uri}`, whose images this job leaves out, {why}; bring it back, or take a new `output.uri`"
    )]
    Excluded {
        /// The output.
        uri: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A key that the version which began the job read as another object's.
    #[error(
        "this job was begun by version 0.1.0, which would read another object for the key `{key}`; take a \
         new `output.uri` (with `[input] exclude_done` its rows are kept), or finish it with version 0.1.0"
    )]
    EarlierKeys {
        /// The key.
        key: String,
    },
    /// A hidden file that the version which began the job took for an image, a shard or a Parquet file.
    #[error(
        "this job was begun by version 0.1.0, which read hidden files such as `{key}`; they are left out now: take a \
         new `output.uri`, move the file out of the input, or finish the job with version 0.1.0"
    )]
    EarlierHidden {
        /// The key.
        key: String,
    },
    /// A hidden folder among the classes that the version which began the job froze.
    #[error(
        "this job was begun by version 0.1.0, which took the hidden folder `{folder}` for a class, so that its targets \
         may be wrong; hidden folders are no classes now: take a new `output.uri`, or finish the job with version 0.1.0"
    )]
    EarlierHiddenClass {
        /// The folder.
        folder: String,
    },
    /// A shard to which the version that began the job gave other rows.
    #[error(
        "this job was begun by version 0.1.0, and the shard `{key}` {why}, which that version did not read so; take a new \
         `output.uri`, or finish the job with version 0.1.0"
    )]
    EarlierShard {
        /// The key.
        key: String,
        /// What is read otherwise now.
        why: String,
    },
    /// An image that the version which began the job did not read, because a Parquet file has only its path.
    #[error(
        "this job was begun by version 0.1.0, which did not read images by their path, such as that of `{key}`; they are \
         read now: take a new `output.uri` (with `[input] exclude_done` its other row groups are kept), or finish the job \
         with version 0.1.0"
    )]
    EarlierPath {
        /// The row's key.
        key: String,
    },
    /// No process writes the next segment.
    #[error("no new plan segment for {minutes} minutes; is the planning worker (`--worker 0/n`) running?")]
    NoPlanner {
        /// How long it was waited for.
        minutes: u64,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DatasetError> for Failure {
    fn from(error: DatasetError) -> Failure {
        let exit = match &error {
            DatasetError::Empty { .. }
            | DatasetError::Nothing { .. }
            | DatasetError::File { .. }
            | DatasetError::NoTruth { .. }
            | DatasetError::Missing { .. } => Exit::NoInput,
            DatasetError::Pattern { .. }
            | DatasetError::Manifest { .. }
            | DatasetError::Classes { .. }
            | DatasetError::NoClass { .. }
            | DatasetError::Truth { .. }
            | DatasetError::NoTargets { .. }
            | DatasetError::OtherListing { .. }
            | DatasetError::Excluded { .. }
            | DatasetError::EarlierKeys { .. }
            | DatasetError::EarlierHidden { .. }
            | DatasetError::EarlierHiddenClass { .. }
            | DatasetError::EarlierShard { .. }
            | DatasetError::EarlierPath { .. }
            | DatasetError::PartlyNamed { .. }
            | DatasetError::NoFolders { .. } => Exit::Config,
            DatasetError::BadSegment { .. } => Exit::CannotCreate,
            DatasetError::NoPlanner { .. } => Exit::TryAgain,
            DatasetError::Store(error) => error.exit(),
        };
        Failure::of(exit, error)
    }
}

impl From<ParquetReadError> for DatasetError {
    fn from(error: ParquetReadError) -> DatasetError {
        match error {
            ParquetReadError::Damaged { name, why } => {
                DatasetError::BadSegment { name, why: format!("is damaged: {why}") }
            }
            ParquetReadError::Refused { name, error } => {
                DatasetError::BadSegment { name, why: format!("cannot be read: {error}") }
            }
            ParquetReadError::Store(error) => DatasetError::Store(error),
        }
    }
}

/// Why a part was not read to its end. Never a property of one image.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The pipeline stops; its own cause is elsewhere.
    #[error("the run is stopping")]
    Stopped,
    /// Objects are refused and nothing else can be read either.
    #[error(
        "`{key}` may not be read, nor may any object that was read before: have the credentials expired?"
    )]
    AllDenied {
        /// The first such key.
        key: String,
    },
    /// Objects are gone and nothing else is there either.
    #[error(
        "`{key}` is not there, nor is any object that was read before: is the input still mounted?{hint}"
    )]
    AllGone {
        /// The first such key.
        key: String,
        /// What about the key may be the reason, with a leading space, or nothing.
        hint: String,
    },
    /// The part is one input that cannot be read to its end: it becomes one error row.
    #[error("`{}` is damaged: {}", row.key, error.message)]
    Damaged {
        /// The row that represents the whole input.
        row: Box<Sample>,
        /// What is wrong with it.
        error: RowError,
    },
    /// Objects of the part cannot be read, although others can: it is read again after all other parts.
    #[error("objects of the part cannot be read, although others can")]
    GivenUp,
    /// More objects than allowed cannot be read, so the store is at fault.
    #[error(
        "`{key}` cannot be read, although other objects can; with it {count} objects were given up, more than \
         `limits.max_unreadable` = {most} allows: run again when the store answers for them, or accept them as rows \
         `unreadable` with a higher limit"
    )]
    TooManyUnreadable {
        /// The last of them.
        key: String,
        /// How many there are.
        count: usize,
        /// The limit.
        most: usize,
    },
    /// An input holds more rows than one part may have.
    #[error("`{key}` holds more than {most} images, and one {what} is one part of the output; {advice}")]
    TooMany {
        /// The input.
        key: String,
        /// The most that a part takes.
        most: u32,
        /// What the input is.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// The plan cannot be read.
    #[error(transparent)]
    Plan(#[from] DatasetError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Failure {
        let exit = match &error {
            ReadError::Stopped => Exit::TryAgain,
            ReadError::AllDenied { .. } => Exit::Denied,
            ReadError::AllGone { .. } | ReadError::GivenUp | ReadError::TooManyUnreadable { .. } => {
                Exit::Unavailable
            }
            ReadError::Store(StoreError::Missing { .. }) => Exit::Unavailable,
            ReadError::Store(error) => error.exit(),
            ReadError::Damaged { .. } => Exit::Rejected,
            ReadError::TooMany { .. } => Exit::Config,
            ReadError::Plan(_) => Exit::CannotCreate,
        };
        match error {
            ReadError::Plan(error) => error.into(),
            error => Failure::of(exit, error),
        }
    }
}
