//! Files that are damaged, or made to do harm.

use super::tests::*;
use super::*;
use proptest::prelude::*;

fn bin_refused(pickle: &[u8], why: &str) {
    refused(&[(BIN, &archive(&[("data.pkl", pickle), ("data/0", &six())]))], why);
}

// --- Layouts ------------------------------------------------------------------------------------------------------------

#[test]
fn the_same_tensor_with_and_without_prefix_is_refused() {
    refused(&[(SINGLE, &tensor_file(&["transformer.ln_f.bias", "ln_f.bias"]))], "second time");
    refused(&[(BIN, &bin(&[told("transformer.ln_f.bias"), told("ln_f.bias")]))], "second time");
    refused(&[(BIN, &bin(&[told("ln_f.bias"), told("ln_f.bias")]))], "second time");
}

#[test]
fn shards_must_be_there_inside_the_folder_and_hold_what_the_index_says() {
    for (index_name, shard) in [(INDEX, tensor_file(&["a"])), (BIN_INDEX, bin(&[told("a")]))] {
        let index = |file: &str, name: &str| index(&[(name, file)]);
        assert!(open(&[(index_name, &index("one", "transformer.a")), ("one", &shard)]).is_ok());
        refused(&[(index_name, &index("one", "a"))], "is not there, but");
        for outside in ["../one", "/etc/passwd", "", ".", "..", "a/../../one", "//one"] {
            refused(&[(index_name, &index(outside, "a")), ("one", &shard)], "outside the checkpoint's folder");
        }
        refused(&[(index_name, &index("one", "b")), ("one", &shard)], "but it does not");
        refused(&[(index_name, b"{")], "not an index");
        refused(&[(index_name, br#"{"weight_map": {}}"#)], "names no shard");
        refused(&[(index_name, br#"{"weight_map": {"a": 3}}"#)], "not an index");
    }
    let two = index(&[("a", "one"), ("b", "two")]);
    refused(&[(INDEX, &two), ("one", &tensor_file(&["a"])), ("two", &tensor_file(&["a", "b"]))], "second time");
    // A shard in the other format is no weights of this layout.
    refused(&[(INDEX, &index(&[("a", "one")])), ("one", &bin(&[told("a")]))], "no safetensors file");
    refused(&[(BIN_INDEX, &index(&[("a", "one")])), ("one", &tensor_file(&["a"]))], "no archive");
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_a_link_does_not_lead_outside() {
    use std::os::unix::fs::symlink;
    let top = tempfile::tempdir().unwrap();
    let (outside, dir) = (top.path().join("outside"), top.path().join("checkpoint"));
    fs::create_dir_all(&outside).unwrap();
    fs::create_dir_all(dir.join("inside")).unwrap();
    fs::write(outside.join("one"), tensor_file(&["a"])).unwrap();
    fs::write(dir.join("inside/one"), tensor_file(&["a"])).unwrap();
    symlink(&outside, dir.join("link")).unwrap();
    fs::write(dir.join(INDEX), index(&[("a", "inside/one")])).unwrap();
    assert!(Weights::open(&dir).is_ok());
    fs::write(dir.join(INDEX), index(&[("a", "link/one")])).unwrap();
    assert!(Weights::open(&dir).unwrap_err().to_string().contains("outside the checkpoint's folder"));
    fs::remove_file(dir.join(INDEX)).unwrap();
    fs::create_dir(dir.join(SINGLE)).unwrap();
    assert!(Weights::open(&dir).unwrap_err().to_string().contains("is not a file"));
}

#[test]
fn a_pointer_of_git_lfs_names_the_cure() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n";
    refused(&[(SINGLE, pointer)], "git lfs pull");
    refused(&[(BIN, pointer)], "git lfs pull");
}

// --- safetensors --------------------------------------------------------------------------------------------------------

fn header(json: &str, data: usize) -> Vec<u8> {
    [&(json.len() as u64).to_le_bytes(), json.as_bytes(), &vec![0; data]].concat()
}

#[test]
fn cut_files_are_refused() {
    for (name, whole) in [(SINGLE, tensor_file(&["a", "b"])), (BIN, bin(&[told("a")]))] {
        for length in 0..whole.len() {
            let error = open(&[(name, &whole[..length])]).unwrap_err().to_string();
            assert!(error.contains("download it again") && error.contains(name), "{length}: {error}");
        }
    }
}

#[test]
fn a_header_longer_than_the_file_is_refused() {
    let mut bytes = tensor_file(&["a"]);
    for length in [u64::MAX, u64::MAX - 7, 1 << 40, 100_000_001] {
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        refused(&[(SINGLE, &bytes)], "truncated or no safetensors");
    }
}

#[test]
fn tensors_that_overlap_leave_gaps_or_overflow_are_refused() {
    for json in [
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}"#,
        r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,12]}}"#,
        r#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,12]}}"#,
        r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[12,0]}}"#,
        r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#,
        r#"{"a":{"dtype":"F32","shape":[-3],"data_offsets":[0,12]}}"#,
        r#"{"a":{"dtype":"F99","shape":[3],"data_offsets":[0,12]}}"#,
        "[]",
    ] {
        refused(&[(SINGLE, &header(json, 12))], "truncated or no safetensors");
    }
}

