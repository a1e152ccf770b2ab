use super::*;
use safetensors::tensor::TensorView;
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

pub(super) const SINGLE: &str = "model.safetensors";
pub(super) const INDEX: &str = "model.safetensors.index.json";
pub(super) const BIN: &str = "pytorch_model.bin";
pub(super) const BIN_INDEX: &str = "pytorch_model.bin.index.json";

/// A safetensors file of tensors of two float32 each.
pub(super) fn tensor_file(names: &[&str]) -> Vec<u8> {
    let data = [0u8; 8];
    let view = TensorView::new(Dtype::F32, vec![2], &data).unwrap();
    safetensors::serialize(names.iter().map(|n| (n.to_string(), view.clone())), &None).unwrap()
}

/// What a pickle says of a tensor.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) name: &'static str,
    pub(super) storage: &'static str,
    pub(super) key: &'static str,
    pub(super) elements: i64,
    pub(super) offset: i64,
    pub(super) shape: Vec<i64>,
    pub(super) strides: Vec<i64>,
}

/// Six float32 in storage 0 as `[2, 3]`, row by row.
pub(super) fn told(name: &'static str) -> Told {
    Told { name, storage: "FloatStorage", key: "0", elements: 6, offset: 0, shape: vec![2, 3], strides: vec![3, 1] }
}

fn integer(n: i64) -> Vec<u8> {
    [&[0x8a, 8], n.to_le_bytes().as_slice()].concat()
}

pub(super) fn text(text: &str) -> Vec<u8> {
    [b"X", (text.len() as u32).to_le_bytes().as_slice(), text.as_bytes()].concat()
}

fn tuple(items: &[i64]) -> Vec<u8> {
    [b"(".to_vec(), items.iter().flat_map(|n| integer(*n)).collect(), b"t".to_vec()].concat()
}

/// What makes a tensor, in the operations that torch.save uses.
fn tensor(told: &Told) -> Vec<u8> {
    let storage = format!("ctorch\n{}\n", told.storage).into_bytes();
    [
        b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
        text("storage"),
        storage,
        text(told.key),
        text("cpu"),
        integer(told.elements),
        b"tQ".to_vec(),
        integer(told.offset),
        tuple(&told.shape),
        tuple(&told.strides),
        b"\x89ccollections\nOrderedDict\n)RtR".to_vec(),
    ]
    .concat()
}

pub(super) fn pickle(tensors: &[Told]) -> Vec<u8> {
    let items = tensors.iter().flat_map(|told| [text(told.name), tensor(told)].concat()).collect();
    [b"\x80\x02}q\x00(".to_vec(), items, b"u.".to_vec()].concat()
}

