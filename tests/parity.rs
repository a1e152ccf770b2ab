//! BLOOM against Hugging Face transformers.
//!
//! The cases in `fixtures/parity` were made by `scripts/make_parity.py` (PyTorch 2.11, transformers). Set
//! `ISOGLOSS_PARITY` to a folder of further cases of the same layout to check those as well.
#![cfg(feature = "torch")]

use isogloss::bloom::{Batch, Bloom, Extent};
use isogloss::checkpoint::Checkpoint;
use isogloss::Site;
use safetensors::SafeTensors;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// Maximum absolute difference in float32: the order of sums differs between builds of libtorch, nothing else.
const TOLERANCE: f64 = 1e-5;

fn cases() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/parity");
    let folders = std::iter::once(own).chain(std::env::var_os("ISOGLOSS_PARITY").map(PathBuf::from));
    let mut cases: Vec<PathBuf> = folders
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("expected.safetensors").is_file())
        .collect();
    cases.sort();
    assert!(cases.len() >= 10);
    cases
}

struct Expected {
    inputs: Vec<Vec<u32>>,
    /// By input and name: `residual.0`, ..., `logits`.
    tensors: BTreeMap<(usize, String), Tensor>,
}

fn expected(case: &Path) -> Expected {
    let bytes = fs::read(case.join("expected.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut inputs = BTreeMap::new();
    let mut tensors = BTreeMap::new();
    for (name, view) in file.tensors() {
        let (input, name) = name.split_once('.').unwrap();
        let input: usize = input.parse().unwrap();
        let size: Vec<i64> = view.shape().iter().map(|d| *d as i64).collect();
        if name == "input_ids" {
            let kind = if view.data().len() / view.shape()[0] == 8 { Kind::Int64 } else { Kind::Int };
            let ids =
                Vec::<i64>::try_from(Tensor::from_data_size(view.data(), &size, kind).to_kind(Kind::Int64)).unwrap();
            inputs.insert(input, ids.iter().map(|id| *id as u32).collect());
        } else {
            tensors.insert((input, name.to_string()), Tensor::from_data_size(view.data(), &size, Kind::Float));
        }
    }
    Expected { inputs: inputs.into_values().collect(), tensors }
}

fn difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a - b).abs().max().double_value(&[])
}

fn sites(blocks: usize) -> Vec<Site> {
    let each = |i| [Site::AttentionOutput(i), Site::MlpActivation(i), Site::MlpOutput(i)];
    (0..=blocks).map(Site::Residual).chain((0..blocks).flat_map(each)).collect()
}

#[test]
fn every_site_and_the_logits_equal_transformers() {
    for case in &cases() {
        let checkpoint = Checkpoint::open(case).unwrap();
        let bloom = Bloom::load(&checkpoint, Extent::Full, Kind::Float, Device::Cpu).unwrap();
        let Expected { inputs, mut tensors } = expected(case);
        let _guard = tch::no_grad_guard();
        let mut worst = 0f64;
        for (i, input) in inputs.iter().enumerate() {
            let batch = Batch::new(&[input]).unwrap();
            let mut found: BTreeMap<String, Tensor> = bloom
                .forward(&batch, &sites(bloom.config().n_layer))
                .unwrap()
                .into_iter()
                .map(|(site, tensor)| (site.to_string(), tensor))
                .collect();
            found.insert("logits".into(), bloom.logits(&batch).unwrap());
            for (name, tensor) in found {
                let expected =
                    tensors.remove(&(i, name.clone())).unwrap_or_else(|| panic!("{case:?} lacks {i}.{name}"));
                let difference = difference(&tensor, &expected);
                assert!(difference < TOLERANCE, "{case:?} {i}.{name}: {difference}");
                worst = worst.max(difference);
            }
        }
        assert!(tensors.is_empty(), "{case:?}: not compared: {:?}", tensors.keys());
        eprintln!("{}: {} inputs, worst difference {worst:.1e}", case.display(), inputs.len());
    }
}

