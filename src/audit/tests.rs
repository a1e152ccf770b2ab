use super::*;
use crate::checkpoint::Series;
use crate::report::write_csv;
use safetensors::tensor::{Dtype, TensorView};
use std::fs;
use std::path::Path;

/// A checkpoint's folder: tensors by name, and their values as float32 or (where `half`) float16.
fn checkpoint(series: &Path, step: &str, half: bool, tensors: &[(&str, &[f32])]) {
    let dir = series.join(step);
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("config.json"), "{}").unwrap();
    let bytes = |value: &f32| match half {
        true => half::f16::from_f32(*value).to_le_bytes().to_vec(),
        false => value.to_le_bytes().to_vec(),
    };
    let data: Vec<Vec<u8>> = tensors.iter().map(|(_, values)| values.iter().flat_map(bytes).collect()).collect();
    let dtype = if half { Dtype::F16 } else { Dtype::F32 };
    let views = tensors.iter().zip(&data).map(|((name, values), data)| {
        (format!("transformer.{name}"), TensorView::new(dtype, vec![values.len()], data).unwrap())
    });
    fs::write(dir.join("model.safetensors"), safetensors::serialize(views, &None).unwrap()).unwrap();
}

const EMBEDDING: &str = "word_embeddings.weight";
const BLOCK: &str = "h.3.mlp.dense_h_to_4h.weight";

fn audit(steps: &[(&str, bool, [f32; 2], [f32; 2])]) -> Audit {
    let dir = tempfile::tempdir().unwrap();
    for (step, half, embedding, block) in steps {
        checkpoint(dir.path(), step, *half, &[(EMBEDDING, embedding), (BLOCK, block)]);
    }
    Audit::of(&Series::open(dir.path()).unwrap()).unwrap()
}

fn sentences(audit: &Audit) -> Vec<String> {
    audit.findings(&Limits::default()).iter().map(ToString::to_string).collect()
}

#[test]
fn one_checkpoint_under_two_names_is_found_whatever_the_type_it_is_stored_in() {
    let audit = audit(&[
        ("step1", false, [1.0, 2.0], [3.0, 4.0]),
        ("step10", false, [1.5, 2.0], [3.0, 4.5]),
        ("step20", true, [1.0, 2.0], [3.0, 4.0]),
        ("final", false, [2.0, 2.0], [3.0, 4.5]),
    ]);
    assert_eq!(
        sentences(&audit),
        [
            "steps 1 and 20 have the same weights: they are one checkpoint under several names",
            "steps 10 and final have the same weights in block.3"
        ]
    );
    let first = &audit.checkpoints[0];
    assert_eq!(first.whole.norm, 30f64.sqrt());
    assert_eq!(first.parts[&Part::Block(3)].norm, 5.0);
    assert_eq!((first.whole.tensors, first.whole.values), (2, 4));
    let rows = audit.rows(&Limits::default());
    assert!(rows[0].findings.starts_with("steps 1 and 20") && rows[2].findings == rows[0].findings);
    assert_eq!(rows[0].sha256, rows[2].sha256);
    assert_ne!(rows[0].sha256, rows[1].sha256);
}

#[test]
fn a_tensor_s_name_and_shape_are_part_of_the_hash() {
    let dir = tempfile::tempdir().unwrap();
    checkpoint(dir.path(), "step1", false, &[("ln_f.weight", &[1.0, 2.0])]);
    checkpoint(dir.path(), "step2", false, &[("ln_f.bias", &[1.0, 2.0])]);
    let audit = Audit::of(&Series::open(dir.path()).unwrap()).unwrap();
    assert_ne!(audit.checkpoints[0].whole.sha256, audit.checkpoints[1].whole.sha256);
}

#[test]
fn numbers_that_are_not_finite_are_counted_and_the_tables_stay_finite() {
    let audit =
        audit(&[("step1", false, [1.0, f32::NAN], [3.0, f32::NEG_INFINITY]), ("step2", false, [1.0, 1.0], [3.0, 4.0])]);
    assert_eq!(sentences(&audit), ["step 1 has 1 weights that are NaN and 1 that are infinite"]);
    let dir = tempfile::tempdir().unwrap();
    write_csv(dir.path().join("audit.csv"), &audit.rows(&Limits::default())).unwrap();
    write_csv(dir.path().join("audit_blocks.csv"), &audit.block_rows()).unwrap();
    let blocks = fs::read_to_string(dir.path().join("audit_blocks.csv")).unwrap();
    assert!(blocks.starts_with("model,step,part,values,nan,infinite,norm,sha256\n"), "{blocks}");
    assert!(blocks.contains(",1,block.3,2,0,1,3.0,"), "{blocks}");
    assert_eq!(blocks.lines().count(), 5);
}

