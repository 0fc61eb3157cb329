//! The rows of `--table forms`: each choice alone beside plain operators, then the provider's form, then that form
//! with one of its choices reverted.

use crate::model::{Blur, Classifier, Form, Mean, Pixels, Stem};

/// Names and forms, of which the first is the control; `ours` is the form that the provider gets.
pub(super) fn named_forms(ours: Form) -> Vec<(&'static str, Form)> {
    let plain = Form::PLAIN;
    let packed = Form { stem: Stem::Packed, ..plain };
    let mut forms = vec![
        ("plain operators", plain),
        ("stem as one 12×12 convolution", Form { stem: Stem::Strided, ..plain }),
        ("rows packed space-to-depth", packed),
        ("bytes in, scaled in the graph", Form { pixels: Pixels::Bytes, ..plain }),
        ("packed bytes in", Form { pixels: Pixels::Bytes, ..packed }),
        ("blur padded on all edges", Form { blur: Blur::PaddedAround, ..plain }),
        ("blur as two pools", Form { blur: Blur::Pools, ..plain }),
        ("blur as two pools, padded on all edges", Form { blur: Blur::PoolsPaddedAround, ..plain }),
        ("mean by ReduceMean", Form { mean: Mean::Reduce, ..plain }),
        ("mean by a windowed AveragePool", Form { mean: Mean::Window, ..plain }),
        ("classifier of fp16 in two products", Form { classifier: Classifier::Split, ..plain }),
        ("channels filled to 8", Form { channel_multiple: 8, ..plain }),
        ("channels filled to 16", Form { channel_multiple: 16, ..plain }),
        ("as this provider gets it", ours),
    ];
    let others = [
        ("as it gets it, but blur as a convolution", Form { blur: Blur::Convolution, ..ours }),
        ("as it gets it, but pools padded where read", Form { blur: Blur::Pools, ..ours }),
        ("as it gets it, but pools padded on all edges", Form { blur: Blur::PoolsPaddedAround, ..ours }),
        ("as it gets it, but GlobalAveragePool", Form { mean: Mean::GlobalPool, ..ours }),
        ("as it gets it, but ReduceMean", Form { mean: Mean::Reduce, ..ours }),
        ("as it gets it, but one product of fp16", Form { classifier: Classifier::Whole, ..ours }),
    ];
    for (name, form) in others {
        if forms.iter().all(|(_, other)| *other != form) {
            forms.push((name, form));
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_measured_with_either_kind_of_pools_and_means() {
        for ours in [Form::FOR_CPU, Form::FOR_CUDA] {
            let forms = named_forms(ours);
            assert_eq!(forms[0].1, Form::PLAIN);
            for (blur, mean) in [(Blur::Pools, ours.mean), (Blur::PoolsPaddedAround, ours.mean)]
                .into_iter()
                .chain([(ours.blur, Mean::GlobalPool), (ours.blur, Mean::Reduce)])
            {
                let wanted = Form { blur, mean, ..ours };
                assert!(forms.iter().any(|(_, form)| *form == wanted), "{wanted:?}");
            }
            let mut names: Vec<&str> = forms.iter().map(|(name, _)| *name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), forms.len());
        }
    }
}
