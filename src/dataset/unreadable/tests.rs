use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::future::BoxFuture;
use object_store::aws::AmazonS3Builder;
use object_store::client::*;
use object_store::{ClientOptions, RetryConfig};
use tokio::time::{Duration, Instant};

use super::{Patience, Verdict};
use crate::dataset::{Intake, Pass, ReadError, Stop, Ticket};
use crate::failure::Failure;
use crate::sample::{ErrorKind, Sample};
use crate::store::{FetchError, Location, Planned, Reason, Settings};

/// What a store answers for each key; 200 by default.
#[derive(Debug, Clone, Default)]
struct Answers(Arc<Mutex<HashMap<String, u16>>>);

impl Answers {
    fn set(&self, key: &str, status: u16) {
        self.0.lock().unwrap().insert(key.to_owned(), status);
    }
}

impl HttpConnector for Answers {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Answers {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let key = request.uri().path().rsplit('/').next().unwrap().to_owned();
        let status = self.0.lock().unwrap().get(&key).copied().unwrap_or(200);
        let status = if status == 200 && request.headers().contains_key("range") { 206 } else { status };
        let mut response = HttpResponse::new("x".to_owned().into());
        *response.status_mut() = status.try_into().unwrap();
        for (name, value) in [
            ("content-length", "1"),
            ("content-range", "bytes 0-0/1"),
            ("etag", "\"1\""),
            ("last-modified", "Sun, 29 Nov 2026 00:00:00 GMT"),
        ] {
            response.headers_mut().insert(name, value.try_into().unwrap());
        }
        Ok(response)
    }
}

/// Counts by reason.
#[derive(Default)]
struct Counting(Mutex<Vec<Reason>>);

impl Intake for Counting {
    fn admit(&self, _: Sample, _: Option<u64>) -> BoxFuture<'_, Result<Box<dyn Ticket>, Stop>> {
        Box::pin(async { Err(Stop) })
    }

    fn unreadable(&self, reason: Reason) {
        self.0.lock().unwrap().push(reason);
    }
}

const PATIENCE: Duration = Duration::from_secs(150);

struct World {
    answers: Answers,
    patience: Patience,
    counted: Counting,
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Read,
    Row(String),
    GivenUp,
    Failed(u8, bool),
}

impl World {
    /// A store with the poison key `p`, and other keys that were read before.
    fn new(seen: &[&str], most: usize) -> World {
        let answers = Answers::default();
        let input = input(&answers);
        let patience = Patience::new(&input, Vec::new()).with_most(most);
        seen.iter().for_each(|key| patience.probe.record_read(key, 1));
        World { answers, patience, counted: Counting::default() }
    }

    /// Another store of the same input, with a witness.
    fn beside(&self) -> World {
        let answers = Answers::default();
        let patience = self.patience.beside(&input(&answers), "s3://other/");
        patience.probe.record_read("a", 1);
        World { answers, patience, counted: Counting::default() }
    }

    async fn read(&self, key: &str, pass: Pass) -> (Outcome, u64) {
        let (began, mut waiting) = (Instant::now(), None);
        let took = |outcome| (outcome, began.elapsed().as_secs());
        if self.patience.skips(key, pass) {
            return took(Outcome::GivenUp);
        }
        loop {
            let input = self.patience.input(waiting.as_ref());
            let error = match input.fetch(key, Planned::default(), 9).await {
                Ok(_) => return took(Outcome::Read),
                Err(FetchError::Store(error)) => error,
                Err(error) => panic!("{error}"),
            };
            match self.patience.after(&mut waiting, key, error, (pass, &self.counted)).await {
                Ok(Verdict::Again) => {}
                Ok(Verdict::Row(error)) => {
                    assert_eq!(error.kind, ErrorKind::Unreadable);
                    return took(Outcome::Row(error.message));
                }
                Ok(Verdict::GivenUp) => return took(Outcome::GivenUp),
                Err(error) => {
                    let too_many = matches!(error, ReadError::TooManyUnreadable { .. });
                    return took(Outcome::Failed(Failure::from(error).exit.code(), too_many));
                }
            }
        }
    }
}

fn input(answers: &Answers) -> Location {
    let store = AmazonS3Builder::new()
        .with_bucket_name("b")
        .with_skip_signature(true)
        .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
        .with_http_connector(answers.clone())
        .build()
        .unwrap();
    let settings = Settings { retry: PATIENCE, ..Settings::default() };
    Location::over(Arc::new(store), "s3://b", settings).unwrap()
}

