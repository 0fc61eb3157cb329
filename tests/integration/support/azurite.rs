//! A real Azurite on loopback, started when a test first asks and gone with the test binary.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, LazyLock};

use object_store::azure::MicrosoftAzureBuilder;

use super::s3::{Store, free_ports};
use super::{afterwards, root};

/// The container `test`; `None`, with a printed reason, where `make azurite` found no Node.js.
pub static AZURITE: LazyLock<Option<Store>> = LazyLock::new(|| {
    if !root().join(".runtime/azurite").exists() {
        assert!(std::env::var_os("CI").is_none(), "no Azurite: run `make azurite`");
        println!("skipped: no Azurite; `make azurite` installs it where there is Node.js");
        return None;
    }
    let folder = tempfile::tempdir().unwrap().keep();
    let port = free_ports(1);
    afterwards(&format!("cd '{0}' && kill -9 \"$(cat pid)\"; sleep 0.2; rm -rf '{0}'", folder.display()));
    let started = Command::new(root().join("tests/support/azurite.sh"))
        .args([folder, PathBuf::from(port.to_string())])
        .output()
        .expect("bash starts");
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    let printed = String::from_utf8(started.stdout).unwrap();
    let (name, string) = printed.trim().split_once('=').unwrap();
    let field = |wanted: &str| {
        let mut pairs = string.split(';').filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned()).unwrap()
    };
    let container = MicrosoftAzureBuilder::new()
        .with_account(field("AccountName"))
        .with_access_key(field("AccountKey"))
        .with_endpoint(field("BlobEndpoint"))
        .with_allow_http(true)
        .with_container_name("test")
        .build()
        .unwrap();
    let environment = vec![(name.to_owned(), string.to_owned())];
    Some(Store::over(field("BlobEndpoint"), environment, Arc::new(container)))
});
