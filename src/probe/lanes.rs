//! Sixteen f32 at a time, with the same bits whatever the instruction set.
//!
//! The hot loops are written once over [`Lanes`], sixteen explicit lanes with plain multiplication and addition (no fused
//! multiply-add), so that what a loop computes does not depend on the instruction set it was compiled for. [`dispatch!`]
//! picks AVX-512 or AVX2 at run time where the machine has it. Exponentials and logarithms of single numbers elsewhere are the
//! platform's: between platforms, a last bit can differ.

/// The number of lanes.
pub(crate) const LANES: usize = 16;

/// How many values [`Lanes::chosen`] takes at most.
pub(crate) const CHOICES: usize = 5;

/// Sixteen f32 on a cache line of their own: loads that cross lines cost twice.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct Tile(pub(crate) [f32; LANES]);

/// Sixteen lanes of f32 and u32 and the operations of the hot loops. A mask is a bit a lane, the first the lowest.
pub(crate) trait Lanes: Copy {
    /// Sixteen f32.
    type F: Copy;
    /// Sixteen u32.
    type U: Copy;
    /// Which of a few values are chosen, lane by lane.
    type Choice: Copy;
    /// How many classes a block of sums holds, for the sums to stay in registers.
    const CLASSES: usize;
    /// How many masks.
    const SAMPLES: usize;

    fn splat(self, value: f32) -> Self::F;
    fn load(self, from: &Tile) -> Self::F;
    fn store(self, value: Self::F, to: &mut Tile);
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// The larger one; the second where either is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a + b` in the lanes of the mask, `a` in the others. `a` is no negative zero.
    fn add_where(self, a: Self::F, b: Self::F, mask: u16) -> Self::F;
    /// Prepares the sums of any of these values for [`Lanes::chosen`].
    fn tabulate(self, values: [f32; CHOICES]) -> [Tile; 2];
    /// For each lane, which values are chosen: a mask a value.
    fn choice(self, masks: [u16; CHOICES]) -> Self::Choice;
    /// For each lane the sum of the chosen values, added up in their order from zero.
    fn chosen(self, table: &[Tile; 2], choice: Self::Choice) -> Self::F;
    /// Asks for memory that is soon read.
    fn prefetch<T>(self, value: &T);
    fn bits_of(self, a: Self::F) -> Self::U;
    fn floats_of(self, a: Self::U) -> Self::F;

    fn splat_u(self, value: u32) -> Self::U;
    fn load_u(self, from: &[u32; LANES]) -> Self::U;
    fn store_u(self, value: Self::U, to: &mut [u32; LANES]);
    fn add_u(self, a: Self::U, b: Self::U) -> Self::U;
    fn xor(self, a: Self::U, b: Self::U) -> Self::U;
    fn shl<const K: u32>(self, a: Self::U) -> Self::U;
    fn shr<const K: u32>(self, a: Self::U) -> Self::U;
    /// The lanes as 32 i16, low half first, each compared with its threshold: a bit where smaller.
    fn below(self, a: Self::U, thresholds: &[i16; 2 * LANES]) -> u32;

    /// The sum of the lanes, in one fixed order.
    #[inline(always)]
    fn sum(self, value: Self::F) -> f32 {
        let mut a = Tile::default();
        self.store(value, &mut a);
        let a = a.0;
        let pair = |i: usize| a[i] + a[i + 8];
        ((pair(0) + pair(4)) + (pair(2) + pair(6))) + ((pair(1) + pair(5)) + (pair(3) + pair(7)))
    }

    /// `e^x` to about 1e-7 relative for `x` in [-87, 88]; smaller arguments count as -87.
    #[inline(always)]
    fn exp(self, x: Self::F) -> Self::F {
        // Adding 1.5 * 2^23 rounds to a whole number and leaves it in the low bits.
        let magic = self.splat(12_582_912.0);
        let x = self.max(x, self.splat(-87.0));
        let shifted = self.add(self.mul(x, self.splat(std::f32::consts::LOG2_E)), magic);
        let k = self.sub(shifted, magic);
        // ln 2 in two parts, the first with trailing zeros: k times it is exact.
        let r = self.sub(x, self.mul(k, self.splat(0.693_359_4)));
        let r = self.sub(r, self.mul(k, self.splat(-2.121_944_4e-4)));
        let mut p = self.splat(1.0 / 5040.0);
        for c in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
            p = self.add(self.mul(p, r), self.splat(c));
        }
        let exponent = self.add_u(self.bits_of(shifted), self.splat_u(127u32.wrapping_sub(0x4b40_0000)));
        self.mul(p, self.floats_of(self.shl::<23>(exponent)))
    }
}