fn row(status: u16) -> Outcome {
    Outcome::Row(format!(
        "the store answers with status {status} for this object, although others can be read"
    ))
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_means_never_is_a_row_after_three_tries_in_ten_seconds() {
    for status in [301, 400, 405, 410, 451, 501] {
        let world = World::new(&["a"], 10);
        world.answers.set("p", status);
        let (outcome, seconds) = world.read("p", Pass::First).await;
        assert_eq!(outcome, row(status));
        assert!((10..14).contains(&seconds), "{status}: {seconds} s");
        assert_eq!(*world.counted.0.lock().unwrap(), [Reason::Refused]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_may_pass_is_waited_for_and_its_key_is_a_row_only_in_the_second_pass() {
    for status in [500, 503, 429] {
        let world = World::new(&["a"], 10);
        world.answers.set("p", status);
        let (outcome, seconds) = world.read("p", Pass::First).await;
        assert_eq!(outcome, Outcome::GivenUp, "{status}");
        assert!((150..155).contains(&seconds), "{status}: {seconds} s");
        assert_eq!(world.read("p", Pass::First).await, (Outcome::GivenUp, 0));
        let (outcome, seconds) = world.read("p", Pass::Again).await;
        assert_eq!(outcome, row(status));
        assert!((10..14).contains(&seconds), "{status}: {seconds} s");
        // another key that fails there is no row
        world.answers.set("q", status);
        assert_eq!(world.read("q", Pass::Again).await.0, Outcome::Failed(69, false));
        assert_eq!(*world.counted.0.lock().unwrap(), [Reason::Status]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_given_in_the_end_is_read() {
    let world = World::new(&["a"], 10);
    world.answers.set("p", 503);
    let heals = async {
        tokio::time::sleep(PATIENCE / 2).await;
        world.answers.set("p", 200);
    };
    let ((outcome, seconds), ()) = tokio::join!(world.read("p", Pass::First), heals);
    assert_eq!(outcome, Outcome::Read);
    assert!((75..90).contains(&seconds), "{seconds} s");
}

#[tokio::test(start_paused = true)]
async fn a_failed_probe_restarts_the_clock() {
    for (status, at_least) in [(503, 200), (405, 110)] {
        let world = World::new(&["a"], 10);
        world.answers.set("p", status);
        world.answers.set("a", 500);
        let heals = async {
            tokio::time::sleep(Duration::from_secs(100)).await;
            world.answers.set("a", 200);
        };
        let ((outcome, seconds), ()) = tokio::join!(world.read("p", Pass::First), heals);
        assert_eq!(outcome, if status == 503 { Outcome::GivenUp } else { row(405) });
        assert!(seconds >= at_least, "{status}: {seconds} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_answers_for_nothing_is_an_outage_whatever_the_key_is_answered() {
    for status in [503, 405] {
        let world = World::new(&["a", "b"], 10);
        ["a", "b"].into_iter().for_each(|key| world.answers.set(key, 500));
        world.answers.set("p", status);
        let (outcome, seconds) = world.read("p", Pass::First).await;
        assert_eq!(outcome, Outcome::Failed(69, false));
        assert!((150..165).contains(&seconds), "{status}: {seconds} s");
        assert!(world.counted.0.lock().unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_witness_a_key_that_fails_is_an_outage() {
    // one that was read before and fails now is none
    for seen in [&[][..], &["p"]] {
        let world = World::new(seen, 10);
        world.answers.set("p", 400);
        assert_eq!(world.read("p", Pass::First).await.0, Outcome::Failed(69, false));
    }
}

#[tokio::test(start_paused = true)]
async fn a_witness_that_is_refused_gone_or_failing_is_replaced_by_another() {
    for witness in [403, 404, 500] {
        let world = World::new(&["a", "b"], 10);
        world.answers.set("p", 405);
        world.answers.set("b", witness);
        assert_eq!(world.read("p", Pass::First).await.0, row(405), "{witness}");
    }
}

#[tokio::test(start_paused = true)]
async fn more_keys_than_allowed_end_the_run_at_once() {
    let world = World::new(&["a"], 2);
    ["p", "q", "r"].into_iter().for_each(|key| world.answers.set(key, 503));
    let read = |key| world.read(key, Pass::First);
    let (p, q, r) = tokio::join!(read("p"), read("q"), read("r"));
    let mut outcomes = [p.0, q.0, r.0].map(|outcome| outcome == Outcome::Failed(69, true));
    outcomes.sort_unstable();
    assert_eq!(outcomes, [false, false, true]);
}

#[tokio::test(start_paused = true)]
async fn stores_of_one_input_have_their_own_witnesses_and_count_the_keys_that_are_given_up_together() {
    let first = World::new(&["a"], 1);
    let other = first.beside();
    first.answers.set("p", 503);
    other.answers.set("p", 503);
    assert_eq!(first.read("p", Pass::First).await.0, Outcome::GivenUp);
    // the same key on another store is another object, and one more than allowed
    assert!(!other.patience.skips("p", Pass::First));
    assert_eq!(other.read("p", Pass::First).await.0, Outcome::Failed(69, true));
    // a witness of the first store is no evidence about this one
    let other = World::new(&["a"], 10).beside();
    ["a", "q"].into_iter().for_each(|key| other.answers.set(key, 405));
    assert_eq!(other.read("q", Pass::First).await.0, Outcome::Failed(69, false));
}
