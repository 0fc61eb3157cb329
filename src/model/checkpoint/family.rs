//! Which well-known network other weights are of, by the names of their tensors.

/// Names that are looked at, and bytes of a name: those of a network are fewer and shorter.
const LOOKED_AT: usize = 4096;
const LONGEST: usize = 256;

/// Families, with parts of names that their tensors have. `#` is any number, and `^` the
/// beginning of a name. Of equally near families, the first is named.
const FAMILIES: &[(&str, &[&str])] = &[
    ("CLIP", &["visual.conv1", "visual.transformer.resblocks.#.attn", "visual.transformer.resblocks.#.ln_1"]),
    ("CLIP", &["vision_model.embeddings.patch_embedding", "vision_model.encoder.layers.#.self_attn.q_proj"]),
    (
        "DINOv2",
        &[
            "embeddings.mask_token",
            "encoder.layer.#.layer_scale1",
            "encoder.layer.#.attention.attention.query",
        ],
    ),
    (
        "swin",
        &[
            "layers.#.blocks.#.attn.relative_position_bias_table",
            "layers.#.blocks.#.attn.qkv",
            "layers.#.downsample.reduction",
        ],
    ),
    (
        "swin",
        &[
            "layers.#.blocks.#.attn.logit_scale",
            "layers.#.blocks.#.attn.cpb_mlp.#",
            "layers.#.downsample.reduction",
        ],
    ),
    ("swin", &["features.#.#.attn.relative_position_bias_table", "features.#.#.attn.qkv"]),
    ("swin", &["encoder.layers.#.blocks.#.attention.self.query", "encoder.layers.#.downsample.reduction"]),
    ("beit", &["patch_embed.proj", "blocks.#.gamma_1", "blocks.#.attn.relative_position_bias_table"]),
    ("beit", &["patch_embed.proj", "blocks.#.gamma_1", "blocks.#.attn.q_bias"]),
    ("eva", &["patch_embed.proj", "blocks.#.attn.q_proj", "blocks.#.mlp.fc1_g"]),
    ("vit", &["cls_token", "patch_embed.proj", "blocks.#.attn.qkv", "blocks.#.mlp.fc1"]),
    ("vit", &["pos_embed", "patch_embed.proj", "blocks.#.attn.qkv", "blocks.#.mlp.fc1", "blocks.#.norm1"]),
    ("vit", &["class_token", "conv_proj", "encoder.layers.encoder_layer_0.self_attention"]),
    (
        "vit",
        &[
            "embeddings.cls_token",
            "embeddings.patch_embeddings.projection",
            "encoder.layer.#.attention.attention.query",
        ],
    ),
    ("mixer", &["stem.proj", "blocks.#.mlp_tokens.fc1", "blocks.#.mlp_channels.fc1"]),
    ("convnext", &["stages.#.blocks.#.conv_dw", "stages.#.blocks.#.gamma", "stages.#.blocks.#.mlp.fc1"]),
    ("convnext", &["stages.#.blocks.#.conv_dw", "stages.#.blocks.#.mlp.grn", "stages.#.blocks.#.mlp.fc1"]),
    ("convnext", &["downsample_layers.#.#", "stages.#.#.dwconv", "stages.#.#.pwconv1"]),
    ("convnext", &["features.#.#.layer_scale", "features.#.#.block.#"]),
    ("convnext", &["encoder.stages.#.layers.#.dwconv", "encoder.stages.#.layers.#.pwconv1"]),
    ("maxvit", &["stages.#.blocks.#.attn_block.attn.qkv", "stages.#.blocks.#.attn_grid.attn.qkv"]),
    (
        "coatnet",
        &["stages.#.blocks.#.attn.qkv", "stages.#.blocks.#.conv2_kxk", "stages.#.blocks.#.attn.rel_pos"],
    ),
    ("mobilevit", &["stages.#.#.transformer.#.attn.qkv", "stages.#.#.conv_kxk"]),
    (
        "poolformer",
        &["stages.#.blocks.#.layer_scale1", "stages.#.blocks.#.mlp.fc1", "stages.#.downsample.conv"],
    ),
    ("efficientnet", &["conv_stem", "blocks.#.#.conv_pwl", "blocks.#.#.se.conv_reduce", "conv_head", "^bn2"]),
    ("efficientnet", &["_conv_stem", "_blocks.#._depthwise_conv", "_blocks.#._se_reduce"]),
    ("efficientnet", &["features.#.#.block.#.fc1", "features.#.#.block.#.#", "classifier.#"]),
    ("mobilenet", &["conv_stem", "blocks.#.#.conv_dw", "blocks.#.#.conv_pwl", "conv_head"]),
    ("mobilenet", &["features.#.conv.#.#", "features.#.#", "classifier.#"]),
    ("mobilenet", &["features.#.block.#.#", "features.#.block.#.fc1", "classifier.#"]),
    ("mobilenet", &["conv_stem", "blocks.#.#.dw_start", "blocks.#.#.pw_exp"]),
    ("ghostnet", &["conv_stem", "blocks.#.#.ghost1.primary_conv.#", "blocks.#.#.ghost2.cheap_operation.#"]),
    ("regnet", &["stem.conv", "s1.b1.conv1.conv", "s4.b1.conv3.conv", "head.fc"]),
    ("regnet", &["trunk_output.block1.block1-0.f.a.#", "trunk_output.block4.block4-0.f.c.#"]),
    ("densenet", &["features.denseblock1.denselayer1.conv1", "features.transition1.conv"]),
    ("squeezenet", &["features.#.squeeze", "features.#.expand1x1"]),
    ("vgg", &["features.#", "pre_logits.fc1", "head.fc"]),
    ("vgg", &["features.#", "classifier.#"]),
    ("inception", &["Mixed_5b.branch1x1.conv", "Mixed_7a.branch3x3_1.conv"]),
    ("inception", &["features.#.branch0.conv", "features.#.branch1.#.conv", "last_linear"]),
    ("inception", &["inception3a.branch1.conv", "inception5b.branch2.#.conv"]),
    ("xception", &["blocks.#.stack.conv1.conv_dw", "blocks.#.stack.conv1.conv_pw"]),
    ("xception", &["block1.rep.#.conv1", "block1.rep.#.pointwise", "conv4.pointwise"]),
    ("nfnet", &["stem.conv1", "stages.#.#.conv2b", "stages.#.#.skipinit_gain"]),
    (
        "resnetv2",
        &["stem.conv", "stages.#.blocks.#.conv1", "stages.#.blocks.#.norm1", "stages.#.blocks.#.conv2"],
    ),
    ("cspnet", &["stem.conv1.conv", "stages.#.conv_down.conv", "stages.#.blocks.#.conv1.conv"]),
    ("repvgg", &["stages.#.#.conv_kxk.conv", "stages.#.#.conv_1x1.conv"]),
    ("repvgg", &["stage1.#.rbr_dense.conv", "stage1.#.rbr_1x1.conv"]),
    ("hrnet", &["stage2.#.branches.#.#.conv1", "stage2.#.fuse_layers.#.#.#"]),
    ("dla", &["base_layer.#", "level2.tree1.conv1", "level2.root.conv"]),
    ("shufflenet", &["stage2.#.branch1.#", "stage2.#.branch2.#", "conv5.#"]),
    ("resnet", &["layer1.#.conv1", "layer1.#.bn1", "layer4.#.conv2", "fc"]),
    ("resnet", &["embedder.embedder.convolution", "encoder.stages.#.layers.#.layer.#.convolution"]),
];

