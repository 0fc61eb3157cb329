//! Readers of local files: every file is answered, and one that hangs holds up no other.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::join_all;

use super::FetchError;
use super::readers::{Readers, WAITING};

fn files(many: usize) -> (tempfile::TempDir, Vec<PathBuf>) {
    let root = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..many).map(|number| root.path().join(number.to_string())).collect();
    paths.iter().for_each(|path| std::fs::write(path, path.to_str().unwrap()).unwrap());
    (root, paths)
}

async fn is_read(readers: &Arc<Readers>, path: &Path) -> bool {
    let read = readers.read(path.to_owned(), None, 1000).await;
    matches!(read, Ok((bytes, _)) if bytes == path.to_str().unwrap())
}

#[tokio::test]
async fn every_asker_gets_its_own_file_and_the_readers_leave() {
    let (_root, paths) = files(200);
    let readers: Arc<Readers> = Arc::default();
    for _ in 0..3 {
        let read = join_all(paths.iter().map(|path| is_read(&readers, path))).await;
        assert!(read.into_iter().all(|read| read));
    }
    // a reader that finds nothing to read ends only after the last answer was sent
    while readers.count() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_file_that_hangs_does_not_hold_up_the_others_for_ever() {
    let (root, paths) = files(WAITING + 1);
    let pipe = root.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let hanging = |path: &Path, _: Option<&str>| File::open(path).map_err(|_| FetchError::NotFound);
    let readers = Arc::new(Readers::opened_by(hanging));
    let mut hangs = Box::pin(readers.read(pipe.clone(), None, 1000));
    assert!(futures::poll!(&mut hangs).is_pending());
    let read = join_all(paths.iter().map(|path| is_read(&readers, path))).await;
    assert!(read.into_iter().all(|read| read));
    assert!(futures::poll!(&mut hangs).is_pending());
    drop(std::fs::OpenOptions::new().write(true).open(&pipe).unwrap());
    assert!(hangs.await.is_ok_and(|(bytes, _)| bytes.is_empty()));
}
