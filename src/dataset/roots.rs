//! Folders of other stores below which the rows of a manifest may name objects.

use std::borrow::Cow;
use std::sync::Arc;

use crate::store::{Location, ObjectUri, StoreError};

/// One of them, opened.
#[derive(Debug)]
struct Root {
    folder: ObjectUri,
    /// Its address, with a slash at the end: what the keys of its objects begin with.
    address: String,
    location: Location,
}

/// The folders of `input.roots`, opened. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Roots(Arc<[Root]>);

impl Roots {
    /// Opens folders whose requests count as those of `input`; asks nothing of their stores yet.
    ///
    /// # Errors
    /// If the environment has no way to one of them.
    pub fn open(folders: &[ObjectUri], input: &Location) -> Result<Roots, StoreError> {
        let open = |folder: &ObjectUri| {
            let (address, location) = (format!("{folder}/"), input.beside(folder)?);
            Ok(Root { folder: folder.clone(), address, location })
        };
        Ok(Roots(folders.iter().map(open).collect::<Result<_, StoreError>>()?))
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their addresses, each with a slash at the end, and their stores.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Location)> {
        self.0.iter().map(|root| (root.address.as_str(), &root.location))
    }

    /// The key of an object that is named by its address: the address in its normal form.
    ///
    /// # Errors
    /// What is wrong with the address, as the rest of a sentence.
    pub fn key(&self, address: &str) -> Result<String, String> {
        let object = ObjectUri::parse(address)?;
        let found = self.0.iter().find_map(|root| Some((root, object.below(&root.folder)?)));
        match found {
            Some((root, rest)) => Ok(format!("{}{rest}", root.address)),
            None => Err("is below no folder of `input.roots`".into()),
        }
    }

    /// The number of the root that a key begins with, and the key on its store. `None` for a key below the input.
    pub fn find<'a>(&self, key: &'a str) -> Option<(usize, Cow<'a, str>)> {
        self.0.iter().enumerate().find_map(|(number, root)| {
            let rest = key.strip_prefix(root.address.as_str())?;
            Some((number, root.folder.decoded(rest)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Role;

    fn roots(folders: &[&str]) -> Roots {
        let folders: Vec<ObjectUri> =
            folders.iter().map(|folder| ObjectUri::folder(folder).unwrap()).collect();
        Roots::open(&folders, &Location::open("/", Role::Input).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_key_is_found_on_its_store_again() {
        let roots = roots(&["https://host/a", "http://127.0.0.1:8000/", "https://host/b/c/"]);
        for (address, number, key) in [
            ("https://HOST/a/x%20y.jpg", 0, "x y.jpg"),
            ("http://127.0.0.1:8000/a/b.jpg", 1, "a/b.jpg"),
            ("https://host:443/b/c/%C3%A4.jpg", 2, "ä.jpg"),
        ] {
            let found = roots.key(address).unwrap();
            assert_eq!(roots.find(&found), Some((number, Cow::Borrowed(key))), "{address}");
        }
        assert_eq!(roots.find("a/x.jpg"), None);
    }

    #[tokio::test]
    async fn an_address_below_no_root_is_refused_local_ones_among_them() {
        let roots = roots(&["https://host/a/"]);
        for address in [
            "https://host/ab/x.jpg",
            "https://host/x.jpg",
            "http://host/a/x.jpg",
            "http://127.0.0.1/a/x.jpg",
            "http://localhost/a/x.jpg",
            "http://[::1]/a/x.jpg",
            "http://[::ffff:127.0.0.1]/a/x.jpg",
            "http://169.254.169.254/latest/meta-data",
            "https://10.0.0.1/a/x.jpg",
            "https://host@10.0.0.1/a/x.jpg",
            "https://host:8443/a/x.jpg",
        ] {
            assert!(roots.key(address).is_err(), "{address}");
        }
    }
}
