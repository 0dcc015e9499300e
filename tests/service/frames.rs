//! HTTP/2 by the frame: what no client would send.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Where attacks come from: another address than the bystander's, on the loopback.
const ATTACKER: [u8; 4] = [127, 0, 0, 2];

/// A connection that has said nothing yet.
pub async fn silent(server: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((ATTACKER, 0).into())?;
    socket.connect(server).await
}

/// A connection that has greeted, with these settings.
pub async fn greeted(server: SocketAddr, settings: &[(u16, u32)]) -> std::io::Result<TcpStream> {
    let mut stream = silent(server).await?;
    stream.write_all(GREETING).await?;
    let mut payload = Vec::new();
    for (name, value) in settings {
        payload.extend(name.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    stream.write_all(&frame(SETTINGS, 0, 0, &payload)).await?;
    Ok(stream)
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// HPACK of a gRPC call's headers, without a table or Huffman codes.
pub fn call(path: &str) -> Vec<u8> {
    // :method POST and :scheme http are entries of the static table; the names of :path and :authority too.
    let mut block = vec![0x83, 0x86];
    block.push(0x04);
    text(&mut block, path);
    block.push(0x01);
    text(&mut block, "kith");
    header(&mut block, "content-type", "application/grpc");
    header(&mut block, "te", "trailers");
    block
}

pub fn header(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0x00);
    text(block, name);
    text(block, value);
}

fn text(block: &mut Vec<u8>, text: &str) {
    // A length of more than seven bits goes on in groups of seven.
    if text.len() < 127 {
        block.push(text.len() as u8);
    } else {
        block.push(127);
        let mut rest = text.len() - 127;
        while rest >= 128 {
            block.push((rest % 128) as u8 | 128);
            rest /= 128;
        }
        block.push(rest as u8);
    }
    block.extend(text.as_bytes());
}

/// Reads and forgets until the server ends the connection; false if it does not within the bound.
pub async fn is_ended(stream: &mut TcpStream, bound: Duration) -> bool {
    let read = async {
        let mut bytes = [0; 4_096];
        while !matches!(stream.read(&mut bytes).await, Ok(0) | Err(_)) {}
    };
    tokio::time::timeout(bound, read).await.is_ok()
}

/// Reads one frame; whether it is the head of an answer.
pub async fn answer_began(stream: &mut TcpStream) -> bool {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    stream.read_exact(&mut vec![0; length]).await.unwrap();
    head[3] == HEADERS
}
