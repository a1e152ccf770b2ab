//! Eight f32 at a time, with the same bits on every machine.
//!
//! The hot loops are written once over [`Lanes`], eight explicit lanes with plain multiplication and addition (no fused
//! multiply-add), so that what a loop computes does not depend on the instruction set it was compiled for. [`dispatch!`]
//! picks AVX2 at run time where the machine has it.

/// Eight lanes of f32 and u32 and the operations of the hot loops.
pub(crate) trait Lanes: Copy {
    /// Eight f32.
    type F: Copy;
    /// Eight u32.
    type U: Copy;

    fn splat(self, value: f32) -> Self::F;
    fn load(self, from: &[f32; 8]) -> Self::F;
    fn store(self, value: Self::F, to: &mut [f32; 8]);
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// The larger one; the second where either is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a` where the mask is all ones, 0 where it is 0.
    fn keep(self, a: Self::F, mask: Self::U) -> Self::F;
    fn bits_of(self, a: Self::F) -> Self::U;
    fn floats_of(self, a: Self::U) -> Self::F;

    fn splat_u(self, value: u32) -> Self::U;
    fn load_u(self, from: &[u32; 8]) -> Self::U;
    fn store_u(self, value: Self::U, to: &mut [u32; 8]);
    fn add_u(self, a: Self::U, b: Self::U) -> Self::U;
    fn xor(self, a: Self::U, b: Self::U) -> Self::U;
    fn shl<const K: i32>(self, a: Self::U) -> Self::U;
    fn shr<const K: i32>(self, a: Self::U) -> Self::U;
    /// The lanes as sixteen i16, low half first, each compared with its threshold: 0xff where smaller.
    fn below(self, a: Self::U, thresholds: &[i16; 16]) -> [[u8; 8]; 2];
    /// Bytes 0 or 0xff as lanes of zeros or ones.
    fn widen(self, mask: &[u8; 8]) -> Self::U;