#[test]
fn a_packed_batch_equals_its_sentences_one_by_one() {
    for case in &cases() {
        let bloom = Bloom::load(&Checkpoint::open(case).unwrap(), Extent::Full, Kind::Float, Device::Cpu).unwrap();
        let Expected { mut inputs, .. } = expected(case);
        // Repeated and in no order of length: runs of one and of several sentences.
        inputs.extend(inputs.clone());
        inputs.push(inputs[0].clone());
        inputs.push(vec![inputs[0][0]]);
        let sites = sites(bloom.config().n_layer);
        let _guard = tch::no_grad_guard();
        let packed = bloom.forward(&Batch::new(&inputs).unwrap(), &sites).unwrap();
        let mut start = 0;
        for input in &inputs {
            let alone = bloom.forward(&Batch::new(&[input]).unwrap(), &sites).unwrap();
            for site in &sites {
                let rows = packed[site].narrow(0, start, input.len() as i64);
                assert!(difference(&rows, &alone[site]) < TOLERANCE, "{case:?} {site}");
            }
            start += input.len() as i64;
        }
    }
}

#[test]
fn the_residual_stream_is_the_sum_of_what_blocks_add() {
    for case in cases().iter().filter(|case| !case.ends_with("post_layernorm_residual")) {
        let bloom = Bloom::load(&Checkpoint::open(case).unwrap(), Extent::Full, Kind::Float, Device::Cpu).unwrap();
        let blocks = bloom.config().n_layer;
        let batch = Batch::new(&expected(case).inputs).unwrap();
        let _guard = tch::no_grad_guard();
        let found = bloom.forward(&batch, &sites(blocks)).unwrap();
        for i in 0..blocks - 1 {
            let sum = &found[&Site::Residual(i)] + &found[&Site::AttentionOutput(i)] + &found[&Site::MlpOutput(i)];
            assert!(difference(&sum, &found[&Site::Residual(i + 1)]) < TOLERANCE);
        }
    }
}

#[test]
fn only_the_blocks_that_sites_need_are_loaded() {
    let case = cases().remove(0);
    let checkpoint = Checkpoint::open(&case).unwrap();
    let full = Bloom::load(&checkpoint, Extent::Full, Kind::Float, Device::Cpu).unwrap();
    let batch = Batch::new(&expected(&case).inputs).unwrap();
    let _guard = tch::no_grad_guard();
    let site = Site::MlpActivation(0);
    let part = Bloom::load(&checkpoint, Extent::Sites(&[site]), Kind::Float, Device::Cpu).unwrap();
    assert_eq!(part.blocks(), 1);
    assert!(!part.parameters().keys().any(|name| name.starts_with("h.1.") || name.starts_with("ln_f")));
    let a = part.forward(&batch, &[site]).unwrap();
    let b = full.forward(&batch, &[site]).unwrap();
    assert_eq!(difference(&a[&site], &b[&site]), 0.0);
    let error = part.forward(&batch, &[Site::Residual(2)]).unwrap_err().to_string();
    assert!(error.contains("only 1 were loaded"), "{error}");
    assert!(part.forward(&batch, &[Site::Residual(99)]).unwrap_err().to_string().contains("residual.99"));
    let beyond = Batch::new(&[vec![full.config().vocab_size as u32]]).unwrap();
    assert!(full.forward(&beyond, &[site]).unwrap_err().to_string().contains("outside the model's vocabulary"));
}

#[test]
fn the_pass_can_be_differentiated() {
    let case = cases().remove(0);
    let loaded = Bloom::load(&Checkpoint::open(&case).unwrap(), Extent::Full, Kind::Double, Device::Cpu).unwrap();
    let name = "h.0.self_attention.query_key_value.weight";
    // A query matters only where there is more than one token to attend to.
    let batch = Batch::new(&expected(&case).inputs[2..]).unwrap();
    let loss = |shift: f64| {
        let mut parameters: BTreeMap<String, Tensor> =
            loaded.parameters().iter().map(|(name, tensor)| (name.clone(), tensor.copy())).collect();
        let weight = parameters[name].shallow_clone();
        let _ = tch::no_grad(|| weight.get(3).get(5).f_add_scalar_(shift).unwrap());
        let weight = weight.set_requires_grad(true);
        parameters.insert(name.into(), weight.shallow_clone());
        let bloom = Bloom::from_parameters(loaded.config().clone(), parameters).unwrap();
        let loss = bloom.logits(&batch).unwrap().log_softmax(-1, Kind::Double).select(1, 7).sum(Kind::Double);
        (loss, weight)
    };
    let (centre, weight) = loss(0.0);
    centre.backward();
    let gradient = weight.grad().double_value(&[3, 5]);
    let step = 1e-2;
    let numeric = (loss(step).0.double_value(&[]) - loss(-step).0.double_value(&[])) / (2.0 * step);
    // The softmax runs in float32, so differences over a step carry about 1e-5 of noise.
    assert!((gradient - numeric).abs() < 1e-3 * gradient.abs().max(1.0), "{gradient} {numeric}");
    assert!(gradient.abs() > 1e-6);
}