/// An archive as torch.save writes it, of entries below its one folder.
pub(super) fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in entries {
        writer.start_file(format!("archive/{name}"), options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// The float32 numbers 0 to 5.
pub(super) fn six() -> Vec<u8> {
    (0..6).flat_map(|n| (n as f32).to_le_bytes()).collect()
}

pub(super) fn bin(tensors: &[Told]) -> Vec<u8> {
    archive(&[("data.pkl", &pickle(tensors)), ("byteorder", b"little"), ("data/0", &six())])
}

pub(super) fn open(files: &[(&str, &[u8])]) -> Result<(tempfile::TempDir, Weights)> {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    let weights = Weights::open(dir.path())?;
    Ok((dir, weights))
}

pub(super) fn refused(files: &[(&str, &[u8])], why: &str) {
    let error = open(files).unwrap_err().to_string();
    assert!(error.contains(why), "{error}, not {why}");
}

pub(super) fn index(entries: &[(&str, &str)]) -> Vec<u8> {
    let map: BTreeMap<&str, &str> = entries.iter().copied().collect();
    serde_json::to_vec(&serde_json::json!({ "metadata": {}, "weight_map": map })).unwrap()
}

fn numbers(weight: &Weight<'_>) -> Vec<f32> {
    weight.data().chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

#[test]
fn the_prefix_is_dropped() {
    let (_dir, weights) = open(&[(SINGLE, &tensor_file(&["transformer.ln_f.bias", "lm_head.weight"]))]).unwrap();
    assert_eq!(weights.names().collect::<Vec<_>>(), ["lm_head.weight", "ln_f.bias"]);
    assert_eq!(weights.get("ln_f.bias").unwrap().data().len(), 8);
    assert!(weights.get("transformer.ln_f.bias").is_none());
}

#[test]
fn layouts_are_looked_for_in_order() {
    let told = |name| [Told { shape: vec![2], strides: vec![1], ..told(name) }];
    let all: [(&str, &[u8]); 6] = [
        (SINGLE, &tensor_file(&["one"])),
        (INDEX, &index(&[("two", "shard.safetensors")])),
        (BIN, &bin(&told("three"))),
        (BIN_INDEX, &index(&[("four", "shard.bin")])),
        ("shard.safetensors", &tensor_file(&["two"])),
        ("shard.bin", &bin(&told("four"))),
    ];
    for (i, name) in ["one", "two", "three", "four"].iter().enumerate() {
        let (_dir, weights) = open(&all[i..]).unwrap();
        assert_eq!(weights.names().collect::<Vec<_>>(), [*name]);
    }
    refused(&all[4..], "holds no weights; expected one of `model.safetensors`, `model.safetensors.index.json`, `pyt");
}

#[test]
fn views_of_a_storage_are_read_row_by_row() {
    let part = Told { offset: 2, shape: vec![2], strides: vec![2], ..told("part") };
    let transposed = Told { shape: vec![3, 2], strides: vec![1, 3], ..told("transposed") };
    let scalar = Told { offset: 5, shape: vec![], strides: vec![], ..told("scalar") };
    let none = Told { offset: 6, shape: vec![0, 3], strides: vec![7, 7], ..told("none") };
    let column = Told { shape: vec![2, 1], strides: vec![3, 99], ..told("column") };
    let (_dir, weights) = open(&[(BIN, &bin(&[told("whole"), part, transposed, scalar, none, column]))]).unwrap();
    let get = |name| numbers(&weights.get(name).unwrap());
    assert_eq!(get("whole"), [0., 1., 2., 3., 4., 5.]);
    assert_eq!(get("part"), [2., 4.]);
    // torch.arange(6.).reshape(2, 3).T
    assert_eq!(get("transposed"), [0., 3., 1., 4., 2., 5.]);
    assert_eq!(get("scalar"), [5.]);
    assert!(get("none").is_empty());
    assert_eq!(get("column"), [0., 3.]);
    let whole = weights.get("whole").unwrap();
    assert!(matches!(whole.data(), Cow::Borrowed(_)), "what lies row by row stays in the map");
    assert_eq!((whole.dtype, whole.shape), (Dtype::F32, &[2, 3][..]));
}

#[test]
fn every_type_of_storage_is_known_by_its_width() {
    for (storage, dtype, width) in [
        ("FloatStorage", Dtype::F32, 4),
        ("HalfStorage", Dtype::F16, 2),
        ("BFloat16Storage", Dtype::BF16, 2),
        ("DoubleStorage", Dtype::F64, 8),
        ("LongStorage", Dtype::I64, 8),
        ("IntStorage", Dtype::I32, 4),
        ("ShortStorage", Dtype::I16, 2),
        ("CharStorage", Dtype::I8, 1),
        ("ByteStorage", Dtype::U8, 1),
        ("BoolStorage", Dtype::BOOL, 1),
    ] {
        let told = Told { storage, ..told("a") };
        let bytes = archive(&[("data.pkl", &pickle(&[told])), ("data/0", &vec![1; 6 * width])]);
        let (_dir, weights) = open(&[(BIN, &bytes)]).unwrap();
        assert_eq!(weights.get("a").unwrap().dtype, dtype);
    }
}

/// torch.save of `{"steps": 3, "a": tensor, "name": "x", "rate": 1.5, "none": None, "nested": {"b": tensor}, "list": [1, 2]}` in
/// protocol 4.
#[test]
fn values_that_are_no_tensors_are_passed_over_in_any_binary_protocol() {
    let tensor = tensor(&told("a"));
    let short = |text: &str| [&[0x8c, text.len() as u8], text.as_bytes(), &[0x94]].concat();
    let items = [
        b"\x80\x04\x95\x00\x01\x00\x00\x00\x00\x00\x00}\x94(".to_vec(),
        short("steps"),
        b"K\x03".to_vec(),
        short("a"),
        tensor.clone(),
        short("name"),
        short("x"),
        short("rate"),
        b"G?\xf8\x00\x00\x00\x00\x00\x00".to_vec(),
        short("none"),
        b"N".to_vec(),
        short("nested"),
        b"}".to_vec(),
        short("b"),
        tensor,
        b"s".to_vec(),
        short("list"),
        b"](K\x01K\x02eu.".to_vec(),
    ]
    .concat();
    let (_dir, weights) = open(&[(BIN, &archive(&[("data.pkl", &items), ("data/0", &six())]))]).unwrap();
    assert_eq!(weights.names().collect::<Vec<_>>(), ["a"]);
}

/// What `torch.save(module.state_dict(), path)` writes: an OrderedDict with an attribute `_metadata`, here with the tensor as a
/// parameter.
#[test]
fn a_module_s_state_dict_has_metadata_that_is_not_needed() {
    let pickle = [
        b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01(".to_vec(),
        text("transformer.a"),
        b"ctorch._utils\n_rebuild_parameter\n".to_vec(),
        tensor(&told("a")),
        b"\x88h\x00)R\x87R".to_vec(),
        b"u}".to_vec(),
        text("_metadata"),
        b"h\x00)R(".to_vec(),
        text(""),
        b"}".to_vec(),
        text("version"),
        b"K\x01susb.".to_vec(),
    ]
    .concat();
    let (_dir, weights) = open(&[(BIN, &archive(&[("data.pkl", &pickle), ("data/0", &six())]))]).unwrap();
    assert_eq!(numbers(&weights.get("a").unwrap()), [0., 1., 2., 3., 4., 5.]);
}

#[cfg(unix)]
#[test]
fn files_may_be_links_as_in_the_hub_s_cache() {
    use std::os::unix::fs::symlink;
    let top = tempfile::tempdir().unwrap();
    let (blobs, snapshot) = (top.path().join("blobs"), top.path().join("snapshots/abc"));
    fs::create_dir_all(&blobs).unwrap();
    fs::create_dir_all(&snapshot).unwrap();
    fs::write(blobs.join("1"), index(&[("a", "one.safetensors")])).unwrap();
    fs::write(blobs.join("2"), tensor_file(&["a"])).unwrap();
    symlink("../../blobs/1", snapshot.join(INDEX)).unwrap();
    symlink("../../blobs/2", snapshot.join("one.safetensors")).unwrap();
    assert!(Weights::open(&snapshot).unwrap().get("a").is_some());
    // A link to nowhere is not passed over for another layout.
    fs::remove_file(blobs.join("2")).unwrap();
    fs::write(snapshot.join(BIN), bin(&[told("b")])).unwrap();
    let error = Weights::open(&snapshot).unwrap_err().to_string();
    assert!(error.contains("one.safetensors: is not a file, or a link to one that is not there"), "{error}");
}
