//! What a checkpoint must hold to be loaded, and where its bytes may lie.

use super::{parameters, Bloom, Config, Extent};
use crate::checkpoint::Checkpoint;
use crate::{Error, Result};
use safetensors::tensor::{Dtype, TensorView};
use std::fs;
use std::path::Path;
use tch::{Device, Kind, Tensor};

fn config() -> Config {
    Config::new(11, 8, 2, 2).unwrap()
}

fn load(dir: &Path) -> Result<Bloom> {
    Bloom::load(&Checkpoint::open(dir).unwrap(), Extent::Full, Kind::Float, Device::Cpu)
}

/// A saved model, and the header and data of its file.
fn saved(kind: Kind) -> (tempfile::TempDir, Vec<u8>, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    parameters::save(&parameters::initialise(&config(), 3).unwrap(), &config(), dir.path(), kind).unwrap();
    let bytes = fs::read(dir.path().join("model.safetensors")).unwrap();
    let (length, rest) = bytes.split_at(8);
    let (header, data) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
    (dir, header.to_vec(), data.to_vec())
}

#[test]
fn data_that_begin_at_any_byte_are_read() {
    for kind in [Kind::Float, Kind::Half, Kind::BFloat16] {
        let (dir, header, data) = saved(kind);
        let expected = load(dir.path()).unwrap();
        for spaces in 1..8 {
            let header = [header.clone(), vec![b' '; spaces]].concat();
            let bytes = [(header.len() as u64).to_le_bytes().to_vec(), header, data.clone()].concat();
            fs::write(dir.path().join("model.safetensors"), bytes).unwrap();
            let found = load(dir.path()).unwrap();
            for (name, tensor) in expected.parameters() {
                assert!(found.parameters()[name].equal(tensor), "{kind:?}, {spaces} bytes on: {name}");
            }
        }
    }
}

#[test]
fn conversion_is_libtorch_s_own() {
    let fresh = parameters::initialise(&config(), 3).unwrap();
    for stored in [Kind::Float, Kind::Half, Kind::BFloat16] {
        let (dir, ..) = saved(stored);
        for kind in [Kind::Float, Kind::Half, Kind::BFloat16, Kind::Double] {
            let bloom = Bloom::load(&Checkpoint::open(dir.path()).unwrap(), Extent::Full, kind, Device::Cpu).unwrap();
            for (name, tensor) in bloom.parameters() {
                assert_eq!(tensor.kind(), kind);
                assert!(tensor.is_contiguous() && !tensor.requires_grad());
                assert!(tensor.equal(&fresh[name].to_kind(stored).to_kind(kind)), "{stored:?} to {kind:?}: {name}");
            }
        }
    }
}

/// Loading fails, and so does the check without reading values, both with `why` and the file's name.
fn refused(dir: &Path, why: &str) {
    let checkpoint = Checkpoint::open(dir).unwrap();
    for error in [load(dir).unwrap_err(), Bloom::check(&checkpoint, Extent::Full).unwrap_err()] {
        assert!(matches!(error, Error::File { .. }), "{error}");
        assert!(error.to_string().contains(why), "{error}, not {why}");
        assert!(error.to_string().contains(&dir.display().to_string()), "{error}");
    }
}

#[test]
fn absent_tensors_and_wrong_shapes_and_types_are_refused() {
    type Form = (Dtype, Vec<usize>);
    let (dir, ..) = saved(Kind::Float);
    let write = |change: &dyn Fn(&str) -> Option<Form>| {
        let shapes = parameters::shapes(&config(), 2, true, true);
        let tensors: Vec<_> = shapes
            .into_iter()
            .filter_map(|(name, shape)| {
                let (dtype, shape) =
                    if name == "h.1.mlp.dense_h_to_4h.weight" { change(&name)? } else { (Dtype::F32, shape) };
                let data = vec![0u8; shape.iter().product::<usize>() * dtype.size()];
                Some((name, dtype, shape, data))
            })
            .collect();
        let views = tensors
            .iter()
            .map(|(name, dtype, shape, data)| (name.clone(), TensorView::new(*dtype, shape.clone(), data).unwrap()));
        let bytes = safetensors::serialize(views, &None).unwrap();
        fs::write(dir.path().join("model.safetensors"), bytes).unwrap();
    };
    write(&|_| Some((Dtype::F32, vec![32, 8])));
    assert!(load(dir.path()).is_ok());
    write(&|_| None);
    refused(dir.path(), "lacks the tensor `h.1.mlp.dense_h_to_4h.weight` [32, 8]");
    write(&|_| Some((Dtype::F32, vec![8, 32])));
    refused(dir.path(), "holds the tensor `h.1.mlp.dense_h_to_4h.weight` [8, 32], but `config.json` calls for [32, 8]");
    for dtype in [Dtype::I64, Dtype::F64, Dtype::BOOL] {
        write(&|_| Some((dtype, vec![32, 8])));
        refused(dir.path(), &format!("as {dtype:?}; expected F32, F16 or BF16"));
    }
    // What a site does not need may be of any kind.
    let checkpoint = Checkpoint::open(dir.path()).unwrap();
    let sites = ["residual.1".parse().unwrap()];
    let part = Bloom::load(&checkpoint, Extent::Sites(&sites), Kind::Float, Device::Cpu).unwrap();
    assert_eq!(part.blocks(), 1);
}

#[test]
fn tied_heads_that_differ_are_two_tensors() {
    let dir = tempfile::tempdir().unwrap();
    let mut untied = config();
    untied.tie_word_embeddings = false;
    let mut parameters = parameters::initialise(&untied, 3).unwrap();
    parameters::save(&parameters, &config(), dir.path(), Kind::Float).unwrap();
    let bloom = load(dir.path()).unwrap();
    assert!(!bloom.config().tie_word_embeddings);
    assert!(bloom.parameters()["lm_head.weight"].equal(&parameters["lm_head.weight"]));
    // Equal ones are one.
    let embedding: Tensor = parameters["word_embeddings.weight"].shallow_clone();
    parameters.insert("lm_head.weight".into(), embedding);
    parameters::save(&parameters, &config(), dir.path(), Kind::Float).unwrap();
    let bloom = load(dir.path()).unwrap();
    assert!(bloom.config().tie_word_embeddings);
    assert!(!bloom.parameters().contains_key("lm_head.weight"));
    // An untied head must be there.
    parameters.remove("lm_head.weight");
    parameters::save(&parameters, &untied, dir.path(), Kind::Float).unwrap();
    refused(dir.path(), "lacks the tensor `lm_head.weight`");
}
