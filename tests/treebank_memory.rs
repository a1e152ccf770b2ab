//! Memory that reading a treebank a sentence at a time takes: it does not grow with the treebank.

use isogloss::treebank::{ReadSettings, Sentences, Source, TreebankFiles};
use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Counts what is allocated and not given back, and the most there was.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(NOW.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The peak while so many sentences are read, each with words of its own, and the words. The features that no word before has
/// are `length` bytes long.
fn peak(sentences: usize, length: usize) -> (usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.conllu");
    let mut text = String::new();
    for sentence in 0..sentences {
        for word in 1..=12 {
            // Features that no word before has, but for most words.
            let own = if word == 1 { format!("X=w{sentence:0length$}") } else { format!("Y={word}") };
            writeln!(text, "{word}\tw{sentence}\tl{sentence}\tNOUN\t_\t{own}\t0\troot\t_\t_").unwrap();
        }
        text.push('\n');
    }
    std::fs::write(&path, &text).unwrap();
    drop(text);
    let source = Source::new("en", [path]).unwrap();
    let files = TreebankFiles::new(&source, &ReadSettings::default());
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let mut words = 0;
    files
        .visit(&mut |sentence| {
            words += sentence.len();
            Ok(())
        })
        .unwrap();
    (PEAK.load(Relaxed) - before, words)
}

#[test]
fn a_stream_of_sentences_takes_the_memory_of_one() {
    // Enough to fill what is remembered of features.
    let (small, large) = (peak(12_000, 6), peak(60_000, 6));
    assert_eq!((small.1, large.1), (144_000, 720_000));
    assert!(large.0 < small.0 + (64 << 10), "{} bytes for 12,000 sentences, {} for 60,000", small.0, large.0);
    // Long ones are remembered by their length.
    let (small, large) = (peak(1_000, 20_000), peak(2_000, 20_000));
    assert!(large.0 < small.0 + (64 << 10), "{} bytes for 1,000 sentences, {} for 2,000", small.0, large.0);
    assert!(large.0 < 16 << 20, "{} bytes", large.0);
}