/// Relative errors (the norm of the difference to float32 over the norm) of transformers in a narrow type, the mean over the ten cases of
/// `fixtures/parity`: attention outputs, MLP activations, MLP outputs, residuals, logits.
///
/// for case in cases:  # `activations` is that of scripts/make_parity.py
///     model = BloomForCausalLM.from_pretrained(case, dtype=dtype).eval()
///     for i in range(5):
///         for name, found in activations(model, expected[f"{i}.input_ids"].long()).items():
///             e = expected[f"{i}.{name}"].double()
///             s = sums[name.split(".")[0]]
///             s[0] += ((found.double() - e) ** 2).sum(); s[1] += (e ** 2).sum()
///     errors = {kind: (a / b) ** 0.5 for kind, (a, b) in sums.items()}
const OF_TRANSFORMERS: [(Kind, [(&str, f64); 5]); 2] = [
    (
        Kind::Half,
        [
            ("attention_output", 0.000478),
            ("mlp_activation", 0.0006608),
            ("mlp_output", 0.0006315),
            ("residual", 0.0004932),
            ("logits", 0.0006585),
        ],
    ),
    (
        Kind::BFloat16,
        [
            ("attention_output", 0.0041206),
            ("mlp_activation", 0.0055388),
            ("mlp_output", 0.005295),
            ("residual", 0.0042305),
            ("logits", 0.0057882),
        ],
    ),
];

#[test]
fn narrow_types_are_no_worse_than_in_transformers() {
    for (kind, of_transformers) in OF_TRANSFORMERS {
        let mut errors: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for case in cases().iter().filter(|case| case.starts_with(env!("CARGO_MANIFEST_DIR"))) {
            let bloom = Bloom::load(&Checkpoint::open(case).unwrap(), Extent::Full, kind, Device::Cpu).unwrap();
            let Expected { inputs, tensors } = expected(case);
            let _guard = tch::no_grad_guard();
            let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
            for (i, input) in inputs.iter().enumerate() {
                let batch = Batch::new(&[input]).unwrap();
                let found = bloom.forward(&batch, &sites(bloom.config().n_layer)).unwrap();
                let found = found.into_iter().map(|(site, tensor)| (site.to_string(), tensor));
                for (name, tensor) in found.chain([("logits".to_string(), bloom.logits(&batch).unwrap())]) {
                    assert_eq!(tensor.kind(), kind);
                    let expected = tensors[&(i, name.clone())].to_kind(Kind::Double);
                    let squares = |tensor: Tensor| (&tensor * &tensor).sum(Kind::Double).double_value(&[]);
                    let sum = sums.entry(name.split('.').next().unwrap().to_string()).or_default();
                    sum.0 += squares(tensor.to_kind(Kind::Double) - &expected);
                    sum.1 += squares(expected);
                }
            }
            for (name, (difference, whole)) in sums {
                errors.entry(name).or_default().push((difference / whole).sqrt());
            }
        }
        for (name, bound) in of_transformers {
            let each = &errors[name];
            let error = each.iter().sum::<f64>() / each.len() as f64;
            eprintln!("{kind:?} {name}: {error:.7}, transformers {bound:.7}");
            // Roundings fall this way or that: a twentieth more is not worse.
            assert!(each.len() == 10 && error < 1.05 * bound, "{kind:?} {name}: {error} against {bound}");
        }
    }
}
