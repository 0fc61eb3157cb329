//! S3 stores on loopback, started when a test first asks and gone with the test binary.

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path as Key;
use object_store::{Attribute, Attributes, ObjectStore, ObjectStoreExt, PutOptions};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::job::Job;
use super::scripted_s3::environment_of;
use super::{afterwards, keep, python, root, scratch};

/// Requests in flight while files are copied.
const AT_ONCE: usize = 16;

/// One bucket, `test`, of a store.
pub struct Store {
    pub endpoint: String,
    /// What the program needs to reach it.
    pub environment: Vec<(String, String)>,
    bucket: Arc<dyn ObjectStore>,
    runtime: Runtime,
}

/// The real SeaweedFS, the store for everything that rests on conditional writes.
pub static SEAWEEDFS: LazyLock<Store> = LazyLock::new(|| Private::start().store);

/// A SeaweedFS for one test, which may be killed and started again.
pub struct Private {
    store: Store,
    folder: PathBuf,
    port: u16,
}

impl Private {
    pub fn start() -> Private {
        let folder = tempfile::tempdir().unwrap().keep();
        let port = free_ports(14);
        // registered before the start, so that it is ended in every case
        afterwards(&format!("cd '{0}' && kill -9 \"$(cat pid)\"; sleep 0.2; rm -rf '{0}'", folder.display()));
        let environment = Self::weed(&folder, port);
        Private { store: Store::new(environment), folder, port }
    }

    fn weed(folder: &Path, port: u16) -> Vec<(String, String)> {
        let started = Command::new(root().join("tests/support/seaweedfs.sh"))
            .args([folder, &PathBuf::from(port.to_string())])
            .env("TRESNET_BATCH_WEED", python().with_file_name("weed"))
            .output()
            .expect("bash starts");
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        let printed = String::from_utf8(started.stdout).unwrap();
        let pairs = printed.lines().filter_map(|line| line.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    pub fn kill(&self) {
        let pid = std::fs::read_to_string(self.folder.join("pid")).unwrap();
        assert!(Command::new("kill").args(["-9", pid.trim()]).status().unwrap().success());
    }

    pub fn start_again(&self) {
        Self::weed(&self.folder, self.port);
    }
}

impl std::ops::Deref for Private {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

/// moto's server: quick, and it takes any credentials and any key.
pub static MOTO: LazyLock<Store> = LazyLock::new(|| {
    let port = free_ports(1);
    let server = Command::new(python())
        .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("moto starts");
    afterwards(&format!("kill -9 {}", server.id()));
    keep(server);
    let deadline = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "moto does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
    let endpoint = format!("http://127.0.0.1:{port}");
    curl(&["-X", "PUT", &format!("{endpoint}/test")]);
    Store::new(environment_of(&endpoint))
});

/// The first of `many` neighbouring ports on which no process listens; no port is returned twice.
pub fn free_ports(many: u16) -> u16 {
    static NEXT: LazyLock<Mutex<u16>> =
        LazyLock::new(|| Mutex::new(20_000 + (std::process::id() % 500) as u16 * 20));
    let mut next = NEXT.lock().unwrap();
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let first =
        (*next..60_000).step_by(20).find(|first| (*first..first + many).all(free)).expect("free ports");
    *next = first + 20;
    first
}

pub fn curl(arguments: &[&str]) {
    let status = Command::new("curl").args(["-sSf", "-o", "/dev/null"]).args(arguments).status();
    assert!(status.expect("curl starts").success(), "curl {arguments:?}");
}

impl Store {
    fn new(environment: Vec<(String, String)>) -> Store {
        let value = |name: &str| {
            environment.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone()).unwrap()
        };
        let bucket = AmazonS3Builder::new()
            .with_endpoint(value("AWS_ENDPOINT"))
            .with_allow_http(true)
            .with_region(value("AWS_REGION"))
            .with_access_key_id(value("AWS_ACCESS_KEY_ID"))
            .with_secret_access_key(value("AWS_SECRET_ACCESS_KEY"))
            .with_bucket_name("test")
            .build()
            .unwrap();
        let endpoint = value("AWS_ENDPOINT");
        Store::over(endpoint, environment, Arc::new(bucket))
    }

    /// A bucket as a client sees it, and what the program needs to reach it.
    pub fn over(endpoint: String, environment: Vec<(String, String)>, bucket: Arc<dyn ObjectStore>) -> Store {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Store { endpoint, environment, bucket, runtime }
    }

    /// The job with the variables of this store in its environment.
    pub fn serve(&self, job: Job) -> Job {
        self.environment.iter().fold(job, |job, (name, value)| job.env(name, value))
    }

    pub fn put(&self, objects: impl IntoIterator<Item = (String, Vec<u8>)>) {
        let puts = objects.into_iter().map(|(key, bytes)| {
            let key = Key::parse(key).unwrap();
            async move { self.bucket.put(&key, bytes.into()).await.map(|_| ()) }
        });
        let all = stream::iter(puts).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>();
        self.runtime.block_on(all).unwrap();
    }

    /// Writes an object into the archive tier of Azure.
    pub fn archive(&self, key: &str, bytes: Vec<u8>) {
        let attributes = Attributes::from_iter([(Attribute::StorageClass, "Archive")]);
        let options = PutOptions { attributes, ..PutOptions::default() };
        let key = Key::parse(key).unwrap();
        self.runtime.block_on(self.bucket.put_opts(&key, bytes.into(), options)).unwrap();
    }

    /// Every file of a folder, as an object below `prefix`.
    pub fn put_folder(&self, folder: &Path, prefix: &str) {
        self.put(files(folder).into_iter().map(|path| {
            let key = path.strip_prefix(folder).unwrap().to_str().unwrap();
            (format!("{prefix}/{key}"), std::fs::read(&path).unwrap())
        }));
    }

    /// Keys below `prefix`, sorted.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let prefix = Key::parse(prefix).unwrap();
        let listed = self.bucket.list(Some(&prefix)).try_collect::<Vec<_>>();
        let listed = self.runtime.block_on(listed).unwrap();
        let mut keys: Vec<String> = listed.into_iter().map(|meta| meta.location.to_string()).collect();
        keys.sort();
        keys
    }

    /// Removes objects.
    pub fn delete(&self, keys: impl Iterator<Item = String>) {
        for key in keys {
            self.runtime.block_on(self.bucket.delete(&Key::parse(key).unwrap())).unwrap();
        }
    }

    /// How many part files are below `prefix`.
    pub fn parts(&self, prefix: &str) -> usize {
        self.keys(prefix).iter().filter(|key| key.ends_with(".parquet")).count()
    }

    /// A copy of everything below `prefix` on local disk.
    pub fn download(&self, prefix: &str) -> TempDir {
        let copy = tempfile::tempdir_in(scratch()).unwrap();
        let (folder, keys) = (copy.path(), self.keys(prefix));
        let gets = keys.iter().map(|key| async move {
            let bytes = self.bucket.get(&Key::parse(key).unwrap()).await?.bytes().await?;
            let path = folder.join(key.strip_prefix(prefix).unwrap().trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
            Ok::<(), object_store::Error>(())
        });
        let all = stream::iter(gets).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>();
        self.runtime.block_on(all).unwrap();
        copy
    }
}

/// Every file below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let items = std::fs::read_dir(folder).unwrap().map(|item| item.unwrap().path());
    items.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
