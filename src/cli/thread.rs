//! Work that takes long, on a thread of its own.

use super::failure::Failure;
use crate::app::Threads;

/// Runs work on a thread, or fails where none can be made: `tokio`'s threads for it panic there, or wait for ever.
pub async fn on_thread<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let done = Threads::default().job(name, work);
    let done = done.map_err(|error| Failure::new(format!("the thread {name} cannot be made: {error}")))?;
    done.await.map_err(|_| Failure::new(format!("the thread {name} ended badly")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_panics_is_a_failure() {
        assert_eq!(on_thread("works", || 7).await.ok(), Some(7));
        let failure = on_thread::<u8>("breaks", || panic!("for the test")).await.err();
        assert_eq!(failure.map(|failure| failure.in_words()), Some("the thread breaks ended badly".to_owned()));
    }
}
