use super::Probe;
use crate::Result;
use ndarray::ArrayView2;

/// Fits a probe: what every family's checked parameters can do.
///
/// Each is also a [`linfa::traits::Fit`] on a [`linfa::Dataset`] of the same records and labels.
pub trait Estimator {
    /// The fitted probe.
    type Fitted: Probe;

    /// Fits on activations `[words, neurons]` and the words' class indices, borrowed.
    ///
    /// # Errors
    /// [`crate::Error::Data`] if an activation is not finite, words and labels differ in number, there are fewer than two
    /// words or classes, or the fit fails.
    fn fit_view(&self, records: ArrayView2<f32>, labels: &[usize]) -> Result<Self::Fitted>;
}

/// Makes an [`Estimator`] a linfa one.
macro_rules! linfa_fit {
    ($params:ty) => {
        impl<D, T> ::linfa::traits::Fit<::ndarray::ArrayBase<D, ::ndarray::Ix2>, T, $crate::Error> for $params
        where
            D: ::ndarray::Data<Elem = f32>,
            T: ::linfa::dataset::AsSingleTargets<Elem = usize>,
        {
            type Object = <$params as $crate::probe::Estimator>::Fitted;

            /// As [`fit_view`](crate::probe::Estimator::fit_view).
            fn fit(
                &self,
                dataset: &::linfa::dataset::DatasetBase<::ndarray::ArrayBase<D, ::ndarray::Ix2>, T>,
            ) -> $crate::Result<Self::Object> {
                let labels = ::linfa::dataset::AsSingleTargets::as_single_targets(dataset).to_vec();
                $crate::probe::Estimator::fit_view(self, dataset.records().view(), &labels)
            }
        }
    };
}
pub(super) use linfa_fit;