// --- The pickle ---------------------------------------------------------------------------------------------------------

/// Each would run `touch FILE` if Python loaded it.
#[test]
fn what_a_state_dict_does_not_need_is_refused_by_name_and_not_run() {
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("ran");
    let command = text(&format!("touch {}", trace.display()));
    let short = |text: &str| [&[0x8c, text.len() as u8], text.as_bytes()].concat();
    let cases: [(&[&[u8]], &str); 9] = [
        // os.system(command), by its two names, by GLOBAL and by STACK_GLOBAL
        (&[b"\x80\x02cos\nsystem\n", &command, b"\x85R."], "`os.system`"),
        (&[b"\x80\x02cposix\nsystem\n", &command, b"\x85R."], "`posix.system`"),
        (&[b"\x80\x04", &short("os"), &short("system"), b"\x93", &command, b"\x85R."], "`os.system`"),
        // INST, OBJ, NEWOBJ
        (&[b"\x80\x02(", &command, b"ios\nsystem\n."], "`os.system`"),
        (&[b"\x80\x02(cos\nsystem\n", &command, b"o."], "`os.system`"),
        (&[b"\x80\x02csubprocess\nPopen\n", &command, b"\x85\x81."], "`subprocess.Popen`"),
        // Named, not called
        (&[b"\x80\x02}", &text("a"), b"c__builtin__\neval\ns."], "`__builtin__.eval`"),
        // Within a tensor's arguments, and as a name of torch's own
        (&[b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((cbuiltins\nexec\n"], "`builtins.exec`"),
        (&[b"\x80\x02ctorch.storage\n_load_from_bytes\n", &command, b"\x85R."], "`torch.storage._load_from_bytes`"),
    ];
    for (parts, name) in cases {
        bin_refused(&parts.concat(), name);
        bin_refused(&parts.concat(), "nothing of it was run");
    }
    assert!(!trace.exists());
}

#[test]
fn operations_that_make_other_objects_are_refused() {
    let class = b"ccollections\nOrderedDict\n";
    for (operations, name) in [
        ([b"(", class.as_slice(), b"o."].concat(), "OBJ"),
        ([class.as_slice(), b")\x81."].concat(), "NEWOBJ"),
        ([class.as_slice(), b")}\x92."].concat(), "NEWOBJ_EX"),
        (b"\x82\x01.".to_vec(), "EXT"),
        (b"P0\n.".to_vec(), "PERSID"),
        (b"I01\n.".to_vec(), "text protocol"),
        (b"\xfe.".to_vec(), "0xfe"),
        (b"2.".to_vec(), "0x32"),
    ] {
        bin_refused(&operations, name);
    }
    // Attributes of what is no dict; calls of what is no function.
    bin_refused(b"K\x01}b.", "gives attributes");
    bin_refused(b"ctorch\nFloatStorage\n)R.", "damaged");
    bin_refused(b"K\x01)R.", "damaged");
    bin_refused(b"ccollections\nOrderedDict\nK\x01\x85R.", "damaged");
}

#[test]
fn abuse_of_stack_and_memo_is_refused() {
    // Each operation with nothing on the stack, or with a mark between it and what it would take.
    for operation in *b"tusaeRbQqrj.\x85\x86\x87\x93\x94" {
        let bytes = [&[operation], [0; 8].as_slice()].concat();
        bin_refused(&bytes, "pickle that is");
        bin_refused(&[b"}}}}(".as_slice(), &bytes, b"."].concat(), "");
    }
    bin_refused(b"}}(s.", "damaged");
    bin_refused(b"}(K\x01u.", "damaged");
    bin_refused(b"h\x07.", "damaged");
    bin_refused(b"j\xff\xff\xff\xff.", "damaged");
    bin_refused(b"K\x01.", "no state dict");
    bin_refused(b"}.", "no tensors");
    bin_refused(b"\x8a\x09\x01\x01\x01\x01\x01\x01\x01\x01\x01.", "damaged");
    // A dict that holds itself, and a memo at the far end of its range.
    bin_refused(b"}r\xff\xff\xff\xff(X\x01\x00\x00\x00aj\xff\xff\xff\xffu.", "no tensors");
}

#[test]
fn pickles_are_read_within_limits() {
    bin_refused(&[b'('; 100], "nested more than 64 deep");
    bin_refused(&[b'N'; (1 << 20) + 1], "more than 1048576 operations");
    bin_refused(&vec![b'N'; pickle::MAX_PICKLE_BYTES + 1], "at most 16777216 are read");
    bin_refused(b"X\xff\xff\xff\xffa.", "string of 4294967295 bytes");
    bin_refused(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa.", "string of 18446744073709551615 bytes");
    bin_refused(&[b"c".as_slice(), &[b'a'; 2000], b"\n\n."].concat(), "damaged");
    bin_refused(&pickle(&[Told { shape: vec![1; 9], strides: vec![1; 9], ..told("a") }]), "9 dimensions");
    // Deep nesting by tuples of one neither recurses nor overflows.
    bin_refused(&[b"N".as_slice(), &[0x85; 500_000], b"."].concat(), "no state dict");
}

#[test]
fn views_beyond_their_storage_are_refused() {
    let max = i64::MAX;
    for told in [
        Told { offset: 1, ..told("a") },
        Told { offset: max, ..told("a") },
        Told { offset: 7, shape: vec![0], strides: vec![1], ..told("a") },
        Told { shape: vec![3, 3], ..told("a") },
        Told { strides: vec![4, 1], ..told("a") },
        Told { strides: vec![max, max], ..told("a") },
        Told { shape: vec![max, max], ..told("a") },
        Told { shape: vec![max], strides: vec![1], ..told("a") },
        // One value a thousand times: more than the file holds.
        Told { shape: vec![1000], strides: vec![0], ..told("a") },
    ] {
        bin_refused(&pickle(&[told]), "beyond its 6 elements; download it again");
    }
    for told in [
        Told { offset: -1, ..told("a") },
        Told { shape: vec![-2, 3], ..told("a") },
        Told { strides: vec![-3, 1], ..told("a") },
        Told { strides: vec![1], ..told("a") },
        Told { elements: -6, ..told("a") },
    ] {
        bin_refused(&pickle(&[told]), "damaged");
    }
    for elements in [5, 7, max, max / 4 + 1] {
        bin_refused(&pickle(&[Told { elements, ..told("a") }]), "but has 24 bytes");
    }
    bin_refused(&pickle(&[Told { storage: "HalfStorage", ..told("a") }]), "should hold 6 F16, but has 24 bytes");
    bin_refused(&pickle(&[Told { storage: "ComplexFloatStorage", ..told("a") }]), "`torch.ComplexFloatStorage`");
    for key in ["1", "../0", "/etc/passwd", ""] {
        bin_refused(&pickle(&[Told { key, ..told("a") }]), "which is not there");
    }
}

// --- The archive --------------------------------------------------------------------------------------------------------

/// Where `needle` is in `bytes`, every time.
fn find(bytes: &[u8], needle: &[u8]) -> Vec<usize> {
    bytes.windows(needle.len()).enumerate().filter(|(_, window)| *window == needle).map(|(at, _)| at).collect()
}

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";

#[test]
fn compressed_and_encrypted_entries_are_refused() {
    let whole = bin(&[told("a")]);
    // The method and the flags of every entry, in its own header and in the directory's: stored (0) to deflated (8).
    let patched = |local: usize, central: usize, value: u8| {
        let mut bytes = whole.clone();
        find(&whole, LOCAL).iter().for_each(|at| bytes[at + local] |= value);
        find(&whole, CENTRAL).iter().for_each(|at| bytes[at + central] |= value);
        bytes
    };
    refused(&[(BIN, &patched(8, 10, 8))], "compressed");
    refused(&[(BIN, &patched(6, 8, 1))], "encrypted");
    // In the directory alone.
    let mut bytes = whole.clone();
    bytes[find(&whole, CENTRAL)[2] + 10] = 8;
    refused(&[(BIN, &bytes)], "no archive that torch.save wrote");
}

#[test]
fn entries_that_overlap_or_come_twice_are_refused() {
    let whole = bin(&[told("a")]);
    let central = find(&whole, CENTRAL);
    // The third entry's header is said to lie where the first one's does.
    let mut bytes = whole.clone();
    bytes[central[2] + 42..central[2] + 46].copy_from_slice(&[0; 4]);
    refused(&[(BIN, &bytes)], "no archive that torch.save wrote");
    // It is said to be longer than it is, into the directory, and beyond the end.
    for size in [25u32, 1 << 20, u32::MAX - 1] {
        let mut bytes = whole.clone();
        for (headers, at) in [(find(&whole, LOCAL), 18), (central.clone(), 20)] {
            bytes[headers[2] + at..][..4].copy_from_slice(&size.to_le_bytes());
            bytes[headers[2] + at + 4..][..4].copy_from_slice(&size.to_le_bytes());
        }
        assert!(open(&[(BIN, &bytes)]).is_err());
    }
    // Two entries of one name: the writer makes none, so one is renamed.
    let twice = archive(&[("data.pkl", &pickle(&[told("a")])), ("data/0", &six()), ("data/1", &six())]);
    let mut bytes = twice.clone();
    for at in find(&twice, b"archive/data/1") {
        bytes[at + 13] = b'0';
    }
    refused(&[(BIN, &bytes)], "no archive that torch.save wrote");
}

#[test]
fn archives_of_something_else_are_refused() {
    let pickle = pickle(&[told("a")]);
    refused(&[(BIN, &archive(&[("data/0", &six())]))], "without `data.pkl`");
    refused(&[(BIN, &archive(&[("data.pkl", &pickle), ("b/data.pkl", &pickle)]))], "more than one `data.pkl`");
    refused(
        &[(BIN, &archive(&[("data.pkl", &pickle), ("byteorder", b"big"), ("data/0", &six())]))],
        "byte order `big`",
    );
    refused(&[(BIN, b"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.")], "before 1.6");
    refused(&[(BIN, b"<!DOCTYPE html>")], "no archive that torch.save wrote");
    refused(&[(BIN, &tensor_file(&["a"]))], "no archive that torch.save wrote");
}

#[test]
fn a_directory_of_endless_length_is_not_read_to_its_end() {
    let names: Vec<String> = (0..40_000).map(|i| format!("data/{i:0>400}")).collect();
    let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    refused(&[(BIN, &archive(&entries))], "exceed 16777216 bytes");
}

// --- Chance -------------------------------------------------------------------------------------------------------------

/// Whatever is read from a file lies in it.
fn inside(bytes: &[u8], places: Result<Vec<(String, Place)>, String>) -> std::result::Result<(), TestCaseError> {
    for (_, Place { dtype, shape, strides, start, end }) in places.unwrap_or_default() {
        let part = bytes.get(start..end);
        prop_assert!(part.is_some());
        let elements: usize = shape.iter().product();
        prop_assert!(elements * dtype.size() <= bytes.len());
        let weight = Weight {
            path: Path::new(""),
            dtype,
            shape: &shape,
            bytes: part.unwrap_or_default(),
            strides: strides.as_deref(),
        };
        prop_assert_eq!(weight.data().len(), elements * dtype.size());
    }
    Ok(())
}

fn damaged(mut bytes: Vec<u8>, flips: &[(prop::sample::Index, u8)], cut: Option<prop::sample::Index>) -> Vec<u8> {
    for (at, mask) in flips {
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
    }
    if let Some(length) = cut {
        bytes.truncate(length.index(bytes.len()));
    }
    bytes
}

fn damage() -> impl Strategy<Value = (Vec<(prop::sample::Index, u8)>, Option<prop::sample::Index>)> {
    let flip = (any::<prop::sample::Index>(), 1u8..);
    (prop::collection::vec(flip, 1..6), prop::option::weighted(0.1, any::<prop::sample::Index>()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_damaged_safetensors_file_never_panics((flips, cut) in damage()) {
        let bytes = damaged(tensor_file(&["a", "b"]), &flips, cut);
        inside(&bytes, safetensors_places(&bytes))?;
    }

    #[test]
    fn a_damaged_archive_never_panics((flips, cut) in damage()) {
        let views = [told("a"), Told { shape: vec![3, 2], strides: vec![1, 3], ..told("b") }];
        let bytes = damaged(bin(&views), &flips, cut);
        inside(&bytes, torch_file::places(&bytes))?;
    }

    #[test]
    fn a_damaged_pickle_in_a_whole_archive_never_panics((flips, cut) in damage()) {
        let views = [told("a"), Told { shape: vec![3, 2], strides: vec![1, 3], ..told("b") }];
        let bytes = archive(&[("data.pkl", &damaged(pickle(&views), &flips, cut)), ("data/0", &six())]);
        inside(&bytes, torch_file::places(&bytes))?;
    }

    #[test]
    fn a_pickle_of_chance_never_panics(operations in prop::collection::vec(
        prop_oneof![any::<u8>(), prop::sample::select(b"(tuseabRQq}])N\x85\x86\x87\x94\x89K.".to_vec())], 0..200)) {
        let _ = pickle::state_dict(&operations);
    }
}
