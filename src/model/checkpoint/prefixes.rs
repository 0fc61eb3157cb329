//! Prefixes that a training's wrappers put before the names of a network's tensors.

use std::collections::{BTreeMap, HashMap};

use super::weights::Tensor;
use crate::model::error::ModelError;
use crate::model::shorten::shorten;

/// Of devices that work in parallel and of averages, of `torch.compile`, and of the attribute that a training's own
/// module keeps the network in.
const WRAPPERS: [&str; 5] = ["module.", "_orig_mod.", "model.", "net.", "backbone."];
/// What the names of a network begin with.
const NETWORK: [&str; 3] = ["body.conv1.", "body.layer", "head.fc."];

/// Removes each prefix, and each combination of them, that every tensor has.
///
/// # Errors
///
/// [`ModelError::SameTensor`] where two tensors would have one name, such as below `model.` and `ema.`.
pub(super) fn strip(tensors: BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>, ModelError> {
    let length = common_length(&tensors);
    let mut stripped = BTreeMap::new();
    for (mut name, tensor) in tensors {
        name.drain(..length);
        stripped.insert(name, tensor);
    }
    check_one_network(&stripped)?;
    Ok(stripped)
}

/// Bytes of the wrappers' prefixes that all names begin with.
fn common_length(tensors: &BTreeMap<String, Tensor>) -> usize {
    let mut length = 0;
    while let Some(prefix) = tensors.first_key_value().and_then(|(name, _)| wrapper(&name[length..]))
        && tensors.keys().all(|name| name[length..].starts_with(prefix))
    {
        length += prefix.len();
    }
    length
}

/// The wrapper's prefix that a name begins with.
fn wrapper(name: &str) -> Option<&'static str> {
    WRAPPERS.into_iter().find(|prefix| name.starts_with(prefix))
}

/// The wrapper's prefix that the name of a TResNet's tensor begins with. Other networks have such parts themselves.
pub(super) fn wrapper_of_network(name: &str) -> Option<&'static str> {
    wrapper(name).filter(|_| without_any_prefix(name) != name)
}

/// Two names that end in the same tensor of a network are of two networks.
fn check_one_network(tensors: &BTreeMap<String, Tensor>) -> Result<(), ModelError> {
    let mut seen: HashMap<&str, &str> = HashMap::new();
    for name in tensors.keys() {
        if let Some(other) = seen.insert(without_any_prefix(name), name) {
            return Err(ModelError::SameTensor { names: [shorten(other), shorten(name)] });
        }
    }
    Ok(())
}

/// A name from the first part on that begins a name of a network, whatever is before it.
fn without_any_prefix(name: &str) -> &str {
    let starts = std::iter::once(0).chain(name.match_indices('.').map(|(at, _)| at + 1));
    let mut own =
        starts.map(|start| &name[start..]).filter(|rest| NETWORK.iter().any(|own| rest.starts_with(own)));
    own.next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["body.conv1.conv.weight", "body.layer1.0.conv1.bn.bias", "head.fc.bias"];

    fn named<'n>(names: impl IntoIterator<Item = &'n str>) -> BTreeMap<String, Tensor> {
        let tensor = || Tensor { shape: vec![1], values: vec![0.5] };
        names.into_iter().map(|name| (name.to_owned(), tensor())).collect()
    }

    fn prefixed(prefix: &str) -> Vec<String> {
        NAMES.iter().map(|name| format!("{prefix}{name}")).collect()
    }

    #[test]
    fn every_combination_of_two_wrappers_is_removed() {
        for first in WRAPPERS {
            for second in WRAPPERS.into_iter().chain([""]) {
                let names = prefixed(&format!("{first}{second}"));
                let stripped = strip(named(names.iter().map(String::as_str))).unwrap();
                assert_eq!(stripped, named(NAMES), "{first}{second}");
            }
        }
        assert_eq!(strip(named(NAMES)).unwrap(), named(NAMES));
        assert!(strip(BTreeMap::new()).unwrap().is_empty());
    }

    #[test]
    fn a_prefix_that_one_tensor_lacks_stays() {
        let names = ["module.body.conv1.conv.weight", "module.head.fc.weight", "head.fc.bias"];
        assert_eq!(strip(named(names)).unwrap(), named(names));
        // the outer one is common, the inner one is not
        let names = ["module.model.body.conv1.conv.weight", "module.head.fc.bias"];
        let stripped = strip(named(names)).unwrap();
        assert_eq!(stripped, named(["model.body.conv1.conv.weight", "head.fc.bias"]));
        assert_eq!(strip(named(["ema.head.fc.bias"])).unwrap(), named(["ema.head.fc.bias"]));
    }

    #[test]
    fn two_networks_in_one_file_are_refused_and_both_named() {
        for other in ["ema.", "teacher.", "", "student.backbone."] {
            let names = [prefixed("model."), prefixed(other)].concat();
            let refused = strip(named(names.iter().map(String::as_str))).unwrap_err().to_string();
            for name in [format!("`model.{}`", NAMES[0]), format!("`{other}{}`", NAMES[0])] {
                assert!(refused.contains(&name), "{refused}");
            }
        }
    }

    #[test]
    fn a_wrapper_is_named_where_it_is_one_of_our_network() {
        assert_eq!(wrapper_of_network("module.model.head.fc.bias"), Some("module."));
        assert_eq!(wrapper_of_network("head.fc.bias"), None);
        assert_eq!(wrapper_of_network("model.layers.0.mlp.weight"), None);
    }

    #[test]
    fn a_name_of_prefixes_without_end_takes_no_time() {
        let long = "net.".repeat(1 << 20);
        assert_eq!(strip(named([long.as_str()])).unwrap(), named([""]));
    }
}
