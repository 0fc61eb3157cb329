//! Pages of listings as stores write them, and what is none.

use super::page::{Listed, PageError, parse};

const S3: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

#[test]
fn pages_of_every_store_are_pages() {
    for page in [
        format!("<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"{S3}\"><IsTruncated>false</IsTruncated></ListBucketResult>"),
        format!("<ListBucketResult xmlns=\"{S3}\"><IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b</NextContinuationToken></ListBucketResult>\n"),
        "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>&amp;</NextContinuationToken></ListBucketResult>".into(),
        "<ListBucketResult><Name>b</Name><IsTruncated> 0 </IsTruncated></ListBucketResult>".into(),
        "<ListBucketResult><NextContinuationToken>a</NextContinuationToken></ListBucketResult>".into(),
        "\u{feff}<?xml version=\"1.0\"?><EnumerationResults><Blobs/><NextMarker/></EnumerationResults>".into(),
        "<!-- kept --><ListBucketResult><IsTruncated>False</IsTruncated><Contents><Key>Error</Key><Size>1</Size></Contents></ListBucketResult>".into(),
    ] {
        assert!(parse(page.as_bytes()).is_ok(), "{page}");
    }
}

#[test]
fn a_page_that_does_not_say_whether_keys_follow_is_no_last_page() {
    for (inside, expected) in [
        ("", PageError::NoEnd),
        ("<Name>b</Name>", PageError::NoEnd),
        ("<IsTruncated/>", PageError::NoEnd),
        ("<IsTruncated>no</IsTruncated>", PageError::NoEnd),
        ("<IsTruncated>1</IsTruncated>", PageError::NoWayOn),
    ] {
        let page = format!("<ListBucketResult>{inside}</ListBucketResult>");
        assert_eq!(parse(page.as_bytes()), Err(expected), "{inside}");
    }
}

#[test]
fn an_error_inside_of_a_page_is_named() {
    let page = "<ListBucketResult><IsTruncated>false</IsTruncated><Error><Code>InternalError</Code></Error></ListBucketResult>";
    let code = Some("InternalError".to_owned());
    assert_eq!(parse(page.as_bytes()), Err(PageError::Foreign { root: "Error".into(), code }));
}

#[test]
fn keys_are_read_as_they_are_written() {
    let page = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b</NextContinuationToken>\
                <Contents><Key> a//b&amp;&#x1;.jpg/ </Key><Size>7</Size><ETag>&quot;x&quot;</ETag>\
                <LastModified>2026-01-01T00:00:00Z</LastModified><Owner><ID>o</ID></Owner></Contents>\
                <Contents><Key><![CDATA[<c>]]></Key><Size>0</Size></Contents>\
                <CommonPrefixes><Prefix>d//</Prefix></CommonPrefixes></ListBucketResult>";
    let found = parse(page.as_bytes()).unwrap();
    let first = Listed {
        key: " a//b&\u{1}.jpg/ ".into(),
        size: 7,
        etag: Some("\"x\"".into()),
        modified: "2026-01-01T00:00:00Z".into(),
    };
    let second = Listed { key: "<c>".into(), ..Listed::default() };
    assert_eq!(found.objects, [first, second]);
    assert_eq!((found.folders, found.token.as_deref()), (vec!["d//".to_owned()], Some("a&b")));
}

#[test]
fn azure_s_folders_are_no_objects_and_its_encoded_names_are_decoded() {
    let page = "<EnumerationResults><Prefix>in/</Prefix><Blobs>\
                <Blob><Name>in/a</Name><Properties><ResourceType>directory</ResourceType></Properties></Blob>\
                <Blob><Name Encoded=\"true\">in/b%EF%BF%BE</Name><Properties><Last-Modified>Wed, 21 Oct 2015 07:28:00 GMT\
                </Last-Modified><Etag>0x8D</Etag><Content-Length>3</Content-Length></Properties></Blob>\
                <BlobPrefix><Name>in/c/</Name></BlobPrefix></Blobs><NextMarker>2!a</NextMarker></EnumerationResults>";
    let found = parse(page.as_bytes()).unwrap();
    let blob = Listed {
        key: "in/b\u{fffe}".into(),
        size: 3,
        etag: Some("0x8D".into()),
        modified: "Wed, 21 Oct 2015 07:28:00 GMT".into(),
    };
    assert_eq!((found.objects, found.folders), (vec![blob], vec!["in/c/".to_owned()]));
    assert_eq!((found.token.as_deref(), found.is_azure), (Some("2!a"), true));
}

#[test]
fn an_object_without_a_key_or_a_size_is_no_object() {
    for inside in [
        "<Contents><Key>a</Key></Contents>",
        "<Contents><Size>1</Size></Contents>",
        "<Contents><Key>a</Key><Size>x</Size></Contents>",
        "<Contents><Key>a&nbsp;</Key><Size>1</Size></Contents>",
    ] {
        let page = format!("<ListBucketResult>{inside}</ListBucketResult>");
        assert!(matches!(parse(page.as_bytes()), Err(PageError::Malformed(_))), "{inside}");
    }
}

#[test]
fn another_document_is_named_by_its_root_and_its_code() {
    for (body, root, code) in [
        ("<html><body>busy</body></html>", "html", None),
        ("<!DOCTYPE html>\n<html>", "html", None),
        ("<Error><Code>SlowDown</Code></Error>", "Error", Some("SlowDown")),
        ("<!-- x --><Error><Code>SlowDown</Code></Error>", "Error", Some("SlowDown")),
        ("<s:Error xmlns:s=\"x\"/>", "Error", None),
        ("<ErrorResponse><Error><Code>Busy</Code></Error></ErrorResponse>", "ErrorResponse", Some("Busy")),
        ("<ListBucketResult/>", "ListBucketResult", None),
        ("<ListAllMyBucketsResult></ListAllMyBucketsResult>", "ListAllMyBucketsResult", None),
        ("{\"kind\": \"storage#objects\"}", "not XML", None),
        ("busy", "not XML", None),
    ] {
        let found = parse(body.as_bytes()).unwrap_err();
        let expected = PageError::Foreign { root: root.into(), code: code.map(str::to_owned) };
        assert_eq!(found, expected, "{body}");
    }
}

#[test]
fn an_empty_body_and_a_body_that_was_cut_are_no_pages() {
    for body in ["", " \n", "\u{feff}"] {
        assert_eq!(parse(body.as_bytes()), Err(PageError::Empty), "{body:?}");
    }
    let page = "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>";
    assert!(parse(page.as_bytes()).is_ok());
    for (at, _) in page.char_indices().filter(|(at, _)| *at > 0) {
        let cut = parse(&page.as_bytes()[..at]);
        assert!(cut.is_err(), "{} passes for a page", &page[..at]);
    }
}

#[test]
fn a_page_before_the_last_must_say_where() {
    for token in [
        "",
        "<NextContinuationToken></NextContinuationToken>",
        "<NextContinuationToken/>",
        "<NextMarker>a</NextMarker>",
        "<Contents><Key>a</Key><Size>1</Size><NextContinuationToken>a</NextContinuationToken></Contents>",
    ] {
        let page = format!("<ListBucketResult><IsTruncated>true</IsTruncated>{token}</ListBucketResult>");
        assert_eq!(parse(page.as_bytes()), Err(PageError::NoWayOn), "{page}");
    }
}
