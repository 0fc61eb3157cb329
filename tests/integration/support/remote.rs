//! A bucket or container of any store, for tests that are the same on each store.

use std::path::Path;

use tempfile::TempDir;

use super::job::Job;
use super::s3::{Store, files};
use super::scratch;
use super::scripted_s3::ScriptedS3;

/// A bucket or container named `test`.
pub trait Remote: Sync {
    /// The address of what is below `path`.
    fn uri(&self, path: &str) -> String;
    /// The job with the variables of this store in its environment.
    fn serve(&self, job: Job) -> Job;
    fn put_all(&self, objects: Vec<(String, Vec<u8>)>);
    /// Keys below a folder, sorted.
    fn keys(&self, folder: &str) -> Vec<String>;
    fn delete_all(&self, keys: Vec<String>);
    /// A copy of a folder on local disk.
    fn download(&self, folder: &str) -> TempDir;

    /// Every file of a local folder, as an object below `prefix`.
    fn put_files(&self, folder: &Path, prefix: &str) {
        let object = |path: &Path| {
            let key = path.strip_prefix(folder).unwrap().to_str().unwrap();
            (format!("{prefix}/{key}"), std::fs::read(path).unwrap())
        };
        self.put_all(files(folder).iter().map(|path| object(path)).collect());
    }

    /// How many part files are below a folder.
    fn parts(&self, folder: &str) -> usize {
        self.keys(folder).iter().filter(|key| key.ends_with(".parquet")).count()
    }
}

impl Remote for Store {
    fn uri(&self, path: &str) -> String {
        let is_s3 = self.environment.iter().any(|(name, _)| name.starts_with("AWS_"));
        format!("{}://test/{path}", if is_s3 { "s3" } else { "az" })
    }

    fn serve(&self, job: Job) -> Job {
        self.serve(job)
    }

    fn put_all(&self, objects: Vec<(String, Vec<u8>)>) {
        self.put(objects);
    }

    fn keys(&self, folder: &str) -> Vec<String> {
        self.keys(folder)
    }

    fn delete_all(&self, keys: Vec<String>) {
        self.delete(keys.into_iter());
    }

    fn download(&self, folder: &str) -> TempDir {
        self.download(folder)
    }
}

impl Remote for ScriptedS3 {
    fn uri(&self, path: &str) -> String {
        let is_gcs = self.environment().iter().any(|(name, _)| name.starts_with("GOOGLE_"));
        format!("{}://test/{path}", if is_gcs { "gs" } else { "s3" })
    }

    fn serve(&self, job: Job) -> Job {
        self.environment().iter().fold(job, |job, (name, value)| job.env(name, value))
    }

    fn put_all(&self, objects: Vec<(String, Vec<u8>)>) {
        for (key, bytes) in objects {
            self.put(&key, bytes);
        }
    }

    fn keys(&self, folder: &str) -> Vec<String> {
        self.keys(&format!("{folder}/"))
    }

    fn delete_all(&self, keys: Vec<String>) {
        for key in keys {
            self.delete(&key);
        }
    }

    fn download(&self, folder: &str) -> TempDir {
        let copy = tempfile::tempdir_in(scratch()).unwrap();
        for key in Remote::keys(self, folder) {
            let path = copy.path().join(&key[folder.len() + 1..]);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, self.get(&key).unwrap()).unwrap();
        }
        copy
    }
}
