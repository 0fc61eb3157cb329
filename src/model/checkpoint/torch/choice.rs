//! Which dictionary of a checkpoint holds the weights.

use std::collections::BTreeMap;

use super::error::TorchError;
use super::pickle::Heap;
use super::value::{Id, Name, Value, View};
use crate::model::checkpoint::weights::{TakenSet, WeightSet};
use crate::model::shorten::shorten;

/// Keys under which training scripts put the weights among other things. Those of the second list count only where
/// none of the first holds weights: version 0.1.0 did not know them.
const RAW: [&[&str]; 2] = [&["model", "state_dict"], &["model_state", "model_state_dict"]];
/// Likewise of weights that are an average over the training. timm asks for them in this order.
const AVERAGED: [&[&str]; 2] = [&["state_dict_ema"], &["model_ema"]];

/// The chosen tensors by name, and what they were chosen from.
#[derive(Debug)]
pub(super) struct Chosen<'h, 'a> {
    pub views: BTreeMap<&'a str, &'h View<'a>>,
    /// None for a file that is one dictionary of tensors.
    pub taken: Option<TakenSet>,
}

/// What is under a key of the outermost dictionary.
#[derive(Clone, Copy)]
enum Candidate<'h, 'a> {
    Dict(&'h [(Id, Id)]),
    Inert(Name<'a>),
}

/// Chooses the weights of a file: those that are `wanted`, else averaged ones where there are any, as timm does.
pub(super) fn choose<'h, 'a>(
    heap: &'h Heap<'a>,
    wanted: Option<WeightSet>,
) -> Result<Chosen<'h, 'a>, TorchError> {
    let top = match heap.get(heap.root) {
        Value::Dict(top) => top,
        Value::Inert(name) => return Err(inert(*name, "the whole file".to_owned())),
        _ => return Err(TorchError::NoDictionary),
    };
    let (raw, averaged) = (candidate(heap, top, RAW)?, candidate(heap, top, AVERAGED)?);
    let has = |set: WeightSet| match set {
        WeightSet::Raw => raw.is_some() || averaged.is_none(),
        WeightSet::Ema => averaged.is_some(),
    };
    let set = wanted.unwrap_or(if averaged.is_some() { WeightSet::Ema } else { WeightSet::Raw });
    if !has(set) {
        let keys = AVERAGED.concat().into_iter().map(str::to_owned).collect();
        return Err(TorchError::NoSet { wanted: set, keys });
    }
    let (taken, rival) = match set {
        WeightSet::Ema => (averaged, raw),
        WeightSet::Raw => (raw, averaged),
    };
    let Some((key, candidate)) = taken else {
        return Ok(Chosen { views: views(heap, top, true)?, taken: None });
    };
    let other = rival.map(|(key, _)| key.to_owned());
    let entries = match candidate {
        Candidate::Dict(entries) => entries,
        Candidate::Inert(name) => {
            let instead = match (&other, set) {
                (Some(other), WeightSet::Ema) => format!(" (`model.weights = \"raw\"` takes `{other}`)"),
                _ => String::new(),
            };
            return Err(inert(name, format!("`{key}`{instead}")));
        }
    };
    // version 0.1.0 knew the first lists only
    let knew = |set: Option<(&str, Candidate<'_, '_>)>, lists: [&[&str]; 2]| {
        set.is_some_and(|(key, _)| lists[0].contains(&key))
    };
    let earlier = match knew(averaged, AVERAGED) && !knew(raw, RAW) {
        true => WeightSet::Ema,
        false => WeightSet::Raw,
    };
    let taken = TakenSet { set, key: key.to_owned(), other, earlier };
    Ok(Chosen { views: views(heap, entries, false)?, taken: Some(taken) })
}

/// The one entry of `top` under such a key that holds weights. An inert value is one only where there is no dictionary.
fn candidate<'h, 'a>(
    heap: &'h Heap<'a>,
    top: &[(Id, Id)],
    lists: [&[&'static str]; 2],
) -> Result<Option<(&'static str, Candidate<'h, 'a>)>, TorchError> {
    let mut found_inert = None;
    for keys in lists {
        let mut found = Vec::new();
        for (key, value) in top {
            let Value::Text(key) = heap.get(*key) else { continue };
            let Some(key) = keys.iter().find(|known| *known == key) else { continue };
            match heap.get(*value) {
                Value::Dict(entries) => found.push((*key, Candidate::Dict(entries))),
                Value::Inert(name) => found_inert = found_inert.or(Some((*key, Candidate::Inert(*name)))),
                _ => {}
            }
        }
        match found.as_slice() {
            [] => {}
            [one] => return Ok(Some(*one)),
            several => {
                let keys = several.iter().take(4).map(|(key, _)| (*key).to_owned()).collect();
                return Err(TorchError::Several { keys });
            }
        }
    }
    Ok(found_inert)
}

/// The tensors of a dictionary, which holds nothing else.
fn views<'h, 'a>(
    heap: &'h Heap<'a>,
    entries: &[(Id, Id)],
    is_top: bool,
) -> Result<BTreeMap<&'a str, &'h View<'a>>, TorchError> {
    // an error names one of the dictionaries among which inert values are, and not those
    let passes_inert = is_top && entries.iter().any(|(_, value)| matches!(heap.get(*value), Value::Dict(_)));
    let mut views = BTreeMap::new();
    for (key, value) in entries {
        let name = match heap.get(*key) {
            Value::Text(name) => *name,
            _ => return Err(TorchError::NoDictionary),
        };
        let view = match heap.get(*value) {
            Value::Tensor(view) => view,
            Value::Inert(_) if passes_inert => continue,
            Value::Inert(made_by) => return Err(inert(*made_by, format!("`{}`", shorten(name)))),
            _ => {
                let wrappers = RAW.concat().into_iter().chain(AVERAGED.concat()).map(str::to_owned).collect();
                return Err(TorchError::NoTensor { entry: shorten(name), wrappers });
            }
        };
        if views.insert(name, view).is_some() {
            let reason = "the file holds two of this name".to_owned();
            return Err(TorchError::Tensor { tensor: shorten(name), reason });
        }
    }
    Ok(views)
}

fn inert(made_by: Name<'_>, part: String) -> TorchError {
    TorchError::Global { name: made_by.to_string(), part }
}
