//! The credentials of a store: requested once at a time, renewed before they expire, and at once if a store reports
//! that they have expired.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::error::CredentialError;

/// How long before they expire credentials are renewed.
const EARLY: Duration = Duration::from_secs(5 * 60);
/// Not tried more often than this, while the present ones are valid.
const PAUSE: Duration = Duration::from_secs(30);

/// Something that gives credentials.
#[async_trait]
pub(in crate::store) trait Source: fmt::Debug + Send + Sync + 'static {
    /// Gets credentials anew.
    ///
    /// # Errors
    /// If there are none.
    async fn ask(&self) -> Result<Answer, CredentialError>;
}

/// Credentials, and who gave them.
#[derive(Clone)]
pub(in crate::store) struct Answer {
    pub credential: Arc<AwsCredential>,
    /// When they expire, if that is known.
    pub expiry: Option<SystemTime>,
    /// The source, for a person.
    pub by: String,
}

/// The credentials of a store.
pub(in crate::store) struct Credentials {
    source: Box<dyn Source>,
    state: RwLock<State>,
    /// Held while the source is asked.
    flight: Mutex<()>,
}

#[derive(Default)]
struct State {
    held: Option<Answer>,
    /// Grows with every new answer.
    generation: u64,
    /// Grows whenever the source was asked.
    asked: u64,
    /// The last error of the source, if it returned no credentials.
    failure: Option<CredentialError>,
    /// When the source was last asked.
    at: Option<Instant>,
}

/// The credentials that are held.
enum Held {
    Fresh(Answer),
    /// Valid, and to be renewed.
    Old(Answer),
    Nothing,
}

impl State {
    fn held(&self) -> Held {
        let Some(answer) = &self.held else { return Held::Nothing };
        let left = answer.expiry.map(|expiry| expiry.duration_since(SystemTime::now()).unwrap_or_default());
        let is_paused = self.at.is_some_and(|at| at.elapsed() < PAUSE);
        match left {
            Some(Duration::ZERO) => Held::Nothing,
            Some(left) if left <= EARLY && !is_paused => Held::Old(answer.clone()),
            _ => Held::Fresh(answer.clone()),
        }
    }
}

impl Credentials {
    pub fn new(source: impl Source) -> Credentials {
        Credentials { source: Box::new(source), state: RwLock::default(), flight: Mutex::default() }
    }

    fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The number of the credentials that are held.
    pub fn generation(&self) -> u64 {
        self.look(|state| state.generation)
    }

    /// Returns valid credentials.
    ///
    /// # Errors
    /// If none are held and the source gives none.
    pub async fn get(&self) -> Result<Answer, CredentialError> {
        let (held, asked) = self.look(|state| (state.held(), state.asked));
        match held {
            Held::Fresh(answer) => Ok(answer),
            Held::Old(answer) => match self.flight.try_lock() {
                Err(_) => Ok(answer),
                Ok(flight) => Ok(self.renewed(&flight).await.unwrap_or_else(|error| {
                    tracing::warn!(%error, by = answer.by, "the credentials cannot be renewed yet");
                    answer
                })),
            },
            Held::Nothing => {
                let flight = self.flight.lock().await;
                // another one may have asked meanwhile
                match self.look(|state| (state.held(), state.asked != asked, state.failure.clone())) {
                    (Held::Fresh(answer) | Held::Old(answer), _, _) => Ok(answer),
                    (Held::Nothing, true, Some(failure)) => Err(failure),
                    (Held::Nothing, _, _) => self.renewed(&flight).await,
                }
            }
        }
    }

    /// Gets other credentials than those of this generation, which a store refused as expired. False if the source has
    /// no others.
    ///
    /// # Errors
    /// If the source gives none.
    pub async fn renew(&self, generation: u64) -> Result<bool, CredentialError> {
        let asked = self.look(|state| state.asked);
        let flight = self.flight.lock().await;
        let (now, was_asked, failure) =
            self.look(|state| (state.generation, state.asked != asked, state.failure.clone()));
        if now != generation {
            return Ok(true);
        }
        if was_asked {
            return failure.map_or(Ok(false), Err);
        }
        self.renewed(&flight).await?;
        Ok(self.generation() != generation)
    }

    async fn renewed(&self, _: &MutexGuard<'_, ()>) -> Result<Answer, CredentialError> {
        let asked = self.source.ask().await;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.asked += 1;
        state.at = Some(Instant::now());
        state.failure = asked.as_ref().err().cloned();
        let answer = asked?;
        let is_new = state.held.as_ref().is_none_or(|held| held.credential != answer.credential);
        if is_new {
            state.generation += 1;
        }
        state.held = Some(answer.clone());
        Ok(answer)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("source", &self.source).finish_non_exhaustive()
    }
}

