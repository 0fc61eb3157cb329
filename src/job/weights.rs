//! Where a model's file is: on local disk, or on a hub, from which it is fetched into the cache.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::failure::Failure;
use crate::hub::{CachedFile, HubAddress, Snapshot};
use crate::model::companions;
use crate::store::{Location, Role, Settings};

use super::frozen::Frozen;
use super::model::LoadedModel;
use super::model_request::ModelRequest;
use super::origin::{HubOrigin, is_of};
use super::spec::{self, JobSpec};

/// Bytes of one file of weights that is fetched.
const LARGEST: u64 = 16 << 30;

/// A model's files on local disk.
#[derive(Debug, Clone)]
pub struct LocatedModel {
    /// The checkpoint or graph.
    pub path: PathBuf,
    /// Its configuration, if that is not beside it.
    pub config: Option<PathBuf>,
    /// Where it is from, if it is of a hub.
    pub origin: Option<HubOrigin>,
    /// All files that were fetched or found in the cache for it.
    pub files: Vec<CachedFile>,
}

impl LocatedModel {
    /// Finds a model's file, and fetches it if it is on a hub. With `begun`, the commit that a job began with is taken
    /// for the same address. `patience` is how long a request is tried while nothing comes.
    ///
    /// # Errors
    /// Errors of a hub and its cache; a path is not checked.
    pub async fn find(
        typed: &Path,
        begun: Option<&HubOrigin>,
        patience: Duration,
    ) -> Result<LocatedModel, Failure> {
        let Some(address) = HubAddress::parse(typed)? else {
            let path = typed.to_owned();
            return Ok(LocatedModel { path, config: None, origin: None, files: Vec::new() });
        };
        let begun = begun.filter(|begun| is_of(begun, &address));
        let address = HubAddress { file: address.file.or(begun.map(|begun| begun.file.clone())), ..address };
        let snapshot = Snapshot::open(&address, begun.map(|begun| &*begun.commit), patience).await?;
        let file = snapshot.weights()?;
        let configurations = snapshot.configurations(&file).await?;
        let weights = snapshot.file(&file, LARGEST).await?;
        let beside = file.rsplit_once('/').map_or_else(String::new, |(folder, _)| format!("{folder}/"));
        let mut companions_of_it = Vec::new();
        for name in companions(&weights.path)? {
            companions_of_it.push(snapshot.file(&format!("{beside}{name}"), LARGEST).await?);
        }
        let is = |name: &str| configurations.iter().find(|file| file.name == name);
        let root =
            is("config.json").filter(|_| !beside.is_empty() && is(&format!("{beside}config.json")).is_none());
        let config = root.map(|file| file.path.clone());
        let HubAddress { repo, revision, .. } = address;
        let origin = HubOrigin { repo, revision, commit: snapshot.commit().to_owned(), file };
        tracing::info!("the model is {origin}");
        let path = weights.path.clone();
        let files = configurations.into_iter().chain([weights]).chain(companions_of_it).collect();
        Ok(LocatedModel { path, config, origin: Some(origin), files })
    }

    /// Does what [`LocatedModel::find`] does, for a job: one that has begun keeps its commit.
    ///
    /// # Errors
    /// Also errors of reading the output.
    pub async fn of_job(spec: &JobSpec) -> Result<LocatedModel, Failure> {
        let settings = spec.storage_settings()?;
        let begun = Self::begun(spec, settings).await?;
        Self::find(Path::new(&spec.model.path), begun.as_ref(), settings.retry).await
    }

    /// The commit that the job on this output began with, if its model is of a hub.
    ///
    /// # Errors
    /// The output cannot be read.
    pub async fn begun(spec: &JobSpec, settings: Settings) -> Result<Option<HubOrigin>, Failure> {
        if HubAddress::parse(Path::new(&spec.model.path))?.is_none() {
            return Ok(None);
        }
        let output = Location::open_with(&spec.output.uri, Role::Output, settings)?;
        Ok(Frozen::read(&output).await?.and_then(|frozen| frozen.model.hub))
    }

    /// Reads the model as a job asks for it.
    ///
    /// # Errors
    /// As [`LoadedModel::read`].
    pub fn read_for(&self, asked: &spec::Model) -> Result<LoadedModel, Failure> {
        self.read(asked.config.as_deref().map(Path::new), &ModelRequest::of(asked))
    }

    /// Reads the model; `config` is the configuration that is typed, if one is.
    ///
    /// # Errors
    /// As [`LoadedModel::read`].
    pub fn read(&self, config: Option<&Path>, asked: &ModelRequest) -> Result<LoadedModel, Failure> {
        let read = LoadedModel::read_as(&self.path, config.or(self.config.as_deref()), asked);
        match &self.origin {
            None => read,
            Some(origin) => {
                let mut model = read.map_err(|failure| failure.within(origin))?;
                model.origin = Some(origin.clone());
                Ok(model)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_path_is_what_it_is() {
        let located = LocatedModel::find(Path::new("a/model.pth"), None, Duration::ZERO).await.unwrap();
        assert_eq!((located.path.as_path(), located.origin), (Path::new("a/model.pth"), None));
    }
}
