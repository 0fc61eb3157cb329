//! What a hub knows of a repository: its commit and its files, and names near to one that it does not know.

use serde::Deserialize;

use super::address::HubAddress;
use super::client::Client;
use super::error::HubError;
use super::names::{is_commit, is_relative, nearest, shown};
use super::trouble::{Absence, Trouble};

/// Files of a repository.
const MOST_FILES: usize = 100_000;
/// Time for a question whose answer is only for a better text.
const BRIEF: std::time::Duration = std::time::Duration::from_secs(5);

/// A revision as the hub resolves it.
#[derive(Debug, Clone)]
pub(super) struct Revision {
    pub commit: String,
    pub files: Vec<String>,
}

#[derive(Deserialize)]
struct Document {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

#[derive(Deserialize)]
struct References {
    #[serde(default)]
    branches: Vec<Reference>,
    #[serde(default)]
    tags: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    name: String,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

/// Resolves a revision. `revision` is that of the address, or a commit in its place.
pub(super) async fn resolve(
    client: &Client,
    address: &HubAddress,
    revision: &str,
) -> Result<Revision, HubError> {
    let what = address.repository();
    let parts = ["api", "models"].into_iter().chain(address.repo.split('/')).chain(["revision", revision]);
    let document: Document = match client.json(&what, &client.url(parts)).await {
        Ok(document) => document,
        Err(Trouble::Missing(absence)) => return Err(missing(client, address, revision, absence).await),
        Err(trouble) => return Err(settled(&what, trouble)),
    };
    let wrong = |why: String| HubError::Answer { what: what.clone(), why };
    if !is_commit(&document.sha) {
        return Err(wrong(format!("the hub names the commit {}, which is none", shown(&document.sha))));
    }
    if is_commit(revision) && revision != document.sha {
        return Err(wrong(format!("the hub answers for the commit {}", shown(&document.sha))));
    }
    if document.siblings.len() > MOST_FILES {
        return Err(wrong(format!("the repository has more than {MOST_FILES} files")));
    }
    let files: Vec<String> = document.siblings.into_iter().map(|sibling| sibling.rfilename).collect();
    if let Some(name) = files.iter().find(|name| !is_relative(name)) {
        return Err(wrong(format!("the hub names a file {}, which is no path in a repository", shown(name))));
    }
    Ok(Revision { commit: document.sha, files })
}

/// The error of a request that cannot be missing something.
pub(super) fn settled(what: &str, trouble: Trouble) -> HubError {
    match trouble {
        Trouble::Lasting(error) => error,
        Trouble::Missing(_) => HubError::Missing { what: what.to_owned(), near: String::new() },
        Trouble::Passing { why, .. } => HubError::Unavailable { what: what.to_owned(), why },
        Trouble::Range => HubError::Answer { what: what.to_owned(), why: "the hub answers 416".to_owned() },
    }
}

/// The error for a repository or a revision that the hub does not know, with a name near to it.
async fn missing(client: &Client, address: &HubAddress, revision: &str, absence: Absence) -> HubError {
    let client = client.within(BRIEF);
    if absence == Absence::Revision {
        let near = references(&client, address).await;
        let near = nearest(revision, near.iter().map(String::as_str));
        let near = near.map_or_else(String::new, |near| {
            format!("; a branch or tag with a name near to it is {}", shown(near))
        });
        return HubError::Missing {
            what: format!("the revision {} of hf://{}", shown(revision), address.repo),
            near,
        };
    }
    let known = neighbours(&client, address).await;
    let near = nearest(address.name(), known.iter().filter_map(|id| Some(id.split_once('/')?.1)));
    let near = near.map_or_else(String::new, |near| {
        format!("; {} does", shown(&format!("hf://{}/{near}", address.organisation())))
    });
    HubError::Missing { what: format!("the model `hf://{}`", address.repo), near }
}

/// Names of branches and tags, or none if the hub does not give them.
async fn references(client: &Client, address: &HubAddress) -> Vec<String> {
    let parts = ["api", "models"].into_iter().chain(address.repo.split('/')).chain(["refs"]);
    let asked: Result<References, Trouble> = client.json("", &client.url(parts)).await;
    let Ok(References { branches, tags }) = asked else { return Vec::new() };
    branches.into_iter().chain(tags).map(|reference| reference.name).collect()
}

/// Models of the same organisation, or none if the hub does not give them.
async fn neighbours(client: &Client, address: &HubAddress) -> Vec<String> {
    let mut url = client.url(["api", "models"]);
    url.query_pairs_mut().append_pair("author", address.organisation()).append_pair("limit", "1000");
    let asked: Result<Vec<Model>, Trouble> = client.json("", &url).await;
    asked.unwrap_or_default().into_iter().map(|model| model.id).collect()
}
