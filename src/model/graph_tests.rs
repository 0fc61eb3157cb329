//! Graphs of others: which tensors are what, and what is rewritten.

use prost::Message;

use super::image_model::{ImageModel, Roles};
use super::info::OnnxInfo;
use super::onnx::Head;
use super::onnx::nodes::{initializer, integer, node};
use super::onnx::proto::{
    Axis, AxisLength, GraphDef, Model, Node, Opset, Shape, TensorType, Type, ValueInfo, element,
};
use super::onnx::wire::{fields, push};
use super::tensor_info::ElementType;

/// Lengths of axes; 0 is a free one, called by its position.
fn value(name: &str, element: i32, axes: &[i64]) -> ValueInfo {
    let axis = |(position, length): (usize, &i64)| Axis {
        length: Some(match length {
            0 => AxisLength::Param(format!("axis_{position}")),
            length => AxisLength::Value(*length),
        }),
    };
    let shape = Some(Shape { dim: axes.iter().enumerate().map(axis).collect() });
    let tensor_type = Some(TensorType { elem_type: Some(element), shape });
    ValueInfo { name: Some(name.to_owned()), r#type: Some(Type { tensor_type }) }
}

fn images() -> ValueInfo {
    value("images", element::FLOAT, &[0, 3, 8, 8])
}

fn vector(name: &str, length: i64) -> ValueInfo {
    value(name, element::FLOAT, &[0, length])
}

/// `mean` and `score`, and then these nodes.
fn file(input: Vec<ValueInfo>, output: Vec<ValueInfo>, more: Vec<Node>) -> Vec<u8> {
    let mut nodes = vec![
        node("GlobalAveragePool", "pooled", &["images"], vec![]),
        node("Flatten", "mean", &["pooled"], vec![]),
        node("MatMul", "score", &["mean", "matrix"], vec![]),
    ];
    nodes.extend(more);
    let matrix = initializer("matrix", element::FLOAT, &[3, 5], vec![0; 60]);
    let graph = GraphDef { node: nodes, name: Some("g".into()), initializer: vec![matrix], input, output };
    let opset = Opset { domain: None, version: Some(17) };
    let model = Model {
        ir_version: Some(8),
        opset_import: vec![opset],
        producer_name: Some("a test".into()),
        graph: Some(graph),
        ..Model::default()
    };
    model.encode_to_vec()
}

fn find(file: &[u8], roles: &Roles) -> Result<ImageModel, String> {
    ImageModel::find(&OnnxInfo::parse(file).unwrap(), file, roles).map_err(|error| error.to_string())
}

fn found(file: &[u8]) -> ImageModel {
    find(file, &Roles::default()).unwrap()
}

fn named(logits: Option<&str>, embedding: Option<&str>) -> Roles {
    let owned = |name: Option<&str>| name.map(str::to_owned);
    Roles { input: None, logits: owned(logits), embedding: owned(embedding) }
}

/// Operators and outputs of a rewritten file.
fn inside(file: &[u8]) -> (Vec<String>, Vec<String>, Vec<String>) {
    let graph = Model::decode(file).unwrap().graph.unwrap();
    let names = |values: &[ValueInfo]| values.iter().filter_map(|value| value.name.clone()).collect();
    let operators = graph.node.iter().filter_map(|node| node.op_type.clone()).collect();
    (operators, names(&graph.input), names(&graph.output))
}

#[test]
fn a_graph_of_single_precision_whose_outputs_are_chosen_stays_as_it_is() {
    for (outputs, logits, embedding) in [
        (vec![vector("score", 5)], Some("score"), None),
        (vec![vector("logits", 5), vector("embedding", 3)], Some("logits"), Some("embedding")),
        // a name of an embedding is none beside logits, as in version 0.1.0
        (vec![vector("logits", 5), vector("pooler_output", 3)], Some("logits"), None),
        (vec![vector("pooler_output", 3)], None, Some("pooler_output")),
    ] {
        let model = found(&file(vec![images()], outputs, vec![]));
        assert_eq!(model.rewritten, None);
        assert_eq!(model.logits.as_deref(), logits);
        assert_eq!(model.embedding.map(|(name, _)| name).as_deref(), embedding);
    }
}

#[test]
fn an_embedding_is_found_by_the_names_of_towers_and_nothing_else_is_guessed() {
    let hidden = value("last_hidden_state", element::FLOAT, &[0, 17, 3]);
    let tower = file(vec![images()], vec![hidden.clone(), vector("pooler_output", 3)], vec![]);
    let model = found(&tower);
    assert_eq!((model.logits, model.classes), (None, None));
    assert_eq!(model.embedding, Some(("pooler_output".to_owned(), Some(3))));
    assert_eq!(inside(&model.rewritten.unwrap()).2, ["pooler_output"]);
    let pair = file(vec![images()], vec![vector("score", 5), vector("image_embeds", 3)], vec![]);
    let model = found(&pair);
    assert_eq!(
        (model.logits.as_deref(), model.embedding.unwrap().0.as_str()),
        (Some("score"), "image_embeds")
    );
    for outputs in [vec![vector("a", 5), vector("b", 3)], vec![hidden, vector("mean", 3)]] {
        let error = find(&file(vec![images()], outputs, vec![]), &Roles::default()).unwrap_err();
        for words in ["cannot be distinguished", "[axis_0, ", "`model.logits`", "`model.embedding`"] {
            assert!(error.contains(words), "{error}");
        }
    }
}

#[test]
fn names_choose_outputs_and_tensors_inside_of_the_graph() {
    let two = file(
        vec![images()],
        vec![vector("a", 5), vector("b", 3)],
        vec![node("Identity", "a", &["score"], vec![]), node("Identity", "b", &["mean"], vec![])],
    );
    let model = find(&two, &named(None, Some("b"))).unwrap();
    assert_eq!((model.logits, model.embedding), (None, Some(("b".to_owned(), Some(3)))));
    let model = find(&two, &named(Some("a"), Some("pooled"))).unwrap();
    // the file has no type for it
    assert_eq!(model.embedding, Some(("pooled_f32".to_owned(), None)));
    let (operators, _, outputs) = inside(&model.rewritten.unwrap());
    assert_eq!(operators, ["GlobalAveragePool", "Flatten", "MatMul", "Identity", "Cast"]);
    assert_eq!(outputs, ["a", "pooled_f32"]);
    for (roles, words) in [
        (named(Some("c"), None), "`model.logits` names no tensor"),
        (named(Some("a"), Some("a")), "both logits and embedding"),
        (Roles { input: Some("a".into()), ..named(Some("a"), None) }, "`model.input` names none"),
    ] {
        let error = find(&two, &roles).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_head_is_taken_out_where_it_makes_probabilities_of_classes() {
    let axis = |axis| vec![integer("axis", axis)];
    for (operator, attributes, head) in [
        ("Softmax", vec![], Some(Head::Softmax)),
        ("Softmax", axis(-1), Some(Head::Softmax)),
        ("Softmax", axis(1), Some(Head::Softmax)),
        ("Softmax", axis(0), None),
        ("Sigmoid", vec![], Some(Head::Sigmoid)),
        ("LogSoftmax", vec![], None),
    ] {
        let last = node(operator, "out", &["score"], attributes);
        let model = found(&file(vec![images()], vec![vector("out", 5)], vec![last]));
        assert_eq!((model.head, model.classes), (head, Some(5)), "{operator}");
        assert_eq!(model.rewritten.is_some(), head.is_some());
        if let Some(file) = model.rewritten {
            assert!(!inside(&file).0.contains(&operator.to_owned()));
            assert_eq!(model.logits.as_deref(), Some("score_f32"));
        }
    }
}

#[test]
fn a_change_of_type_after_a_head_does_not_hide_it_and_another_node_does() {
    let soft = node("Softmax", "sure", &["score"], vec![]);
    for (last, head) in [("Cast", Some(Head::Softmax)), ("Identity", Some(Head::Softmax)), ("Log", None)] {
        let last = node(last, "out", &["sure"], vec![]);
        let model = found(&file(vec![images()], vec![vector("out", 5)], vec![soft.clone(), last]));
        assert_eq!(model.head, head);
    }
    // whole numbers are no longer the probabilities
    let to = |element: i32| vec![integer("to", element.into())];
    let whole = node("Cast", "whole", &["sure"], to(element::INT64));
    let nodes = vec![soft, whole, node("Cast", "out", &["whole"], to(element::FLOAT))];
    assert_eq!(found(&file(vec![images()], vec![vector("out", 5)], nodes)).head, None);
    let mut own = node("Softmax", "out", &["score"], vec![]);
    own.op_type = Some("Softmax2".to_owned());
    assert_eq!(found(&file(vec![images()], vec![vector("out", 5)], vec![own])).head, None);
}

#[test]
fn a_quantization_after_a_head_does_not_hide_it() {
    let pair = |scale: &str, quantize: &str| {
        vec![
            node(quantize, "whole", &["sure", "scale", "zero"], vec![]),
            node("DequantizeLinear", "wide", &["whole", scale, "zero"], vec![]),
            node("Cast", "out", &["wide"], vec![integer("to", element::FLOAT.into())]),
        ]
    };
    let head = |operator: &str, pair: &[Node]| {
        let nodes = [&[node(operator, "sure", &["score"], vec![])][..], pair].concat();
        found(&file(vec![images()], vec![vector("out", 5)], nodes))
    };
    for (operator, expected) in
        [("Softmax", Some(Head::Softmax)), ("Sigmoid", Some(Head::Sigmoid)), ("Log", None)]
    {
        let model = head(operator, &pair("scale", "QuantizeLinear"));
        assert_eq!((model.head, model.classes), (expected, Some(5)), "{operator}");
        assert_eq!(model.logits.as_deref(), Some(if expected.is_some() { "score_f32" } else { "out" }));
        if let Some(file) = model.rewritten {
            assert_eq!(inside(&file).0, ["GlobalAveragePool", "Flatten", "MatMul", "Cast"]);
        }
    }
    // not what was quantized
    assert_eq!(head("Softmax", &pair("other", "QuantizeLinear")).head, None);
    assert_eq!(head("Softmax", &pair("scale", "QLinearSoftmax")).head, None);
    let mut by_axis = pair("scale", "QuantizeLinear");
    by_axis[0].attribute.push(integer("axis", 0));
    assert_eq!(head("Softmax", &by_axis).head, None);
}

#[test]
fn half_precision_becomes_single_at_the_ends_of_the_graph() {
    let ends = |element| {
        let input = value("images", element, &[0, 3, 8, 8]);
        found(&file(vec![input], vec![value("score", element, &[0, 5])], vec![]))
    };
    let half = ends(element::FLOAT16);
    assert_eq!((half.element, half.input.as_str()), (ElementType::F16, "images"));
    assert_eq!(half.logits.as_deref(), Some("score_f32"));
    let brief = ends(element::BFLOAT16);
    assert_eq!((brief.element, brief.input.as_str()), (ElementType::F32, "images_f32"));
    let (operators, inputs, outputs) = inside(&brief.rewritten.unwrap());
    assert_eq!(operators, ["Cast", "GlobalAveragePool", "Flatten", "MatMul", "Cast"]);
    assert_eq!((inputs, outputs), (vec!["images_f32".to_owned()], vec!["score_f32".to_owned()]));
}

#[test]
fn images_are_planes_or_interleaved_and_their_axes_may_be_free() {
    for (axes, size, batch) in [
        (&[0, 3, 8, 8][..], Some(8), None),
        (&[4, 8, 8, 3], Some(8), Some(4)),
        (&[0, 0, 0, 0], None, None),
        (&[0, 0, 0, 3], None, None),
        (&[1, 3, 0, 8], Some(8), Some(1)),
    ] {
        let input = value("images", element::FLOAT, axes);
        let model = found(&file(vec![input], vec![vector("score", 5)], vec![]));
        assert_eq!((model.image_size, model.fixed_batch), (size, batch), "{axes:?}");
    }
    let free = found(&file(vec![value("images", element::FLOAT, &[0; 4])], vec![vector("score", 0)], vec![]));
    assert_eq!((free.batch_axis.as_deref(), free.classes), (Some("axis_0"), None));
    assert_eq!(free.side_axes, ["axis_2", "axis_3"]);
    for (element, axes) in [
        (element::FLOAT, &[0, 3, 8, 9][..]),
        (element::FLOAT, &[0, 4, 8, 8]),
        (element::FLOAT, &[0, 3]),
        (element::INT64, &[0, 3, 8, 8]),
    ] {
        let file = file(vec![value("images", element, axes)], vec![vector("score", 5)], vec![]);
        assert!(find(&file, &Roles::default()).unwrap_err().contains("its input `images`"), "{axes:?}");
    }
}

#[test]
fn an_input_that_no_chosen_output_needs_is_left_out() {
    let texts = value("ids", element::INT64, &[0, 5]);
    let words = node("Cast", "words", &["ids"], vec![integer("to", 1)]);
    let outputs = vec![vector("words", 5), vector("image_embeds", 5)];
    let embeds = node("Identity", "image_embeds", &["score"], vec![]);
    let both = file(vec![texts, images()], outputs, vec![words, embeds]);
    let model = find(&both, &named(None, Some("image_embeds"))).unwrap();
    let (operators, inputs, outputs) = inside(&model.rewritten.unwrap());
    assert_eq!((inputs, outputs), (vec!["images".to_owned()], vec!["image_embeds".to_owned()]));
    assert!(!operators.contains(&"Cast".to_owned()));
    let error = find(&both, &named(Some("words"), None)).unwrap_err();
    assert!(error.contains("need more than the images") && error.contains("`ids`"), "{error}");
}

#[test]
fn what_is_not_understood_survives_a_rewrite() {
    let soft = node("Softmax", "out", &["score"], vec![]);
    let mut bytes = file(vec![images()], vec![vector("out", 5)], vec![soft]);
    push(&mut bytes, 999, b"of a later version");
    let rewritten = found(&bytes).rewritten.unwrap();
    let kept = fields(&rewritten).map(|field| field.unwrap()).find(|field| field.number == 999);
    assert_eq!(kept.unwrap().body, b"of a later version");
}

#[test]
fn damaged_and_endless_files_are_refused() {
    for bytes in [&b""[..], b"\x3a", b"\x08\x08", b"\x3a\x00\x3a\x00"] {
        assert!(OnnxInfo::parse(bytes).is_err(), "{bytes:?}");
    }
    // two bytes each in the file, and a hundred in memory
    let graph = [0x0a, 0x00].repeat(1 << 21);
    let mut bytes = Vec::new();
    push(&mut bytes, 7, &graph);
    assert!(OnnxInfo::parse(&bytes).unwrap_err().to_string().contains("more parts"));
}

#[test]
fn changed_bytes_are_refused_or_understood_and_never_more() {
    let soft = node("Softmax", "out", &["score"], vec![integer("axis", -1)]);
    let whole = file(vec![images()], vec![vector("out", 5)], vec![soft]);
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let (mut understood, mut refused) = (0, 0);
    for _ in 0..5000 {
        let mut bytes = whole.clone();
        for _ in 0..=next(3) {
            let at = next(bytes.len());
            match next(3) {
                0 => bytes[at] = next(256) as u8,
                1 => bytes[at] ^= 1 << next(8),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let model = OnnxInfo::parse(&bytes)
            .and_then(|info| ImageModel::find(&info, &bytes, &named(Some("out"), Some("mean"))));
        match model {
            Err(_) => refused += 1,
            Ok(model) => {
                understood += 1;
                if let Some(file) = model.rewritten {
                    OnnxInfo::parse(&file).unwrap();
                }
            }
        }
    }
    assert!(understood > 100 && refused > 100, "{understood} understood, {refused} refused");
}
