//! `pytorch_model.bin`: where its tensors lie.

use super::archive::{shown, Archive};
use super::pickle::{self, View};
use super::Place;

/// The first bytes of files that torch.save wrote before PyTorch 1.6: a pickle of the number 0x1950a86a20f9469cfc6c.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// The tensors that a state dict in `bytes` has, and their places.
pub(super) fn places(bytes: &[u8]) -> Result<Vec<(String, Place)>, String> {
    if bytes.starts_with(LEGACY) {
        return Err("is in the format of PyTorch before 1.6; write it anew with \
                    `torch.save(torch.load(path, weights_only=True), path)`"
            .into());
    }
    let archive = Archive::open(bytes)?;
    match archive.get("byteorder") {
        None | Some(b"little") => {}
        Some(order) => {
            return Err(format!(
                "has the byte order `{}`; only little-endian files are read: save the weights as `model.safetensors`, \
                 which always is",
                shown(&String::from_utf8_lossy(order))
            ));
        }
    }
    let pickle = archive.get("data.pkl").ok_or("holds no `data.pkl`")?;
    let tensors = pickle::state_dict(pickle)?;
    if tensors.is_empty() {
        return Err(
            "holds no tensors at the top of its dict; save it with `torch.save(model.state_dict(), path)`".into()
        );
    }
    let place = |(name, view): (&str, View<'_>)| {
        let place = place(&archive, view).map_err(|why| format!("holds the tensor `{}` {why}; {CURE}", shown(name)))?;
        Ok((name.to_string(), place))
    };
    tensors.into_iter().map(place).collect()
}

const CURE: &str = "download it again";

/// Checks a view against its storage, and the storage against the archive.
fn place(archive: &Archive<'_>, view: View<'_>) -> Result<Place, String> {
    let View { storage, offset, shape, strides } = view;
    let width = storage.dtype.size();
    let key = shown(storage.key);
    let entry = archive
        .place(&format!("data/{}", storage.key))
        .ok_or_else(|| format!("in the entry `data/{key}`, which is not there"))?;
    if storage.elements.checked_mul(width) != Some(entry.len()) {
        let (elements, dtype, length) = (storage.elements, storage.dtype, entry.len());
        return Err(format!(
            "in the entry `data/{key}`, which should hold {elements} {dtype:?}, but has {length} bytes"
        ));
    }
    let overflow =
        || format!("{shape:?}, strides {strides:?}, offset {offset} beyond its {} elements", storage.elements);
    let elements = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d)).ok_or_else(overflow)?;
    // More elements than the storage has could only be the same ones again.
    if elements > storage.elements {
        return Err(overflow());
    }
    // One past the last element.
    let last =
        |end: usize, (size, stride): (&usize, &usize)| size.checked_sub(1)?.checked_mul(*stride)?.checked_add(end);
    let end = match elements {
        0 => Some(offset),
        _ => shape.iter().zip(&strides).try_fold(offset, last).and_then(|last| last.checked_add(1)),
    };
    let end = end.filter(|end| *end <= storage.elements).ok_or_else(overflow)?;
    // Within the entry, so none of these can overflow.
    let (start, end) = (entry.start + offset * width, entry.start + end * width);
    let strides = if row_major(&shape, &strides) { None } else { Some(strides) };
    Ok(Place { dtype: storage.dtype, shape, strides, start, end })
}

/// Whether the elements, of which the storage holds as many, lie one after another in the order of their indices.
fn row_major(shape: &[usize], strides: &[usize]) -> bool {
    let mut step = 1;
    shape.contains(&0)
        || shape.iter().zip(strides).rev().all(|(size, stride)| {
            let fits = *size == 1 || *stride == step;
            step *= size;
            fits
        })
}