#[test]
fn a_norm_is_odd_only_beyond_both_neighbours() {
    let growing = [1.0, 4.0, 16.0, 64.0, 256.0];
    let names = ["step0", "step10", "step20", "step30", "step40"];
    let grid = |norms: [f32; 5]| {
        let steps: Vec<_> =
            names.iter().zip(norms).map(|(name, norm)| (*name, false, [norm, 0.0], [1.0, norm])).collect();
        audit(&steps)
    };
    assert_eq!(sentences(&grid(growing)), Vec::<String>::new());
    let spike = sentences(&grid([1.0, 4.0, 160.0, 64.0, 256.0]));
    assert_eq!(
        spike,
        [
            "step 20: the norm of embedding is 160, out of line with 4.00 at step 10 and 64.00 at step 30",
            "step 20: the norm of block.3 is 160, out of line with 4.12 at step 10 and 64.01 at step 30"
        ]
    );
    let plateau = sentences(&grid([1.0, 100.0, 101.0, 1.2, 1.3]));
    assert_eq!(plateau.len(), 4, "{plateau:?}");
    assert!(
        plateau[0].contains("step 10: the norm of embedding is 100, out of line with 1.00 at step 0"),
        "{plateau:?}"
    );
    assert_eq!(sentences(&grid([1.0, 4.0, 5.0, 5.1, 5.2])), Vec::<String>::new());
    let last = sentences(&grid([1.0, 4.0, 5.0, 5.1, 50.0]));
    assert_eq!(last.len(), 2);
    assert!(last[0].starts_with("step 40: the norm of embedding is 50.00, out of line with 5.10"), "{last:?}");
}

#[test]
fn a_perplexity_is_odd_above_both_neighbours_or_where_there_is_none() {
    let steps: Vec<_> = [("step0", 1.0), ("step10", 2.0), ("step20", 3.0), ("final", 4.0)]
        .map(|(name, value)| (name, false, [value, 0.0], [1.0, value]))
        .into();
    let with = |values: [Option<f64>; 4]| {
        let mut audit = audit(&steps);
        for (checkpoint, value) in audit.checkpoints.iter_mut().zip(values) {
            checkpoint.perplexity = Some(Perplexity { tokens: 100, value });
        }
        sentences(&audit)
    };
    assert_eq!(with([Some(5e5), Some(60.0), Some(70.0), Some(50.0)]), Vec::<String>::new());
    assert_eq!(
        with([Some(5e5), Some(60.0), Some(320_000.0), Some(50.0)]),
        ["step 20: the perplexity is 320000, out of line with 60.00 at step 10 and 50.00 at step final"]
    );
    assert_eq!(
        with([Some(90.0), Some(60.0), Some(50.0), Some(200.0)]),
        ["step final: the perplexity is 200, out of line with 50.00 at step 20"]
    );
    assert_eq!(with([Some(90.0), None, Some(50.0), Some(49.0)]), ["step 10: the perplexity is not finite"]);
    assert_eq!(
        with([Some(60.0), None, Some(320_000.0), Some(50.0)]),
        [
            "step 10: the perplexity is not finite",
            "step 20: the perplexity is 320000, out of line with 60.00 at step 0 and 50.00 at step final"
        ]
    );
    assert_eq!(
        with([Some(60.0), Some(320_000.0), Some(310_000.0), Some(50.0)]),
        [
            "step 10: the perplexity is 320000, out of line with 60.00 at step 0 and 50.00 at step final",
            "step 20: the perplexity is 310000, out of line with 60.00 at step 0 and 50.00 at step final"
        ]
    );
}

#[test]
fn a_tensor_that_was_not_written_is_found_in_a_block_whose_norm_is_in_line() {
    let dir = tempfile::tempdir().unwrap();
    for (step, dense) in [("step0", 1.0f32), ("step10", 1.1), ("step20", 0.0), ("step30", 1.2), ("step40", 1.3)] {
        let large = [30.0 + dense, 40.0];
        let dense = [dense, 2.0 * dense];
        checkpoint(dir.path(), step, false, &[(BLOCK, &large), ("h.3.self_attention.dense.weight", &dense)]);
    }
    let audit = Audit::of(&Series::open(dir.path()).unwrap()).unwrap();
    let name = "h.3.self_attention.dense.weight";
    let expected = format!("step 20: the norm of {name} is 0.00, out of line with 2.46 at step 10 and 2.68 at step 30");
    assert_eq!(sentences(&audit), [expected]);
}

#[test]
fn masks_and_a_head_that_is_the_embedding_make_no_other_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let (embedding, block): ([f32; 2], [f32; 2]) = ([1.0, 2.0], [3.0, 4.0]);
    checkpoint(dir.path(), "step1", false, &[(EMBEDDING, &embedding), (BLOCK, &block)]);
    checkpoint(dir.path(), "step2", false, &[(EMBEDDING, &embedding), (BLOCK, &block), ("lm_head.weight", &embedding)]);
    checkpoint(dir.path(), "step3", false, &[(EMBEDDING, &embedding), (BLOCK, &block), ("lm_head.weight", &block)]);
    let audit = Audit::of(&Series::open(dir.path()).unwrap()).unwrap();
    let found = sentences(&audit);
    assert!(found[0].starts_with("steps 1 and 2 have the same weights:"), "{found:?}");
    assert!(!found.iter().any(|finding| finding.starts_with("steps 1, 2 and 3 have the same weights:")), "{found:?}");
}

