use bytes::BytesMut;
use proptest::prelude::*;

use super::huffman;
use super::{Decoder, put_literal, put_status};

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u8> = hexadecimal.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Option<Vec<(String, String)>> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut fields = Vec::new();
    let decoded = decoder.decode(block, |(name, value)| fields.push((text(&name), text(&value))));
    decoded.ok().map(|()| fields)
}

/// RFC 7541, C.3 to C.6: blocks, their fields, and the table's size after each.
#[test]
fn the_examples_of_the_rfc() {
    const GET: &str = ":method: GET|:scheme: http|:path: /|:authority: www.example.com";
    const SECURE: &str = ":method: GET|:scheme: https|:path: /index.html|\
                          :authority: www.example.com|custom-key: custom-value";
    let no_cache = format!("{GET}|cache-control: no-cache");
    let requests = [(GET, 57), (&no_cache, 110), (SECURE, 164)];
    let redirect = |status: &str, date: &str| {
        format!(
            ":status: {status}|cache-control: private|date: Mon, 21 Oct 2013 20:13:{date} GMT|\
             location: https://www.example.com"
        )
    };
    let cookie = ":status: 200|cache-control: private|date: Mon, 21 Oct 2013 20:13:22 GMT|\
                  location: https://www.example.com|content-encoding: gzip|\
                  set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
    let (first, second) = (redirect("302", "21"), redirect("307", "21"));
    let responses = [(&*first, 222), (&second, 222), (cookie, 215)];
    let examples = [
        (
            4096,
            requests,
            [
                "828684410f7777772e6578616d706c652e636f6d",
                "828684be58086e6f2d6361636865",
                "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
            ],
        ),
        (
            4096,
            requests,
            [
                "828684418cf1e3c2e5f23a6ba0ab90f4ff",
                "828684be5886a8eb10649cbf",
                "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
            ],
        ),
        (
            256,
            responses,
            [
                "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120\
             474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
                "4803333037c1c0bf",
                "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738\
             666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d33\
             3630303b2076657273696f6e3d31",
            ],
        ),
        (
            256,
            responses,
            [
                "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad1718\
             63c78f0b97c8e9ae82ae43d3",
                "4883640effc1c0bf",
                "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7\
             b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
            ],
        ),
    ];
    for (most, expected, blocks) in examples {
        let mut decoder = Decoder::new(most);
        for ((fields, size), block) in expected.into_iter().zip(blocks) {
            let found = decode(&mut decoder, &bytes(block)).unwrap();
            let found: Vec<_> =
                found.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            assert_eq!(found.join("|"), fields);
            assert_eq!(decoder.table_bytes(), size);
        }
    }
}

#[test]
fn every_byte_has_a_code_and_padding_is_strict() {
    let all: Vec<u8> = (0..=255).collect();
    let (mut coded, mut out) = (BytesMut::new(), BytesMut::new());
    huffman::encode(&all, &mut coded);
    huffman::decode(&coded, &mut out).unwrap();
    assert_eq!(out[..], all[..]);
    // RFC 7541, 5.2: zeros as padding, a whole byte of padding, and the end's own code.
    for bad in [&[0b0000_0000][..], &[0b0001_1111, 0xff], &[0xff; 4], &[0xff]] {
        assert_eq!(huffman::decode(bad, &mut out), None, "{bad:x?}");
    }
}

#[test]
fn what_is_no_header_block_is_an_error() {
    for bad in ["80", "c5", "ff8080808080", "0003", "008201", "3fe21f", "823f00", "202020", "41"] {
        assert_eq!(decode(&mut Decoder::new(4096), &bytes(bad)), None, "{bad}");
    }
    assert_eq!(decode(&mut Decoder::new(4096), &bytes("3fe11f20 82")).unwrap().len(), 1);
}

proptest! {
    #[test]
    fn literals_are_read_as_they_were_written(
        status in 100_u16..1000, fields in proptest::collection::vec(("[a-z-]{1,30}", ".{0,300}"), 0..8),
    ) {
        let mut block = BytesMut::new();
        put_status(&mut block, status);
        for (name, value) in &fields {
            put_literal(&mut block, name.as_bytes(), value.as_bytes());
        }
        let mut decoder = Decoder::new(4096);
        let mut expected = vec![(":status".to_owned(), status.to_string())];
        expected.extend(fields);
        prop_assert_eq!(decode(&mut decoder, &block), Some(expected));
        prop_assert_eq!(decoder.changes(), 0);
    }

    #[test]
    fn huffman_both_ways(text: Vec<u8>) {
        let (mut coded, mut out) = (BytesMut::new(), BytesMut::new());
        huffman::encode(&text, &mut coded);
        prop_assert_eq!(huffman::decode(&coded, &mut out), Some(()));
        prop_assert_eq!(&out[..], &text[..]);
    }

    #[test]
    fn no_bytes_panic_and_the_table_keeps_its_size(blocks: Vec<Vec<u8>>) {
        let mut decoder = Decoder::new(4096);
        for block in blocks {
            decode(&mut decoder, &block);
            prop_assert!(decoder.table_bytes() <= 4096);
        }
    }
}