    /// The sum of the lanes, in one fixed order.
    #[inline(always)]
    fn sum(self, value: Self::F) -> f32 {
        let mut a = [0f32; 8];
        self.store(value, &mut a);
        ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
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

/// Arrays of eight: every machine.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

macro_rules! each {
    ($lane:ident => $value:expr) => {{
        let mut out = [Default::default(); 8];
        for $lane in 0..8 {
            out[$lane] = $value;
        }
        out
    }};
}

impl Lanes for Portable {
    type F = [f32; 8];
    type U = [u32; 8];

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F {
        [value; 8]
    }
    #[inline(always)]
    fn load(self, from: &[f32; 8]) -> Self::F {
        *from
    }
    #[inline(always)]
    fn store(self, value: Self::F, to: &mut [f32; 8]) {
        *to = value;
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
    fn keep(self, a: Self::F, mask: Self::U) -> Self::F {
        each!(i => f32::from_bits(a[i].to_bits() & mask[i]))
    }
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
        [value; 8]
    }
    #[inline(always)]
    fn load_u(self, from: &[u32; 8]) -> Self::U {
        *from
    }
    #[inline(always)]
    fn store_u(self, value: Self::U, to: &mut [u32; 8]) {
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
    fn shl<const K: i32>(self, a: Self::U) -> Self::U {
        each!(i => a[i] << K)
    }
    #[inline(always)]
    fn shr<const K: i32>(self, a: Self::U) -> Self::U {
        each!(i => a[i] >> K)
    }
    #[inline(always)]
    fn below(self, a: Self::U, thresholds: &[i16; 16]) -> [[u8; 8]; 2] {
        let mut out = [[0u8; 8]; 2];
        for j in 0..16 {
            let draw = (a[j / 2] >> (16 * (j % 2))) as u16 as i16;
            out[j / 8][j % 8] = if draw < thresholds[j] { 0xff } else { 0 };
        }
        out
    }
    #[inline(always)]
    fn widen(self, mask: &[u8; 8]) -> Self::U {
        each!(i => mask[i] as i8 as i32 as u32)
    }
}

/// AVX2; a value exists only where the machine has it.
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

// SAFETY of every block below: a value of Avx2 is proof that the machine has the instructions, and the references are
// to arrays of the size that each one reads or writes; the unaligned forms are used.
#[cfg(target_arch = "x86_64")]
#[allow(unused_unsafe)] // later compilers count some of these as safe
impl Lanes for Avx2 {
    type F = std::arch::x86_64::__m256;
    type U = std::arch::x86_64::__m256i;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F {
        unsafe { std::arch::x86_64::_mm256_set1_ps(value) }
    }
    #[inline(always)]
    fn load(self, from: &[f32; 8]) -> Self::F {
        unsafe { std::arch::x86_64::_mm256_loadu_ps(from.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, value: Self::F, to: &mut [f32; 8]) {
        unsafe { std::arch::x86_64::_mm256_storeu_ps(to.as_mut_ptr(), value) }
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { std::arch::x86_64::_mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { std::arch::x86_64::_mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { std::arch::x86_64::_mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { std::arch::x86_64::_mm256_max_ps(a, b) }
    }
    #[inline(always)]
    fn keep(self, a: Self::F, mask: Self::U) -> Self::F {
        unsafe { std::arch::x86_64::_mm256_and_ps(a, std::arch::x86_64::_mm256_castsi256_ps(mask)) }
    }
    #[inline(always)]
    fn bits_of(self, a: Self::F) -> Self::U {
        unsafe { std::arch::x86_64::_mm256_castps_si256(a) }
    }
    #[inline(always)]
    fn floats_of(self, a: Self::U) -> Self::F {
        unsafe { std::arch::x86_64::_mm256_castsi256_ps(a) }
    }
    #[inline(always)]
    fn splat_u(self, value: u32) -> Self::U {
        unsafe { std::arch::x86_64::_mm256_set1_epi32(value as i32) }
    }
    #[inline(always)]
    fn load_u(self, from: &[u32; 8]) -> Self::U {
        unsafe { std::arch::x86_64::_mm256_loadu_si256(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn store_u(self, value: Self::U, to: &mut [u32; 8]) {
        unsafe { std::arch::x86_64::_mm256_storeu_si256(to.as_mut_ptr().cast(), value) }
    }
    #[inline(always)]
    fn add_u(self, a: Self::U, b: Self::U) -> Self::U {
        unsafe { std::arch::x86_64::_mm256_add_epi32(a, b) }
    }
    #[inline(always)]
    fn xor(self, a: Self::U, b: Self::U) -> Self::U {
        unsafe { std::arch::x86_64::_mm256_xor_si256(a, b) }
    }
    #[inline(always)]
    fn shl<const K: i32>(self, a: Self::U) -> Self::U {
        unsafe { std::arch::x86_64::_mm256_slli_epi32::<K>(a) }
    }
    #[inline(always)]
    fn shr<const K: i32>(self, a: Self::U) -> Self::U {
        unsafe { std::arch::x86_64::_mm256_srli_epi32::<K>(a) }
    }
    #[inline(always)]
    fn below(self, a: Self::U, thresholds: &[i16; 16]) -> [[u8; 8]; 2] {
        use std::arch::x86_64::*;
        let mut out = [[0u8; 8]; 2];
        unsafe {
            let thresholds = _mm256_loadu_si256(thresholds.as_ptr().cast());
            let smaller = _mm256_cmpgt_epi16(thresholds, a);
            let bytes = _mm_packs_epi16(_mm256_castsi256_si128(smaller), _mm256_extracti128_si256::<1>(smaller));
            _mm_storeu_si128(out.as_mut_ptr().cast(), bytes);
        }
        out
    }
    #[inline(always)]
    fn widen(self, mask: &[u8; 8]) -> Self::U {
        use std::arch::x86_64::*;
        unsafe { _mm256_cvtepi8_epi32(_mm_loadl_epi64(mask.as_ptr().cast())) }
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
                #[target_feature(enable = "avx2")]
                unsafe fn avx2(lanes: $crate::probe::lanes::Avx2, $($arg: $ty),*) $(-> $ret)? {
                    $body(lanes, $($arg),*)
                }
                if let Some(lanes) = $crate::probe::lanes::Avx2::detect() {
                    // SAFETY: the machine has AVX2, or `detect` had given none.
                    return unsafe { avx2(lanes, $($arg),*) };
                }
            }
            $body($crate::probe::lanes::Portable, $($arg),*)
        }
    };
}
pub(crate) use dispatch;

/// Eight xoshiro128+ generators side by side (Blackman and Vigna 2021, arXiv 1805.01407), sixteen 16-bit draws a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generator([[u32; 8]; 4]);

impl Generator {
    /// Lanes seeded one by one from `rng`.
    pub(crate) fn new(rng: &mut impl rand::RngCore) -> Self {
        let mut state = [[0u32; 8]; 4];
        for lane in 0..8 {
            for word in &mut state {
                word[lane] = rng.next_u32();
            }
            // All zeros is the one state that never changes.
            state[0][lane] |= 1;
        }
        Generator(state)
    }

    /// Draws masks for one word: `masks[tile * samples + sample]` has 0xff with probability
    /// `(threshold + 32768) / 65536`; tiles of eight neurons, thresholds for two tiles a piece.
    #[inline(always)]
    pub(crate) fn draw<L: Lanes>(&mut self, lanes: L, thresholds: &[[i16; 16]], samples: usize, masks: &mut [[u8; 8]]) {
        let [a, b, c, d] = &self.0;
        let (mut s0, mut s1, mut s2, mut s3) = (lanes.load_u(a), lanes.load_u(b), lanes.load_u(c), lanes.load_u(d));
        for (thresholds, masks) in thresholds.iter().zip(masks.chunks_exact_mut(2 * samples)) {
            let (first, second) = masks.split_at_mut(samples);
            for (first, second) in first.iter_mut().zip(second) {
                let draws = lanes.add_u(s0, s3);
                let t = lanes.shl::<9>(s1);
                s2 = lanes.xor(s2, s0);
                s3 = lanes.xor(s3, s1);
                s1 = lanes.xor(s1, s2);
                s0 = lanes.xor(s0, s3);
                s2 = lanes.xor(s2, t);
                s3 = lanes.xor(lanes.shl::<11>(s3), lanes.shr::<21>(s3));
                [*first, *second] = lanes.below(draws, thresholds);
            }
        }
        for (state, value) in self.0.iter_mut().zip([s0, s1, s2, s3]) {
            lanes.store_u(value, state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exp(x: f32) -> f32 {
        Portable.exp([x; 8])[3]
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
        let thresholds: [i16; 16] = std::array::from_fn(|i| (q[i % 8] * 65536.0 - 32768.0) as i16);
        let n = 40_000;
        let mut masks = vec![[0u8; 8]; 4];
        let (mut ones, mut both) = ([0f64; 16], 0f64);
        for _ in 0..n {
            generator.draw(Portable, &[thresholds], 2, &mut masks);
            for (j, ones) in ones.iter_mut().enumerate() {
                // Second sample of each tile.
                *ones += f64::from(masks[2 * (j / 8) + 1][j % 8] & 1);
            }
            both += f64::from(masks[0][3] & masks[1][3] & 1) + f64::from(masks[0][3] & masks[2][3] & 1);
        }
        for (j, ones) in ones.iter().enumerate() {
            let q: f64 = q[j % 8];
            assert!((ones / n as f64 - q).abs() < 4.5 * (q * (1.0 - q) / n as f64).sqrt() + 2e-5, "{j}");
        }
        assert!((both / n as f64 - 0.5).abs() < 0.015);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn avx2_and_arrays_give_the_same_bits() {
        let Some(avx2) = Avx2::detect() else { return };
        let mut generators = [Generator::new(&mut crate::seed::stream(3, &["masks"])); 2];
        let thresholds: Vec<[i16; 16]> = (0..5).map(|i| std::array::from_fn(|j| (i * 8000 + j * 777) as i16)).collect();
        let mut masks = [vec![[0u8; 8]; 30], vec![[0u8; 8]; 30]];
        generators[0].draw(avx2, &thresholds, 3, &mut masks[0]);
        generators[1].draw(Portable, &thresholds, 3, &mut masks[1]);
        assert_eq!(masks[0], masks[1]);
        assert_eq!(generators[0], generators[1]);
        let x: [f32; 8] = std::array::from_fn(|i| i as f32 * 3.7 - 20.0);
        let mut y = [0f32; 8];
        avx2.store(avx2.exp(avx2.load(&x)), &mut y);
        assert_eq!(y, Portable.exp(x));
        avx2.store(avx2.keep(avx2.load(&x), avx2.widen(&masks[0][7])), &mut y);
        assert_eq!(y, Portable.keep(x, Portable.widen(&masks[0][7])));
    }
}