#[test]
fn a_checkpoint_that_cannot_be_read_is_a_finding_and_no_end() {
    let dir = tempfile::tempdir().unwrap();
    for step in ["step1", "step2", "step3"] {
        checkpoint(dir.path(), step, false, &[(EMBEDDING, &[1.0, 2.0]), (BLOCK, &[3.0, 4.0])]);
    }
    let file = dir.path().join("step2/model.safetensors");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let audit = Audit::of(&Series::open(dir.path()).unwrap()).unwrap();
    let found = sentences(&audit);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("steps 1 and 3 have the same weights"), "{found:?}");
    assert!(found[1].starts_with("step 2 cannot be read: ") && found[1].contains("truncated"), "{found:?}");
    let rows = audit.rows(&Limits::default());
    assert_eq!(rows.iter().map(|row| row.tensors).collect::<Vec<_>>(), [2, 0, 2]);
    assert_eq!(rows[1].findings, found[1]);
}

#[test]
fn tensors_go_to_their_parts() {
    for (tensor, part) in [
        ("word_embeddings.weight", "embedding"),
        ("word_embeddings_layernorm.bias", "embedding"),
        ("h.0.input_layernorm.weight", "block.0"),
        ("h.23.mlp.dense_4h_to_h.bias", "block.23"),
        ("ln_f.weight", "final_layer_norm"),
        ("lm_head.weight", "head"),
        ("h.x.weight", "other"),
        ("position.ids", "other"),
    ] {
        assert_eq!(Part::of(tensor).to_string(), part, "{tensor}");
    }
}

#[cfg(feature = "torch")]
mod torch {
    use super::super::*;
    use crate::activations::Tokenizer;
    use crate::bloom::{Bloom, Extent};
    use std::fs;
    use std::path::Path;

    fn tiny(step: &str) -> (Bloom, Tokenizer) {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tiny-bloom").join(step);
        let checkpoint = Checkpoint::open(dir).unwrap();
        let bloom = Bloom::load(&checkpoint, Extent::Full, tch::Kind::Float, tch::Device::Cpu).unwrap();
        (bloom, Tokenizer::open(checkpoint.tokenizer().unwrap()).unwrap())
    }

    fn text() -> Text {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/parallel/qa.txt");
        Text::new(fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect())
    }

    // from transformers import BloomForCausalLM, PreTrainedTokenizerFast
    // import torch, math
    // t = PreTrainedTokenizerFast(tokenizer_file="fixtures/tiny-bloom/tokenizer.json")
    // for step in (0, 3000):
    //     m = BloomForCausalLM.from_pretrained(f"fixtures/tiny-bloom/global_step{step}", dtype=torch.float32)
    //     for window in (512, 7):
    //         s = n = 0
    //         for line in open("fixtures/parallel/qa.txt").read().splitlines():
    //             ids = t(line, add_special_tokens=False)["input_ids"]
    //             for i in range(0, len(ids), window):
    //                 x = torch.tensor([ids[i:i + window]])
    //                 if x.shape[1] > 1:
    //                     with torch.no_grad(): l = m(x).logits.double().log_softmax(-1)[0, :-1]
    //                     s += l.gather(1, x[0, 1:, None]).sum().item(); n += x.shape[1] - 1
    //         print(step, window, n, math.exp(-s / n))
    #[test]
    fn perplexity_equals_transformers() {
        for (step, window, tokens, value) in [
            ("global_step0", 512, 4602, 1418.4494391636638),
            ("global_step0", 7, 4037, 1417.6053900011852),
            ("global_step3000", 512, 4602, 6.173342261704778),
            ("global_step3000", 7, 4037, 21.08020420782581),
        ] {
            let (bloom, tokenizer) = tiny(step);
            let found = perplexity(&bloom, &tokenizer, &Text { window, ..text() }).unwrap();
            assert_eq!(found.tokens, tokens);
            let found = found.value.unwrap();
            assert!((found / value - 1.0).abs() < 1e-5, "{step} {window}: {found} {value}");
        }
    }

    #[test]
    fn nothing_to_predict_is_an_error() {
        let (bloom, tokenizer) = tiny("global_step0");
        let empty = Text::new(vec![String::new()]);
        let error = perplexity(&bloom, &tokenizer, &empty).unwrap_err().to_string();
        assert!(error.contains("nothing to predict"), "{error}");
        let error = perplexity(&bloom, &tokenizer, &Text { window: 1, ..text() }).unwrap_err().to_string();
        assert!(error.contains("window should be at least 2"), "{error}");
    }
}