/// The family of whose parts most are there, if these are more than two of three.
pub(super) fn nearest<'n>(names: impl Iterator<Item = &'n str>) -> Option<&'static str> {
    let names: Vec<String> =
        names.filter(|name| name.len() <= LONGEST).take(LOOKED_AT).map(numbers_aside).collect();
    let has = |is: &dyn Fn(&String) -> bool| names.iter().any(is);
    let share = |parts: &[&str]| {
        let found = parts.iter().filter(|part| match part.strip_prefix('^') {
            Some(first) => has(&|name| name.starts_with(&format!(".{first}."))),
            None => has(&|name| name.contains(&format!(".{part}."))),
        });
        found.count() as f64 / parts.len() as f64
    };
    let scored = FAMILIES.iter().rev().map(|(family, parts)| (share(parts), *family));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.7).then_some(best.1)
}

/// A name between dots, with `#` in place of each part that is a number.
fn numbers_aside(name: &str) -> String {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts = name.split('.').map(|part| if is_number(part) { "#" } else { part });
    format!(".{}.", parts.collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_named_by_the_tensors_of_its_family() {
        let cases: [(&[&str], Option<&str>); 8] = [
            (
                &[
                    "conv1.weight",
                    "layer1.0.conv1.weight",
                    "layer1.0.bn1.bias",
                    "layer4.2.conv2.weight",
                    "fc.bias",
                ],
                Some("resnet"),
            ),
            (
                &[
                    "stages.0.blocks.0.conv_dw.weight",
                    "stages.0.blocks.0.gamma",
                    "stages.3.blocks.2.mlp.fc1.bias",
                ],
                Some("convnext"),
            ),
            (
                &[
                    "cls_token",
                    "patch_embed.proj.weight",
                    "blocks.11.attn.qkv.weight",
                    "blocks.0.mlp.fc1.bias",
                ],
                Some("vit"),
            ),
            (
                &[
                    "conv_stem.weight",
                    "blocks.0.0.conv_dw.weight",
                    "blocks.1.0.conv_pwl.weight",
                    "conv_head.weight",
                    "blocks.1.0.se.conv_reduce.bias",
                ],
                Some("mobilenet"),
            ),
            (
                &[
                    "conv_stem.weight",
                    "blocks.1.0.conv_pwl.weight",
                    "conv_head.weight",
                    "blocks.1.0.se.conv_reduce.bias",
                    "bn2.bias",
                ],
                Some("efficientnet"),
            ),
            (
                &["features.denseblock1.denselayer1.conv1.weight", "features.transition1.conv.weight"],
                Some("densenet"),
            ),
            (&["model.layers.0.self_attn.q_proj.weight", "lm_head.weight"], None),
            (&[], None),
        ];
        for (names, family) in cases {
            assert_eq!(nearest(names.iter().copied()), family, "{names:?}");
        }
    }

    #[test]
    fn names_without_end_are_not_looked_at() {
        let long = "layer1.0.conv1.".repeat(1 << 16);
        assert_eq!(nearest([long.as_str()].into_iter()), None);
    }
}
