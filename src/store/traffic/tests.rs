use super::*;

#[tokio::test(start_paused = true)]
async fn refusals_halve_what_is_in_flight_once_a_second_and_answers_raise_it_again() {
    let traffic = Traffic::new(16);
    for _ in 0..5 {
        traffic.answered(503, true);
    }
    assert_eq!(traffic.state().allowed, 8.0);
    tokio::time::advance(ONE_CUT).await;
    traffic.answered(429, true);
    assert_eq!(traffic.state().allowed, 4.0);
    for _ in 0..200 {
        traffic.answered(200, true);
    }
    assert_eq!(traffic.state().allowed, 16.0);
    let requests = traffic.requests();
    assert_eq!((requests.throttled, requests.fewest_in_flight), (6, 4));
    tokio::time::advance(ONE_CUT).await;
    traffic.answered(503, false);
    assert_eq!(traffic.state().allowed, 16.0);
    assert_eq!(traffic.requests().throttled, 7);
}

#[tokio::test]
async fn a_refusal_halves_what_was_in_flight_and_not_what_was_allowed() {
    let traffic = Traffic::new(4096);
    let mut permits = Vec::new();
    for _ in 0..100 {
        permits.push(traffic.permit().await);
    }
    permits.truncate(70);
    traffic.answered(503, true);
    // one lock after the other
    let allowed = traffic.state().allowed;
    assert_eq!((allowed, traffic.requests().fewest_in_flight), (50.0, 50));
}

#[test]
fn a_later_count_less_an_earlier_one_is_what_came_between() {
    let traffic = Traffic::new(16);
    traffic.sent("GET");
    traffic.sent("PUT");
    traffic.retried();
    let before = traffic.requests();
    assert_eq!(before.less(&Requests::default()), before);
    traffic.sent("GET");
    traffic.sent("GET");
    traffic.answered(503, false);
    let between = traffic.requests().less(&before);
    assert_eq!(between.by_method, BTreeMap::from([("GET".to_owned(), 2)]));
    assert_eq!((between.retried, between.throttled, between.fewest_in_flight), (0, 1, 16));
}

#[test]
fn error_documents_are_told_from_listings_and_images() {
    for (text, is) in [
        ("<?xml version=\"1.0\"?>\n<Error><Code>SlowDown</Code></Error>", true),
        ("<Error xmlns=\"x\">", true),
        ("<?xml version=\"1.0\"?><ListBucketResult><Error>", false),
        ("<Errors>", false),
        ("\u{0}PNG", false),
        ("", false),
    ] {
        assert_eq!(is_error_document(text.as_bytes()), is, "{text}");
    }
}

#[tokio::test]
async fn the_refusal_of_a_head_carries_the_code_of_its_header() {
    for (value, expected) in
        [("BlobNotFound", "<Error><Code>BlobNotFound</Code></Error>"), ("<Code>InvalidToken", "")]
    {
        let mut refusal = HttpResponse::new(String::new().into());
        refusal.headers_mut().insert("x-ms-error-code", value.try_into().unwrap());
        assert_eq!(with_code(refusal).into_body().bytes().await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_permit_waits_until_another_is_released() {
    let traffic = Traffic::new(1);
    let first = traffic.permit().await;
    let second = tokio::time::timeout(Duration::from_millis(20), traffic.permit()).await;
    assert!(second.is_err());
    drop(first);
    tokio::time::timeout(Duration::from_secs(5), traffic.permit()).await.unwrap();
}