/// Arrays of sixteen: every machine.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

macro_rules! each {
    ($lane:ident => $value:expr) => {{
        let mut out = [Default::default(); LANES];
        for $lane in 0..LANES {
            out[$lane] = $value;
        }
        out
    }};
}

impl Lanes for Portable {
    type F = [f32; LANES];
    type U = [u32; LANES];
    type Choice = [u16; CHOICES];
    const CLASSES: usize = 2;
    const SAMPLES: usize = 3;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F {
        [value; LANES]
    }
    #[inline(always)]
    fn load(self, from: &Tile) -> Self::F {
        from.0
    }
    #[inline(always)]
    fn store(self, value: Self::F, to: &mut Tile) {
        to.0 = value;
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        each!(i => a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        each!(i => a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        each!(i => a[i] * b[i])
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        each!(i => if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn add_where(self, a: Self::F, b: Self::F, mask: u16) -> Self::F {
        each!(i => a[i] + f32::from_bits(b[i].to_bits() & 0u32.wrapping_sub(u32::from(mask >> i & 1))))
    }
    #[inline(always)]
    fn tabulate(self, values: [f32; CHOICES]) -> [Tile; 2] {
        let mut table = [Tile::default(); 2];
        table[0].0[..CHOICES].copy_from_slice(&values);
        table
    }
    #[inline(always)]
    fn choice(self, masks: [u16; CHOICES]) -> Self::Choice {
        masks
    }
    #[inline(always)]
    fn chosen(self, table: &[Tile; 2], choice: Self::Choice) -> Self::F {
        let mut sum = self.splat(0.0);
        for (value, mask) in table[0].0.iter().zip(choice) {
            sum = self.add_where(sum, self.splat(*value), mask);
        }
        sum
    }
    #[inline(always)]
    fn prefetch<T>(self, _value: &T) {}
    #[inline(always)]
    fn bits_of(self, a: Self::F) -> Self::U {
        each!(i => a[i].to_bits())
    }
    #[inline(always)]
    fn floats_of(self, a: Self::U) -> Self::F {
        each!(i => f32::from_bits(a[i]))
    }
    #[inline(always)]
    fn splat_u(self, value: u32) -> Self::U {
        [value; LANES]
    }
    #[inline(always)]
    fn load_u(self, from: &[u32; LANES]) -> Self::U {
        *from
    }
    #[inline(always)]
    fn store_u(self, value: Self::U, to: &mut [u32; LANES]) {
        *to = value;
    }
    #[inline(always)]
    fn add_u(self, a: Self::U, b: Self::U) -> Self::U {
        each!(i => a[i].wrapping_add(b[i]))
    }
    #[inline(always)]
    fn xor(self, a: Self::U, b: Self::U) -> Self::U {
        each!(i => a[i] ^ b[i])
    }
    #[inline(always)]
    fn shl<const K: u32>(self, a: Self::U) -> Self::U {
        each!(i => a[i] << K)
    }
    #[inline(always)]
    fn shr<const K: u32>(self, a: Self::U) -> Self::U {
        each!(i => a[i] >> K)
    }
    #[inline(always)]
    fn below(self, a: Self::U, thresholds: &[i16; 2 * LANES]) -> u32 {
        let mut out = 0;
        for j in 0..2 * LANES {
            let draw = (a[j / 2] >> (16 * (j % 2))) as u16 as i16;
            out |= u32::from(draw < thresholds[j]) << j;
        }
        out
    }
}

/// AVX2, two registers a value; one exists only where the machine has it.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

#[cfg(target_arch = "x86_64")]
impl Avx2 {
    /// A value, if this machine has AVX2.
    pub(crate) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Avx2(()))
    }
}

// SAFETY of every block below: a value of Avx2 or Avx512 is proof that the machine has the instructions, and the
// references are to arrays of the size that is read or written.
#[cfg(target_arch = "x86_64")]
#[allow(unused_unsafe)] // later compilers count some of these as safe
impl Lanes for Avx2 {
    type F = [std::arch::x86_64::__m256; 2];
    type U = [std::arch::x86_64::__m256i; 2];
    type Choice = [u16; CHOICES];
    const CLASSES: usize = 2;
    const SAMPLES: usize = 3;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F {
        unsafe { [std::arch::x86_64::_mm256_set1_ps(value); 2] }
    }
    #[inline(always)]
    fn load(self, from: &Tile) -> Self::F {
        unsafe {
            [
                std::arch::x86_64::_mm256_load_ps(from.0.as_ptr()),
                std::arch::x86_64::_mm256_load_ps(from.0.as_ptr().add(8)),
            ]
        }
    }
    #[inline(always)]
    fn store(self, value: Self::F, to: &mut Tile) {
        unsafe {
            std::arch::x86_64::_mm256_store_ps(to.0.as_mut_ptr(), value[0]);
            std::arch::x86_64::_mm256_store_ps(to.0.as_mut_ptr().add(8), value[1]);
        }
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { [std::arch::x86_64::_mm256_add_ps(a[0], b[0]), std::arch::x86_64::_mm256_add_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { [std::arch::x86_64::_mm256_sub_ps(a[0], b[0]), std::arch::x86_64::_mm256_sub_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { [std::arch::x86_64::_mm256_mul_ps(a[0], b[0]), std::arch::x86_64::_mm256_mul_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { [std::arch::x86_64::_mm256_max_ps(a[0], b[0]), std::arch::x86_64::_mm256_max_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn add_where(self, a: Self::F, b: Self::F, mask: u16) -> Self::F {
        use std::arch::x86_64::*;
        unsafe {
            let mask = _mm256_set1_epi32(i32::from(mask));
            let bits = [
                _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128),
                _mm256_setr_epi32(256, 512, 1024, 2048, 4096, 8192, 16384, 32768),
            ];
            let mut out = a;
            for i in 0..2 {
                let lanes = _mm256_cmpeq_epi32(_mm256_and_si256(mask, bits[i]), bits[i]);
                out[i] = _mm256_add_ps(a[i], _mm256_and_ps(b[i], _mm256_castsi256_ps(lanes)));
            }
            out
        }
    }
    #[inline(always)]
    fn tabulate(self, values: [f32; CHOICES]) -> [Tile; 2] {
        let mut table = [Tile::default(); 2];
        table[0].0[..CHOICES].copy_from_slice(&values);
        table
    }
    #[inline(always)]
    fn choice(self, masks: [u16; CHOICES]) -> Self::Choice {
        masks
    }
    #[inline(always)]
    fn chosen(self, table: &[Tile; 2], choice: Self::Choice) -> Self::F {
        let mut sum = self.splat(0.0);
        for (value, mask) in table[0].0.iter().zip(choice) {
            sum = self.add_where(sum, self.splat(*value), mask);
        }
        sum
    }
    #[inline(always)]
    fn prefetch<T>(self, value: &T) {
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(std::ptr::from_ref(value).cast())
        }
    }
    #[inline(always)]
    fn bits_of(self, a: Self::F) -> Self::U {
        unsafe { [std::arch::x86_64::_mm256_castps_si256(a[0]), std::arch::x86_64::_mm256_castps_si256(a[1])] }
    }
    #[inline(always)]
    fn floats_of(self, a: Self::U) -> Self::F {
        unsafe { [std::arch::x86_64::_mm256_castsi256_ps(a[0]), std::arch::x86_64::_mm256_castsi256_ps(a[1])] }
    }
    #[inline(always)]
    fn splat_u(self, value: u32) -> Self::U {
        unsafe { [std::arch::x86_64::_mm256_set1_epi32(value as i32); 2] }
    }
    #[inline(always)]
    fn load_u(self, from: &[u32; LANES]) -> Self::U {
        unsafe {
            [
                std::arch::x86_64::_mm256_loadu_si256(from.as_ptr().cast()),
                std::arch::x86_64::_mm256_loadu_si256(from.as_ptr().add(8).cast()),
            ]
        }
    }
    #[inline(always)]
    fn store_u(self, value: Self::U, to: &mut [u32; LANES]) {
        unsafe {
            std::arch::x86_64::_mm256_storeu_si256(to.as_mut_ptr().cast(), value[0]);
            std::arch::x86_64::_mm256_storeu_si256(to.as_mut_ptr().add(8).cast(), value[1]);
        }
    }
    #[inline(always)]
    fn add_u(self, a: Self::U, b: Self::U) -> Self::U {
        unsafe { [std::arch::x86_64::_mm256_add_epi32(a[0], b[0]), std::arch::x86_64::_mm256_add_epi32(a[1], b[1])] }
    }
    #[inline(always)]
    fn xor(self, a: Self::U, b: Self::U) -> Self::U {
        unsafe { [std::arch::x86_64::_mm256_xor_si256(a[0], b[0]), std::arch::x86_64::_mm256_xor_si256(a[1], b[1])] }
    }
    #[inline(always)]
    fn shl<const K: u32>(self, a: Self::U) -> Self::U {
        unsafe {
            [
                std::arch::x86_64::_mm256_sll_epi32(a[0], std::arch::x86_64::_mm_cvtsi32_si128(K as i32)),
                std::arch::x86_64::_mm256_sll_epi32(a[1], std::arch::x86_64::_mm_cvtsi32_si128(K as i32)),
            ]
        }
    }
    #[inline(always)]
    fn shr<const K: u32>(self, a: Self::U) -> Self::U {
        unsafe {
            [
                std::arch::x86_64::_mm256_srl_epi32(a[0], std::arch::x86_64::_mm_cvtsi32_si128(K as i32)),
                std::arch::x86_64::_mm256_srl_epi32(a[1], std::arch::x86_64::_mm_cvtsi32_si128(K as i32)),
            ]
        }
    }
    #[inline(always)]
    fn below(self, a: Self::U, thresholds: &[i16; 2 * LANES]) -> u32 {
        use std::arch::x86_64::*;
        let mut out = 0;
        for (i, draws) in a.into_iter().enumerate() {
            unsafe {
                let thresholds = _mm256_loadu_si256(thresholds.as_ptr().add(LANES * i).cast());
                let smaller = _mm256_cmpgt_epi16(thresholds, draws);
                let bytes = _mm_packs_epi16(_mm256_castsi256_si128(smaller), _mm256_extracti128_si256::<1>(smaller));
                out |= (_mm_movemask_epi8(bytes) as u32) << (LANES * i);
            }
        }
        out
    }
}
/// AVX-512; a value exists only where the machine has it.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

#[cfg(target_arch = "x86_64")]
impl Avx512 {
    /// A value, if this machine has AVX-512 with operations on 16 bits.
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")).then_some(Avx512(()))
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unused_unsafe)] // later compilers count some of these as safe
impl Lanes for Avx512 {
    type F = std::arch::x86_64::__m512;
    type U = std::arch::x86_64::__m512i;
    type Choice = std::arch::x86_64::__m512i;
    const CLASSES: usize = 4;
    const SAMPLES: usize = 5;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F {
        unsafe { std::arch::x86_64::_mm512_set1_ps(value) }
    }
    #[inline(always)]
    fn load(self, from: &Tile) -> Self::F {
        unsafe { std::arch::x86_64::_mm512_load_ps(from.0.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, value: Self::F, to: &mut Tile) {
        unsafe { std::arch::x86_64::_mm512_store_ps(to.0.as_mut_ptr(), value) }
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { std::arch::x86_64::_mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { std::arch::x86_64::_mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { std::arch::x86_64::_mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { std::arch::x86_64::_mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn add_where(self, a: Self::F, b: Self::F, mask: u16) -> Self::F {
        unsafe { std::arch::x86_64::_mm512_mask_add_ps(a, mask, a, b) }
    }
    #[inline(always)]
    fn tabulate(self, values: [f32; CHOICES]) -> [Tile; 2] {
        // Lane i of the table is the sum of the values at the bits of i.
        let mut low = self.splat(0.0);
        for (value, lanes) in values.iter().zip([0xaaaa, 0xcccc, 0xf0f0, 0xff00]) {
            low = self.add_where(low, self.splat(*value), lanes);
        }
        let mut table = [Tile::default(); 2];
        self.store(low, &mut table[0]);
        self.store(self.add(low, self.splat(values[CHOICES - 1])), &mut table[1]);
        table
    }
    #[inline(always)]
    fn choice(self, masks: [u16; CHOICES]) -> Self::Choice {
        use std::arch::x86_64::*;
        unsafe {
            let mut index = _mm512_setzero_si512();
            for (i, mask) in masks.into_iter().enumerate() {
                index = _mm512_mask_add_epi32(index, mask, index, _mm512_set1_epi32(1 << i));
            }
            index
        }
    }
    #[inline(always)]
    fn chosen(self, table: &[Tile; 2], choice: Self::Choice) -> Self::F {
        unsafe { std::arch::x86_64::_mm512_permutex2var_ps(self.load(&table[0]), choice, self.load(&table[1])) }
    }
    #[inline(always)]
    fn prefetch<T>(self, value: &T) {
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(std::ptr::from_ref(value).cast())
        }
    }
    #[inline(always)]
    fn bits_of(self, a: Self::F) -> Self::U {
        unsafe { std::arch::x86_64::_mm512_castps_si512(a) }
    }
    #[inline(always)]
    fn floats_of(self, a: Self::U) -> Self::F {
        unsafe { std::arch::x86_64::_mm512_castsi512_ps(a) }
    }
    #[inline(always)]
    fn splat_u(self, value: u32) -> Self::U {
        unsafe { std::arch::x86_64::_mm512_set1_epi32(value as i32) }
    }
    #[inline(always)]
    fn load_u(self, from: &[u32; LANES]) -> Self::U {
        unsafe { std::arch::x86_64::_mm512_loadu_si512(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn store_u(self, value: Self::U, to: &mut [u32; LANES]) {
        unsafe { std::arch::x86_64::_mm512_storeu_si512(to.as_mut_ptr().cast(), value) }
    }
    #[inline(always)]
    fn add_u(self, a: Self::U, b: Self::U) -> Self::U {
        unsafe { std::arch::x86_64::_mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    fn xor(self, a: Self::U, b: Self::U) -> Self::U {
        unsafe { std::arch::x86_64::_mm512_xor_si512(a, b) }
    }
    #[inline(always)]
    fn shl<const K: u32>(self, a: Self::U) -> Self::U {
        unsafe { std::arch::x86_64::_mm512_slli_epi32::<K>(a) }
    }
    #[inline(always)]
    fn shr<const K: u32>(self, a: Self::U) -> Self::U {
        unsafe { std::arch::x86_64::_mm512_srli_epi32::<K>(a) }
    }
    #[inline(always)]
    fn below(self, a: Self::U, thresholds: &[i16; 2 * LANES]) -> u32 {
        use std::arch::x86_64::*;
        unsafe { _mm512_cmplt_epi16_mask(a, _mm512_loadu_si512(thresholds.as_ptr().cast())) }
    }
}
/// Defines `$name(args)`, which runs `$body(lanes, args)` with the best lanes of the machine.
macro_rules! dispatch {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? = $body:ident) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw")]
                unsafe fn avx512(lanes: $crate::probe::lanes::Avx512, $($arg: $ty),*) $(-> $ret)? {
                    $body(lanes, $($arg),*)
                }
                #[target_feature(enable = "avx2")]
                unsafe fn avx2(lanes: $crate::probe::lanes::Avx2, $($arg: $ty),*) $(-> $ret)? {
                    $body(lanes, $($arg),*)
                }
                // SAFETY: the machine has the instructions, or `detect` had given none.
                if let Some(lanes) = $crate::probe::lanes::Avx512::detect() {
                    return unsafe { avx512(lanes, $($arg),*) };
                }
                if let Some(lanes) = $crate::probe::lanes::Avx2::detect() {
                    return unsafe { avx2(lanes, $($arg),*) };
                }
            }
            $body($crate::probe::lanes::Portable, $($arg),*)
        }
    };
}
pub(crate) use dispatch;

/// Twice sixteen xoshiro128+ generators side by side (Blackman and Vigna 2021, arXiv 1805.01407): two, because a step
/// waits for the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generator([[[u32; LANES]; 4]; 2]);

impl Generator {
    /// Lanes seeded one by one from `rng`.
    pub(crate) fn new(rng: &mut impl rand::RngCore) -> Self {
        let mut states = [[[0u32; LANES]; 4]; 2];
        for state in &mut states {
            for lane in 0..LANES {
                for word in &mut *state {
                    word[lane] = rng.next_u32();
                }
                // All zeros is the one state that never changes.
                state[0][lane] |= 1;
            }
        }
        Generator(states)
    }

    /// Draws masks for one word: `masks[piece * samples + sample]` has a neuron's bit with probability
    /// `(threshold + 32768) / 65536`; 32 neurons a piece.
    #[inline(always)]
    pub(crate) fn draw<L: Lanes>(
        &mut self,
        lanes: L,
        thresholds: &[[i16; 2 * LANES]],
        samples: usize,
        masks: &mut [u32],
    ) {
        let mut a = State::load(lanes, &self.0[0]);
        let mut b = State::load(lanes, &self.0[1]);
        for (thresholds, masks) in thresholds.chunks(2).zip(masks.chunks_mut(2 * samples)) {
            let (first, second) = masks.split_at_mut(samples);
            if let [one, two] = thresholds {
                for (first, second) in first.iter_mut().zip(second) {
                    *first = lanes.below(a.next(lanes), one);
                    *second = lanes.below(b.next(lanes), two);
                }
            } else if let [one] = thresholds {
                first.iter_mut().for_each(|mask| *mask = lanes.below(a.next(lanes), one));
            }
        }
        a.store(lanes, &mut self.0[0]);
        b.store(lanes, &mut self.0[1]);
    }

    /// Fills with draws of 32 bits.
    #[inline(always)]
    pub(crate) fn fill<L: Lanes>(&mut self, lanes: L, to: &mut [[u32; LANES]]) {
        let mut a = State::load(lanes, &self.0[0]);
        let mut b = State::load(lanes, &self.0[1]);
        for to in to.chunks_mut(2) {
            if let Some(first) = to.first_mut() {
                lanes.store_u(a.next(lanes), first);
            }
            if let Some(second) = to.get_mut(1) {
                lanes.store_u(b.next(lanes), second);
            }
        }
        a.store(lanes, &mut self.0[0]);
        b.store(lanes, &mut self.0[1]);
    }
}

/// The state of sixteen generators in registers.
struct State<L: Lanes>([L::U; 4]);

impl<L: Lanes> State<L> {
    #[inline(always)]
    fn load(lanes: L, from: &[[u32; LANES]; 4]) -> Self {
        State([lanes.load_u(&from[0]), lanes.load_u(&from[1]), lanes.load_u(&from[2]), lanes.load_u(&from[3])])
    }

    #[inline(always)]
    fn store(self, lanes: L, to: &mut [[u32; LANES]; 4]) {
        for (value, to) in self.0.into_iter().zip(to) {
            lanes.store_u(value, to);
        }
    }

    #[inline(always)]
    fn next(&mut self, lanes: L) -> L::U {
        let [s0, s1, s2, s3] = self.0;
        let draws = lanes.add_u(s0, s3);
        let t = lanes.shl::<9>(s1);
        let (s2, s3) = (lanes.xor(s2, s0), lanes.xor(s3, s1));
        let (s1, s0) = (lanes.xor(s1, s2), lanes.xor(s0, s3));
        self.0 = [s0, s1, lanes.xor(s2, t), lanes.xor(lanes.shl::<11>(s3), lanes.shr::<21>(s3))];
        draws
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exp(x: f32) -> f32 {
        Portable.exp([x; LANES])[3]
    }

    #[test]
    fn the_exponential_is_right_to_two_units_in_the_last_place() {
        for i in -870_000..880_000 {
            let x = i as f32 * 1e-4;
            let expected = f64::from(x).exp();
            let error = (f64::from(exp(x)) - expected).abs() / expected;
            assert!(error < 2.4e-7, "exp({x}): {error}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-1e30), exp(-87.0));
    }

    #[test]
    fn masks_come_with_their_probabilities_and_without_correlation() {
        let mut generator = Generator::new(&mut crate::seed::stream(3, &["masks"]));
        let q = [0.0, 0.01, 0.3, 0.5, 0.5, 0.73, 0.999, 0.5];
        let thresholds: [i16; 32] = std::array::from_fn(|i| (q[i % 8] * 65536.0 - 32768.0) as i16);
        let n = 40_000;
        let mut masks = vec![0u32; 6];
        let bit = |mask: u32, neuron: usize| f64::from(mask >> neuron & 1);
        let (mut ones, mut both) = ([0f64; 32], 0f64);
        for _ in 0..n {
            generator.draw(Portable, &[thresholds; 3], 2, &mut masks);
            for (j, ones) in ones.iter_mut().enumerate() {
                // Second sample of each piece.
                *ones += bit(masks[2 * (j % 3) + 1], j);
            }
            both += bit(masks[0] & masks[1], 3) + bit(masks[0] & masks[2], 3);
        }
        for (j, ones) in ones.iter().enumerate() {
            let q: f64 = q[j % 8];
            assert!((ones / n as f64 - q).abs() < 4.5 * (q * (1.0 - q) / n as f64).sqrt() + 2e-5, "{j}");
        }
        assert!((both / n as f64 - 0.5).abs() < 0.015);
    }

    #[cfg(target_arch = "x86_64")]
    fn same_bits<L: Lanes>(lanes: L) {
        let mut generators = [Generator::new(&mut crate::seed::stream(3, &["masks"])); 2];
        let thresholds: Vec<[i16; 32]> = (0..5).map(|i| std::array::from_fn(|j| (i * 8000 + j * 777) as i16)).collect();
        let mut masks = [vec![0u32; 15], vec![0u32; 15]];
        generators[0].draw(lanes, &thresholds, 3, &mut masks[0]);
        generators[1].draw(Portable, &thresholds, 3, &mut masks[1]);
        assert_eq!(masks[0], masks[1]);
        assert_eq!(generators[0], generators[1]);
        let mut draws = [[[0u32; LANES]; 3]; 2];
        generators[0].fill(lanes, &mut draws[0]);
        generators[1].fill(Portable, &mut draws[1]);
        assert_eq!(draws[0], draws[1]);
        assert_eq!(generators[0], generators[1]);
        let x = Tile(std::array::from_fn(|i| i as f32 * 3.7 - 20.0));
        let mut y = Tile::default();
        lanes.store(lanes.exp(lanes.load(&x)), &mut y);
        assert_eq!(y.0, Portable.exp(x.0));
        let one = lanes.splat(1.0);
        lanes.store(lanes.add_where(one, lanes.load(&x), masks[0][7] as u16), &mut y);
        assert_eq!(y.0, Portable.add_where([1.0; LANES], x.0, masks[0][7] as u16));
        assert_eq!(lanes.sum(lanes.load(&x)), Portable.sum(x.0));
        let values = [0.1, -2.3, 7e-4, 11.0, -0.6];
        let choices = [0, 7, 12, 3, 14].map(|i| masks[0][i] as u16);
        lanes.store(lanes.chosen(&lanes.tabulate(values), lanes.choice(choices)), &mut y);
        assert_eq!(y.0, Portable.chosen(&Portable.tabulate(values), Portable.choice(choices)));
        for (lane, sum) in y.0.iter().enumerate() {
            let expected: f32 = (0..5).filter(|i| choices[*i] >> lane & 1 == 1).map(|i| values[i]).sum();
            assert_eq!(*sum, expected, "lane {lane}");
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        if let Some(lanes) = Avx2::detect() {
            same_bits(lanes);
        }
        if let Some(lanes) = Avx512::detect() {
            same_bits(lanes);
        }
    }
}