#[async_trait]
impl CredentialProvider for Credentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        Ok(self.get().await?.credential)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex as Lock;

    use super::*;

    /// A key and the seconds after which it expires, or none.
    type Given = Option<(&'static str, i64)>;

    #[derive(Debug, Default)]
    struct Script {
        answers: VecDeque<Given>,
        asked: usize,
    }

    /// Gives what it is scripted to, and then nothing.
    #[derive(Debug, Clone, Default)]
    struct Scripted(Arc<Lock<Script>>);

    impl Scripted {
        fn new(answers: &[Given]) -> Scripted {
            let script = Script { answers: answers.iter().copied().collect(), asked: 0 };
            Scripted(Arc::new(Lock::new(script)))
        }

        fn asked(&self) -> usize {
            self.0.lock().unwrap().asked
        }
    }

    #[async_trait]
    impl Source for Scripted {
        async fn ask(&self) -> Result<Answer, CredentialError> {
            let next = {
                let mut script = self.0.lock().unwrap();
                script.asked += 1;
                script.answers.pop_front().flatten()
            };
            // others come meanwhile
            tokio::task::yield_now().await;
            let (key, seconds) = next.ok_or(CredentialError::Missing { asked: "nothing".into() })?;
            let now = SystemTime::now();
            let span = Duration::from_secs(seconds.unsigned_abs());
            let expiry = if seconds < 0 { now - span } else { now + span };
            let credential = AwsCredential { key_id: key.into(), secret_key: "s".into(), token: None };
            Ok(Answer { credential: Arc::new(credential), expiry: Some(expiry), by: "a script".into() })
        }
    }

    async fn key(credentials: &Credentials) -> Option<String> {
        credentials.get().await.ok().map(|answer| answer.credential.key_id.clone())
    }

    #[tokio::test]
    async fn many_that_come_at_once_ask_once_whether_there_are_credentials_or_not() {
        for (answers, expected) in [(&[Some(("a", 3600))][..], Some("a")), (&[None], None)] {
            let source = Scripted::new(answers);
            let credentials = Credentials::new(source.clone());
            let keys = futures::future::join_all((0..20).map(|_| key(&credentials))).await;
            assert!(keys.iter().all(|key| key.as_deref() == expected), "{keys:?}");
            assert_eq!(source.asked(), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn they_are_renewed_five_minutes_before_they_expire_and_kept_if_that_fails() {
        let source = Scripted::new(&[Some(("a", 299)), None, Some(("b", 3600))]);
        let credentials = Credentials::new(source.clone());
        assert_eq!(key(&credentials).await.as_deref(), Some("a"));
        assert_eq!((key(&credentials).await.as_deref(), source.asked()), (Some("a"), 1), "within the pause");
        tokio::time::advance(PAUSE).await;
        assert_eq!((key(&credentials).await.as_deref(), source.asked()), (Some("a"), 2), "it fails");
        tokio::time::advance(PAUSE).await;
        assert_eq!((key(&credentials).await.as_deref(), source.asked()), (Some("b"), 3));
        tokio::time::advance(PAUSE).await;
        assert_eq!((key(&credentials).await.as_deref(), source.asked()), (Some("b"), 3), "long before");
    }

    #[tokio::test]
    async fn expired_ones_are_never_given() {
        let source = Scripted::new(&[Some(("a", -1)), None]);
        let credentials = Credentials::new(source.clone());
        // the source may extend what it knows, so its word is taken once
        assert_eq!(key(&credentials).await.as_deref(), Some("a"));
        assert_eq!(key(&credentials).await, None);
        assert_eq!(source.asked(), 2);
    }

    #[tokio::test]
    async fn one_that_is_cancelled_while_it_asks_leaves_that_to_the_next() {
        let source = Scripted::new(&[Some(("a", 3600)), Some(("b", 3600))]);
        let credentials = Credentials::new(source.clone());
        let mut second = Box::pin(key(&credentials));
        {
            let mut first = std::pin::pin!(credentials.get());
            assert!(futures::poll!(first.as_mut()).is_pending());
            assert!(futures::poll!(second.as_mut()).is_pending());
        }
        assert_eq!((second.await.as_deref(), source.asked()), (Some("b"), 2));
    }

    #[tokio::test]
    async fn a_refusal_as_expired_asks_once_for_all_who_got_it() {
        let source = Scripted::new(&[Some(("a", 3600)), Some(("b", 3600))]);
        let credentials = Credentials::new(source.clone());
        key(&credentials).await;
        let used = credentials.generation();
        let renewed = futures::future::join_all((0..20).map(|_| credentials.renew(used))).await;
        assert!(renewed.iter().all(|renewed| matches!(renewed, Ok(true))), "{renewed:?}");
        assert_eq!((key(&credentials).await.as_deref(), source.asked()), (Some("b"), 2));
    }

    #[tokio::test]
    async fn a_source_that_gives_the_same_again_has_no_others() {
        let source = Scripted::new(&[Some(("a", 3600)), Some(("a", 3600)), None]);
        let credentials = Credentials::new(source.clone());
        key(&credentials).await;
        let used = credentials.generation();
        let renewed = futures::future::join_all((0..20).map(|_| credentials.renew(used))).await;
        assert!(renewed.iter().all(|renewed| matches!(renewed, Ok(false))), "{renewed:?}");
        assert_eq!(source.asked(), 2);
        assert!(credentials.renew(used).await.is_err());
    }
}
