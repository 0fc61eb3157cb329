//! The right answers of a hub.

use std::collections::BTreeMap;

use super::{File, Host, Repo, ScriptedHub, git_blob, sha256};

/// An answer before it is sent.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn of(status: u16) -> Answer {
        Answer { status, ..Answer::default() }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Answer {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn without(mut self, name: &str) -> Answer {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    fn json(text: String) -> Answer {
        Answer { body: text.into_bytes(), ..Answer::of(200) }.with("Content-Type", "application/json")
    }

    fn refused(status: u16, code: &str) -> Answer {
        Answer::of(status).with("X-Error-Code", code).with("X-Error-Message", "no")
    }
}

impl ScriptedHub {
    /// The right answer to a request; ranges are cut out later.
    pub(super) fn right(&self, host: Host, path: &str, authorization: Option<&str>) -> Answer {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let parts: Vec<String> = path.trim_matches('/').split('/').map(decoded).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match (host, parts.as_slice()) {
            (Host::Store, ["blobs", hash]) => self.blob(hash),
            (Host::Hub, ["api", "models"]) => self.models(query),
            (Host::Hub, ["api", "models", org, name, "revision", revision]) => {
                self.with_repo(org, name, authorization, |repo| match commit(repo, revision) {
                    None => Answer::refused(404, "RevisionNotFound"),
                    Some((sha, files)) => Answer::json(info(&format!("{org}/{name}"), &sha, files)),
                })
            }
            (Host::Hub, ["api", "models", org, name, "refs"]) => {
                self.with_repo(org, name, authorization, |repo| {
                    let names = repo.revisions.iter().map(|(name, commit)| {
                        format!(r#"{{"name":"{name}","ref":"refs/heads/{name}","targetCommit":"{commit}"}}"#)
                    });
                    let names: Vec<String> = names.collect();
                    Answer::json(format!(r#"{{"branches":[{}],"tags":[],"converts":[]}}"#, names.join(",")))
                })
            }
            (Host::Hub, ["api", "resolve-cache", "models", org, name, revision, file @ ..]) => {
                self.file([org, name], revision, &file.join("/"), authorization, true)
            }
            (Host::Hub, [org, name, "resolve", revision, file @ ..]) => {
                self.file([org, name], revision, &file.join("/"), authorization, false)
            }
            _ => Answer::of(404),
        }
    }

    fn with_repo(
        &self,
        org: &str,
        name: &str,
        authorization: Option<&str>,
        then: impl FnOnce(&Repo) -> Answer,
    ) -> Answer {
        let state = self.state();
        // without a token, a missing and a private repository give the same answer
        let Some(repo) = state.repos.get(&format!("{org}/{name}")) else {
            return Answer::refused(if authorization.is_some() { 404 } else { 401 }, "RepoNotFound");
        };
        match (&repo.token, authorization.and_then(|header| header.strip_prefix("Bearer "))) {
            (Some(_), None) => Answer::refused(401, "GatedRepo"),
            (Some(token), Some(given)) if token != given => Answer::refused(403, "GatedRepo"),
            _ => then(repo),
        }
    }

    fn file(
        &self,
        [org, name]: [&str; 2],
        revision: &str,
        file: &str,
        authorization: Option<&str>,
        is_resolved: bool,
    ) -> Answer {
        let store = self.store();
        self.with_repo(org, name, authorization, |repo| {
            let Some((sha, files)) = commit(repo, revision) else {
                return Answer::refused(404, "RevisionNotFound");
            };
            let Some(found) = files.get(file) else {
                return Answer::refused(404, "EntryNotFound").with("X-Repo-Commit", sha);
            };
            let size = found.bytes.len().to_string();
            if found.is_lfs {
                let hash = sha256(&found.bytes);
                return Answer::of(302)
                    .with("Location", format!("{store}/blobs/{hash}?X-Amz-Signature=c4n4ry-signature"))
                    .with("X-Repo-Commit", sha)
                    .with("X-Linked-Etag", format!("\"{hash}\""))
                    .with("X-Linked-Size", size);
            }
            let etag = format!("\"{}\"", git_blob(&found.bytes));
            if !is_resolved {
                return Answer::of(307)
                    .with("Location", format!("/api/resolve-cache/models/{org}/{name}/{sha}/{file}"))
                    .with("X-Repo-Commit", sha);
            }
            let answer = Answer { body: found.bytes.clone(), ..Answer::of(200) };
            answer.with("ETag", etag).with("X-Repo-Commit", sha)
        })
    }

    fn blob(&self, hash: &str) -> Answer {
        let state = self.state();
        let files = state.repos.values().flat_map(|repo| repo.commits.values()).flat_map(BTreeMap::values);
        let mut found = files.filter(|file| file.is_lfs && sha256(&file.bytes) == hash);
        match found.next() {
            // the store's own tag is no hash of the bytes
            Some(file) => Answer { body: file.bytes.clone(), ..Answer::of(200) }.with("ETag", "\"0123-7\""),
            None => Answer::of(403),
        }
    }

    fn models(&self, query: &str) -> Answer {
        let author =
            query.split('&').find_map(|pair| pair.strip_prefix("author=")).unwrap_or_default().to_owned();
        let state = self.state();
        let ids = state.repos.keys().filter(|id| id.starts_with(&format!("{author}/")));
        let ids: Vec<String> = ids.map(|id| format!(r#"{{"id":"{id}"}}"#)).collect();
        Answer::json(format!("[{}]", ids.join(",")))
    }
}

fn commit<'a>(repo: &'a Repo, revision: &str) -> Option<(String, &'a BTreeMap<String, File>)> {
    let commit = repo.revisions.get(revision).cloned().unwrap_or_else(|| revision.to_owned());
    let files = repo.commits.get(&commit)?;
    Some((commit, files))
}

fn info(id: &str, sha: &str, files: &BTreeMap<String, File>) -> String {
    let siblings: Vec<String> = files.keys().map(|name| format!(r#"{{"rfilename":"{name}"}}"#)).collect();
    format!(r#"{{"_id":"1","id":"{id}","modelId":"{id}","sha":"{sha}","siblings":[{}]}}"#, siblings.join(","))
}

fn decoded(part: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), part.as_bytes());
    while let [first, tail @ ..] = rest {
        let escaped = (*first == b'%').then(|| tail.get(..2)).flatten();
        let escaped = escaped.and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}
