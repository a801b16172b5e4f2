/**
 * Reads PEM blocks, with the rules of Go's decoder. Text between blocks is ignored.
 *
 * It takes time in proportion to the text, whatever is in it: the decoder of @peculiar/x509 is a regular expression that a text of many
 * beginnings and no end holds for hours.
 *
 * Source: RFC 7468; Go's `encoding/pem`.
 */
import { checkBase64 } from '../codec/base64.ts';

/** One block: `-----BEGIN <type>-----`, headers, base64, `-----END <type>-----`. */
export interface PemBlock {
  type: string;
  headers: ReadonlyMap<string, string>;
  bytes: Buffer;
}

const begin = '-----BEGIN ';
const end = '-----END ';
const dashes = '-----';

/** The first block of `text`, and the text after it; undefined where there is no whole block. Blocks that are damaged are skipped. */
export function decodePem(text: string): { block: PemBlock; rest: string } | undefined {
  let from = 0;
  for (;;) {
    const endAt = lineStart(text, end, from);
    if (endAt === -1) return undefined;
    const afterEnd = lineEnd(text, endAt);
    const found = blockBetween(text.slice(from, endAt), text.slice(endAt, afterEnd).trimEnd());
    if (found !== undefined) return { block: found, rest: text.slice(afterEnd + 1) };
    from = afterEnd;
  }
}

/** @param before all text before the end line; the last beginning in it counts, as in Go */
function blockBetween(before: string, endLine: string): PemBlock | undefined {
  const beginAt = lastLineStart(before, begin);
  if (beginAt === -1) return undefined;
  const typeEnd = lineEnd(before, beginAt);
  const typeLine = before.slice(beginAt + begin.length, typeEnd).trimEnd();
  if (!typeLine.endsWith(dashes) || endLine !== `${end}${typeLine}`) return undefined;
  const { headers, body } = readHeaders(before.slice(typeEnd + 1));
  const base64 = checkBase64(body.replace(/[ \t]/g, ''));
  if ('illegalAt' in base64) return undefined;
  return { type: typeLine.slice(0, -dashes.length), headers, bytes: Buffer.from(base64.text, 'base64') };
}

function readHeaders(text: string): { headers: Map<string, string>; body: string } {
  const headers = new Map<string, string>();
  let at = 0;
  while (at < text.length) {
    const next = lineEnd(text, at);
    const line = text.slice(at, next);
    const colon = line.indexOf(':');
    if (colon === -1) break;
    headers.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
    at = next + 1;
  }
  return { headers, body: text.slice(at) };
}

/** Where the next line that begins with `prefix` starts; -1: there is none. */
function lineStart(text: string, prefix: string, from: number): number {
  if (from === 0 && text.startsWith(prefix)) return 0;
  const at = text.indexOf(`\n${prefix}`, Math.max(from - 1, 0));
  return at === -1 ? -1 : at + 1;
}

function lastLineStart(text: string, prefix: string): number {
  const at = text.lastIndexOf(`\n${prefix}`);
  if (at !== -1) return at + 1;
  return text.startsWith(prefix) ? 0 : -1;
}

/** The position of the line break that ends the line, or the length of the text. */
function lineEnd(text: string, from: number): number {
  const at = text.indexOf('\n', from);
  return at === -1 ? text.length : at;
}

/** The block as text, in lines of 64 characters. */
export function encodePem(type: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${type}-----\n${lines.map((line) => `${line}\n`).join('')}-----END ${type}-----\n`;
}
