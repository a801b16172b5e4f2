/**
 * Standard base64 with padding, checked as strictly as Go's decoder does. JavaScript's own decoders skip invalid characters.
 *
 * Source: Go's `encoding/base64`, StdEncoding.
 */

const clean = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const pad = 0x3d;

function pastNewlines(bytes: Buffer, from: number): number {
  let at = from;
  while (bytes[at] === 0x0a || bytes[at] === 0x0d) at++;
  return at;
}

/**
 * Checks base64 text. @returns the text without line breaks, or the position at which Go's decoder fails, for the message
 * `illegal base64 data at input byte 3`
 */
export function checkBase64(text: string): { text: string } | { illegalAt: number } {
  const plain = /[\r\n]/.test(text) ? text.replace(/[\r\n]/g, '') : text;
  if (plain.length % 4 === 0 && clean.test(plain)) return { text: plain };
  return { illegalAt: illegalByte(Buffer.from(text)) };
}

function illegalByte(bytes: Buffer): number {
  let at = 0;
  for (;;) {
    for (let place = 0; place < 4; place++) {
      at = pastNewlines(bytes, at);
      if (at === bytes.length) return at - place;
      const code = bytes[at++] as number;
      if (/[A-Za-z0-9+/]/.test(String.fromCharCode(code))) continue;
      if (code !== pad || place < 2) return at - 1;
      return illegalPadding(bytes, at, place);
    }
  }
}

/** The position that Go reports for wrong padding, when the first `=` is at the third or fourth place of its group. */
function illegalPadding(bytes: Buffer, after: number, place: number): number {
  let at = pastNewlines(bytes, after);
  if (place === 2) {
    if (at === bytes.length) return bytes.length;
    if (bytes[at] !== pad) return at - 1;
    at = pastNewlines(bytes, at + 1);
  }
  return at;
}
